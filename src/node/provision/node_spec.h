// What a host is to become: `kind: GPUNode`, typed.
//
// The file is docs/formats/gpunode.md; reading it is spec_file.h.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "node/facts/disk_filter.h"

namespace gpunode::provision {

/// spec.host.expect: refuse on any other host. Empty: any.
struct ExpectedHost {
  std::string os;    ///< "rocky 8.9", "rocky 8" or "rocky".
  std::string arch;  ///< "x86_64".
};

enum class RebootMode : std::uint8_t {
  kNever,  ///< Say that it is needed and stop with exit code 4.
  kAsk,    ///< As kNever, unless a terminal says yes.
  kAuto,   ///< Reboot and go on after it.
};

struct RebootSpec {
  RebootMode mode = RebootMode::kAsk;
  int max = 3;  ///< Reboots in one run before it gives up.
};

/// spec.host.
struct HostSpec {
  ExpectedHost expect;
  RebootSpec reboot;
  bool swap_off = true;            ///< `swap: off`; `keep` leaves it.
  bool time_sync = true;           ///< Some time service runs.
  bool extra_repositories = true;  ///< EPEL, CRB and their equivalents.
  /// Tools to have: in the names of the host's own packages.
  std::vector<std::string> packages;
};

enum class ExistingData : std::uint8_t { kRefuse, kMigrate, kDiscard };
enum class MountVia : std::uint8_t { kUnit, kFstab };
enum class OnBootBlank : std::uint8_t { kFail, kReformat };

/// One entry of spec.storage.
struct StorageSpec {
  std::string id;  ///< "containerd"; names the label, the units, the Steps.
  facts::DiskFilter select;
  int count = 1;  ///< Exactly so many disks must fit, or nothing is touched.
  std::string layout = "single";  ///< "single", "raid0", "lvm".
  std::string type = "xfs";       ///< "xfs", "ext4".
  std::string label;              ///< At most 12 bytes; "gn-" and the id.
  std::vector<std::string> options = {"noatime"};
  std::string path;  ///< Mount point.
  MountVia via = MountVia::kUnit;
  ExistingData existing_data = ExistingData::kRefuse;
  OnBootBlank on_boot_blank = OnBootBlank::kFail;
  std::vector<std::string> wipe_serials;  ///< Disks that may be erased.
  /// Units that must not run without this mount; stopped while data moves.
  std::vector<std::string> users;
};

struct NodeSpec {
  std::string name;  ///< metadata.name; may be empty.
  HostSpec host;
  std::vector<StorageSpec> storage;
  std::string proxy;  ///< spec.proxy.http; for package managers.
  /// Not of the file: where the program lies that units are to start, and the
  /// file that they are to give it. Empty: the program lies where others than
  /// root may put another in its place, or where it may be gone after a boot.
  std::string program = "/usr/bin/gpunode";
  std::string path = "/etc/gpunode/node.yaml";
  /// Sections of the file that this version reads and does not carry out, for
  /// telling so: "driver", "runtime", …
  std::vector<std::string> not_carried_out;
};

}  // namespace gpunode::provision
