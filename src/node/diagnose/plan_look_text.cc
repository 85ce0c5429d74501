#include "node/diagnose/plan_look_text.h"

#include <algorithm>
#include <vector>

#include <fmt/format.h>

#include "base/text/json_splice.h"
#include "base/text/node.h"

namespace gpunode::diagnose {
namespace {

using console::Page;
using console::Style;
using text::json_array;
using text::json_object;
using text::json_string;

constexpr std::size_t kIdWidth = 25;

struct Mark {
  char symbol;
  Style style;
};

/// As `gpunode plan` marks them.
Mark mark_of(StepStand stand) {
  switch (stand) {
    case StepStand::kAsDeclared:
      return {'=', Style::kGood};
    case StepStand::kToDo:
      return {'~', Style::kWarning};
    case StepStand::kDrift:
      return {'!', Style::kWarning};
    case StepStand::kBlocked:
    case StepStand::kRefused:
      return {'x', Style::kBad};
    case StepStand::kNotWanted:
      break;
  }
  return {' ', Style::kDim};
}

void step_lines(const StepLook& step, Page& page) {
  const Mark mark = mark_of(step.stand);
  page.line(
      2,
      fmt::format("{} {:<{}} {}", mark.symbol, step.id, kIdWidth, step.title),
      mark.style);
  if (!step.why.empty()) page.line(6, step.why);
  if (!step.fix.empty()) page.line(6, "-> " + step.fix);
}

void run_lines(const PlanLook& plan, Page& page) {
  const LastRun& run = plan.last_run;
  if (!run.name.empty()) {
    const std::string how = run.outcome.empty()
                                ? std::string("not ended")
                                : fmt::format("{}, {}", run.outcome, run.ended);
    const bool is_good = run.outcome == "done";
    page.line(
        2, fmt::format("last run: {} of {}: {}", run.command, run.began, how),
        is_good ? Style::kGood : Style::kWarning);
  }
  if (!run.name.empty() && run.outcome.empty() && run.command == "rollback") {
    page.line(2,
              "it is under way, or was cut off: the same `gpunode rollback` "
              "again goes on with it and ends it",
              Style::kWarning);
  }
  if (plan.is_pending) {
    page.line(2,
              "a run has not come to its end: it goes on after a reboot, or "
              "with `gpunode resume`",
              Style::kWarning);
  }
}

std::string boolean(bool value) {
  return value ? "true" : "false";
}

std::string steps_of(const PlanLook& plan) {
  std::vector<std::string> items;
  for (const StepLook& step : plan.steps) {
    items.push_back(json_object({{"id", json_string(step.id)},
                                 {"title", json_string(step.title)},
                                 {"stand", json_string(stand_name(step.stand))},
                                 {"why", json_string(step.why)},
                                 {"fix", json_string(step.fix)}}));
  }
  return json_array(items);
}

std::string last_run_of(const LastRun& run) {
  if (run.name.empty()) return "null";
  return json_object({{"run", json_string(run.name)},
                      {"command", json_string(run.command)},
                      {"began", json_string(run.began)},
                      {"ended", json_string(run.ended)},
                      {"outcome", json_string(run.outcome)}});
}

}  // namespace

void describe_plan(const PlanLook& plan, bool all, Page& page) {
  page.line(0, "Node, as of " + plan.file, Style::kHeading);
  if (!plan.exists) {
    page.line(2, "no such file: nothing is declared of this host", Style::kDim);
    return;
  }
  if (!plan.problem.empty()) {
    page.line(2, "not known: " + plan.problem, Style::kBad);
  }
  std::size_t not_wanted = 0;
  for (const StepLook& step : plan.steps) {
    const bool is_wanted = step.stand != StepStand::kNotWanted;
    if (!is_wanted) ++not_wanted;
    if (is_wanted || all) step_lines(step, page);
  }
  if (not_wanted > 0 && !all) {
    page.line(2, fmt::format("{} not asked for", not_wanted), Style::kDim);
  }
  for (const std::string& gap : plan.gaps) {
    page.line(2, "not seen: " + gap, Style::kWarning);
  }
  run_lines(plan, page);
}

std::string plan_look_json(const PlanLook& plan) {
  if (!plan.exists) return "null";
  std::vector<std::string> gaps;
  for (const std::string& gap : plan.gaps) gaps.push_back(json_string(gap));
  return json_object({{"file", json_string(plan.file)},
                      {"problem", json_string(plan.problem)},
                      {"steps", steps_of(plan)},
                      {"lastRun", last_run_of(plan.last_run)},
                      {"pending", boolean(plan.is_pending)},
                      {"gaps", json_array(gaps)}});
}

}  // namespace gpunode::diagnose
