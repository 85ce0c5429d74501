#include "base/host/container_label.h"

#include <sys/xattr.h>

#include <array>
#include <string_view>

namespace gpunode::host {
namespace {

constexpr const char* kAttribute = "security.selinux";
/// Without categories: any container's.
constexpr std::string_view kLabel = "system_u:object_r:container_file_t:s0";

}  // namespace

void label_for_containers(int fd) {
  std::array<char, 256> label;
  if (::fgetxattr(fd, kAttribute, label.data(), label.size()) <= 0) return;
  // With its end, as libselinux writes it.
  (void)::fsetxattr(fd, kAttribute, kLabel.data(), kLabel.size() + 1, 0);
}

}  // namespace gpunode::host
