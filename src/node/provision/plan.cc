#include "node/provision/plan.h"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "node/facts/facts_text.h"
#include "node/provision/action_json.h"
#include "node/provision/step_state.h"
#include "node/provision/text_json.h"

namespace gpunode::provision {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kVersion = 1;

Json encode(const std::string& text) {
  return Json::parse(text_json(text));
}

/// Throws what nlohmann throws at a member that is missing or no text.
std::string text_at(const Json& json, const char* key) {
  const Json& member = json.at(key);
  auto text = text_from_json(member.dump());
  return text ? *std::move(text) : member.get<std::string>();
}

/// Of a Step in a plan file, which may be anything.
std::string state_in(const Json& step) {
  const bool has_one =
      step.is_object() && step.contains("state") && step["state"].is_string();
  return has_one ? step["state"].get<std::string>() : "unknown";
}

Json step_json(const PlannedStep& step) {
  Json actions = Json::array();
  for (const Action& action : step.plan.actions) {
    actions.push_back(Json::parse(to_json(action)));
  }
  return {{"id", step.id},
          {"state", state_name(step.plan.state)},
          {"why", encode(step.plan.why)},
          {"fix", encode(step.plan.fix)},
          {"actions", std::move(actions)}};
}

Json plan_json(const Plan& plan) {
  Json steps = Json::array();
  for (const PlannedStep& step : plan.steps) steps.push_back(step_json(step));
  return {{"gpunode_plan", kVersion},
          {"host", encode(plan.host)},
          {"kernel", encode(plan.kernel)},
          {"node", encode(plan.node)},
          {"steps", std::move(steps)}};
}

Error no_plan_file() {
  return {ErrorCode::kCorrupt, "this is no plan file of gpunode"};
}

Result<Json> parse_plan_file(std::string_view text) {
  Json json = Json::parse(text, nullptr, false);
  if (!json.is_object() || !json.contains("gpunode_plan") ||
      !json["gpunode_plan"].is_number_integer() || !json.contains("steps") ||
      !json["steps"].is_array()) {
    return no_plan_file();
  }
  if (json["gpunode_plan"] != kVersion) {
    return Error(ErrorCode::kUnsupported,
                 fmt::format("the plan file is of version {}, and this program "
                             "knows {}; make it anew with `gpunode plan -o`",
                             json["gpunode_plan"].dump(), kVersion));
  }
  return json;
}

/// Throws what nlohmann throws at a member that is missing or of another type.
Result<PlannedStep> read_step(const Json& json) {
  constexpr std::array kStates = {StepState::kOk,      StepState::kChange,
                                  StepState::kDrift,   StepState::kBlocked,
                                  StepState::kRefused, StepState::kNotWanted};
  PlannedStep step;
  step.id = json.at("id").get<std::string>();
  const auto state = json.at("state").get<std::string>();
  const auto* const known =
      std::ranges::find(kStates, std::string_view(state), state_name);
  if (known == kStates.end()) return no_plan_file();
  step.plan.state = *known;
  step.plan.why = text_at(json, "why");
  step.plan.fix = text_at(json, "fix");
  for (const Json& action : json.at("actions")) {
    TRY(Action one, action_from_json(action.dump()));
    step.plan.actions.push_back(std::move(one));
  }
  return step;
}

}  // namespace

std::size_t Plan::changes() const {
  return static_cast<std::size_t>(std::ranges::count_if(
      steps, [](const PlannedStep& s) { return !s.plan.actions.empty(); }));
}

bool Plan::has(StepState state) const {
  return std::ranges::any_of(
      steps, [&](const PlannedStep& s) { return s.plan.state == state; });
}

facts::Wanted wanted_by(const Steps& steps, const NodeSpec& spec) {
  facts::Wanted wanted;
  for (const auto& step : steps) wanted.add(step->wants(spec));
  return wanted;
}

Plan make_plan(const Steps& steps, const PlanInput& input) {
  Plan plan;
  plan.host = fmt::format("{} {}", input.facts.os.pretty_name,
                          input.facts.kernel.machine);
  if (const auto gpus = facts::describe_gpus_briefly(input.facts);
      !gpus.empty()) {
    plan.host += " with " + gpus;
  }
  plan.kernel = input.facts.kernel.release;
  plan.node = input.spec.name;
  plan.gaps = input.facts.gaps;
  plan.not_carried_out = input.spec.not_carried_out;
  for (const auto& step : steps) {
    plan.steps.push_back({std::string(step->id()), std::string(step->title()),
                          std::string(step->reason()), step->plan(input),
                          step->counts_on()});
  }
  return plan;
}

std::string plan_file(const Plan& plan) {
  return plan_json(plan).dump(2) + "\n";
}

Result<Plan> read_plan_file(std::string_view text) {
  TRY(const Json json, parse_plan_file(text));
  Plan plan;
  try {
    plan.host = text_at(json, "host");
    plan.kernel = text_at(json, "kernel");
    plan.node = text_at(json, "node");
    for (const Json& one : json.at("steps")) {
      TRY(PlannedStep step, read_step(one));
      plan.steps.push_back(std::move(step));
    }
  } catch (const Json::exception&) {
    return no_plan_file();
  }
  return plan;
}

Result<std::string> difference(std::string_view saved, const Plan& now) {
  TRY(const Json was, parse_plan_file(saved));
  const Json is = plan_json(now);
  if (was == is) return std::string();
  for (const char* key : {"host", "kernel", "node"}) {
    if (!was.contains(key) || was[key] != is[key]) {
      return fmt::format("{} was {} and is {}", key,
                         was.value(key, Json()).dump(), is[key].dump());
    }
  }
  const std::size_t both = std::min(was["steps"].size(), is["steps"].size());
  for (std::size_t i = 0; i < both; ++i) {
    const Json& before = was["steps"][i];
    const Json& after = is["steps"][i];
    if (before == after) continue;
    const auto& step = now.steps[i];
    if (state_in(before) != state_in(after)) {
      return fmt::format("{} was {} and is {}{}", step.id, state_in(before),
                         state_name(step.plan.state),
                         step.plan.why.empty() ? "" : ": " + step.plan.why);
    }
    return fmt::format("{} would do something else now", step.id);
  }
  return std::string("it has other steps");
}

}  // namespace gpunode::provision
