// What the kernel's log says of GPUs, their driver and what a node stands on.
//
// Pure. The words are those of NVIDIA's modules (open-gpu-kernel-modules:
// osapi.c, osinit.c, nv.c, nv-pci.c, kernel_gsp.c), of the kernel's module
// loader (kernel/module/signing.c), of lockdown and of overlayfs. A log is
// hostile: a process may choose a name that looks like a message, so a message
// counts only where a line begins, and what is quoted of it is bounded.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace gpunode::diagnose {

enum class LogSign : std::uint8_t {
  kNeedsOpenModule,   ///< The GPU wants the open kernel modules.
  kNeedsOtherModule,  ///< The open ones are loaded, and it has no GSP.
  kNotInBranch,       ///< This release of the driver does not know it.
  kLegacyGpu,         ///< It was dropped; an older branch has it.
  kInitFailed,        ///< RmInitAdapter.
  kApiMismatch,       ///< Libraries and module are of different releases.
  kFallenOff,         ///< Xid 79, or at probe.
  kGsp,               ///< Xid 119, 120: the GPU's own processor hangs.
  kXid,               ///< Any other.
  kProbeNotCalled,    ///< Another driver holds the device.
  kBadRegion,         ///< A BAR without a place.
  kRejected,          ///< Signatures are enforced, and it has none that counts.
  kLockedDown,        ///< Unsigned, under lockdown.
  kOtherKernel,       ///< Built for another kernel.
  /// Xid 169, or RmInitAdapter with 0x62: the GPU's own processor has no
  /// firmware that it takes; of chips that want the open modules, the others
  /// are loaded.
  kFirmwareFailed,
  kNoEntryTypes,  ///< xfs with ftype=0 below an overlay.
};

/// "xid", "gsp", …: for programs.
std::string_view sign_name(LogSign sign);

struct LogMark {
  LogSign sign = LogSign::kXid;
  std::string line;  ///< The last one, without its time; at most 300 bytes.
  std::string gpu;   ///< "0000:00:1e.0", or "" where the line does not tell.
  int xid = 0;
  std::string client;  ///< Of kApiMismatch: the version of the libraries,
  std::string module;  ///< and that of the module.
  std::size_t count = 1;

  friend bool operator==(const LogMark&, const LogMark&) = default;
};

/// `line` as it is quoted: its beginning, at most 300 bytes.
std::string log_excerpt(std::string_view line);

/// At most so many are told; real logs have a handful.
inline constexpr std::size_t kMarkLimit = 64;

/// The signs in a kernel log, of dmesg, `journalctl -k -o short-monotonic` or
/// syslog, in the order in which they first come: one for each sign, GPU and
/// Xid.
std::vector<LogMark> read_kernel_log(std::string_view text);

}  // namespace gpunode::diagnose
