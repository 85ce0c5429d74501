// A run that has not come to its end: what it takes to go on with it.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/core/result.h"
#include "base/host/host_root.h"
#include "node/provision/journal.h"

namespace gpunode::provision {

/// Written before the first action of a run and removed at its end, whatever
/// that is, but a reboot or a crash.
struct Pending {
  std::string run;
  std::string spec_path;
  std::vector<std::string> confirmed_wipes;
  std::vector<std::string> only;  ///< Ids of Steps; empty: all.
  bool overwrite_drift = false;
  bool blank_only = false;
  std::vector<std::string> ignored_preflight = {};
  /// NodeSpec::files at its start: what was agreed to follows from them.
  std::map<std::string, std::string> spec_files = {};
  /// Its plan as plan_file() has it: what goes on is held to it.
  std::string plan = {};
};

/// Which file of the spec is no longer as it was when `pending` began, in
/// words; empty if all are. Pure.
std::string spec_difference(const Pending& pending,
                            const std::map<std::string, std::string>& now);

/// Nothing if no run is pending.
Result<std::optional<Pending>> read_pending(const host::HostRoot& host);
Result<void> write_pending(const host::HostRoot& host, const Pending& pending);
Result<void> remove_pending(const host::HostRoot& host);

/// Why `run` must not reboot once more for `reason`, in words: it did so `max`
/// times, or the last reboot was for the very same reason and did not help.
/// Empty: it may. Pure.
std::string reboot_refusal(const std::vector<JournalLine>& lines,
                           const std::string& run, const std::string& reason,
                           int max);

inline constexpr const char* kPendingPath = "/var/lib/gpunode/pending";

}  // namespace gpunode::provision
