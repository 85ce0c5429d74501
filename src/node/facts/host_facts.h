// What is observed of a host, as values: all that a plan may follow from.
//
// Passive data without I/O (observe.h fills it). Two hosts with equal facts get
// equal plans; a bundle (bundle.h) carries them elsewhere.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "gpu/procfs/pci_condition.h"
#include "node/facts/disks.h"
#include "node/facts/driver_facts.h"
#include "node/facts/fstab.h"
#include "node/facts/os_release.h"

namespace gpunode::facts {

/// A wanted file. Absent: neither content nor error.
struct FileFacts {
  std::optional<std::string> content;  ///< Any bytes.
  /// Why it could not be read, "permission denied"; empty otherwise.
  std::string error;
  std::uint32_t mode = 0;   ///< Permission bits.
  std::string link_target;  ///< If the path itself is a link.

  bool exists() const { return content.has_value() || !error.empty(); }
  friend bool operator==(const FileFacts&, const FileFacts&) = default;
};

/// A wanted directory tree.
struct TreeFacts {
  bool exists = false;
  bool is_directory = false;
  bool is_mount_point = false;
  std::uint64_t entries = 0;  ///< Of the directory itself, at most 4096.
  std::string selinux_label =
      {};  ///< "system_u:object_r:var_lib_t:s0"; "" if none.
  /// What the policy has for the path, where SELinux enforces; "" if unknown.
  std::string selinux_policy_label = {};
  /// The first part of the path that is a symbolic link, "/data"; "" if none.
  std::string link = {};
  friend bool operator==(const TreeFacts&, const TreeFacts&) = default;
};

/// A wanted unit, as `systemctl show` has it; of a host that does not run here
/// (another root), as its unit files have it.
struct UnitFacts {
  std::string load_state;  ///< "loaded", "not-found", "masked".
  /// "active", "inactive", "failed", …; "" where systemd does not run.
  std::string active_state;
  std::string
      unit_file_state;  ///< "enabled", "disabled", "static", "" if none.
  /// Sockets, timers and paths that start it, which are in the facts as well;
  /// none where systemd does not run.
  std::vector<std::string> triggered_by = {};
  friend bool operator==(const UnitFacts&, const UnitFacts&) = default;
};

struct PackageFacts {
  /// As the manager prints it, epoch too: "1.7.24~ds1-6". Of several installed
  /// (kernels) the one that came last.
  std::string version;
  /// dpkg's own hold. What dnf and zypper keep is in files of theirs.
  bool is_held = false;
  friend bool operator==(const PackageFacts&, const PackageFacts&) = default;
};

struct KernelFacts {
  std::string release;  ///< uname -r.
  std::string machine;  ///< uname -m.
  std::string boot_id;  ///< Differs after every boot; 36 characters.
  std::string command_line;
  friend bool operator==(const KernelFacts&, const KernelFacts&) = default;
};

struct MachineFacts {
  std::string vendor;   ///< DMI sys_vendor.
  std::string product;  ///< DMI product_name: "g5.4xlarge".
  std::string cloud;    ///< "aws", "azure", "gcp", "oci"; "" for none known.
  std::uint64_t memory_bytes = 0;
  int processors = 0;
  bool efi = false;
  bool container = false;  ///< Inside one; its kernel is not ours to set.
  /// "docker", "podman", "lxc", …, or "container"; "" outside of one.
  std::string container_kind;
  /// What is installed comes as an image, and packages can't be added to it.
  bool image_based = false;
  /// "ostree", "transactional-update", or an id as "nixos"; "" if not so.
  std::string image_kind;
  bool wsl = false;      ///< Windows Subsystem for Linux.
  bool tegra = false;    ///< Jetson: NVIDIA's other driver stack.
  bool systemd = false;  ///< PID 1 is systemd.
  /// An InfiniBand function of this machine manages NVLink switches (NVLink 5:
  /// they are not on the PCI bus): "SW_MNG" in its VPD. Looked for where the
  /// driver is wanted.
  bool manages_nvlink = false;
  /// SELinux has a policy loaded, whether it enforces it or is permissive:
  /// labels are made and kept.
  bool selinux = false;
  bool selinux_enforcing = false;
  friend bool operator==(const MachineFacts&, const MachineFacts&) = default;
};

/// A GPU or NVSwitch as PCI shows it, driver or none.
struct PciGpu {
  std::string address;          ///< "0000:00:1e.0".
  std::uint16_t device_id = 0;  ///< Vendor is always 10de.
  std::string product;          ///< "NVIDIA A10G"; from the id, else it.
  std::string driver;  ///< "nvidia", "nouveau", "vfio-pci", "" for none.
  bool is_switch = false;
  bool is_vgpu = false;  ///< A hypervisor's vGPU: needs the GRID driver.
  procfs::PciCondition condition = {};
  friend bool operator==(const PciGpu&, const PciGpu&) = default;
};

/// A line of /proc/swaps.
struct SwapFacts {
  std::string path;
  std::string kind;  ///< "partition" or "file".
  std::uint64_t size_bytes = 0;
  friend bool operator==(const SwapFacts&, const SwapFacts&) = default;
};

struct HostFacts {
  OsRelease os;
  KernelFacts kernel;
  MachineFacts machine;
  std::vector<PciGpu> gpus;
  std::vector<SwapFacts> swaps;
  std::vector<FstabLine> fstab;

  /// Keyed by what was wanted; what was not wanted is not there.
  std::map<std::string, FileFacts> files;
  std::map<std::string, TreeFacts> trees;
  std::map<std::string, UnitFacts> units;
  std::map<std::string, PackageFacts> packages;  ///< Installed ones alone.
  std::map<std::string, std::string> sysctls;    ///< Those the kernel has.
  /// Wanted modules that the kernel has now, with underscores: true for those
  /// loaded, false for those built in.
  std::map<std::string, bool> modules;

  /// All disks by what the kernel tells; those wanted were looked into.
  StorageFacts storage;

  // What a driver is built for and what there is of one; empty unless wanted.
  KernelsFacts kernels;
  DriverFacts driver;
  SecureBootFacts secure_boot;

  /// What could not be observed and is no reason to stop: said in plans.
  std::vector<std::string> gaps;

  friend bool operator==(const HostFacts&, const HostFacts&) = default;
};

}  // namespace gpunode::facts
