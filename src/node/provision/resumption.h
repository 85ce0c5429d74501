// Going on with a run that a reboot or a crash interrupted.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/core/result.h"
#include "node/provision/journal.h"
#include "node/provision/pending.h"
#include "node/provision/plan.h"

namespace gpunode::provision {

/// What a run is called in the journal that was to do single Steps alone
/// (`--only`, a boot unit's too): another may be waiting to go on.
inline constexpr const char* kOnlyCommand = "apply --only";

struct Resumption {
  Plan agreed;     ///< What was planned at the start: to be executed.
  Plan remaining;  ///< What is left to do of it by now: to be shown.
};

/// `pending` held to what was agreed to at its start: the same files, and of
/// `now`, what would be done today, only what was planned then.
/// kInvalidArgument if the files were edited, kAlreadyExists if the host asks
/// for something else, kUnsupported if another version began it, kCorrupt if
/// its plan cannot be read. Each says what to do. Pure.
Result<Resumption> go_on(const Pending& pending,
                         const std::map<std::string, std::string>& spec_files,
                         const Plan& now,
                         const std::vector<JournalLine>& journal);

/// The last run has no end: it was cut off, or waits for a reboot. Whether
/// systemd was told of the files that it left is not known then. Pure.
bool has_unended_run(const std::vector<JournalLine>& lines);

/// The runs that did not see the whole file through, however well they ended:
/// of single Steps, rollbacks and leaves. Pure.
std::set<std::string> runs_of_parts(const std::vector<JournalLine>& lines);

}  // namespace gpunode::provision
