#include "container/cdi/library_search.h"

#include <fcntl.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <utility>

#include <fmt/format.h>
#include <fnmatch.h>

namespace gpunode::cdi {
namespace {

// Where distributions and NVIDIA's driver container put libraries, in the
// order of libnvidia-container and its successors; then the places of other
// packagers. What a directory holds is told by the files, not by its name:
// /usr/lib is 64-bit on Arch and 32-bit on Red Hat.
constexpr std::array<std::string_view, 26> kDirectories = {
    "/",
    "/usr/lib64",
    "/usr/lib/x86_64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu",
    "/usr/lib/x86_64-linux-gnu/nvidia/current",  // Debian's alternatives
    "/usr/lib/aarch64-linux-gnu/nvidia/current",
    "/lib64",
    "/lib/x86_64-linux-gnu",
    "/lib/aarch64-linux-gnu",
    "/lib/x86_64-linux-gnu/nvidia/current",
    "/lib/aarch64-linux-gnu/nvidia/current",
    "/usr/lib64/nvidia",                  // RPM Fusion, SUSE
    "/usr/local/nvidia/lib64",            // COS, driver containers
    "/usr/local/nvidia/lib",              //
    "/home/kubernetes/bin/nvidia/lib64",  // GKE's installer
    "/opt/nvidia/lib64",                  // read-only hosts
    "/run/opengl-driver/lib",             // NixOS
    "/usr/lib/nvidia",                    // hand-made
    "/usr/lib",                           // Arch; 32-bit on Red Hat
    "/lib",
    "/usr/lib/i386-linux-gnu",
    "/usr/lib/i386-linux-gnu/nvidia/current",
    "/usr/lib32",
    "/lib/i386-linux-gnu",
    "/lib32",
    "/run/opengl-driver-32/lib",
};

// Not of the driver's version, but of its packages.
constexpr std::array<std::string_view, 5> kOwnVersion = {
    "libnvidia-egl-gbm", "libnvidia-egl-wayland", "libnvidia-egl-wayland2",
    "libnvidia-egl-xcb", "libnvidia-egl-xlib"};

constexpr std::array<std::string_view, 12> kLoaders = {"libEGL",
                                                       "libGL",
                                                       "libGLESv1_CM",
                                                       "libGLESv2",
                                                       "libGLX",
                                                       "libGLdispatch",
                                                       "libOpenCL",
                                                       "libOpenGL",
                                                       "libnvidia-api",
                                                       "libnvidia-egl-xcb",
                                                       "libnvidia-egl-xlib",
                                                       "libnvidia-egl-wayland"};

template <class Names>
bool is_one_of(std::string_view stem, const Names& names) {
  return std::ranges::find(names, stem) != names.end();
}

bool is_driver_mark(std::string_view stem) {
  return stem == "libcuda" || stem == "libnvidia-ml";
}

// For files that are no ELF: by the directory's name.
bool is_32bit_directory(std::string_view path) {
  return path.find("i386-linux-gnu") != std::string_view::npos ||
         path.find("lib32") != std::string_view::npos ||
         path.find("driver-32") != std::string_view::npos;
}

}  // namespace

std::string_view stem_of(std::string_view library) {
  const std::size_t dot = library.find(".so");
  return dot == std::string_view::npos ? std::string_view{}
                                       : library.substr(0, dot);
}

std::string_view version_of(std::string_view library) {
  constexpr std::string_view kMark = ".so.";
  const std::size_t mark = library.find(kMark);
  if (mark == std::string_view::npos) return {};
  const std::string_view version = library.substr(mark + kMark.size());
  const bool is_version =
      version.find_first_not_of("0123456789.") == std::string_view::npos &&
      version.find('.') != std::string_view::npos &&
      version.find("..") == std::string_view::npos &&
      !version.starts_with('.') && !version.ends_with('.');
  return is_version ? version : std::string_view{};
}

void LibrarySearch::run() {
  open_directories();
  settle_version();
  if (found_.version.empty()) {
    explain_absence();
    return;
  }
  for (const DriverDirectory& directory : directories_) {
    add_matching(directory);
  }
  add_additional();
}

void LibrarySearch::open_directories() {
  const auto open = [this](const std::string& path) {
    auto directory = DriverDirectory::open(search_.root, path);
    if (!directory || !seen_.insert(directory->identity()).second) return;
    directories_.push_back(*std::move(directory));
  };
  for (const std::string& path : search_.library_directories) open(path);
  if (!search_.library_directories.empty()) return;
  for (const std::string_view path : kDirectories) open(std::string(path));
}

void LibrarySearch::settle_version() {
  std::string by_name;
  std::string where;
  for (const DriverDirectory& directory : directories_) {
    for (const DriverDirectory::Entry& entry : directory.entries()) {
      const std::string_view version = version_of(entry.name);
      if (version.empty() || !is_driver_mark(stem_of(entry.name))) continue;
      if (version == search_.version) {
        found_.version = version;
        return;
      }
      if (!by_name.empty()) continue;
      by_name = version;
      where = joined_path(directory.path(), entry.name);
    }
  }
  found_.version = by_name;
  if (by_name.empty() || search_.version.empty()) return;
  found_.problems.push_back(fmt::format(
      "the loaded module is {}, but {} is not of it; the driver was probably "
      "upgraded: reboot, or reload the modules",
      search_.version, search_.root.outside(where)));
}

void LibrarySearch::explain_absence() {
  std::vector<std::string> places;
  for (const DriverDirectory& directory : directories_) {
    places.push_back(search_.root.outside(directory.path()));
  }
  found_.problems.push_back(fmt::format(
      "no libcuda.so.<version> and no libnvidia-ml.so.<version> under {}{}",
      search_.root.prefix(),
      places.empty()
          ? ", which has no library directory; is the driver's "
            "root mounted there?"
          : fmt::format(" (looked in {})", fmt::join(places, ", "))));
}

bool LibrarySearch::is_wanted(std::string_view name) const {
  const std::string_view stem = stem_of(name);
  const std::string_view version = version_of(name);
  if (version == found_.version) return true;
  if (name.starts_with("libnvidia-nvvm70.so.")) return true;
  if (search_.with_graphics && !version.empty() &&
      is_one_of(stem, kOwnVersion)) {
    return true;
  }
  return search_.with_loader_libraries && is_one_of(stem, kLoaders);
}

void LibrarySearch::add_matching(const DriverDirectory& directory) {
  // Wayland's and loaders' libraries alone do not make a driver's directory.
  const bool has_driver = std::ranges::any_of(
      directory.entries(), [this](const DriverDirectory::Entry& entry) {
        return version_of(entry.name) == found_.version;
      });
  if (!has_driver) return;
  found_.witnesses.push_back(directory.path());
  bool is_64bit = false;
  for (const DriverDirectory::Entry& entry : directory.entries()) {
    if (!is_wanted(entry.name)) continue;
    const std::size_t before = found_.files.size();
    add(directory, entry);
    if (found_.files.size() > before && !found_.files.back().is_32bit) {
      is_64bit = true;
    }
  }
  if (is_64bit) library_directories_.push_back(directory.path());
  add_vdpau(directory);
  if (search_.with_graphics) add_gbm(directory);
}

void LibrarySearch::add_vdpau(const DriverDirectory& directory) {
  const auto vdpau = DriverDirectory::open(
      search_.root, joined_path(directory.path(), "vdpau"));
  if (!vdpau) return;
  for (const DriverDirectory::Entry& entry : vdpau->entries()) {
    if (version_of(entry.name) == found_.version) add(*vdpau, entry);
  }
}

void LibrarySearch::add_gbm(const DriverDirectory& directory) {
  // GBM looks for its backend there, whether the host has the directory or not.
  const std::string allocator = "libnvidia-allocator.so." + found_.version;
  const bool has_allocator = std::ranges::any_of(
      directory.entries(),
      [&](const auto& entry) { return entry.name == allocator; });
  if (!has_allocator) return;
  found_.links.push_back(
      {joined_path(directory.path(), "gbm/nvidia-drm_gbm.so"),
       "../libnvidia-allocator.so.1",
       capabilities_of_library("libnvidia-egl-gbm"),
       is_32bit_directory(directory.path())});
}

void LibrarySearch::add_additional() {
  for (const std::string& wanted : search_.additional_libraries) {
    const std::string where = directory_of(wanted);
    const std::string pattern = name_of_file(wanted);
    bool is_found = false;
    const auto add_from = [&](const DriverDirectory& directory) {
      for (const DriverDirectory::Entry& entry : directory.entries()) {
        if (::fnmatch(pattern.c_str(), entry.name.c_str(), 0) != 0) continue;
        add(directory, entry, DriverCapabilities::all_64bit());
        is_found = true;
      }
    };
    if (wanted.starts_with('/')) {
      const auto directory = DriverDirectory::open(search_.root, where);
      if (directory) add_from(*directory);
    } else {
      for (const DriverDirectory& directory : directories_) add_from(directory);
    }
    if (!is_found) {
      found_.problems.push_back(
          fmt::format("additional library {} is not there", wanted));
    }
  }
}

Result<host::SharedObject> LibrarySearch::shared_object(
    const std::string& path) const {
  TRY(const UniqueFd fd, search_.root.open(path, O_RDONLY | O_NONBLOCK));
  return host::read_shared_object(host::FileBytes(fd.get()));
}

void LibrarySearch::add(const DriverDirectory& directory,
                        const DriverDirectory::Entry& entry,
                        std::optional<DriverCapabilities> capabilities) {
  const std::string stem(stem_of(entry.name));
  DriverFile library;
  library.path = joined_path(directory.path(), entry.name);
  if (entry.is_link) {
    // NixOS has directories of links only. Links to a library that stands
    // beside them are made anew in the container, not mounted.
    const auto real = real_path(search_.root, library.path);
    if (!real || directory_of(*real) == directory.path()) return;
    library.path = *real;
  }
  library.source = library.path;
  // What is not readable as a library goes by its place and name.
  const Result<host::SharedObject> object =
      entry.is_link ? shared_object(library.path)
                    : directory.shared_object(entry.name);
  library.is_32bit =
      object ? !object->is_64bit : is_32bit_directory(directory.path());
  library.capabilities = capabilities.value_or(capabilities_of_library(stem));
  if (stem == "libcuda" && !library.is_32bit) {
    found_.libcuda_directories.push_back(directory_of(library.path));
  }
  add_links(directory, library, object ? object->soname : "");
  found_.files.push_back(std::move(library));
}

void LibrarySearch::add_links(const DriverDirectory& directory,
                              const DriverFile& library, std::string soname) {
  const std::string name = name_of_file(library.path);
  const std::string stem(stem_of(name));
  if (soname.empty() && directory.has(stem + ".so.1")) soname = stem + ".so.1";
  // A soname is a file's name; anything else is an attempt on the container.
  if (soname.empty() || soname.find('/') != std::string::npos ||
      !soname.starts_with("lib")) {
    soname = name;
  }
  if (soname != name) add_link(library, soname, name);
  const bool has_short_name = directory.has(stem + ".so") ||
                              stem == "libcuda" ||
                              stem == "libnvidia-opticalflow";
  if (has_short_name && name != stem + ".so" && soname != stem + ".so") {
    add_link(library, stem + ".so", soname);
  }
  if (stem == "libnvidia-vulkan-producer") {
    add_link(library, stem + ".so", name);
  }
  if (stem == "libGLX_nvidia") {
    add_link(library, "libGLX_indirect.so.0", name);
  }
}

void LibrarySearch::add_link(const DriverFile& library, const std::string& name,
                             const std::string& target) {
  found_.links.push_back({joined_path(directory_of(library.path), name), target,
                          library.capabilities, library.is_32bit});
}

}  // namespace gpunode::cdi
