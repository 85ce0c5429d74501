#include "node/provision/held_plan.h"

#include <algorithm>
#include <type_traits>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "node/provision/action_json.h"
#include "node/provision/seen_content.h"

namespace gpunode::provision {
namespace {

/// Everything but what it saw on the disks and whether it may erase: the disks
/// were proved blank, or confirmed, before this run began.
bool is_begun(const MakeFilesystem& now, const RunSoFar& so_far) {
  return std::ranges::any_of(so_far.begun, [&](MakeFilesystem begun) {
    begun.proof = now.proof;
    begun.wipe = now.wipe;
    return same_action(begun, now);
  });
}

/// One Step, then and now.
class Holding {
 public:
  Holding(const PlannedStep& planned, const StepPlan& now,
          const RunSoFar& so_far)
      : planned_(planned), now_(now), so_far_(so_far) {}

  Held hold() const;

 private:
  /// Empty if the Step's state alone is no reason to stop.
  std::string new_obstacle() const;
  /// Empty if each unit that was to be stopped is stopped, or was by this run.
  std::string missing_stop() const;
  bool counts_on_what_was_done() const;
  bool is_seen(const std::string& path, const std::string& planned,
               const std::string& now) const;

  bool is_part(const Action& planned, const Action& now) const;
  template <class One>
  bool is_part_of(const One& planned, const One& now) const;
  bool may_follow(const Action& now) const;
  bool takes_back_join(const Action& now) const;
  std::string words(const Action& now) const;

  const PlannedStep& planned_;
  const StepPlan& now_;
  const RunSoFar& so_far_;
};

std::string Holding::new_obstacle() const {
  const auto with_fix = [&](const char* what) {
    return fmt::format("it is {} now: {}{}{}", what, now_.why,
                       now_.fix.empty() ? "" : "; ", now_.fix);
  };
  switch (now_.state) {
    case StepState::kRefused:
      return with_fix("refused");
    case StepState::kBlocked:
      return with_fix("blocked");
    case StepState::kDrift:
      return planned_.plan.state == StepState::kDrift
                 ? ""
                 : fmt::format(
                       "{}; next: take the change into the file, or "
                       "`gpunode apply --overwrite-drift`",
                       now_.why);
    case StepState::kNotWanted:
      return planned_.plan.actions.empty() ||
                     so_far_.steps.contains(planned_.id)
                 ? ""
                 : with_fix("not wanted");
    case StepState::kOk:
    case StepState::kChange:
      break;
  }
  return "";
}

/// The unit that `action` stops; empty if it stops none.
std::string stopped_by(const Action& action) {
  const auto* set = std::get_if<SetUnit>(&action);
  return set != nullptr && set->active == Wish::kNo ? set->unit : "";
}

std::string Holding::missing_stop() const {
  if (now_.actions.empty() || so_far_.goes_on) return "";
  for (const Action& action : planned_.plan.actions) {
    const std::string unit = stopped_by(action);
    if (unit.empty() || so_far_.stopped.contains(unit)) continue;
    if (std::ranges::find(now_.actions, unit, stopped_by) !=
        now_.actions.end()) {
      continue;
    }
    return fmt::format(
        "the plan was to {} first, and by now {} does not seem to run",
        describe(action), unit);
  }
  return "";
}

bool Holding::counts_on_what_was_done() const {
  return std::ranges::any_of(planned_.counts_on, [&](const std::string& id) {
    return so_far_.steps.contains(id);
  });
}

bool Holding::is_seen(const std::string& path, const std::string& planned,
                      const std::string& now) const {
  if (planned == now || planned.empty()) return true;
  const auto left = so_far_.files.find(path);
  return left != so_far_.files.end() && left->second == now;
}

bool are_among(const std::vector<std::string>& names,
               const std::vector<std::string>& all) {
  return std::ranges::all_of(names, [&](const std::string& name) {
    return std::ranges::find(all, name) != all.end();
  });
}

template <class One>
bool Holding::is_part_of(const One& planned, const One& now) const {
  if constexpr (std::is_same_v<One, WriteFile>) {
    WriteFile same = now;
    same.before = planned.before;
    return same_action(planned, same) &&
           is_seen(now.path, planned.before, now.before);
  } else if constexpr (std::is_same_v<One, RemoveFile>) {
    return planned.path == now.path &&
           is_seen(now.path, planned.before, now.before);
  } else if constexpr (std::is_same_v<One, InstallPackages>) {
    // Some of them may have come as others' dependencies.
    return are_among(now.packages, planned.packages);
  } else if constexpr (std::is_same_v<One, InstallSet>) {
    // What was to go may be gone, what comes along may be there.
    InstallSet same = now;
    same.removed = planned.removed;
    same.others = planned.others;
    return same_action(planned, same) &&
           are_among(now.removed, planned.removed) &&
           are_among(now.others, planned.others);
  } else if constexpr (std::is_same_v<One, HoldPackages>) {
    return planned.held == now.held &&
           are_among(now.packages, planned.packages);
  } else if constexpr (std::is_same_v<One, SetUnit>) {
    const auto is_kept = [](Wish was, Wish is) {
      return is == Wish::kAsIs || is == was;
    };
    return planned.unit == now.unit && is_kept(planned.enabled, now.enabled) &&
           is_kept(planned.masked, now.masked) &&
           is_kept(planned.active, now.active) &&
           (planned.restart || !now.restart);
  } else if constexpr (std::is_same_v<One, MakeFilesystem>) {
    MakeFilesystem begun = planned;
    begun.proof = now.proof;
    begun.wipe = now.wipe;
    return same_action(planned, now) ||
           (same_action(begun, now) && is_begun(now, so_far_));
  } else {
    return same_action(planned, now);
  }
}

bool Holding::is_part(const Action& planned, const Action& now) const {
  if (planned.index() != now.index()) return false;
  return std::visit(
      [&](const auto& one) {
        using One = std::decay_t<decltype(one)>;
        return is_part_of(one, std::get<One>(now));
      },
      planned);
}

bool Holding::may_follow(const Action& now) const {
  if (!counts_on_what_was_done()) return false;
  const auto& planned = planned_.plan.actions;
  if (const auto* write = std::get_if<WriteFile>(&now)) {
    return std::ranges::any_of(planned, [&](const Action& action) {
      const auto* was = std::get_if<WriteFile>(&action);
      return was != nullptr && was->path == write->path &&
             was->mode == write->mode && was->before == seen_content({});
    });
  }
  const auto* unit = std::get_if<SetUnit>(&now);
  return unit != nullptr && unit->enabled != Wish::kNo &&
         unit->masked == Wish::kAsIs && unit->active != Wish::kNo &&
         !unit->restart &&
         std::ranges::any_of(planned, [](const Action& action) {
           return std::holds_alternative<SetUnit>(action);
         });
}

/// What a join of this run's left when it was cut off is nobody else's.
bool Holding::takes_back_join(const Action& now) const {
  const auto* leave = std::get_if<LeaveCluster>(&now);
  if (leave == nullptr || !so_far_.joining.contains(leave->node)) return false;
  return std::ranges::any_of(planned_.plan.actions, [&](const Action& action) {
    const auto* join = std::get_if<JoinCluster>(&action);
    return join != nullptr && join->node == leave->node;
  });
}

/// The file that `action` writes or removes; empty if it does neither.
std::string file_of(const Action& action) {
  if (const auto* write = std::get_if<WriteFile>(&action)) return write->path;
  if (const auto* remove = std::get_if<RemoveFile>(&action)) {
    return remove->path;
  }
  return "";
}

/// Why making `now` is not making `planned`; empty if it is.
std::string disk_words(const MakeFilesystem& planned,
                       const MakeFilesystem& now) {
  if (planned.disks != now.disks) {
    return fmt::format("it would {}, and the plan was to {}", describe(now),
                       describe(planned));
  }
  if (planned.proof == now.proof) return "";
  return fmt::format(
      "what is on the disk is not what the plan saw there: it would {}",
      describe(now));
}

std::string Holding::words(const Action& now) const {
  const std::string path = file_of(now);
  for (const Action& action : planned_.plan.actions) {
    if (!path.empty() && file_of(action) == path) {
      return path + " was changed since the plan was made";
    }
    const auto* was = std::get_if<MakeFilesystem>(&action);
    const auto* is = std::get_if<MakeFilesystem>(&now);
    if (was == nullptr || is == nullptr) continue;
    std::string differs = disk_words(*was, *is);
    if (!differs.empty()) return differs;
  }
  return fmt::format("it would {}, which is not in the plan", describe(now));
}

Held Holding::hold() const {
  if (std::string obstacle = new_obstacle(); !obstacle.empty()) {
    return {.differs = std::move(obstacle)};
  }
  if (std::string missing = missing_stop(); !missing.empty()) {
    return {.differs = std::move(missing)};
  }
  auto at = planned_.plan.actions.begin();
  for (const Action& action : now_.actions) {
    const auto found =
        std::find_if(at, planned_.plan.actions.end(),
                     [&](const Action& one) { return is_part(one, action); });
    if (found != planned_.plan.actions.end()) {
      at = found + 1;
    } else if (!may_follow(action) && !takes_back_join(action)) {
      return {.differs = words(action)};
    }
  }
  return {.actions = now_.actions};
}

}  // namespace

RunSoFar run_so_far(const std::vector<JournalLine>& lines,
                    const std::string& run) {
  RunSoFar so_far;
  std::map<std::uint64_t, MakeFilesystem> begun;
  std::map<std::uint64_t, std::string> joining;
  int starts = 0;
  for (const JournalLine& line : lines) {
    if (line.run != run) continue;
    if (line.event == JournalEvent::kRun) so_far.goes_on = ++starts > 1;
    begun.erase(line.of);
    joining.erase(line.of);
    if (line.event != JournalEvent::kBegin || !line.action) continue;
    so_far.steps.insert(line.step);
    if (std::string unit = stopped_by(*line.action); !unit.empty()) {
      so_far.stopped.insert(std::move(unit));
    }
    if (const auto* write = std::get_if<WriteFile>(&*line.action)) {
      so_far.files[write->path] = seen_content(write->content);
    } else if (const auto* remove = std::get_if<RemoveFile>(&*line.action)) {
      so_far.files[remove->path] = seen_content({});
    } else if (const auto* make = std::get_if<MakeFilesystem>(&*line.action)) {
      begun.insert({line.seq, *make});
    } else if (const auto* join = std::get_if<JoinCluster>(&*line.action)) {
      joining.insert({line.seq, join->node});
    }
  }
  for (auto& [seq, make] : begun) so_far.begun.push_back(std::move(make));
  for (auto& [seq, node] : joining) so_far.joining.insert(std::move(node));
  return so_far;
}

Held hold_to_plan(const PlannedStep& planned, const StepPlan& now,
                  const RunSoFar& so_far) {
  return Holding(planned, now, so_far).hold();
}

}  // namespace gpunode::provision
