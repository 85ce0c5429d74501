// The host's processes, found by what a container's own pid namespace calls
// them.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/core/result.h"
#include "base/host/host_root.h"

namespace gpunode::share {

/// One process as the node sees it.
struct HostProcess {
  std::uint32_t pid = 0;        ///< Where this process runs.
  std::uint32_t inner_pid = 0;  ///< In its own namespace; 0: unknown.
  /// Inode; 0: unknown, for only who may trace a process may see it.
  std::uint32_t pid_namespace = 0;
  std::uint64_t start_time = 0;  ///< Clock ticks since boot.
  /// It has pids in namespaces within the one that /proc is of.
  bool is_inside = false;

  friend bool operator==(const HostProcess&, const HostProcess&) = default;
};

/// What /proc of `host` has of one process: nothing, if it is not there or only
/// a zombie is left of it. Kernels before 4.1 do not tell inner pids (field
/// NSpid of status). An Error: it could not be looked at, and may well be
/// there.
Result<std::optional<HostProcess>> read_process(const host::HostRoot& host,
                                                std::uint32_t pid);
/// The process that started then is there, or may be: one small reading.
bool may_live(const host::HostRoot& host, std::uint32_t pid,
              std::uint64_t start_time);

/// All of them, as of one reading of /proc. Those that end meanwhile are left
/// out.
class ProcessTable {
 public:
  static ProcessTable read(const host::HostRoot& host);
  explicit ProcessTable(const std::vector<HostProcess>& processes,
                        bool is_whole = true);

  /// Some process that started then and, as far as it is known, is of a pid
  /// namespace with these low bits and has `inner_pid` there. 0 of `start_time`
  /// fits any. Null: nobody does.
  const HostProcess* find(std::uint32_t inner_pid,
                          std::uint32_t low_namespace_bits,
                          std::uint64_t start_time) const;

  /// Who is not in it, of a pid namespace with these low bits, has ended. Not
  /// so where something could not be read; nor where /proc is none, or of a
  /// namespace that does not have containers in it: then they all would seem
  /// to have ended. It has them if it has any process of a namespace within.
  bool can_tell(std::uint32_t low_namespace_bits) const;

 private:
  std::multimap<std::uint64_t, HostProcess> processes_;  // By start time.
  bool is_whole_;
};

}  // namespace gpunode::share
