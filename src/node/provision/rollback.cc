#include "node/provision/rollback.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace gpunode::provision {
namespace {

/// Serials of disks that undoing would erase and nobody confirmed.
std::vector<std::string> unconfirmed(
    const JournalLine& line, const std::vector<std::string>& confirmed) {
  std::vector<std::string> missing;
  for (const Action& action : line.inverse) {
    const auto* wipe = std::get_if<WipeFilesystem>(&action);
    if (wipe == nullptr) continue;
    for (const DiskIdentity& disk : wipe->disks) {
      if (std::ranges::find(confirmed, disk.serial) == confirmed.end()) {
        missing.push_back(disk.serial);
      }
    }
  }
  return missing;
}

Undoing undoing_of(const JournalLine& line,
                   const std::vector<std::string>& confirmed) {
  Undoing undoing{.line = line};
  const auto missing = unconfirmed(line, confirmed);
  if (!missing.empty()) {
    undoing.left = true;
    undoing.why = "the disk keeps its content; to erase it as well, add";
    for (const std::string& serial : missing) {
      undoing.why += " --confirm-wipe=" + serial;
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

}  // namespace

std::vector<Undoing> plan_rollback(const std::vector<JournalLine>& lines,
                                   const RollbackTarget& target,
                                   const std::vector<std::string>& confirmed) {
  std::vector<Undoing> plan;
  const std::vector<JournalLine> standing = standing_actions(lines);
  for (const JournalLine& line : standing) {
    if (target.after && line.seq <= *target.after) continue;
    if (!target.step.empty() && line.step != target.step) continue;
    plan.push_back(undoing_of(line, confirmed));
  }
  std::ranges::reverse(plan);
  leave_what_later_ones_changed(standing, plan);
  return plan;
}

Result<void> roll_back(const std::vector<Undoing>& plan, Performer& performer,
                       Journal& journal, RollbackObserver& observer) {
  for (const Undoing& one : plan) {
    if (one.left) continue;
    observer.undoing(one);
    Result<void> how;
    for (const Action& action : one.line.inverse) {
      how = performer.perform(action);
      if (!how) break;
    }
    if (how) {
      auto written = journal.append({.event = JournalEvent::kUndone,
                                     .step = one.line.step,
                                     .of = one.line.seq});
      if (!written) how = std::move(written).error();
    }
    observer.undone(one, how);
    if (!how) {
      return Error(
          how.error().code(),
          fmt::format("undo {} ({}): {}", one.line.seq,
                      describe(*one.line.action), how.error().message()));
    }
  }
  return performer.finish();
}

}  // namespace gpunode::provision
