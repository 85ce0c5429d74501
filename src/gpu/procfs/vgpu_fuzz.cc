// Any bytes as a device's PCI config space: it ends, a refusal is one line that
// names the device, and what is found is what those 256 bytes hold.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "gpu/procfs/vgpu.h"

namespace {

using namespace gpunode;  // NOLINT(google-build-using-namespace)

constexpr std::string_view kBusId = "0000:3b:00.0";
constexpr std::size_t kConfigSpaceBytes = 256;
constexpr std::size_t kTextBytes = 10;

void require(bool claim) {
  if (!claim) std::abort();
}

/// `text` is a field of `bytes`, up to its NUL or its end.
void require_field(std::string_view bytes, std::string_view text) {
  require(text.size() <= kTextBytes);
  require(text.find('\0') == std::string_view::npos);
  std::size_t at = bytes.find(text);
  while (at != std::string_view::npos && text.size() < kTextBytes &&
         bytes.substr(at + text.size(), 1) != std::string_view("\0", 1)) {
    at = bytes.find(text, at + 1);
  }
  require(at != std::string_view::npos);
}

void require_one_line(const std::string& message) {
  require(message.find(kBusId) != std::string::npos);
  for (const char c : message) {
    require(static_cast<unsigned char>(c) >= 0x20);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto found = procfs::parse_vgpu(kBusId, bytes);
  const bool is_whole = size >= kConfigSpaceBytes;
  require(is_whole || !found);
  if (!found) {
    require(found.error().code() ==
            (is_whole ? ErrorCode::kCorrupt : ErrorCode::kPermissionDenied));
    require_one_line(found.error().message());
    return 0;
  }
  const std::string_view own = bytes.substr(0, kConfigSpaceBytes);
  // What lies behind, as extended config space does, is not looked at.
  const auto again = procfs::parse_vgpu(kBusId, std::string(own));
  require(again && *again == *found);
  require(found->size() <= 1);
  for (const device::Vgpu& vgpu : *found) {
    require(own.find("VF") != std::string_view::npos);
    require(vgpu.pci_bus_id == kBusId);
    require_field(own, vgpu.host_driver_version);
    require_field(own, vgpu.host_driver_branch);
  }
  return 0;
}
