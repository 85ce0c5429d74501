#include "node/provision/half_driver.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "node/provision/driver_return.h"
#include "node/provision/resumption.h"
#include "node/provision/run_json.h"

namespace gpunode::provision {
namespace {

constexpr std::string_view kPackages = "driver.packages";
constexpr std::string_view kModules = "driver.modules";

/// What changed the packages, with no module built since.
struct Half {
  JournalLine set;  ///< Its kBegin.
  bool is_done = false;
  bool failed = false;  ///< Its run ended; else it was cut off.
};

bool builds_module(const JournalLine& line) {
  const auto* module = std::get_if<BuildModule>(&*line.action);
  return module != nullptr && module->built;
}

/// Whether it comes after the modules: a run that got to it had seen them to be
/// there. dkms builds them in the packages' own scripts, too, and no line says
/// so.
bool is_after_modules(std::string_view step) {
  constexpr auto kLater = std::to_array<std::string_view>(
      {"driver.options", "driver.load", "driver.services", "cuda.", "runtime.",
       "kubernetes.", "plugin.", "engine.check"});
  return std::ranges::any_of(
      kLater, [&](std::string_view one) { return step.starts_with(one); });
}

bool is_good_end(const JournalLine& line) {
  constexpr auto kGood =
      std::to_array({RunEnd::kDone, RunEnd::kMoreToDo, RunEnd::kRebootNeeded});
  return line.event == JournalEvent::kEnd &&
         std::ranges::any_of(kGood, [&](RunEnd good) {
           return line.note.starts_with(end_name(good));
         });
}

/// How the run of `half` ended, in `half`; false: it, or a later one, came past
/// the modules.
bool is_left_by_its_run(const std::vector<JournalLine>& lines, Half& half) {
  const std::set<std::string> parts = runs_of_parts(lines);
  for (const JournalLine& line : lines) {
    const bool is_own = line.run == half.set.run;
    if (is_own && line.event == JournalEvent::kRun) half.failed = false;
    if (line.seq <= half.set.seq) continue;
    const bool is_step =
        line.event == JournalEvent::kBegin || line.event == JournalEvent::kEnd;
    if (is_own && is_step && is_after_modules(line.step)) return false;
    if (is_good_end(line) && (is_own || !parts.contains(line.run))) {
      return false;
    }
    if (is_own && line.event == JournalEvent::kEnd) half.failed = true;
  }
  return true;
}

std::optional<Half> half_of(const std::vector<JournalLine>& lines) {
  std::set<std::uint64_t> done;
  for (const JournalLine& line : lines) {
    if (line.event == JournalEvent::kDone) done.insert(line.of);
  }
  std::optional<Half> half;
  for (JournalLine& line : standing_actions(lines)) {
    const bool is_done = done.contains(line.seq);
    if (line.step == kModules && builds_module(line) && is_done) half.reset();
    if (line.step != kPackages ||
        !std::holds_alternative<InstallSet>(*line.action)) {
      continue;
    }
    half = Half{.set = std::move(line), .is_done = is_done};
  }
  if (half && !is_left_by_its_run(lines, *half)) half.reset();
  return half;
}

std::string way_back(const std::string& was) {
  return fmt::format(
      "`gpunode rollback --step {}` {}", kPackages,
      was.empty() ? "takes them away" : "puts back what was there");
}

/// Between the packages and their modules.
std::string words_between(const Half& half, const facts::HostFacts& now) {
  const auto& set = std::get<InstallSet>(*half.set.action);
  const std::string was = replaced_by(half.set);
  const std::string& library = now.driver.library;
  const std::string& loaded = now.driver.loaded_version;
  const std::string& installed = library.empty() ? set.version : library;
  std::string words = fmt::format(
      "half installed: the run {} {} after the driver's packages and before "
      "modules for them; installed is {}",
      half.set.run, half.failed ? "failed" : "was cut off", installed);
  if (!was.empty()) words += fmt::format(" ({} before)", was);
  if (loaded.empty()) {
    words += ", and no module is loaded";
  } else if (loaded != installed) {
    words += fmt::format(
        ", and the module that is loaded is {}, which it cannot speak to",
        loaded);
  }
  return words + fmt::format(
                     "; this builds what lacks, and driver.load loads it; or "
                     "{}",
                     way_back(was));
}

/// Amid the packages themselves.
std::string words_amid(const Half& half) {
  const std::string was = replaced_by(half.set);
  return fmt::format(
      "the run {} {} amid these packages{}, so some may be there and some not; "
      "this brings what lacks; or {}",
      half.set.run, half.failed ? "failed" : "was cut off",
      was.empty() ? "" : fmt::format(" ({} before)", was), way_back(was));
}

}  // namespace

void tell_half_driver(const std::vector<JournalLine>& lines,
                      const facts::HostFacts& now, Plan& plan) {
  const auto half = half_of(lines);
  if (!half) return;
  for (PlannedStep& step : plan.steps) {
    const auto& actions = step.plan.actions;
    std::string words;
    if (step.id == kModules && half->is_done && !actions.empty()) {
      words = words_between(*half, now);
    } else if (step.id == kPackages && !half->is_done &&
               std::ranges::any_of(actions, [](const Action& action) {
                 return std::holds_alternative<InstallSet>(action);
               })) {
      words = words_amid(*half);
    }
    if (words.empty()) continue;
    step.plan.why = step.plan.why.empty()
                        ? std::move(words)
                        : fmt::format("{}: {}", words, step.plan.why);
  }
}

}  // namespace gpunode::provision
