// Undoing what the journal says was done.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/core/result.h"
#include "node/provision/journal.h"
#include "node/provision/performer.h"

namespace gpunode::provision {

/// The command of its runs, as the journal has it.
inline constexpr const char* kRollbackCommand = "rollback";

/// How far back. Neither: everything.
struct RollbackTarget {
  std::optional<std::uint64_t> after =
      {};                 ///< Only what came after this number.
  std::string step = {};  ///< Only this Step.
};

/// One action and what becomes of it.
struct Undoing {
  JournalLine line = {};  ///< Its kBegin.
  bool left = false;      ///< It stays as it is: `why`.
  std::string why = {};
};

/// Pure: what would be undone, the latest first. Disks are wiped only if each
/// of their serials is among `confirmed`; otherwise they are left.
std::vector<Undoing> plan_rollback(const std::vector<JournalLine>& lines,
                                   const RollbackTarget& target,
                                   const std::vector<std::string>& confirmed);

/// Those of `confirmed` that no disk has on which `lines` made anything, undone
/// since or not: misspelt. Pure.
std::vector<std::string> unknown_serials(
    const std::vector<JournalLine>& lines,
    const std::vector<std::string>& confirmed);

/// The run of the rollback that was cut off, if the last run is one: killed, or
/// the power went. Empty if it ended, or if it is none. Pure.
std::string cut_off_rollback(const std::vector<JournalLine>& lines);

/// Called before and after each.
class RollbackObserver {
 public:
  virtual ~RollbackObserver() = default;
  virtual void undoing(const Undoing& one) = 0;
  virtual void undone(const Undoing& one, const Result<void>& how) = 0;
};

/// Carries it out; stops at the first failure, everything before it undone and
/// journalled so. Run again, it goes on there.
Result<void> roll_back(const std::vector<Undoing>& plan, Performer& performer,
                       Journal& journal, RollbackObserver& observer);

}  // namespace gpunode::provision
