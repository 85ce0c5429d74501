// What a host is to become: `kind: GPUNode`, typed.
//
// The file is docs/formats/gpunode.md; reading it is spec_file.h.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "node/distribution/table.h"
#include "node/driver/gpu_expectation.h"
#include "node/facts/disk_filter.h"
#include "node/provision/device_plugin_spec.h"
#include "node/provision/kubernetes_spec.h"
#include "node/provision/runtime_spec.h"

namespace gpunode::provision {

/// spec.host.expect: refuse on any other host. Empty: any.
struct ExpectedHost {
  std::string os;    ///< "rocky 8.9", "rocky 8" or "rocky".
  std::string arch;  ///< "x86_64".
};

/// Which kernel the driver is built for.
enum class KernelPolicy : std::uint8_t {
  kAdoptNewest,  ///< The one that boots next; a reboot first if it isn't it.
  kPinRunning,   ///< The one that runs stays the one that boots.
  kExact,        ///< KernelSpec::release.
};

/// spec.host.kernel.
struct KernelSpec {
  KernelPolicy policy = KernelPolicy::kAdoptNewest;
  std::string release;  ///< Of kExact: as `uname -r` will say.
  /// Where the distribution keeps what its repositories no longer have:
  /// "point-release" (rpm), or the day "20240905" (apt); empty: not asked.
  std::string archive = {};
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

/// What the file says of something that others may need: `true`, `false`, or
/// whatever they need.
enum class Choice : std::uint8_t { kAsNeeded, kYes, kNo };

/// spec.host.
struct HostSpec {
  ExpectedHost expect;
  RebootSpec reboot;
  KernelSpec kernel;
  bool swap_off = true;   ///< `swap: off`; `keep` leaves it.
  bool time_sync = true;  ///< Some time service runs.
  /// EPEL, CRB and their equivalents.
  Choice extra_repositories = Choice::kAsNeeded;
  /// Tools to have: in the names of the host's own packages.
  std::vector<std::string> packages;
};

enum class CheckInterval : std::uint8_t { kOff, kHourly, kDaily, kWeekly };

/// spec.check: what looks after the node once it is made.
struct CheckSpec {
  CheckInterval interval = CheckInterval::kHourly;  ///< kOff: no timer.
  int certificate_days = 30;  ///< Certificates that end sooner are told of.
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
  std::vector<std::string> wipe_serials;  ///< No others are erased; empty: any.
  /// Units that must not run without this mount; stopped while data moves.
  std::vector<std::string> users;
};

/// spec.proxy. Empty: none.
struct ProxySpec {
  std::string http;   ///< "http://proxy:3128".
  std::string https;  ///< For addresses that begin with https.
  std::string none;   ///< Hosts and networks reached without: "10.0.0.0/8".
};

enum class WantedFlavour : std::uint8_t { kAuto, kOpen, kProprietary };

enum class DriverSource : std::uint8_t {
  kNvidia,        ///< NVIDIA's repository for the distribution, built by DKMS.
  kPrecompiled,   ///< The same, modules built and signed by NVIDIA.
  kDistribution,  ///< The distribution's own packages.
  kPreinstalled,  ///< It is there, and nobody but its owner changes it.
};

enum class SecureBootRoute : std::uint8_t {
  kAuto,    ///< Signed packages where there are some, else kMok.
  kSigned,  ///< Those, or nothing.
  kMok,     ///< A key of this machine that a person enrols at its console.
};

/// spec.driver.
struct DriverSpec {
  bool is_wanted = false;  ///< The section is there.
  int branch = 0;          ///< 580; 0: what the GPUs and the host agree on.
  std::string version;     ///< "580.178.04"; empty: the newest of the branch.
  WantedFlavour flavour = WantedFlavour::kAuto;
  DriverSource source = DriverSource::kNvidia;
  bool with_display = false;  ///< `profile: full`; else for computing alone.
  /// `profile` is there: what it says counts, possible or not.
  bool is_profile_given = false;
  /// Of the module nvidia, by name: "NVreg_…".
  std::map<std::string, std::string> module_options;
  bool hold = true;  ///< No update changes it but through gpunode.
  bool persistence = true;
  Choice fabric_manager = Choice::kAsNeeded;
  Choice imex = Choice::kAsNeeded;
  SecureBootRoute secure_boot = SecureBootRoute::kAuto;
};

/// spec.gpu: what the machine is expected to have.
struct GpuSpec {
  int count = 0;  ///< GPUs that containers are to get, at least; 0: any.
  /// Just these kinds, each so often; empty: any.
  std::vector<driver::ExpectedGpu> expect = {};
};

/// spec.cuda: what containers bring themselves; nothing unless asked for.
struct CudaSpec {
  std::string toolkit;  ///< "13.0"; empty: none.
  bool gds = false;     ///< GPUDirect Storage: nvidia-fs and its tools.
};

/// spec.verify: what `apply` asks of the node that it made.
struct VerifySpec {
  int level = -1;      ///< Of `gpunode verify`; -1: nothing.
  int patience = 300;  ///< Seconds that level 5 has: the plugin may come late.
};

struct NodeSpec {
  std::string name;  ///< metadata.name; may be empty.
  HostSpec host;
  GpuSpec gpu;
  std::vector<StorageSpec> storage;
  DriverSpec driver;
  CudaSpec cuda;
  RuntimeSpec runtime;
  KubernetesSpec kubernetes;
  DevicePluginSpec device_plugin;
  VerifySpec verify;
  /// What the file adds to the table of distributions.
  std::vector<distribution::Extension> distributions;
  CheckSpec check;
  ProxySpec proxy;  ///< For package managers.
  /// spec.mirrors: by the beginning of a URL, what stands there instead.
  std::map<std::string, std::string> mirrors;
  /// spec.bundle: a directory of `gpunode bundle`, the only place that packages
  /// come from. Empty: none.
  std::string bundle = {};
  /// Not of the file: where gpunode-runtime lies beside the program, to be
  /// installed from. Empty: it is not there.
  std::string runtime_program = {};
  /// Not of the file: where the program lies that units are to start, and the
  /// file that they are to give it. Empty: the program lies where others than
  /// root may put another in its place, or where it may be gone after a boot.
  std::string program = "/usr/bin/gpunode";
  std::string path = "/etc/gpunode/node.yaml";
  /// seen_content() of the file and of its drop-ins, by path.
  std::map<std::string, std::string> files = {};
  /// Sections of the file that this version reads and does not carry out, for
  /// telling so: "runtime", …
  std::vector<std::string> not_carried_out;
};

}  // namespace gpunode::provision
