#include "container/hook/musl_path.h"

#include <algorithm>
#include <array>
#include <cstddef>

#include "container/hook/bound_file.h"

namespace gpunode::hook {
namespace {

constexpr std::array kArchitectures = {"x86_64", "aarch64", "i386", "armhf"};
// musl's ldso/dynlink.c.
constexpr std::string_view kDefault = "/lib:/usr/local/lib:/usr/lib";
constexpr std::size_t kMaxBytes = std::size_t{64} << 10;

bool has_entry(std::string_view text, std::string_view entry) {
  while (!text.empty()) {
    const std::size_t end = std::min(text.find_first_of(":\n"), text.size());
    if (text.substr(0, end) == entry) return true;
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return false;
}

Result<void> update_one(const host::RootDirectory& root,
                        const std::string& path,
                        const std::vector<std::string>& folders,
                        std::vector<std::string>& warnings) {
  std::string text(kDefault);
  if (root.exists(path)) {
    TRY(text, root.read_file(path, kMaxBytes));
  }
  const std::string updated = with_musl_folders(text, folders);
  if (updated == text) return {};
  TRY(auto warning, replace_or_cover(root, path, updated));
  if (warning) warnings.push_back(*std::move(warning));
  return {};
}

}  // namespace

std::string with_musl_folders(std::string_view text,
                              const std::vector<std::string>& folders) {
  std::string updated(text);
  for (const std::string& folder : folders) {
    if (has_entry(updated, folder)) continue;
    if (!updated.empty() && updated.back() != '\n') updated += '\n';
    updated += folder + "\n";
  }
  return updated;
}

Result<void> update_musl_paths(const host::RootDirectory& root,
                               const std::vector<std::string>& folders,
                               std::vector<std::string>& warnings) {
  for (const char* architecture : kArchitectures) {
    const std::string name = std::string("ld-musl-") + architecture;
    if (!root.exists("/lib/" + name + ".so.1")) continue;
    TRY_VOID(update_one(root, "/etc/" + name + ".path", folders, warnings));
  }
  return {};
}

}  // namespace gpunode::hook
