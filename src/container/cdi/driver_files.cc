#include "container/cdi/driver_files.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <functional>
#include <optional>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "container/cdi/driver_directory.h"
#include "container/cdi/library_search.h"

namespace gpunode::cdi {
namespace {

using enum DriverCapability;
using Kind = DriverFile::Kind;

constexpr DriverCapabilities kGraphicsFile = {kGraphics, kDisplay};
constexpr DriverCapabilities kAnyFile = DriverCapabilities::all_64bit();

struct Program {
  std::string_view name;
  DriverCapabilities capabilities;
};

constexpr auto kPrograms = std::to_array<Program>({
    {"nvidia-smi", {kUtility}},
    {"nvidia-debugdump", {kUtility}},
    {"nvidia-persistenced", {kUtility}},
    {"nvidia-cuda-mps-control", {kCompute}},
    {"nvidia-cuda-mps-server", {kCompute}},
    {"nvidia-imex", {kUtility, kCompute}},
    {"nvidia-imex-ctl", {kUtility, kCompute}},
    {"nvidia-xconfig", {kGraphics, kDisplay}},
});

// Behind the caller's PATH.
constexpr std::array<std::string_view, 10> kProgramDirectories = {
    "/usr/local/sbin",
    "/usr/local/bin",
    "/usr/sbin",
    "/usr/bin",
    "/sbin",
    "/bin",
    "/usr/local/nvidia/bin",
    "/home/kubernetes/bin/nvidia/bin",
    "/opt/nvidia/bin",
    "/run/opengl-driver/bin"};

/// A configuration file: what is looked for in /etc and the data directories,
/// and where programs in a container look for it.
struct Config {
  std::string_view name;
  std::string_view container_directory;
  DriverCapabilities capabilities = kGraphicsFile;
  bool may_be_at_root = false;  ///< GKE's installer puts it there.
};

constexpr auto kConfigs = std::to_array<Config>({
    {"glvnd/egl_vendor.d/10_nvidia.json", "/usr/share"},
    {"egl/egl_external_platform.d/15_nvidia_gbm.json", "/usr/share"},
    {"egl/egl_external_platform.d/10_nvidia_wayland.json", "/usr/share"},
    {"egl/egl_external_platform.d/09_nvidia_wayland2.json", "/usr/share"},
    {"egl/egl_external_platform.d/20_nvidia_xcb.json", "/usr/share"},
    {"egl/egl_external_platform.d/20_nvidia_xlib.json", "/usr/share"},
    {"nvidia/nvoptix.bin", "/usr/share"},
    {"X11/xorg.conf.d/10-nvidia.conf", "/usr/share"},
    {"X11/xorg.conf.d/nvidia-drm-outputclass.conf", "/usr/share"},
    {"OpenCL/vendors/nvidia.icd", "/etc", {kCompute}},
    {"vulkan/icd.d/nvidia_icd.json", "/etc", kGraphicsFile, true},
    {"vulkan/icd.d/nvidia_layers.json", "/etc", kGraphicsFile, true},
    {"vulkan/implicit_layer.d/nvidia_layers.json", "/etc", kGraphicsFile, true},
    {"vulkan/icd.d/nvidia_icd.x86_64.json", "/etc", kGraphicsFile, true},
    {"vulkan/icd.d/nvidia_icd.aarch64.json", "/etc", kGraphicsFile, true},
});

constexpr std::array<std::string_view, 5> kConfigDirectories = {
    "/etc", "/usr/local/share", "/usr/share", "/usr/local/nvidia/share",
    "/run/opengl-driver/share"};

constexpr std::array<std::string_view, 4> kXorgDirectories = {
    "/usr/lib/xorg", "/usr/lib64/xorg", "/usr/X11R6/lib", "/usr/X11R6/lib64"};

class Search {
 public:
  explicit Search(const DriverSearch& search) : search_(search) {}

  DriverFiles run() {
    LibrarySearch libraries(search_, found_);
    libraries.run();
    if (!found_.version.empty()) {
      add_programs();
      if (search_.with_graphics) {
        add_configs();
        add_xorg_modules(libraries.library_directories());
      }
      add_firmware();
      if (search_.with_sockets) add_sockets();
    }
    tidy();
    return std::move(found_);
  }

 private:
  std::optional<host::FileKind> kind_of(const std::string& path) const {
    const auto status = search_.root.status(path);
    if (!status) return std::nullopt;
    return status->kind;
  }

  /// Adds the regular file `source` as `path`; false if it is not there.
  bool add_file(Kind kind, const std::string& path, const std::string& source,
                DriverCapabilities capabilities) {
    if (kind_of(source) != host::FileKind::kRegular) return false;
    auto real = real_path(search_.root, source);
    if (!real) return false;
    found_.witnesses.push_back(directory_of(source));
    found_.files.push_back({kind, path, *std::move(real), capabilities, false});
    return true;
  }

  bool is_script(const std::string& path) const {
    const auto file = search_.root.open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
    std::array<char, 2> start{};
    return file && ::pread(file->get(), start.data(), start.size(), 0) == 2 &&
           std::string_view(start.data(), start.size()) == "#!";
  }

  void add_programs() {
    std::vector<std::string> directories = search_.binary_directories;
    directories.insert(directories.end(), kProgramDirectories.begin(),
                       kProgramDirectories.end());
    // A PATH may name what is not there, or anything twice.
    std::erase_if(directories, [this](const std::string& path) {
      return !path.starts_with('/') ||
             kind_of(path) != host::FileKind::kDirectory;
    });
    for (const Program& program : kPrograms) {
      if (program.name == "nvidia-xconfig" && !search_.with_graphics) continue;
      for (const std::string& directory : directories) {
        const std::string path = joined_path(directory, program.name);
        // A wrapper would ask for a shell, and for what it wraps.
        if (is_script(path)) continue;
        if (add_file(Kind::kBinary, path, path, program.capabilities)) break;
      }
    }
  }

  void add_configs() {
    std::vector<std::string> directories = search_.config_directories;
    if (directories.empty()) {
      directories.assign(kConfigDirectories.begin(), kConfigDirectories.end());
    }
    for (const Config& config : kConfigs) {
      std::vector<std::string> places = directories;
      if (config.may_be_at_root) places.emplace_back("/");
      const std::string path =
          joined_path(config.container_directory, config.name);
      for (const std::string& place : places) {
        if (add_file(Kind::kConfig, path, joined_path(place, config.name),
                     config.capabilities)) {
          break;
        }
      }
    }
  }

  void add_xorg_modules(const std::vector<std::string>& libraries) {
    std::vector<std::string> bases;
    for (const std::string& directory : libraries) {
      bases.push_back(joined_path(directory, "nvidia/xorg"));
    }
    const auto add_modules = [&bases](const std::string& xorg) {
      for (const char* below :
           {"modules/drivers", "modules/extensions", "modules/updates/drivers",
            "modules/updates/extensions"}) {
        bases.push_back(joined_path(xorg, below));
      }
    };
    for (const std::string& directory : libraries) {
      add_modules(joined_path(directory, "xorg"));
    }
    for (const std::string_view xorg : kXorgDirectories) {
      add_modules(std::string(xorg));
    }
    add_first(bases, "nvidia_drv.so");
    const std::string module = "libglxserver_nvidia.so." + found_.version;
    if (const auto directory = add_first(bases, module)) {
      found_.links.push_back({joined_path(*directory, "libglxserver_nvidia.so"),
                              module, kGraphicsFile, false});
    }
  }

  std::optional<std::string> add_first(const std::vector<std::string>& bases,
                                       const std::string& name) {
    for (const std::string& base : bases) {
      const std::string path = joined_path(base, name);
      if (add_file(Kind::kConfig, path, path, kGraphicsFile)) return base;
    }
    return std::nullopt;
  }

  void add_firmware() {
    std::vector<std::string> bases;
    const auto first_line = [this](const char* path) {
      auto text = search_.host.read_file(path);
      if (!text) return std::string();
      text->erase(std::min(text->find('\n'), text->size()));
      return *std::move(text);
    };
    const std::string configured =
        first_line("/sys/module/firmware_class/parameters/path");
    if (configured.starts_with('/')) bases.push_back(configured);
    const std::string release = first_line("/proc/sys/kernel/osrelease");
    for (const std::string base : {"/lib/firmware/updates", "/lib/firmware"}) {
      if (!release.empty()) bases.push_back(joined_path(base, release));
      bases.push_back(base);
    }
    for (const std::string& base : bases) {
      const std::string directory =
          joined_path(base, "nvidia/" + found_.version);
      const auto names = search_.root.list_directory(directory);
      if (!names) continue;
      for (const std::string& name : *names) {
        if (!name.starts_with("gsp") || !name.ends_with(".bin")) continue;
        const std::string path = joined_path(directory, name);
        add_file(Kind::kFirmware, path, path, kAnyFile);
      }
      return;
    }
  }

  void add_sockets() {
    for (const char* name :
         {"nvidia-persistenced/socket", "nvidia-fabricmanager/socket"}) {
      for (const char* run : {"/run", "/var/run"}) {
        if (add_socket(joined_path(run, name), host::FileKind::kSocket,
                       kAnyFile)) {
          break;
        }
      }
    }
    // A directory of pipes; the MPS daemon's default.
    add_socket("/tmp/nvidia-mps", host::FileKind::kDirectory, {kCompute});
  }

  bool add_socket(const std::string& path, host::FileKind kind,
                  DriverCapabilities capabilities) {
    found_.witnesses.push_back(path);
    if (kind_of(path) != kind) return false;
    auto real = real_path(search_.root, path);
    if (!real) return false;
    found_.files.push_back(
        {Kind::kSocket, path, *std::move(real), capabilities, false});
    return true;
  }

  void tidy() {
    const auto sort_unique = [](auto& list, auto key) {
      std::ranges::stable_sort(list, {}, key);
      // std::unique: clang 14 cannot compile libstdc++ 12's std::ranges one.
      const auto rest = std::unique(
          list.begin(), list.end(), [&](const auto& a, const auto& b) {
            return std::invoke(key, a) == std::invoke(key, b);
          });
      list.erase(rest, list.end());
    };
    sort_unique(found_.files, &DriverFile::path);
    sort_unique(found_.links, &DriverLink::path);
    sort_unique(found_.libcuda_directories, std::identity());
    sort_unique(found_.witnesses, std::identity());
    // A link over a file of the driver's would hide the file.
    std::erase_if(found_.links, [this](const DriverLink& link) {
      return std::ranges::binary_search(found_.files, link.path, {},
                                        &DriverFile::path);
    });
  }

  const DriverSearch& search_;
  DriverFiles found_;
};

bool is_granted_to(DriverCapabilities own, bool is_32bit,
                   DriverCapabilities requested) {
  if (is_32bit && !requested.has(kCompat32)) return false;
  return own.intersects(requested);
}

}  // namespace

bool DriverFile::is_granted(DriverCapabilities requested) const {
  return is_granted_to(capabilities, is_32bit, requested);
}

bool DriverLink::is_granted(DriverCapabilities requested) const {
  return is_granted_to(capabilities, is_32bit, requested);
}

DriverFiles find_driver_files(const DriverSearch& search) {
  return Search(search).run();
}

}  // namespace gpunode::cdi
