#include "node/provision/driver_return.h"

#include <algorithm>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "node/provision/resumption.h"
#include "node/provision/taking_back.h"

namespace gpunode::provision {
namespace {

/// "driver" of "driver.packages".
std::string_view area_of(std::string_view step) {
  return step.substr(0, step.find('.'));
}

/// Beyond what the plan has, journalled as that is.
Result<void> act(const Action& action, const std::string& step, Inverse inverse,
                 Performer& performer, Journal& journal,
                 RunObserver& observer) {
  const std::uint64_t seq = journal.lines().size() + 1;
  JournalLine begin{.event = JournalEvent::kBegin, .step = step};
  begin.action = action;
  begin.inverse = std::move(inverse.actions);
  begin.undo = inverse.undo;
  TRY_VOID(journal.append(std::move(begin)));
  observer.action_started(action);
  const auto done = performer.perform(action);
  observer.action_ended(action, done);
  JournalLine after{.event = done ? JournalEvent::kDone : JournalEvent::kFailed,
                    .step = step,
                    .of = seq};
  if (!done) after.note = done.error().message();
  TRY_VOID(journal.append(std::move(after)));
  return done;
}

/// Of the old version's, as `failed` was to do it for the new one. It makes
/// again what was there before the run: no rollback takes it away.
Result<void> build(const Action& failed, const std::string& step,
                   Performer& performer, Journal& journal,
                   RunObserver& observer) {
  return act(failed, step, Inverse{}, performer, journal, observer);
}

/// The packages that the run held, which are those that it installed; where it
/// did not come to that, those that were held before.
HoldPackages holds_of(const std::vector<Undoing>& plan) {
  HoldPackages before;
  for (const Undoing& one : plan) {
    const auto* made = std::get_if<HoldPackages>(&*one.line.action);
    if (made != nullptr && made->held) return *made;
    for (const Action& inverse : one.line.inverse) {
      const auto* was = std::get_if<HoldPackages>(&inverse);
      if (was != nullptr && was->held) before = *was;
    }
  }
  return before;
}

/// The way back lifted them, and stopped before it put others in their place:
/// an update would change what is there by halves. What to say of it.
std::string hold_what_is_there(const DriverReturn& back, Performer& performer,
                               Journal& journal, RunObserver& observer) {
  const HoldPackages holds = holds_of(back.plan);
  if (holds.packages.empty()) return "";
  const auto hold = [&]() -> Result<bool> {
    const std::uint64_t seq = journal.lines().size() + 1;
    TRY(Inverse inverse, performer.prepare(holds, seq));
    if (inverse.actions.empty()) return false;  // They are held still.
    TRY_VOID(act(holds, back.step, std::move(inverse), performer, journal,
                 observer));
    return true;
  };
  const auto held = hold();
  if (!held) {
    return fmt::format(
        "; nothing holds {} any more ({}): let no update run before that is "
        "mended",
        fmt::join(holds.packages, ", "), held.error().message());
  }
  return *held ? "; what is installed is held again" : "";
}

/// Where the last run began that was cut off before this one: what it did is
/// nobody's yet. `begin` where there is none. Runs of single Steps between
/// the two, a boot unit's, end nothing but themselves.
std::size_t begin_of_cut_off(const std::vector<JournalLine>& lines,
                             std::size_t begin) {
  const std::set<std::string> parts = runs_of_parts(lines);
  std::size_t first = begin;
  for (std::size_t at = begin; at > 0; --at) {
    const JournalLine& line = lines[at - 1];
    if (parts.contains(line.run)) continue;
    if (line.event == JournalEvent::kEnd) break;
    if (line.event == JournalEvent::kRun) first = at - 1;
  }
  return first;
}

/// What changed the packages between `from` and `to`: its Step, and what was
/// there before it.
DriverReturn changed_between(const std::vector<JournalLine>& lines,
                             std::size_t from, std::size_t to,
                             const std::string& step) {
  DriverReturn back;
  for (std::size_t at = from; at < to; ++at) {
    const JournalLine& line = lines[at];
    if (line.event != JournalEvent::kBegin || !line.action ||
        area_of(line.step) != area_of(step) ||
        !std::holds_alternative<InstallSet>(*line.action)) {
      continue;
    }
    back.step = line.step;
    back.was = replaced_by(line);
  }
  return back;
}

}  // namespace

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

DriverReturn plan_driver_return(const std::vector<JournalLine>& lines,
                                const std::string& step, const Action& failed) {
  const auto* module = std::get_if<BuildModule>(&failed);
  if (module == nullptr || !module->built) return {};
  const std::size_t begin = begin_of_run(lines);
  DriverReturn back = changed_between(lines, begin, lines.size(), step);
  if (back.step.empty()) {
    return changed_between(lines, begin_of_cut_off(lines, begin), begin, step);
  }
  if (back.was.empty()) return back;
  std::uint64_t first = 0;
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
  performer.may_ask_others();
  const auto undone = roll_back_told(back.plan, performer, journal, observer);
  if (!undone) {
    return fmt::format("; what {} did could not all be undone: {}{}{}",
                       back.step, undone.error().message(),
                       hold_what_is_there(back, performer, journal, observer),
                       words_of_half_installed(back));
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
