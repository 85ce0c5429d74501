#include "node/provision/driver_return.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "node/provision/taking_back.h"

namespace gpunode::provision {
namespace {

/// "driver" of "driver.packages".
std::string_view area_of(std::string_view step) {
  return step.substr(0, step.find('.'));
}

/// The first that undoing it brings back in its version.
std::string replaced_by(const JournalLine& line) {
  for (const Action& action : line.inverse) {
    const auto* set = std::get_if<InstallSet>(&action);
    if (set == nullptr || set->packages.empty()) continue;
    std::string words = set->packages.front();
    std::ranges::replace(words, '=', ' ');
    return words;
  }
  return "";
}

/// Of the old version's, as `failed` was to do it for the new one.
Result<void> build(const Action& failed, const std::string& step,
                   Performer& performer, Journal& journal,
                   RunObserver& observer) {
  const std::uint64_t seq = journal.lines().size() + 1;
  // It makes again what was there before the run: no rollback takes it away.
  JournalLine begin{.event = JournalEvent::kBegin, .step = step};
  begin.action = failed;
  begin.undo = Undo::kExact;
  TRY_VOID(journal.append(std::move(begin)));
  observer.action_started(failed);
  const auto done = performer.perform(failed);
  observer.action_ended(failed, done);
  JournalLine after{.event = done ? JournalEvent::kDone : JournalEvent::kFailed,
                    .step = step,
                    .of = seq};
  if (!done) after.note = done.error().message();
  TRY_VOID(journal.append(std::move(after)));
  return done;
}

}  // namespace

DriverReturn plan_driver_return(const std::vector<JournalLine>& lines,
                                const std::string& step, const Action& failed) {
  DriverReturn back;
  const auto* module = std::get_if<BuildModule>(&failed);
  if (module == nullptr || !module->built) return back;
  const std::size_t begin = begin_of_run(lines);
  std::uint64_t first = 0;
  for (std::size_t at = begin; at < lines.size(); ++at) {
    const JournalLine& line = lines[at];
    if (line.event != JournalEvent::kBegin || !line.action ||
        area_of(line.step) != area_of(step)) {
      continue;
    }
    if (!std::holds_alternative<InstallSet>(*line.action)) continue;
    back.step = line.step;
    back.was = replaced_by(line);
  }
  if (back.was.empty()) return back;
  for (std::size_t at = lines.size(); at > begin; --at) {
    if (lines[at - 1].step == back.step) first = lines[at - 1].seq;
  }
  back.plan = plan_rollback(lines, {.after = first - 1}, {});
  // A part that cannot be undone, or another Step's that counts on it: the rest
  // stands, too.
  const bool stands = std::ranges::any_of(back.plan, [&](const Undoing& one) {
    return one.left || area_of(one.line.step) != area_of(step);
  });
  if (stands) back.plan.clear();
  return back;
}

std::string words_of_half_installed(const DriverReturn& back) {
  if (back.step.empty()) return "";
  if (back.was.empty()) {
    return fmt::format(
        "; the driver's packages are installed and no module of theirs is "
        "loaded: mend it and `gpunode apply` goes on, or `gpunode rollback "
        "--step {}` takes them away",
        back.step);
  }
  return fmt::format(
      "; the driver is half installed: its packages are of the new version ({} "
      "before), and a module that is loaded is still the old one, which they "
      "cannot speak to: mend it and `gpunode apply` goes on, or `gpunode "
      "rollback --step {}` puts back what was there",
      back.was, back.step);
}

std::string return_driver(const DriverReturn& back, const std::string& step,
                          const Action& failed, Performer& performer,
                          Journal& journal, RunObserver& observer) {
  if (back.plan.empty()) return words_of_half_installed(back);
  const auto undone = roll_back_told(back.plan, performer, journal, observer);
  if (!undone) {
    return fmt::format("; what {} did could not all be undone: {}{}", back.step,
                       undone.error().message(), words_of_half_installed(back));
  }
  const auto built = build(failed, step, performer, journal, observer);
  if (!built) {
    return fmt::format(
        "; the packages are again what they were ({}), but modules for them "
        "cannot be had either: {}; a module that is loaded works until the "
        "next boot: keep the machine up, mend that and run `gpunode apply`",
        back.was, built.error().message());
  }
  return fmt::format(
      "; the driver that was there is back, with its modules ({}): mend it and "
      "`gpunode apply` tries the new one again",
      back.was);
}

}  // namespace gpunode::provision
