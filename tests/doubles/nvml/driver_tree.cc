#include "tests/doubles/nvml/driver_tree.h"

#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <system_error>
#include <utility>

#include <fmt/format.h>

namespace gpunode::fake_nvml {

namespace {

namespace fs = std::filesystem;

constexpr unsigned kGpuInstances = 15;
constexpr unsigned kComputeInstances = 8;
constexpr unsigned kGpusWithCaps = 32;
constexpr unsigned kFirstCap = 3;
constexpr const char* kLibraryFolder = "usr/lib/x86_64-linux-gnu";

/// Writes files under a root; the first failure is kept, later calls are void.
class Writer {
 public:
  explicit Writer(fs::path root) : root_(std::move(root)) {}

  void file(const fs::path& path, std::string_view content) {
    if (!prepare(path)) return;
    std::ofstream out(root_ / path, std::ios::binary | std::ios::trunc);
    out.write(content.data(), static_cast<std::streamsize>(content.size()));
    out.close();
    if (!out) fail("write", path, errno);
  }

  void link(const fs::path& path, const std::string& target) {
    if (!prepare(path)) return;
    std::error_code code;
    fs::create_symlink(target, root_ / path, code);
    if (code) fail("link", path, code.value());
  }

  /// What an earlier profile left.
  void remove_all(const fs::path& path) {
    std::error_code code;
    fs::remove_all(root_ / path, code);
    if (code) fail("remove", path, code.value());
  }

  void folder(const fs::path& path) {
    std::error_code code;
    fs::create_directories(root_ / path, code);
    if (code) fail("make", path, code.value());
  }

  void copy(const fs::path& from, const fs::path& path) {
    if (!prepare(path)) return;
    std::error_code code;
    fs::copy_file(from, root_ / path, code);
    if (code) fail("copy " + from.string() + " to", path, code.value());
  }

  void device(const fs::path& path, unsigned major, unsigned minor,
              mode_t mode = 0666) {
    if (!prepare(path)) return;
    const fs::path whole = root_ / path;
    if (::mknod(whole.c_str(), S_IFCHR | 0666, makedev(major, minor)) != 0) {
      if (errno != EPERM) return fail("mknod", path, errno);
      file(path, "");
    }
    ::chmod(whole.c_str(), mode);
  }

  Result<void> finish() && {
    if (error_) return *std::move(error_);
    return {};
  }

 private:
  bool prepare(const fs::path& path) {
    if (error_) return false;
    folder(path.parent_path());
    std::error_code code;
    fs::remove(root_ / path, code);
    if (code) fail("remove", path, code.value());
    return !error_;
  }

  void fail(const std::string& attempted, const fs::path& path, int code) {
    if (error_) return;
    error_ = Error::from_errno(attempted + " " + (root_ / path).string(), code);
  }

  fs::path root_;
  std::optional<Error> error_;
};

/// The mode is decimal: 0444 for whoever may look, 0400 for who may change.
std::string capability(unsigned minor, unsigned mode = 0444) {
  return fmt::format(
      "DeviceFileMinor: {}\nDeviceFileMode: {}\nDeviceFileModify: 1\n", minor,
      mode);
}

void write_proc(const Profile& profile, Writer& out) {
  out.file(
      "proc/devices",
      fmt::format("Character devices:\n  1 mem\n{0} nvidia\n{0} nvidiactl\n"
                  "{1} nvidia-caps\n{2} nvidia-uvm\n\nBlock devices:\n",
                  kNvidiaMajor, kCapsMajor, kUvmMajor));
  out.file("proc/driver/nvidia/version",
           fmt::format("NVRM version: NVIDIA UNIX x86_64 Kernel Module  {}  "
                       "Mon Nov  6 23:49:37 UTC 2023\n"
                       "GCC version:  gcc version 12.2.0 (Debian 12.2.0-14)\n",
                       profile.driver_version));
  out.file("proc/driver/nvidia/params",
           "ResmanDebugLevel: 4294967295\nModifyDeviceFiles: 1\n"
           "DeviceFileUID: 0\nDeviceFileGID: 0\nDeviceFileMode: 438\n");
  out.folder("proc/driver/nvidia/gpus");
  for (const GpuSpec& gpu : profile.gpus) {
    out.file(
        fs::path("proc/driver/nvidia/gpus") / gpu.pci_bus_id / "information",
        fmt::format("Model: \t\t {}\nIRQ:   \t\t {}\nGPU UUID: \t {}\n"
                    "Video BIOS: \t {}\nBus Type: \t PCIe\n"
                    "DMA Size: \t 47 bits\nDMA Mask: \t 0x7fffffffffff\n"
                    "Bus Location: \t {}\nDevice Minor: \t {}\n"
                    "GPU Firmware: \t {}\nGPU Excluded:\t No\n",
                    gpu.name, 100 + gpu.minor, gpu.uuid, gpu.vbios,
                    gpu.pci_bus_id, gpu.minor, profile.driver_version));
  }
}

void write_mig_minors(Writer& out) {
  std::string text = "config 1\nmonitor 2\n";
  for (unsigned gpu = 0; gpu < kGpusWithCaps; ++gpu) {
    for (unsigned gi = 0; gi < kGpuInstances; ++gi) {
      text += fmt::format("gpu{}/gi{}/access {}\n", gpu, gi,
                          gpu_instance_cap(gpu, gi));
      for (unsigned ci = 0; ci < kComputeInstances; ++ci) {
        text += fmt::format("gpu{}/gi{}/ci{}/access {}\n", gpu, gi, ci,
                            compute_instance_cap(gpu, gi, ci));
      }
    }
  }
  out.file("proc/driver/nvidia-caps/mig-minors", text);
}

void write_cap_node(unsigned cap, Writer& out, mode_t mode = 0444) {
  out.device(fmt::format("dev/nvidia-caps/nvidia-cap{}", cap), kCapsMajor, cap,
             mode);
}

void write_capabilities(const Profile& profile, Writer& out) {
  const fs::path base = "proc/driver/nvidia/capabilities";
  out.file(base / "mig/config", capability(1, 0400));
  out.file(base / "mig/monitor", capability(2));
  write_cap_node(1, out, 0400);
  write_cap_node(2, out);
  for (const GpuSpec& gpu : profile.gpus) {
    if (!gpu.mig_capable) continue;
    const fs::path mig = base / fmt::format("gpu{}/mig", gpu.minor);
    out.folder(mig);
    if (!gpu.mig_enabled) continue;
    for (const MigDeviceSpec& device : gpu.mig_devices) {
      const unsigned gi = device.gpu_instance;
      const unsigned ci = device.compute_instance;
      const unsigned gi_cap = gpu_instance_cap(gpu.minor, gi);
      const unsigned ci_cap = compute_instance_cap(gpu.minor, gi, ci);
      const fs::path instance = mig / fmt::format("gi{}", gi);
      out.file(instance / "access", capability(gi_cap));
      out.file(instance / fmt::format("ci{}", ci) / "access",
               capability(ci_cap));
      write_cap_node(gi_cap, out);
      write_cap_node(ci_cap, out);
    }
  }
}

void put(std::string& config, std::size_t at, unsigned value, unsigned bytes) {
  for (unsigned i = 0; i < bytes; ++i) {
    config[at + i] = static_cast<char>(value >> (8 * i));
  }
}

/// The first 256 bytes of configuration space: ids, class, and a list of one
/// capability (PCI Express), so that readers walk a list as on a real device.
std::string pci_config(const GpuSpec& gpu) {
  std::string config(256, '\0');
  put(config, 0x00, gpu.pci_device_id & 0xffffU, 2);
  put(config, 0x02, gpu.pci_device_id >> 16U, 2);
  put(config, 0x04, 0x0406, 2);
  put(config, 0x06, 0x0010, 2);  // Status: has capabilities.
  put(config, 0x08, 0xa1, 1);
  put(config, 0x09, gpu.pci_class, 3);
  put(config, 0x2c, gpu.pci_subsystem_id & 0xffffU, 2);
  put(config, 0x2e, gpu.pci_subsystem_id >> 16U, 2);
  put(config, 0x34, 0x60, 1);
  put(config, 0x60, 0x10, 1);
  return config;
}

/// One line a BAR: first and last address, flags.
std::string pci_resource(const GpuSpec& gpu, unsigned position) {
  const std::uint64_t bar0 = 0x80000000ULL + position * 0x2000000ULL;
  const std::uint64_t bar1 = 0x100000000000ULL + position * 0x10000000000ULL;
  std::string text = fmt::format("0x{:016x} 0x{:016x} 0x{:016x}\n", bar0,
                                 bar0 + 0xffffff, 0x40200);
  text += gpu.bar1_bytes == 0
              ? fmt::format("0x{:016x} 0x{:016x} 0x{:016x}\n", 0, 0, 0)
              : fmt::format("0x{:016x} 0x{:016x} 0x{:016x}\n", bar1,
                            bar1 + gpu.bar1_bytes - 1, 0x14220c);
  for (int i = 2; i < 13; ++i) {
    text += fmt::format("0x{:016x} 0x{:016x} 0x{:016x}\n", 0, 0, 0);
  }
  return text;
}

void write_sys(const Profile& profile, Writer& out) {
  out.folder("sys/bus/pci/devices");
  out.folder("sys/bus/pci/drivers/nvidia");
  out.file("sys/module/nvidia/version", profile.driver_version + "\n");
  unsigned position = 0;
  for (const GpuSpec& gpu : profile.gpus) {
    const fs::path base = fs::path("sys/bus/pci/devices") / gpu.pci_bus_id;
    out.file(base / "vendor", "0x10de\n");
    out.file(base / "device",
             fmt::format("0x{:04x}\n", gpu.pci_device_id >> 16U));
    out.file(base / "subsystem_vendor", "0x10de\n");
    out.file(base / "subsystem_device",
             fmt::format("0x{:04x}\n", gpu.pci_subsystem_id >> 16U));
    out.file(base / "class", fmt::format("0x{:06x}\n", gpu.pci_class));
    out.file(base / "numa_node", fmt::format("{}\n", gpu.numa_node));
    out.file(base / "config", pci_config(gpu));
    out.file(base / "resource", pci_resource(gpu, position++));
    out.link(base / "driver", "../../drivers/nvidia");
  }
}

void write_dev(const Profile& profile, Writer& out) {
  for (const GpuSpec& gpu : profile.gpus) {
    out.device(fmt::format("dev/nvidia{}", gpu.minor), kNvidiaMajor, gpu.minor);
  }
  out.device("dev/nvidiactl", kNvidiaMajor, 255);
  out.device("dev/nvidia-modeset", kNvidiaMajor, 254);
  out.device("dev/nvidia-uvm", kUvmMajor, 0);
  out.device("dev/nvidia-uvm-tools", kUvmMajor, 1);
}

void write_libraries(const Profile& profile, const DriverTree& tree,
                     Writer& out) {
  const fs::path folder = kLibraryFolder;
  std::vector<fs::path> libraries(tree.more_libraries.begin(),
                                  tree.more_libraries.end());
  if (!tree.library.empty()) libraries.emplace_back(tree.library);
  for (const fs::path& library : libraries) {
    const std::string soname = library.filename();
    const std::string file =
        library.stem().string() + "." + profile.driver_version;
    out.copy(library, folder / file);
    out.link(folder / soname, file);
  }
  if (!tree.profile_path.empty()) {
    out.copy(tree.profile_path, folder / "profile.json");
  }
}

}  // namespace

unsigned gpu_instance_cap(unsigned gpu_minor, unsigned gpu_instance) {
  return kFirstCap +
         (gpu_minor * kGpuInstances + gpu_instance) * (kComputeInstances + 1);
}

unsigned compute_instance_cap(unsigned gpu_minor, unsigned gpu_instance,
                              unsigned compute_instance) {
  return gpu_instance_cap(gpu_minor, gpu_instance) + 1 + compute_instance;
}

Result<void> lay_driver_tree(const Profile& profile, const DriverTree& tree) {
  std::error_code code;
  if (fs::weakly_canonical(tree.root, code) == "/" || code) {
    return Error(ErrorCode::kInvalidArgument,
                 "lay driver tree: the root must be a folder of its own");
  }
  Writer out(tree.root);
  for (const char* stale : {"proc/driver", "sys/bus/pci/devices", "dev"}) {
    out.remove_all(stale);
  }
  write_proc(profile, out);
  write_mig_minors(out);
  write_capabilities(profile, out);
  write_sys(profile, out);
  write_dev(profile, out);
  write_libraries(profile, tree, out);
  return std::move(out).finish();
}

}  // namespace gpunode::fake_nvml
