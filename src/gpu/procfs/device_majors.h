// /proc/devices: which numbers the kernel gave the driver's device nodes.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/core/result.h"
#include "base/host/host_root.h"

namespace gpunode::procfs {

/// The majors of character devices by the names that drivers gave them.
/// Immutable.
class DeviceMajors {
 public:
  /// "Character devices:", then lines like "195 nvidia"; block devices are left
  /// out, and so is what is no such line.
  static DeviceMajors parse(std::string_view text);

  static Result<DeviceMajors> load(const host::HostRoot& host);

  /// "nvidia-uvm", "nvidia-caps"; nothing if there is no such driver. Drivers
  /// before 560 call "nvidia" and "nvidiactl" nvidia-frontend; that is found.
  std::optional<unsigned> of(std::string_view name) const;

 private:
  std::map<std::string, unsigned, std::less<>> majors_;
};

}  // namespace gpunode::procfs
