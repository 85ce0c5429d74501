// /proc/driver/nvidia-caps/mig-minors: which device node grants which part of
// a GPU.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "base/core/result.h"
#include "base/host/host_root.h"
#include "gpu/device/identity.h"

namespace gpunode::procfs {

/// The minors of the character device nvidia-caps, read once. Immutable.
class MigMinors {
 public:
  /// Lines are `config M`, `monitor M`, `gpuN/giG/access M` and
  /// `gpuN/giG/ciC/access M`, N being the GPU's Minor. What is none of these
  /// is listed in problems() and skipped.
  static MigMinors parse(std::string_view text);

  /// No entries if the file is not there: a driver without MIG.
  static Result<MigMinors> load(const host::HostRoot& host);

  /// "/dev/nvidia-caps/nvidia-cap21"; nothing if there is no entry.
  std::optional<std::string> gpu_instance_path(device::Minor gpu,
                                               unsigned gpu_instance) const;
  std::optional<std::string> compute_instance_path(
      device::Minor gpu, unsigned gpu_instance,
      unsigned compute_instance) const;
  std::optional<std::string> config_path() const;
  std::optional<std::string> monitor_path() const;

  /// Every capability's, in the order of the numbers.
  std::vector<unsigned> all() const;

  const std::vector<std::string>& problems() const { return problems_; }

 private:
  enum class Kind { kConfig, kMonitor, kGpuInstance, kComputeInstance };
  // Kind, GPU minor, GI, CI; what a kind does not have is 0.
  using Key = std::tuple<Kind, unsigned, unsigned, unsigned>;

  static std::optional<Key> parse_name(std::string_view name);
  std::optional<std::string> path(const Key& key) const;

  std::map<Key, unsigned> minors_;
  std::vector<std::string> problems_;
};

}  // namespace gpunode::procfs
