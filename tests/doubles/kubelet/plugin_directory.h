// A directory such as /var/lib/kubelet/device-plugins, for one test.
#pragma once

#include <poll.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <system_error>

namespace gpunode::doubles {

/// Made under the system's temporary directory, removed with what is in it.
class PluginDirectory {
 public:
  PluginDirectory() {
    std::string name =
        (std::filesystem::temp_directory_path() / "pluginsXXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) std::abort();
    path_ = name;
  }
  ~PluginDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  PluginDirectory(const PluginDirectory&) = delete;
  PluginDirectory& operator=(const PluginDirectory&) = delete;

  const std::filesystem::path& path() const { return path_; }
  std::string file(const std::string& name) const {
    return (path_ / name).string();
  }

 private:
  std::filesystem::path path_;
};

/// Looks again and again until `is_so`, for what nobody signals (a count of
/// descriptors, say). False if it is not so after twenty seconds.
template <class Predicate>
bool eventually(Predicate is_so) {
  const auto deadline =
      std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (!is_so()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    ::poll(nullptr, 0, 1);
  }
  return true;
}

}  // namespace gpunode::doubles
