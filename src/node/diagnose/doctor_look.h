// What `gpunode doctor` looks at: a host, its kernels, and its logs, judged
// line by line. I/O is here alone; pains.h concludes.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/core/result.h"
#include "base/host/command_runner.h"
#include "base/host/host_root.h"
#include "node/diagnose/kernel_log.h"
#include "node/diagnose/tool_log.h"
#include "node/distribution/table.h"
#include "node/facts/host_facts.h"
#include "node/facts/next_kernel.h"

namespace gpunode::diagnose {

/// A build of NVIDIA's modules that DKMS did not finish.
struct FailedBuild {
  std::string path;     ///< Of its log.
  std::string version;  ///< Of the driver.
  BuildVerdict verdict;
  bool has_module = false;  ///< The kernel has one all the same.
};

struct PackageTrouble {
  std::string path;  ///< Of the log.
  PackageMark mark;
};

struct DoctorLook {
  facts::HostFacts host;
  facts::KernelModules kernels;
  std::vector<LogMark> kernel_log;
  std::string kernel_log_source;  ///< "journalctl -k -b", or a path.
  std::vector<FailedBuild> builds;
  std::vector<PackageTrouble> packages;
  /// /dev/char has a link to /dev/nvidiactl; nothing where there is none of
  /// the latter, or it cannot be told.
  std::optional<bool> has_device_links;
  /// Programs that run as root and anybody may replace: paths.
  std::vector<std::string> writable_programs;
  /// kubeadm has begun to join a cluster and has not come to its end.
  bool is_joining = false;
  std::vector<std::string> gaps;  ///< What could not be looked at.
  /// With what the owner of the host adds to it; whoever read that fills it in.
  distribution::Table distributions;
};

/// An Error if there is no host at the root (facts::observe). Asks no driver
/// and wakes no GPU; changes nothing.
Result<DoctorLook> look_for_doctor(const host::HostRoot& host,
                                   host::CommandRunner& runner);

/// What a driver has to say of itself, by whatever tells it.
struct RunningDriver {
  std::string version;  ///< Of the module in the kernel; "": none.
  std::optional<bool> is_open;
  std::string library;  ///< Version of the libraries; "": not known.
};
RunningDriver running_driver_of(const facts::HostFacts& host);

/// "dnf install X", by the host's own manager; "install X" where none is known.
std::string install_command(const DoctorLook& look, const std::string& package);

}  // namespace gpunode::diagnose
