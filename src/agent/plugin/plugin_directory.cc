#include "agent/plugin/plugin_directory.h"

#include <utility>

#include <fmt/format.h>

namespace gpunode::plugin {
namespace {

constexpr const char* kDefaultDirectory = "/var/lib/kubelet/device-plugins";

}  // namespace

std::string plugin_directory_of(const std::string& kubelet_socket) {
  if (kubelet_socket.empty()) return kDefaultDirectory;
  const std::size_t slash = kubelet_socket.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : kubelet_socket.substr(0, slash);
}

Result<host::DirectoryWatch> watch_plugin_directory(
    const std::string& directory) {
  Result<host::DirectoryWatch> watch = host::DirectoryWatch::open(directory);
  if (watch) return watch;
  // NVIDIA's words, which always name this path, and then ours.
  return Error(
      watch.error().code(),
      fmt::format("failed to create FS watcher for {}/: {} ({}; is a kubelet "
                  "installed here, and its directory mounted?)",
                  kDefaultDirectory,
                  watch.error().code() == ErrorCode::kNotFound
                      ? "no such file or directory"
                      : "cannot watch",
                  watch.error().message()));
}

}  // namespace gpunode::plugin
