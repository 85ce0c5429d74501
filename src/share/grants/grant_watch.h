// GrantWatch: tells ledgers which of their processes have ended.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
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
  /// /proc of `host` must have the processes of containers; where it does not,
  /// nobody is told gone.
  GrantWatch(GrantFiles files, host::HostRoot host)
      : files_(std::move(files)), host_(std::move(host)) {}

  /// Looks at every grant, and marks the slots of processes that have ended.
  /// While nobody comes or goes this reads one file a process; the table of
  /// all of them is read when there is a slot of somebody who is not known. The
  /// first step removes what an agent that was killed has left of grants.
  void step();

  /// Somebody is in a ledger whose end nobody here could tell.
  bool is_blind() const { return is_blind_; }

  /// By allocation id, as of the last step. What could not be looked at then is
  /// as it was before; its `file` is 0 if it has never been seen.
  const std::map<std::string, GrantLook>& looks() const { return looks_; }
  /// As of the last step; 0: nobody can tell, or nobody holds anything.
  std::size_t processes() const { return known_.size(); }
  const GrantFiles& files() const { return files_; }
  /// The host's pid of who has the slot; 0: it is not known.
  std::uint32_t host_pid(const std::string& id, const SlotHeld& slot) const;

 private:
  using Key = std::tuple<std::string, std::uint32_t, std::uint32_t>;

  /// Who has a slot, and the process that it is.
  struct Known {
    SlotHeld slot;
    HostProcess process;
  };

  void remove_what_was_left() const;
  bool has_ended(const Key& key, const SlotHeld& slot,
                 std::map<Key, Known>* known,
                 std::optional<ProcessTable>* table);

  void mark_ended(const std::string& id, GrantLook* look,
                  std::map<Key, Known>* known,
                  std::optional<ProcessTable>* table);
  void clear_unaccounted(const std::string& id, GrantLook* look) const;

  GrantFiles files_;
  host::HostRoot host_;
  std::map<std::string, GrantLook> looks_;
  std::map<Key, Known> known_;
  bool is_blind_ = false;
  bool has_begun_ = false;
};

}  // namespace gpunode::share
