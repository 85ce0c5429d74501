// The files of each grant that its container has mounted
// (docs/formats/ledger.md), where it has them from.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/core/result.h"
#include "share/grants/grant.h"
#include "share/ledger/ledger_copy.h"

namespace gpunode::share {

/// What the processes of a container hold of one Device.
struct DeviceHeld {
  std::string uuid;
  std::uint64_t limit = 0;        ///< Bytes; may have been changed since.
  std::uint64_t unaccounted = 0;  ///< Bytes that the ledger does not have.
  DeviceUse use;
  TimePart time = {};  ///< May have been changed since.
  TurnPriority priority = {};
};

/// A process that has a slot, as it says: any of it may be untrue.
struct SlotHeld {
  std::uint32_t slot = 0;
  std::uint32_t generation = 0;
  std::uint32_t pid = 0;            ///< In its own pid namespace.
  std::uint32_t pid_namespace = 0;  ///< The low bits of its inode.
  std::uint64_t start_time = 0;     ///< 0: unknown.
  std::vector<std::uint64_t> held;  ///< Bytes, by Device.

  friend bool operator==(const SlotHeld&, const SlotHeld&) = default;
};

/// A look at both files of one grant.
struct GrantLook {
  std::vector<DeviceHeld> devices;
  std::vector<SlotHeld> slots;  ///< Live ones that nobody was told are gone.
  std::string problem;          ///< Why the ledger is not to be believed.
  std::string why_unlimited;    ///< The runtime's word; empty: it is limited.
  std::uint64_t file = 0;  ///< Tells the files from those of a later renew().
};

/// The directory of grants: `<root>/<id>/limits` and `<root>/<id>/ledger`. On
/// tmpfs; root's, who alone may list it. Needs no
/// capability. Where an engine made directories in the files' places, they are
/// in these, by the same names, so that the container finds them. Const: any
/// number of threads, and of agents; what makes or removes files waits for the
/// others that do.
class GrantFiles {
 public:
  /// Where the node keeps them.
  static constexpr const char* kRoot = "/run/gpunode/allocations";

  /// Makes nothing yet.
  explicit GrantFiles(std::string root) : root_(std::move(root)) {}

  /// Both files anew, whatever was there: nobody runs in them yet. With what
  /// the runtime is told (delivery.h).
  Result<void> renew(const Grant& grant) const;
  /// As renew() if they are not there, or are none of ours; else what runs in
  /// them goes on, under the limits that they have, for the Devices of these.
  /// That they could not be looked at is an Error, and changes nothing.
  Result<void> keep(const Grant& grant) const;
  /// That it is not there is no failure. What is mounted from it stays. With
  /// `file`, nothing is done if it has been renewed since that look. An Error:
  /// it is no grant any more, but a container left something that stays.
  Result<void> remove(const std::string& id, std::uint64_t file = 0) const;

  /// Names of grants, sorted; none if there is no directory.
  Result<std::vector<std::string>> list() const;

  /// From the next reservation on; what is held above it stays. kNotFound if
  /// the grant has no such Device.
  Result<void> set_limit(const std::string& id, const std::string& uuid,
                         std::uint64_t bytes) const;
  /// From the Device's next turn on.
  Result<void> set_time(const std::string& id, const std::string& uuid,
                        TimePart time) const;
  /// Within a second. The Pod's takes the place of none that was set by hand,
  /// nor does nobody's where `file` is named, which is as of remove(); nobody's
  /// does otherwise.
  Result<void> set_priority(const std::string& id, const std::string& uuid,
                            TurnPriority priority,
                            std::uint64_t file = 0) const;
  /// Counted as if the container's processes had taken it.
  Result<void> set_unaccounted(const std::string& id, const std::string& uuid,
                               std::uint64_t bytes) const;
  /// The owners of slots have ended: what they held counts no more. Nothing is
  /// done of a slot that is another's by now, of a new ledger perhaps.
  Result<void> mark_gone(const std::string& id,
                         const std::vector<SlotHeld>& slots) const;

  Result<GrantLook> look(const std::string& id) const;
  /// GrantLook::file alone, without a descriptor. kNotFound: there is no such
  /// grant.
  Result<std::uint64_t> file_of(const std::string& id) const;

  const std::string& root() const { return root_; }
  /// What containers have mounted: the file, or a directory that has it.
  std::string limits_path(const std::string& id) const;
  std::string ledger_path(const std::string& id) const;

 private:
  Result<void> make(const Grant& grant) const;  // In its turn.
  Result<std::string> retire(const std::string& id) const;
  Result<void> set(const std::string& id, const std::string& uuid,
                   Word DeviceLimit::*word, std::uint64_t bytes) const;

  std::string root_;
};

}  // namespace gpunode::share
