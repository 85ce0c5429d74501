#include "node/provision/plan_text.h"

#include <algorithm>
#include <string>
#include <string_view>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/text/unified_diff.h"
#include "node/provision/package_forecast_text.h"
#include "node/provision/packages/redaction.h"

namespace gpunode::provision {
namespace {

using console::Page;
using console::Style;

constexpr std::size_t kStepIndent = 2;
constexpr std::size_t kActionIndent = 6;
constexpr std::size_t kDiffIndent = 10;
constexpr std::size_t kIdWidth = 21;

struct Look {
  char symbol;
  Style style;
};

Look look_of(StepState state) {
  switch (state) {
    case StepState::kOk:
      return {'=', Style::kGood};
    case StepState::kChange:
      return {'~', Style::kWarning};
    case StepState::kDrift:
      return {'!', Style::kWarning};
    case StepState::kBlocked:
    case StepState::kRefused:
      return {'x', Style::kBad};
    case StepState::kNotWanted:
      break;
  }
  return {' ', Style::kDim};
}

Style style_of_line(std::string_view line) {
  if (line.starts_with('+')) return Style::kGood;
  if (line.starts_with('-')) return Style::kBad;
  return Style::kDim;
}

bool is_absent(const StepPlan& plan, const std::string& path) {
  const auto before = plan.before.find(path);
  return before == plan.before.end() || before->second.empty();
}

void add_diff(Page& page, const StepPlan& plan, const WriteFile& write) {
  const auto before = plan.before.find(write.path);
  const std::string diff =
      text::unified_diff(before == plan.before.end() ? "" : before->second,
                         write.content, write.path, write.path);
  std::string_view rest = diff;
  while (!rest.empty()) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
    // The action above has the name already.
    if (line.starts_with("--- ") || line.starts_with("+++ ")) continue;
    page.line(kDiffIndent, packages::redacted(line), style_of_line(line));
  }
}

/// An installation with what it brings; one that is refused is marked as what
/// must be settled.
void add_installation(Page& page, const Action& action,
                      const PackageForecast& forecast) {
  if (!forecast.refusal.empty()) {
    page.line(kActionIndent,
              fmt::format("x {}: {}", describe(action), forecast.refusal),
              Style::kBad);
  } else {
    page.line(kActionIndent,
              fmt::format("{} {}: {}", symbol_of(action), describe(action),
                          forecast_summary(*forecast.transaction)));
  }
  for (const std::string& line : forecast_details(*forecast.transaction)) {
    page.line(kDiffIndent, line, Style::kDim);
  }
}

void add_step(Page& page, const PlannedStep& step, const PlanView& view) {
  const StepPlan& plan = step.plan;
  const Look look = look_of(plan.state);
  page.line(
      kStepIndent,
      fmt::format("{} {:<{}} {}", look.symbol, step.id, kIdWidth, step.title),
      look.style);
  if (view.all && !step.reason.empty()) {
    page.line(kActionIndent, "why: " + step.reason, Style::kDim);
  }
  if (!plan.why.empty()) page.line(kActionIndent, plan.why);
  if (!plan.fix.empty()) page.line(kActionIndent, "-> " + plan.fix);
  for (std::size_t i = 0; i < plan.actions.size(); ++i) {
    const Action& action = plan.actions[i];
    const PackageForecast* forecast = view.forecasts.find(step.id, i);
    if (forecast != nullptr && forecast->transaction) {
      add_installation(page, action, *forecast);
      continue;
    }
    const auto* write = std::get_if<WriteFile>(&action);
    const bool is_new = write != nullptr && is_absent(plan, write->path);
    page.line(kActionIndent,
              fmt::format("{} {}", is_new ? '+' : symbol_of(action),
                          describe(action)));
    if (write != nullptr && view.diffs) add_diff(page, plan, *write);
  }
  for (const std::string& note : plan.notes) {
    page.line(kActionIndent, "note: " + note, Style::kDim);
  }
}

void add_destruction(Page& page, const Plan& plan) {
  bool is_first = true;
  for (const PlannedStep& step : plan.steps) {
    for (const std::string& what : step.plan.destroys) {
      if (is_first) {
        page.line(0, "");
        page.line(0, "DESTRUCTIVE: whatever is on these disks is lost",
                  Style::kBad);
        is_first = false;
      }
      page.line(kStepIndent, what, Style::kBad);
    }
  }
}

std::size_t count(const Plan& plan, StepState state) {
  return static_cast<std::size_t>(std::ranges::count_if(
      plan.steps,
      [&](const PlannedStep& step) { return step.plan.state == state; }));
}

void add_next(Page& page, const Plan& plan, const PlanView& view) {
  if (plan.has(StepState::kRefused) || plan.has(StepState::kBlocked) ||
      view.forecasts.has_refusal()) {
    page.line(0, "Nothing is changed until what is marked x is settled.",
              Style::kBad);
  } else if (plan.has(StepState::kDrift) && !view.drift_is_overwritten) {
    page.line(0,
              "What was changed by hand stays: take the change into the file, "
              "or apply with --overwrite-drift.",
              Style::kWarning);
  } else if (plan.changes() != 0 && !view.is_about_to_begin) {
    page.line(0, "Next: gpunode apply");
  }
}

}  // namespace

std::string plan_summary(const Plan& plan) {
  std::string text =
      fmt::format("{} to change", count(plan, StepState::kChange));
  const auto add = [&](StepState state, std::string_view words) {
    if (const std::size_t n = count(plan, state); n != 0) {
      text += fmt::format(", {} {}", n, words);
    }
  };
  add(StepState::kDrift, "changed by hand");
  add(StepState::kBlocked, "blocked");
  add(StepState::kRefused, "refused");
  add(StepState::kOk, "as they should be");
  add(StepState::kNotWanted, "not asked for");
  return text;
}

console::Page plan_page(const Plan& plan, const PlanView& view) {
  Page page;
  page.line(
      0,
      fmt::format("{}{}, kernel {}", plan.node.empty() ? "" : plan.node + ": ",
                  plan.host, plan.kernel),
      Style::kHeading);
  for (const PlannedStep& step : plan.steps) {
    const bool is_quiet = step.plan.state == StepState::kOk ||
                          step.plan.state == StepState::kNotWanted;
    if (is_quiet && !view.all && step.plan.notes.empty()) continue;
    add_step(page, step, view);
  }
  add_destruction(page, plan);
  page.line(0, "");
  for (const std::string& gap : plan.gaps) {
    page.line(0, "not seen: " + gap, Style::kWarning);
  }
  for (const std::string& gap : forecast_gaps(view.forecasts)) {
    page.line(0, gap, Style::kWarning);
  }
  if (!plan.not_carried_out.empty()) {
    page.line(0,
              fmt::format("This version reads and does not carry out: {}",
                          fmt::join(plan.not_carried_out, ", ")),
              Style::kWarning);
  }
  page.line(0, plan_summary(plan), Style::kHeading);
  add_next(page, plan, view);
  return page;
}

}  // namespace gpunode::provision
