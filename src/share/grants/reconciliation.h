// What the driver says that containers hold, beside what their ledgers say.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "gpu/device/process_use.h"
#include "share/grants/grant_files.h"

namespace gpunode::share {

/// A process of a grant on one Device.
struct GrantProcess {
  std::uint32_t pid = 0;    ///< Of the host.
  std::uint64_t bytes = 0;  ///< By the ledger.
};

/// Bytes that the processes hold by the driver's word and not by the ledger's:
/// code that was loaded, stacks that grew, what came by ways that nobody
/// charges. The driver's word is of a moment between two looks at the ledger,
/// `before` and `after`; a process counts with the larger of both, so that
/// what was just taken or given back is not taken for unaccounted.
std::uint64_t unaccounted_bytes(const std::vector<GrantProcess>& before,
                                const std::vector<GrantProcess>& after,
                                const std::vector<device::ProcessUse>& driver);

/// The cgroup of a process, as /proc/<pid>/cgroup has it, is a Pod's: its UID
/// with dashes, or empty. cgroup v1 and v2, by cgroupfs and by systemd.
std::string pod_of_cgroup(const std::string& cgroup);

}  // namespace gpunode::share
