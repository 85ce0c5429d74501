// The logs of a host that tell why it has no GPUs: the kernel's, DKMS's, and
// those of its package manager.
//
// Texts as they are, of strangers: who judges them is node/diagnose.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "base/host/command_runner.h"
#include "base/host/host_root.h"

namespace gpunode::facts {

/// A make.log of a build that DKMS did not finish.
struct BuildLog {
  std::string path;  ///< "/var/lib/dkms/nvidia/580.65.06/build/make.log".
  std::string version;
  std::string text;
};

struct LogFile {
  std::string path;
  std::string text;
};

struct LogFacts {
  std::string kernel;         ///< Of this boot; "" where it is not to be had.
  std::string kernel_source;  ///< "journalctl -k -b", or a path.
  std::vector<BuildLog> builds;
  std::vector<LogFile> packages;
  std::vector<std::string> gaps;
};

/// The most that is read of a log. Of a longer one it is the end, and a gap.
inline constexpr std::size_t kLogLimitBytes = std::size_t{16} << 20U;

/// Of the running host the kernel's log comes of journald or dmesg, asked
/// through `runner` once; of another root from the files of syslog, from where
/// the last boot begins. Changes nothing.
LogFacts read_logs(const host::HostRoot& host, host::CommandRunner& runner);

}  // namespace gpunode::facts
