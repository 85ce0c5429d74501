#include "gpu/procfs/driver_library.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

namespace gpunode::procfs {
namespace {

// The dynamic linker's own places: RPM and Debian layouts, x86-64 and arm64.
constexpr std::array<std::string_view, 8> kSystemDirectories = {
    "/usr/lib64",
    "/usr/lib/x86_64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu",
    "/lib64",
    "/lib/x86_64-linux-gnu",
    "/lib/aarch64-linux-gnu",
    "/usr/lib",
    "/lib",
};

// Places that only the driver's packagers know.
constexpr std::array<std::string_view, 8> kDriverDirectories = {
    "/usr/local/nvidia/lib64",                    // COS, driver containers
    "/home/kubernetes/bin/nvidia/lib64",          // GKE's installer
    "/opt/nvidia/lib64",                          // read-only hosts
    "/usr/lib64/nvidia",                          // RPM Fusion, SUSE
    "/usr/lib/x86_64-linux-gnu/nvidia/current",   // Debian's alternatives
    "/usr/lib/aarch64-linux-gnu/nvidia/current",  //
    "/usr/lib/nvidia",                            // hand-made
    "/run/opengl-driver/lib",                     // NixOS
};

class Search {
 public:
  Search(const host::HostRoot& root, std::string_view soname)
      : root_(root), soname_(soname) {}

  // The library in the first of `directories` that has it.
  template <class Directories>
  std::optional<std::string> in(const Directories& directories) {
    for (const std::string_view directory : directories) {
      if (auto found = in_one(std::string(directory))) return found;
    }
    return std::nullopt;
  }

  std::vector<std::string> looked_in() && {
    if (looked_in_.empty()) {
      looked_in_.push_back(root_.prefix() +
                           " (it has no library directory; is the driver's "
                           "root mounted there?)");
    }
    return std::move(looked_in_);
  }

 private:
  std::optional<std::string> in_one(const std::string& directory) {
    const std::string file = directory + "/" + soname_;
    const auto status = root_.status(file);
    if (status && status->kind == host::FileKind::kRegular) {
      if (auto path = root_.resolve(file)) return *std::move(path);
    }
    if (root_.read_link(file)) {
      looked_in_.push_back(root_.outside(file) +
                           " (a link that leads nowhere)");
    } else if (const auto real = root_.resolve(directory);
               real && !is_listed(*real)) {
      // Merged layouts have one directory under several names.
      looked_in_.push_back(*real);
    }
    return std::nullopt;
  }

  bool is_listed(const std::string& place) const {
    return std::find(looked_in_.begin(), looked_in_.end(), place) !=
           looked_in_.end();
  }

  const host::HostRoot& root_;
  std::string soname_;
  std::vector<std::string> looked_in_;
};

}  // namespace

DriverLibrary find_driver_library(const host::HostRoot& driver_root,
                                  std::string_view soname) {
  Search search(driver_root, soname);
  const bool is_own_root = driver_root.prefix() == "/";
  auto path = search.in(kSystemDirectories);
  // The linker may know a better one, by LD_LIBRARY_PATH or ld.so.conf.
  if (path && is_own_root) path = std::string(soname);
  if (!path) path = search.in(kDriverDirectories);
  if (!path) path = std::string(soname);
  return {*std::move(path), std::move(search).looked_in()};
}

}  // namespace gpunode::procfs
