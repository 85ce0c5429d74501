#include "node/facts/disk_filter.h"

#include <algorithm>

#include "base/core/ascii.h"

namespace gpunode::facts {
namespace {

using host::BlockSubsystem;

bool is_disk(const host::BlockDevice& device) {
  if (device.size_bytes == 0) return false;
  switch (device.subsystem) {
    case BlockSubsystem::kNvme:
    case BlockSubsystem::kScsi:
    case BlockSubsystem::kVirtio:
    case BlockSubsystem::kXen:
      return true;
    default:
      return false;
  }
}

}  // namespace

bool is_cloud_ephemeral(std::string_view model) {
  // AWS: instance stores; EBS volumes are "Amazon Elastic Block Store".
  if (model == "Amazon EC2 NVMe Instance Storage") return true;
  // Azure: local disks; remote ones are "MSFT NVMe Accelerator v1.0".
  if (model.starts_with("Microsoft NVMe Direct Disk")) return true;
  // Google: local SSDs are nvme_card or nvme_card0 and on; persistent disks are
  // nvme_card-pd.
  constexpr std::string_view kGoogle = "nvme_card";
  return model.starts_with(kGoogle) &&
         (model == kGoogle || is_number(model.substr(kGoogle.size())));
}

bool DiskFilter::fits(const host::BlockDevice& device) const {
  if (!path.empty()) {
    return device.subsystem == BlockSubsystem::kLoop && device.path == path &&
           device.size_bytes != 0;
  }
  if (!is_disk(device)) return false;
  if (cloud_ephemeral && !is_cloud_ephemeral(device.model)) return false;
  if (!model.empty() && model != device.model) return false;
  if (!serials.empty() &&
      std::ranges::find(serials, device.serial) == serials.end()) {
    return false;
  }
  return device.size_bytes >= min_size_bytes &&
         device.size_bytes <= max_size_bytes;
}

}  // namespace gpunode::facts
