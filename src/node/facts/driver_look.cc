#include "node/facts/driver_look.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "gpu/procfs/kernel_module.h"
#include "node/facts/host_text.h"

namespace gpunode::facts {
namespace {

constexpr const char* kModule = "/sys/module/nvidia";
constexpr const char* kDkms = "/var/lib/dkms";
constexpr const char* kInfiniband = "/sys/class/infiniband";
constexpr std::size_t kMostHolders = 8;

using Names = std::vector<std::string>;

/// What is in a directory; nothing where it cannot be listed.
Names names_in(const host::HostRoot& host, const std::string& path) {
  auto names = host.list_directory(path);
  return names ? *std::move(names) : Names();
}

/// What is in `path`, for what matters: not to be able to look is a gap.
Names names_or_gap(const host::HostRoot& host, const std::string& path,
                   std::vector<std::string>& gaps) {
  auto names = host.list_directory(path);
  if (names) return *std::move(names);
  if (names.error().code() != ErrorCode::kNotFound) {
    gaps.push_back("list " + path + ": " + cause_of(host, path, names.error()));
  }
  return {};
}

std::optional<int> number_of(std::string_view text) {
  int number = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc() || stop != end) return std::nullopt;
  return number;
}

void read_loaded(const host::HostRoot& host, HostFacts& facts) {
  DriverFacts& driver = facts.driver;
  const auto module = procfs::load_kernel_module(host);
  if (module) {
    driver.loaded_version = module->version;
    driver.is_loaded_open = module->is_open;
  }
  // Present as soon as the module is in, even where it found no GPU.
  const std::string version =
      read_value(host, std::string(kModule) + "/version");
  if (!version.empty()) driver.loaded_version = version;
  driver.users = number_of(read_value(host, std::string(kModule) + "/refcnt"))
                     .value_or(-1);
  const auto params = host.read_file("/proc/driver/nvidia/params");
  if (params) driver.params = parse_module_params(*params);
  driver.proc_gpus =
      static_cast<int>(names_in(host, "/proc/driver/nvidia/gpus").size());
}

/// The version in "libnvidia-ml.so.580.65.06", where the name that programs
/// ask for leads. In the order in which the dynamic linker looks.
std::string library_version(const host::HostRoot& host) {
  constexpr auto kDirectories = std::to_array<std::string_view>(
      {"/usr/lib64", "/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu",
       "/usr/lib/powerpc64le-linux-gnu", "/lib64", "/usr/lib"});
  constexpr std::string_view kName = "/libnvidia-ml.so.";
  for (const std::string_view directory : kDirectories) {
    std::string asked(directory);
    asked += kName;
    asked += "1";
    const auto file = host.resolve(asked);
    if (!file) continue;
    const std::size_t at = file->rfind(kName);
    if (at == std::string::npos) continue;
    std::string version = file->substr(at + kName.size());
    if (version.find('.') != std::string::npos) return version;
  }
  return {};
}

/// Of one source, /var/lib/dkms/nvidia/580.65.06 and the links beside it.
/// dkms(8) makes "kernel-K-ARCH" when it has installed a build.
void read_builds(const host::HostRoot& host, const std::string& source,
                 const Names& beside, const std::string& version,
                 std::vector<DkmsBuild>& builds) {
  const std::string at = fmt::format("{}/{}/{}", kDkms, source, version);
  bool is_built = false;
  for (const std::string& kernel : names_in(host, at)) {
    if (kernel == "source" || kernel == "build") continue;
    const std::string kernels = fmt::format("{}/{}", at, kernel);
    for (const std::string& machine : names_in(host, kernels)) {
      DkmsBuild build;
      build.source = source;
      build.version = version;
      build.kernel = kernel;
      const std::string link = fmt::format("kernel-{}-{}", kernel, machine);
      if (std::ranges::find(beside, link) != beside.end()) {
        const auto target =
            host.read_link(fmt::format("{}/{}/{}", kDkms, source, link));
        build.is_installed =
            target && target->ends_with(
                          fmt::format("{}/{}/{}", version, kernel, machine));
      }
      builds.push_back(std::move(build));
      is_built = true;
    }
  }
  if (!is_built) builds.push_back({source, version, "", false});
}

void read_dkms(const host::HostRoot& host, HostFacts& facts) {
  for (const std::string& source : names_or_gap(host, kDkms, facts.gaps)) {
    if (!is_driver_source(source)) continue;
    const std::string at = fmt::format("{}/{}", kDkms, source);
    const Names beside = names_or_gap(host, at, facts.gaps);
    for (const std::string& version : beside) {
      if (version.starts_with("kernel-") || version == "original_module") {
        continue;
      }
      read_builds(host, source, beside, version, facts.driver.dkms);
    }
  }
}

/// "python3 (4711)", if the process has a device of the driver open.
std::string holder_of(const host::HostRoot& host, const std::string& process) {
  const std::string at = "/proc/" + process;
  const std::string files = at + "/fd";
  for (const std::string& number : names_in(host, files)) {
    const auto target = host.read_link(fmt::format("{}/{}", files, number));
    if (target && target->starts_with("/dev/nvidia")) {
      return fmt::format("{} ({})", read_value(host, at + "/comm"), process);
    }
  }
  return {};
}

void read_holders(const host::HostRoot& host, HostFacts& facts) {
  std::vector<int> processes;
  for (const std::string& name : names_in(host, "/proc")) {
    if (const auto number = number_of(name)) processes.push_back(*number);
  }
  std::ranges::sort(processes);
  for (const int process : processes) {
    std::string holder = holder_of(host, std::to_string(process));
    if (holder.empty()) continue;
    facts.driver.holders.push_back(std::move(holder));
    if (facts.driver.holders.size() == kMostHolders) return;
  }
}

/// The driver container mounts its files here, and the GPU operator's
/// validator leaves a mark.
bool has_driver_container(const host::HostRoot& host, const HostFacts& facts) {
  const bool is_mounted =
      std::ranges::any_of(facts.storage.mounts, [](const host::Mount& mount) {
        return mount.mount_point == "/run/nvidia/driver";
      });
  return is_mounted || host.exists("/run/nvidia/nvidia-driver.pid") ||
         host.exists("/run/nvidia/validations/.driver-ctr-ready");
}

/// Blackwell's NVLink switches are managed through an InfiniBand function
/// whose vital product data says so.
bool manages_nvlink(const host::HostRoot& host) {
  return std::ranges::any_of(
      names_in(host, kInfiniband), [&](const std::string& name) {
        const auto data =
            host.read_file(fmt::format("{}/{}/device/vpd", kInfiniband, name));
        return data && data->find("SW_MNG") != std::string::npos;
      });
}

}  // namespace

std::map<std::string, std::string> parse_module_params(std::string_view text) {
  std::map<std::string, std::string> params;
  while (!text.empty()) {
    std::string_view line = take_line(text);
    const std::string_view name = trimmed(take_until(line, ':'));
    std::string_view value = trimmed(line);
    if (name.empty()) continue;
    if (value.size() >= 2 && value.front() == '"' && value.back() == '"') {
      value = value.substr(1, value.size() - 2);
    }
    params.emplace(name, value);
  }
  return params;
}

bool is_driver_source(std::string_view dkms_name) {
  constexpr auto kNames = std::to_array<std::string_view>(
      {"nvidia", "nvidia-open", "nvidia-srv", "nvidia-current",
       "nvidia-current-open"});
  return std::ranges::find(kNames, dkms_name) != kNames.end();
}

void look_at_driver(const host::HostRoot& host, HostFacts& facts) {
  read_loaded(host, facts);
  facts.driver.library = library_version(host);
  // No package has this program; only NVIDIA's own installer leaves it.
  facts.driver.has_runfile = host.exists("/usr/bin/nvidia-uninstall");
  facts.driver.has_container = has_driver_container(host, facts);
  facts.machine.manages_nvlink = manages_nvlink(host);
  read_dkms(host, facts);
  if (!facts.driver.loaded_version.empty()) read_holders(host, facts);
}

}  // namespace gpunode::facts
