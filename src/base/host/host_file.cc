#include "base/host/host_file.h"

#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <system_error>

#include "base/host/file.h"
#include "base/host/root_directory.h"

namespace gpunode::host {
namespace {

bool is_own(const HostRoot& host) {
  return host.prefix() == "/";
}

}  // namespace

Result<void> replace_host_file(const HostRoot& host, const std::string& path,
                               std::string_view bytes, mode_t mode) {
  if (!is_own(host)) {
    TRY(const RootDirectory root, RootDirectory::open(host.prefix()));
    TRY(const Change change, root.replace_file(path, bytes, mode));
    static_cast<void>(change);
    return {};
  }
  const std::filesystem::path directory =
      std::filesystem::path(path).parent_path();
  std::error_code failure;
  std::filesystem::create_directories(directory, failure);
  if (failure) {
    return Error::from_errno("make directory " + directory.string(),
                             failure.value());
  }
  return write_file_atomic(path, bytes, mode, Durability::kVolatile);
}

Result<void> remove_host_file(const HostRoot& host, const std::string& path) {
  if (!is_own(host)) {
    TRY(const RootDirectory root, RootDirectory::open(host.prefix()));
    TRY(const Change change, root.remove_file(path));
    static_cast<void>(change);
    return {};
  }
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) {
    return Error::from_errno("remove " + path, errno);
  }
  return {};
}

}  // namespace gpunode::host
