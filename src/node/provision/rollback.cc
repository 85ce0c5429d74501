#include "node/provision/rollback.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "node/provision/node_reset.h"
#include "node/provision/steps/kubernetes/node_identity.h"
#include "node/provision/wipe_confirmation.h"

namespace gpunode::provision {
namespace {

/// The disks that undoing any of `lines` would erase.
std::vector<DiskIdentity> erased_by(const std::vector<JournalLine>& lines) {
  std::vector<DiskIdentity> disks;
  for (const JournalLine& line : lines) {
    for (const Action& action : line.inverse) {
      const auto* wipe = std::get_if<WipeFilesystem>(&action);
      if (wipe == nullptr) continue;
      disks.insert(disks.end(), wipe->disks.begin(), wipe->disks.end());
    }
  }
  return disks;
}

/// Names of disks that undoing would erase and nobody confirmed.
std::vector<std::string> unconfirmed(
    const JournalLine& line, const std::vector<DiskIdentity>& all,
    const std::vector<std::string>& confirmed) {
  std::vector<std::string> missing;
  for (const Action& action : line.inverse) {
    const auto* wipe = std::get_if<WipeFilesystem>(&action);
    if (wipe == nullptr) continue;
    for (const DiskIdentity& disk : wipe->disks) {
      std::string name = confirmation_of(disk, all);
      if (name.empty() ||
          std::ranges::find(confirmed, name) == confirmed.end()) {
        missing.push_back(std::move(name));
      }
    }
  }
  return missing;
}

Undoing undoing_of(const JournalLine& line,
                   const std::vector<DiskIdentity>& all,
                   const std::vector<std::string>& confirmed) {
  Undoing undoing{.line = line};
  const auto missing = unconfirmed(line, all, confirmed);
  if (!missing.empty()) {
    undoing.left = true;
    undoing.why = "the disk keeps its content; to erase it as well, add";
    for (const std::string& name : missing) {
      undoing.why += " --confirm-wipe=" + name;
    }
    if (std::ranges::find(missing, "") != missing.end()) {
      undoing.why =
          "the disk keeps its content: no serial of its own names it, so erase "
          "it by hand";
    }
  } else if (line.undo == Undo::kNone) {
    undoing.left = true;
    undoing.why = "it cannot be undone";
  }
  return undoing;
}

std::string file_of(const JournalLine& line) {
  if (const auto* write = std::get_if<WriteFile>(&*line.action)) {
    return write->path;
  }
  const auto* remove = std::get_if<RemoveFile>(&*line.action);
  return remove == nullptr ? "" : remove->path;
}

/// A file that a later action changed too, which stays: to bring the older
/// content back would undo both.
void leave_what_later_ones_changed(const std::vector<JournalLine>& standing,
                                   std::vector<Undoing>& plan) {
  for (Undoing& one : plan) {
    const std::string path = file_of(one.line);
    if (path.empty()) continue;
    for (const JournalLine& later : standing) {
      const bool stays = std::ranges::none_of(plan, [&](const Undoing& other) {
        return other.line.seq == later.seq && !other.left;
      });
      if (later.seq <= one.line.seq || !stays || file_of(later) != path) {
        continue;
      }
      one.left = true;
      one.why = fmt::format("{} of {} changed {} after it; undo that as well",
                            later.step, later.seq, path);
    }
  }
}

/// The last time that the host left a cluster, a Pod left behind or not; 0:
/// never.
std::uint64_t last_leave(const std::vector<JournalLine>& lines) {
  std::uint64_t begun = 0;
  std::uint64_t left = 0;
  for (const JournalLine& line : lines) {
    if (line.event == JournalEvent::kBegin && line.action &&
        std::holds_alternative<LeaveCluster>(*line.action)) {
      begun = line.seq;
    } else if (begun != 0 && line.of == begun &&
               (line.event == JournalEvent::kDone ||
                (line.event == JournalEvent::kFailed &&
                 line.note.find(kNoNodeAnyMore) != std::string::npos))) {
      left = begun;
    }
  }
  return left;
}

/// Whether undoing it makes a program take in files that the same Step changed:
/// a restart, or the same program run once more.
bool takes_in_files(const JournalLine& line) {
  return std::ranges::any_of(line.inverse, [&](const Action& inverse) {
    if (const auto* unit = std::get_if<SetUnit>(&inverse)) return unit->restart;
    const auto* now = std::get_if<RunProgram>(&inverse);
    const auto* then = std::get_if<RunProgram>(&*line.action);
    return now != nullptr && then != nullptr && now->argv == then->argv;
  });
}

/// Whether undoing it, or something before it in its Step (`from` to `to`, the
/// latest first), stops `unit`: what started it, cut off and done again, is
/// there twice, and the first of them knows how it was.
bool is_stopped_after(std::vector<Undoing>::const_iterator from,
                      std::vector<Undoing>::const_iterator to,
                      const std::string& unit) {
  return std::any_of(from, to, [&](const Undoing& one) {
    return !one.left &&
           std::ranges::any_of(one.line.inverse, [&](const Action& inverse) {
             const auto* set = std::get_if<SetUnit>(&inverse);
             return set != nullptr && set->unit == unit &&
                    set->active == Wish::kNo;
           });
  });
}

/// Those that take in files, to the end. A unit that ends stopped has nothing
/// to take in, and would run again.
void put_restarts_last(std::vector<Undoing>::iterator from,
                       std::vector<Undoing>::iterator to) {
  std::vector<std::uint64_t> late;
  for (auto one = from; one != to; ++one) {
    const auto* unit = std::get_if<SetUnit>(&*one->line.action);
    if (!takes_in_files(one->line)) continue;
    if (unit != nullptr && is_stopped_after(one, to, unit->unit)) continue;
    late.push_back(one->line.seq);
  }
  std::stable_partition(from, to, [&](const Undoing& one) {
    return std::ranges::find(late, one.line.seq) == late.end();
  });
}

bool chooses_packages(const Undoing& one) {
  return std::holds_alternative<SetModuleStream>(*one.line.action);
}

/// Latest first: what a run set before it changed packages comes back before
/// they do, since dnf sees the packages of the enabled stream alone.
void put_streams_first(std::vector<Undoing>::iterator from,
                       std::vector<Undoing>::iterator to) {
  for (auto since = from; from != to; ++from) {
    if (!chooses_packages(*from)) continue;
    std::rotate(since, from, from + 1);
    since = from + 1;
  }
}

/// The latest first, but what takes in files after all others of its Step, for
/// it is to find them as they were, and the stream of a dnf module before the
/// packages that it was set for.
void put_in_order(std::vector<Undoing>& plan) {
  std::ranges::reverse(plan);
  for (auto from = plan.begin(); from != plan.end();) {
    const auto to = std::find_if(from, plan.end(), [&](const Undoing& one) {
      return one.line.step != from->line.step;
    });
    put_restarts_last(from, to);
    put_streams_first(from, to);
    from = to;
  }
}

/// What is to be done if `action` of an inverse can't be.
std::string_view way_out(const Action& action) {
  if (!std::holds_alternative<SetNodeMeta>(action)) return "";
  return "; next: if that cluster is gone for good, `gpunode leave` first, "
         "then `gpunode rollback` again";
}

}  // namespace

std::vector<Undoing> plan_rollback(const std::vector<JournalLine>& lines,
                                   const RollbackTarget& target,
                                   const std::vector<std::string>& confirmed) {
  std::vector<Undoing> plan;
  const std::vector<JournalLine> standing = standing_actions(lines);
  const std::vector<DiskIdentity> all = erased_by(lines);
  const std::uint64_t left = last_leave(lines);
  for (const JournalLine& line : standing) {
    // What the Node of then was given: that went with it (node_reset.h), and is
    // neither to be brought back nor changed by hand.
    if (line.seq < left && file_of(line) == kNodeMetaPath) continue;
    if (target.after && line.seq <= *target.after) continue;
    if (!target.step.empty() && line.step != target.step) continue;
    plan.push_back(undoing_of(line, all, confirmed));
  }
  put_in_order(plan);
  leave_what_later_ones_changed(standing, plan);
  return plan;
}

std::vector<std::string> unknown_serials(
    const std::vector<JournalLine>& lines,
    const std::vector<std::string>& confirmed) {
  std::vector<std::string> unknown = confirmed;
  const std::vector<DiskIdentity> all = erased_by(lines);
  for (const DiskIdentity& disk : all) {
    std::erase(unknown, confirmation_of(disk, all));
  }
  return unknown;
}

std::string cut_off_rollback(const std::vector<JournalLine>& lines) {
  std::string run;
  for (const JournalLine& line : lines) {
    if (line.event == JournalEvent::kRun) {
      run = line.note == kRollbackCommand ? line.run : "";
    } else if (line.event == JournalEvent::kEnd && line.run == run) {
      run.clear();
    }
  }
  return run;
}

Result<void> roll_back(const std::vector<Undoing>& plan, Performer& performer,
                       Journal& journal, RollbackObserver& observer) {
  for (const Undoing& one : plan) {
    if (one.left) continue;
    observer.undoing(one);
    Result<void> how;
    std::string_view next;
    for (const Action& action : one.line.inverse) {
      how = performer.perform(action);
      if (!how) {
        next = way_out(action);
        break;
      }
    }
    if (how) {
      auto written = journal.append({.event = JournalEvent::kUndone,
                                     .step = one.line.step,
                                     .of = one.line.seq});
      if (!written) how = std::move(written).error();
    }
    observer.undone(one, how);
    if (!how) {
      // What is undone of files is undone: systemd is told of it all the same.
      (void)performer.finish();
      return Error(
          how.error().code(),
          fmt::format("undo {} ({}): {}{}", one.line.seq,
                      describe(*one.line.action), how.error().message(), next));
    }
  }
  return performer.finish();
}

}  // namespace gpunode::provision
