// The CDI specs behind the names that cdi-annotations and cdi-cri answers have.
//
// A runtime that is handed `k8s.device-plugin.nvidia.com/gpu=…` looks the name
// up in spec files, so these must be there, and right, before the first answer
// is. They are written when the driver comes up and whenever what they rest on
// may have changed, and stay when the agent ends: containers are restarted
// without it.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "agent/config/settings.h"
#include "agent/plugin/host_devices.h"
#include "base/core/result.h"
#include "base/host/host_root.h"
#include "container/cdi/findings.h"
#include "container/cdi/spec.h"
#include "container/cdi/watched_findings.h"
#include "gpu/device/inventory.h"

namespace gpunode::plugin {

/// Of every name in an answer and every spec here.
inline constexpr const char* kCdiVendor = "k8s.device-plugin.nvidia.com";

/// Whether an answer names CDI devices at all.
bool uses_cdi(const config::Settings& settings);

/// The driver's files and the device nodes, as this process sees them: the
/// driver under driver_root_ctr_path or, where that is no directory, under
/// `host`, whose /proc and /sys these are.
class DriverLook {
 public:
  /// What is there for the GPUs of `inventory`. To look takes milliseconds, so
  /// what the last look found is given as long as it holds: as long as all
  /// arguments are the same and nothing has changed on the host
  /// (container/cdi/watched_findings.h). Valid until the next call.
  const cdi::Findings& find(const config::Settings& settings,
                            const host::HostRoot& host,
                            const device::Inventory& inventory);

  /// How often that took a look.
  std::uint64_t looks() const { return looks_; }

 private:
  std::optional<cdi::WatchedFindings> last_;
  std::uint64_t looks_ = 0;
};

/// A spec of class gpu, and one each of imex-channel, gdrcopy, gds and mofed
/// that is asked for and has something. Pure. Fails without a GPU or without
/// the driver's libcuda, which a container could not do without.
Result<std::vector<cdi::Spec>> make_cdi_specs(const config::Settings& settings,
                                              const HostDevices& host_devices,
                                              const cdi::Findings& found);

/// "gdrcopy=all", "gds=all", "mofed=all": what each answer names beside its
/// GPUs, in NVIDIA's order, where `specs` has it.
std::vector<std::string> further_cdi_devices(std::span<const cdi::Spec> specs);

/// Replaces /var/run/cdi/k8s.device-plugin.nvidia.com-<class>.json under
/// `host`, each in one step and only where it differs, and removes those of
/// classes that `specs` no longer has. The directory is made if need be.
Result<void> write_cdi_specs(const host::HostRoot& host,
                             std::span<const cdi::Spec> specs);

}  // namespace gpunode::plugin
