#include "base/host/host_file.h"

#include <fcntl.h>

#include <utility>

namespace gpunode::host {

Result<RootDirectory> open_host(const HostRoot& host) {
  TRY(UniqueFd fd, host.open("/", O_PATH | O_DIRECTORY));
  return RootDirectory(std::move(fd));
}

Error below(const HostRoot& host, Error error) {
  if (host.prefix() == "/") return error;
  return std::move(error).with_context("below " + host.prefix());
}

Result<void> replace_host_file(const HostRoot& host, const std::string& path,
                               std::string_view bytes, FileForm form) {
  form.has_rivals = true;
  TRY(const RootDirectory root, open_host(host));
  auto change = root.replace_file(path, bytes, form);
  if (!change) return below(host, std::move(change).error());
  return {};
}

Result<void> remove_host_file(const HostRoot& host, const std::string& path) {
  TRY(const RootDirectory root, open_host(host));
  auto change = root.remove_file(path);
  if (!change) return below(host, std::move(change).error());
  return {};
}

}  // namespace gpunode::host
