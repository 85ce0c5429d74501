#include "node/provision/run_json.h"

#include <utility>

#include <nlohmann/json.hpp>

#include "node/provision/action_json.h"
#include "node/provision/step_state.h"

namespace gpunode::provision {
namespace {

using Json = nlohmann::ordered_json;

std::string line_of(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

Json with_how(Json json, const Result<void>& how) {
  json["ok"] = how.has_value();
  if (!how) json["error"] = how.error().message();
  return json;
}

}  // namespace

const char* end_name(RunEnd end) {
  switch (end) {
    case RunEnd::kDone:
      return "done";
    case RunEnd::kFailed:
      return "failed";
    case RunEnd::kVerificationFailed:
      return "verification-failed";
    case RunEnd::kRebootNeeded:
      return "reboot-needed";
    case RunEnd::kInterrupted:
      break;
  }
  return "interrupted";
}

void RunJson::plan(const Plan& plan) {
  for (const PlannedStep& step : plan.steps) {
    Json actions = Json::array();
    for (const Action& action : step.plan.actions) {
      actions.push_back(Json::parse(to_json(action)));
    }
    write_(line_of({{"event", "planned"},
                    {"step", step.id},
                    {"title", step.title},
                    {"state", state_name(step.plan.state)},
                    {"why", step.plan.why},
                    {"fix", step.plan.fix},
                    {"notes", step.plan.notes},
                    {"destroys", step.plan.destroys},
                    {"actions", std::move(actions)}}));
  }
}

void RunJson::outcome(const RunOutcome& outcome) {
  write_(line_of({{"event", "ended"},
                  {"end", end_name(outcome.end)},
                  {"step", outcome.step},
                  {"message", outcome.message},
                  {"changed", outcome.changed}}));
}

void RunJson::step_started(const PlannedStep& step, std::size_t index,
                           std::size_t count) {
  write_(line_of({{"event", "step-started"},
                  {"step", step.id},
                  {"index", index},
                  {"count", count}}));
}

void RunJson::action_started(const Action& action) {
  write_(line_of({{"event", "action-started"},
                  {"kind", kind_of(action)},
                  {"words", describe(action)}}));
}

void RunJson::action_ended(const Action& action, const Result<void>& how) {
  write_(line_of(with_how({{"event", "action-ended"},
                           {"kind", kind_of(action)},
                           {"words", describe(action)}},
                          how)));
}

void RunJson::step_ended(const PlannedStep& step, const Result<void>& how) {
  write_(line_of(with_how({{"event", "step-ended"}, {"step", step.id}}, how)));
}

void RunJson::undoing(const Undoing& one) {
  write_(line_of({{"event", "undoing"},
                  {"seq", one.line.seq},
                  {"step", one.line.step},
                  {"words", describe(*one.line.action)}}));
}

void RunJson::undone(const Undoing& one, const Result<void>& how) {
  write_(line_of(with_how(
      {{"event", "undone"}, {"seq", one.line.seq}, {"step", one.line.step}},
      how)));
}

}  // namespace gpunode::provision
