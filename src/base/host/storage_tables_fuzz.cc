// Any bytes as mountinfo, as /proc/swaps and as what a device says of itself:
// refused in one line, or values that the rest counts on.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/host/disk_lineage.h"

namespace {

void require(bool claim) {
  if (!claim) std::abort();
}

bool is_one_line(std::string_view text) {
  return !text.empty() && text.find('\n') == std::string_view::npos;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  namespace host = gpunode::host;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  host::StorageView view;
  if (auto mounts = host::parse_mount_table(text)) {
    view.mounts = *std::move(mounts);
    for (const host::Mount& mount : view.mounts) {
      require(!mount.mount_point.empty() && !mount.type.empty());
      require(host::mount_of(view.mounts, mount.mount_point) != nullptr ||
              !mount.mount_point.starts_with('/'));
    }
  } else {
    require(is_one_line(mounts.error().message()));
  }
  if (auto swaps = host::parse_swap_table(text)) {
    view.swaps = *std::move(swaps);
    for (const host::Swap& swap : view.swaps) require(!swap.path.empty());
  } else {
    require(is_one_line(swaps.error().message()));
  }
  for (const char c : host::device_text(text)) require(c >= 0x20 && c < 0x7f);
  // A disk that every mount is on is never free.
  host::BlockDevice disk;
  disk.name = "sda";
  for (const host::Mount& mount : view.mounts) {
    disk.number = mount.device;
    if (!disk.number.is_device()) continue;
    view.devices = {disk};
    const auto lineages = host::disk_lineages(view);
    require(lineages.size() == 1 && is_one_line(lineages[0].refusal()));
    break;
  }
  return 0;
}
