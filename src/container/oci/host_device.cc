#include "container/oci/host_device.h"

#include <cerrno>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "base/text/node.h"

namespace gpunode::oci {
namespace {

std::string_view type_of(host::FileKind kind) {
  switch (kind) {
    case host::FileKind::kCharDevice:
      return "c";
    case host::FileKind::kBlockDevice:
      return "b";
    case host::FileKind::kOther:
      return "p";
    default:
      return "";
  }
}

/// The peer says the cause alone; the path is in front of it already.
std::string cause_of(const Error& error) {
  switch (error.code()) {
    case ErrorCode::kNotFound:
      return errno_text(ENOENT);
    case ErrorCode::kPermissionDenied:
      return errno_text(EACCES);
    default:
      return error.message();
  }
}

}  // namespace

Result<void> complete_device(cdi::DeviceNode& node,
                             const host::HostRoot& host) {
  const bool has_number = node.major.has_value() && *node.major != 0;
  if (!node.type.empty() && (has_number || node.type == "p")) return {};
  const std::string& path = node.host_path.empty() ? node.path : node.host_path;
  const auto status = host.status(path);
  if (!status) {
    return Error(
        status.error().code(),
        fmt::format("failed to stat CDI host device {}: {}",
                    text::json_string(path), cause_of(status.error())));
  }
  const std::string_view found = type_of(status->kind);
  if (found.empty()) {
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("CDI host device {} is not a device node",
                             text::json_string(path)));
  }
  if (!node.type.empty() && node.type != "u" && node.type != found) {
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("CDI device ({}, {}), host type mismatch ({}, {})",
                             text::json_string(node.path),
                             text::json_string(path), node.type, found));
  }
  if (node.type.empty()) node.type = std::string(found);
  if (!has_number && node.type != "p") {
    node.major = status->device_major;
    node.minor = status->device_minor;
  }
  if (!node.file_mode) node.file_mode = status->mode;
  return {};
}

}  // namespace gpunode::oci
