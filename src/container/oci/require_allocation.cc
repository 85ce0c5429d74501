#include "container/oci/require_allocation.h"

#include <string>
#include <string_view>

#include "base/host/host_file.h"

namespace gpunode::oci {
namespace {

constexpr std::string_view kText =
    "# gpunode-agent --require-allocation: gpunode-runtime gives containers\n"
    "# what the kubelet granted them, whatever their images ask for. An agent\n"
    "# without the option takes this file away. docs/adr/0011\n";

bool is_marked(const host::HostRoot& host) {
  const auto status = host.status(kRequireAllocationMark);
  return status || (status.error().code() != ErrorCode::kNotFound &&
                    status.error().code() != ErrorCode::kPermissionDenied);
}

}  // namespace

bool is_allocation_required(const GpunodeConfig& config,
                            const host::HostRoot& host) {
  return config.require_allocation ? *config.require_allocation
                                   : is_marked(host);
}

Result<void> set_require_allocation(const host::HostRoot& host, bool required) {
  if (!required) return host::remove_host_file(host, kRequireAllocationMark);
  if (host.status(kRequireAllocationMark)) return {};
  const std::string path = kRequireAllocationMark;
  const std::string directory = path.substr(0, path.rfind('/'));
  if (const auto status = host.status(directory); !status) {
    return Error(status.error().code(), status.error().message() +
                                            ": mount the host's " + directory +
                                            " here, or make it");
  }
  return host::replace_host_file(
      host, path, kText,
      {.mode = 0644, .durability = host::Durability::kDurable});
}

}  // namespace gpunode::oci
