// Any bytes as what a boot loader keeps: its environment, an entry, defaults.
// Whatever they say, the next kernel is one of those that are there, or is not
// known for a reason, and no path leads out of /lib/modules.
#include <cstdint>
#include <cstdlib>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "node/facts/next_kernel.h"

namespace {

using gpunode::Error;
using gpunode::ErrorCode;
using gpunode::Result;

/// A few files in memory.
class Files final : public gpunode::host::HostReads {
 public:
  explicit Files(std::map<std::string, std::string> files)
      : files_(std::move(files)) {}

  Result<std::string> read_file(const std::string& path,
                                std::size_t /*limit*/) override {
    const auto found = files_.find(path);
    if (found == files_.end()) return absent();
    return found->second;
  }
  Result<gpunode::host::FileStatus> status(const std::string& path) override {
    if (!files_.contains(path)) return absent();
    return gpunode::host::FileStatus{};
  }
  Result<std::string> read_link(const std::string&) override {
    return absent();
  }
  Result<std::string> read_attribute(const std::string&,
                                     const std::string&) override {
    return absent();
  }
  Result<std::string> resolve(const std::string&) override { return absent(); }
  Result<std::vector<std::string>> list_directory(
      const std::string& path) override {
    // Of modules alone in their own place.
    if (path.find("/..") != std::string::npos) std::abort();
    std::vector<std::string> names;
    const std::string below = path.ends_with('/') ? path : path + "/";
    for (const auto& [name, content] : files_) {
      if (!name.starts_with(below)) continue;
      const std::string rest = name.substr(below.size());
      if (rest.find('/') == std::string::npos) names.push_back(rest);
    }
    return names;
  }
  Result<std::size_t> count_entries(const std::string&, std::size_t) override {
    return absent();
  }

 private:
  static Error absent() { return {ErrorCode::kNotFound, "no such file"}; }

  std::map<std::string, std::string> files_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  std::string text(reinterpret_cast<const char*>(data), size);
  // Three files, a NUL between each two.
  const std::size_t first = text.find('\0');
  const std::size_t second =
      first == std::string::npos ? first : text.find('\0', first + 1);
  const std::string environment = text.substr(0, first);
  const std::string entry = first == std::string::npos
                                ? ""
                                : text.substr(first + 1, second - first - 1);
  const std::string defaults =
      second == std::string::npos ? "" : text.substr(second + 1);
  const gpunode::host::HostRoot host(
      "/root",
      std::make_shared<Files>(std::map<std::string, std::string>{
          {"/boot/grub2/grubenv", "# GRUB Environment Block\n" + environment},
          {"/boot/loader/entries/a.conf", entry},
          {"/boot/vmlinuz-6.1.0-9-amd64", ""},
          {"/etc/default/grub", defaults}}));
  const auto choice = gpunode::facts::read_boot_choice(host);
  const auto next = gpunode::facts::next_kernel_of(choice);
  if (next.why.empty()) std::abort();
  bool is_there = next.release.empty();
  for (const std::string& one : choice.releases) {
    is_there = is_there || one == next.release;
    if (one.find('/') != std::string::npos) std::abort();
    if (gpunode::facts::is_older_release(one, one)) std::abort();
  }
  if (!is_there) std::abort();
  gpunode::facts::nvidia_module_of(host, next.release);
  gpunode::facts::nvidia_module_of(host, entry);
  return 0;
}
