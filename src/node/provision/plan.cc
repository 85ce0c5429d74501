#include "node/provision/plan.h"

#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "node/provision/action_json.h"
#include "node/provision/step_state.h"

namespace gpunode::provision {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kVersion = 1;

Json step_json(const PlannedStep& step) {
  Json actions = Json::array();
  for (const Action& action : step.plan.actions) {
    actions.push_back(Json::parse(to_json(action)));
  }
  return {{"id", step.id},
          {"state", state_name(step.plan.state)},
          {"why", step.plan.why},
          {"fix", step.plan.fix},
          {"actions", std::move(actions)}};
}

Json plan_json(const Plan& plan) {
  Json steps = Json::array();
  for (const PlannedStep& step : plan.steps) steps.push_back(step_json(step));
  return {{"gpunode_plan", kVersion},
          {"host", plan.host},
          {"kernel", plan.kernel},
          {"node", plan.node},
          {"steps", std::move(steps)}};
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
  plan.kernel = input.facts.kernel.release;
  plan.node = input.spec.name;
  plan.gaps = input.facts.gaps;
  plan.not_carried_out = input.spec.not_carried_out;
  for (const auto& step : steps) {
    plan.steps.push_back({std::string(step->id()), std::string(step->title()),
                          std::string(step->reason()), step->plan(input)});
  }
  return plan;
}

std::string plan_file(const Plan& plan) {
  return plan_json(plan).dump(2) + "\n";
}

Result<std::string> difference(std::string_view saved, const Plan& now) {
  const Json was = Json::parse(saved, nullptr, false);
  if (!was.is_object() || !was.contains("gpunode_plan") ||
      !was["gpunode_plan"].is_number_integer() || !was.contains("steps") ||
      !was["steps"].is_array()) {
    return Error(ErrorCode::kCorrupt, "this is no plan file of gpunode");
  }
  if (was["gpunode_plan"] != kVersion) {
    return Error(ErrorCode::kUnsupported,
                 fmt::format("the plan file is of version {}, and this program "
                             "knows {}; make it anew with `gpunode plan -o`",
                             was["gpunode_plan"].dump(), kVersion));
  }
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
    if (before.value("state", "") != after.value("state", "")) {
      return fmt::format("{} was {} and is {}{}", step.id,
                         before.value("state", "unknown"),
                         state_name(step.plan.state),
                         step.plan.why.empty() ? "" : ": " + step.plan.why);
    }
    return fmt::format("{} would do something else now", step.id);
  }
  return std::string("it has other steps");
}

}  // namespace gpunode::provision
