#include "container/hook/device_policy.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/vfs.h>

#include <algorithm>
#include <cstddef>
#include <utility>

#include "container/hook/bound_file.h"

namespace gpunode::hook {
namespace {

constexpr std::string_view kParams = "driver/nvidia/params";
constexpr std::string_view kSetting = "ModifyDeviceFiles:";
constexpr std::size_t kMaxParamsBytes = std::size_t{64} << 10;

bool is_procfs(const UniqueFd& directory) {
  struct statfs filesystem {};
  return ::fstatfs(directory.get(), &filesystem) == 0 &&
         filesystem.f_type == PROC_SUPER_MAGIC;
}

}  // namespace

std::string without_device_file_changes(std::string_view params) {
  std::string changed;
  while (!params.empty()) {
    const std::size_t end = std::min(params.find('\n'), params.size());
    const std::string_view line = params.substr(0, end);
    if (line.starts_with(kSetting)) {
      changed += std::string(kSetting) + " 0";
    } else {
      changed += line;
    }
    if (end < params.size()) changed += '\n';
    params.remove_prefix(std::min(end + 1, params.size()));
  }
  return changed;
}

Result<host::Change> forbid_device_node_changes(
    const host::HostRoot& host, const host::RootDirectory& root) {
  const auto params =
      host.read_file("/proc/" + std::string(kParams), kMaxParamsBytes);
  if (!params) {
    if (params.error().code() == ErrorCode::kNotFound) {
      return host::Change::kNone;
    }
    return params.error();
  }
  const std::string changed = without_device_file_changes(*params);
  if (changed == *params) return host::Change::kNone;

  // O_NOFOLLOW: an image whose /proc is a link would have us cover a file of
  // its own choice, and leave the real one as it is.
  auto proc = root.open_path("/proc", O_PATH | O_NOFOLLOW | O_DIRECTORY);
  if (!proc) {
    if (proc.error().code() == ErrorCode::kNotFound) return host::Change::kNone;
    return std::move(proc).error();
  }
  if (!is_procfs(*proc)) return host::Change::kNone;
  const host::RootDirectory in_proc(*std::move(proc));
  auto change = bind_over(in_proc, std::string(kParams), changed);
  if (!change && change.error().code() == ErrorCode::kNotFound) {
    return host::Change::kNone;
  }
  return change;
}

}  // namespace gpunode::hook
