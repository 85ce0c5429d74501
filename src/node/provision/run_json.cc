#include "node/provision/run_json.h"

#include <chrono>
#include <utility>

#include <nlohmann/json.hpp>

#include "node/provision/action_json.h"
#include "node/provision/packages/redaction.h"
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

Json change_json(const packages::PackageChange& change) {
  Json json = {{"change", packages::name_of(change.kind)},
               {"name", change.name},
               {"architecture", change.architecture},
               {"from", change.old_version},
               {"to", change.new_version},
               {"repository", change.repository},
               {"download_bytes", nullptr}};
  if (change.download_bytes) json["download_bytes"] = *change.download_bytes;
  return json;
}

/// An Action as it is shown: a file's content may have a login in an address.
Json action_json(const Action& action) {
  Json json = Json::parse(to_json(action));
  if (std::holds_alternative<WriteFile>(action)) {
    json["content"] = packages::redacted(std::get<WriteFile>(action).content);
  }
  return json;
}

Json forecast_json(const PackageForecast& forecast) {
  Json json = {{"action", forecast.action}};
  if (!forecast.transaction) {
    json["unknown"] = forecast.transaction.error().message();
    return json;
  }
  const packages::TransactionPlan& plan = *forecast.transaction;
  json["changes"] = Json::array();
  for (const packages::PackageChange& change : plan.changes) {
    json["changes"].push_back(change_json(change));
  }
  json["finishes"] = plan.finishes;
  json["download_bytes"] = nullptr;
  if (plan.download_bytes) json["download_bytes"] = *plan.download_bytes;
  json["installed_bytes"] = nullptr;
  if (plan.installed_bytes) json["installed_bytes"] = *plan.installed_bytes;
  if (!forecast.refusal.empty()) json["refused"] = forecast.refusal;
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
    case RunEnd::kNotAsPlanned:
      return "not-as-planned";
    case RunEnd::kMoreToDo:
      return "more-to-do";
    case RunEnd::kInterrupted:
      break;
  }
  return "interrupted";
}

void RunJson::plan(const Plan& plan, const PackageForecasts& forecasts) {
  for (const PlannedStep& step : plan.steps) {
    Json actions = Json::array();
    for (const Action& action : step.plan.actions) {
      actions.push_back(action_json(action));
    }
    Json transactions = Json::array();
    for (const PackageForecast& one : forecasts.all) {
      if (one.step == step.id) transactions.push_back(forecast_json(one));
    }
    write_(line_of({{"event", "planned"},
                    {"step", step.id},
                    {"title", step.title},
                    {"state", state_name(step.plan.state)},
                    {"why", step.plan.why},
                    {"fix", step.plan.fix},
                    {"notes", step.plan.notes},
                    {"destroys", step.plan.destroys},
                    {"actions", std::move(actions)},
                    {"transactions", std::move(transactions)}}));
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

void RunJson::output(const char* stream,
                     const std::vector<std::string>& lines) {
  for (const std::string& line : lines) {
    write_(line_of({{"event", "output"},
                    {"stream", stream},
                    {"text", packages::redacted(line)}}));
  }
}

void RunJson::flush() {
  output("out", tail_.flush());
}

void RunJson::started(const host::Command& /*command*/) {
  flush();
}

void RunJson::printed(host::OutputStream stream, std::string_view bytes) {
  const bool is_out = stream == host::OutputStream::kOut;
  output(is_out ? "out" : "err", tail_.feed(is_out ? 0 : 1, bytes));
}

void RunJson::copy_started(std::uint64_t total,
                           std::function<std::uint64_t()> copied) {
  status_.copy_started(total, std::move(copied));
}

void RunJson::tick() {
  constexpr std::chrono::seconds kBetween{5};
  if (!status_.is_running() || clock_.now() - ticked_ < kBetween) return;
  ticked_ = clock_.now();
  const auto seconds =
      std::chrono::duration_cast<std::chrono::seconds>(status_.elapsed());
  Json json = {{"event", "tick"},
               {"words", status_.words()},
               {"seconds", seconds.count()},
               {"usual_seconds", status_.usual()}};
  if (const auto copied = status_.bytes()) {
    json["copied_bytes"] = copied->done;
    json["total_bytes"] = copied->total;
    if (const auto rest = status_.left()) {
      json["left_seconds"] =
          std::chrono::duration_cast<std::chrono::seconds>(*rest).count();
    }
  }
  write_(line_of(json));
}

void RunJson::end() {
  flush();
  status_.end();
}

void RunJson::action_started(const Action& action) {
  ticked_ = clock_.now();
  status_.start(describe(action), usual_seconds(action));
  write_(line_of({{"event", "action-started"},
                  {"kind", kind_of(action)},
                  {"words", describe(action)}}));
}

void RunJson::action_ended(const Action& action, const Result<void>& how) {
  end();
  write_(line_of(with_how({{"event", "action-ended"},
                           {"kind", kind_of(action)},
                           {"words", describe(action)}},
                          how)));
}

void RunJson::step_ended(const PlannedStep& step, const Result<void>& how) {
  write_(line_of(with_how({{"event", "step-ended"}, {"step", step.id}}, how)));
}

void RunJson::refused(const Plan& plan, const PackageForecasts& forecasts,
                      int exit_code) {
  Json steps = Json::array();
  for (const PlannedStep& step : plan.steps) {
    const StepState state = step.plan.state;
    const bool is_drift = state == StepState::kDrift;
    if (!is_drift && state != StepState::kBlocked &&
        state != StepState::kRefused) {
      continue;
    }
    steps.push_back({{"step", step.id},
                     {"state", state_name(state)},
                     {"why", step.plan.why},
                     {"next", is_drift ? "take the change into the file, or "
                                         "apply with --overwrite-drift"
                                       : step.plan.fix}});
  }
  write_(line_of({{"event", "refused"},
                  {"exit_code", exit_code},
                  {"steps", std::move(steps)},
                  {"packages", forecasts.has_refusal()}}));
}

void RunJson::rollback(const std::vector<Undoing>& plan) {
  for (const Undoing& one : plan) {
    write_(
        line_of({{"event", "to-undo"},
                 {"seq", one.line.seq},
                 {"step", one.line.step},
                 {"words", describe(*one.line.action)},
                 {"how", one.line.undo == Undo::kExact          ? "exact"
                         : one.line.undo == Undo::kCompensating ? "compensated"
                                                                : "none"},
                 {"left", one.left},
                 {"why", one.why}}));
  }
}

void RunJson::left(const std::vector<LeftConffiles>& packages) {
  for (const LeftConffiles& one : packages) {
    write_(line_of(
        {{"event", "left"}, {"package", one.package}, {"files", one.files}}));
  }
}

void RunJson::undoing(const Undoing& one) {
  ticked_ = clock_.now();
  status_.start("undo: " + describe(*one.line.action),
                usual_seconds(*one.line.action));
  write_(line_of({{"event", "undoing"},
                  {"seq", one.line.seq},
                  {"step", one.line.step},
                  {"words", describe(*one.line.action)}}));
}

void RunJson::undone(const Undoing& one, const Result<void>& how) {
  end();
  write_(line_of(with_how(
      {{"event", "undone"}, {"seq", one.line.seq}, {"step", one.line.step}},
      how)));
}

std::string error_line(std::string_view message, int exit_code) {
  return line_of({{"event", "error"},
                  {"message", std::string(message)},
                  {"exit_code", exit_code}});
}

}  // namespace gpunode::provision
