// GrantWatch: tells ledgers which of their processes have ended.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <tuple>

#include "base/host/host_root.h"
#include "share/grants/grant_files.h"
#include "share/grants/process_table.h"

namespace gpunode::share {

/// Of processes of one pid namespace a container sees itself who has ended; of
/// those before a container's restart only the node does. One thread at a time.
class GrantWatch {
 public:
  /// `sees_host`: /proc of `host` has the processes of containers. Without it
  /// nobody is ever told gone.
  GrantWatch(GrantFiles files, host::HostRoot host, bool sees_host)
      : files_(std::move(files)),
        host_(std::move(host)),
        sees_host_(sees_host) {}

  /// True for a process in the host's pid namespace: its parent is there, too.
  static bool sees_host_processes();

  /// Looks at every grant, and marks the slots of processes that have ended.
  /// While nobody comes or goes this reads one file a process; the table of
  /// all of them is read when there is a slot of somebody who is not known.
  void step();

  /// By allocation id, as of the last step.
  const std::map<std::string, GrantLook>& looks() const { return looks_; }
  /// As of the last step; 0: nobody can tell, or nobody holds anything.
  std::size_t processes() const { return known_.size(); }
  const GrantFiles& files() const { return files_; }
  /// The host's pid of who has the slot; 0: it is not known.
  std::uint32_t host_pid(const std::string& id, const SlotHeld& slot) const;

 private:
  using Key = std::tuple<std::string, std::uint32_t, std::uint32_t>;

  bool has_ended(const Key& key, const SlotHeld& slot,
                 std::map<Key, HostProcess>* known, bool* has_table,
                 ProcessTable* table);

  GrantFiles files_;
  host::HostRoot host_;
  bool sees_host_;
  std::map<std::string, GrantLook> looks_;
  std::map<Key, HostProcess> known_;
};

}  // namespace gpunode::share
