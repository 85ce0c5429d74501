#include "demo/bundle.h"

#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <cerrno>
#include <fstream>
#include <map>
#include <sstream>
#include <system_error>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace gpunode::demo {

namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kLdd = "/usr/bin/ldd";

/// Libraries as the loader finds them, by the path it names.
Result<std::vector<std::string>> needed_libraries(const std::string& file,
                                                  host::CommandRunner& runner) {
  host::Command command;
  command.argv = {kLdd, file};
  TRY(const std::string shown, runner.output(command));
  std::vector<std::string> libraries;
  std::istringstream lines(shown);
  for (std::string line; std::getline(lines, line);) {
    // "\tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x…)" or
    // "\t/lib64/ld-linux-x86-64.so.2 (0x…)"
    const std::size_t start = line.find('/');
    const std::size_t end = line.find(" (0x");
    if (start == std::string::npos || end == std::string::npos) continue;
    libraries.push_back(line.substr(start, end - start));
  }
  return libraries;
}

Result<void> copy(const std::string& source,
                  const std::filesystem::path& target) {
  std::error_code error;
  std::filesystem::create_directories(target.parent_path(), error);
  if (!error) {
    std::filesystem::copy_file(
        source, target, std::filesystem::copy_options::overwrite_existing,
        error);
  }
  if (error) return Error::from_errno("copy " + source, error.value());
  return {};
}

std::filesystem::path inside(const std::filesystem::path& rootfs,
                             const std::string& path) {
  return rootfs / std::filesystem::path(path).relative_path();
}

/// Copies what `file` needs; returns the directory that libc is in, or "".
Result<std::string> copy_libraries_of(const std::string& file,
                                      const std::filesystem::path& rootfs,
                                      host::CommandRunner& runner) {
  TRY(const std::vector<std::string> libraries, needed_libraries(file, runner));
  std::string libc_directory;
  for (const std::string& library : libraries) {
    TRY_VOID(copy(library, inside(rootfs, library)));
    if (library.find("/libc.so") != std::string::npos) {
      libc_directory = library.substr(0, library.rfind('/'));
    }
  }
  return libc_directory;
}

Result<void> fill_rootfs(const Bundle& bundle,
                         const std::filesystem::path& rootfs,
                         host::CommandRunner& runner) {
  TRY_VOID(copy(bundle.program, rootfs / "usr/bin/vectoradd"));
  TRY_VOID(copy_libraries_of(bundle.driver_library, rootfs, runner));
  TRY(const std::string libraries,
      copy_libraries_of(bundle.program, rootfs, runner));
  if (libraries.empty()) {
    return Error(ErrorCode::kNotFound,
                 "find libc: ldd names none for " + bundle.program);
  }
  TRY_VOID(
      copy(bundle.driver_library, inside(rootfs, libraries + "/libcuda.so.1")));
  return copy(bundle.driver_profile,
              inside(rootfs, libraries + "/profile.json"));
}

Json mount(const char* where, const char* type, Json options) {
  return {{"destination", where},
          {"type", type},
          {"source", type},
          {"options", std::move(options)}};
}

Json device_json(const DeviceNode& device) {
  return {{"path", device.path},
          {"type", "c"},
          {"major", device.major},
          {"minor", device.minor},
          {"fileMode", 0666},
          {"uid", 0},
          {"gid", 0}};
}

Json cgroup_rules(const std::vector<DeviceNode>& devices) {
  Json rules = Json::array({{{"allow", false}, {"access", "rwm"}}});
  for (const DeviceNode& device : devices) {
    if (device.permissions.empty()) continue;
    rules.push_back({{"allow", true},
                     {"type", "c"},
                     {"major", device.major},
                     {"minor", device.minor},
                     {"access", device.permissions}});
  }
  return rules;
}

}  // namespace

Result<std::vector<DeviceNode>> device_nodes(
    const std::vector<kubelet::DeviceSpec>& specs,
    const std::filesystem::path& node) {
  std::vector<DeviceNode> nodes;
  for (const kubelet::DeviceSpec& spec : specs) {
    const std::filesystem::path path = inside(node, spec.host_path);
    struct stat status {};
    if (::stat(path.c_str(), &status) != 0) {
      return Error::from_errno("stat " + path.string(), errno);
    }
    if (!S_ISCHR(status.st_mode)) {
      return Error(ErrorCode::kInvalidArgument,
                   path.string() + ": not a character device");
    }
    nodes.push_back({spec.container_path, major(status.st_rdev),
                     minor(status.st_rdev), spec.permissions});
  }
  return nodes;
}

std::vector<std::string> environment_of(
    const kubelet::ContainerAllocation& allocation) {
  std::vector<std::string> environment;
  for (const auto& [name, value] : allocation.envs) {
    environment.push_back(fmt::format("{}={}", name, value));
  }
  return environment;
}

std::string config_json(const Bundle& bundle) {
  Json environment = Json::array({"PATH=/usr/bin"});
  for (const std::string& variable : bundle.environment) {
    environment.push_back(variable);
  }
  Json devices = Json::array();
  for (const DeviceNode& device : bundle.devices) {
    devices.push_back(device_json(device));
  }
  Json namespaces = Json::array();
  for (const char* kind : {"pid", "ipc", "uts", "mount", "network"}) {
    namespaces.push_back({{"type", kind}});
  }
  const Json config = {
      {"ociVersion", "1.0.2"},
      {"process",
       {{"terminal", false},
        {"user", {{"uid", 0}, {"gid", 0}}},
        {"args", {"/usr/bin/vectoradd"}},
        {"env", std::move(environment)},
        {"cwd", "/"},
        {"capabilities", Json::object()},
        {"noNewPrivileges", true}}},
      {"root", {{"path", "rootfs"}, {"readonly", true}}},
      {"mounts",
       {mount("/proc", "proc", {"nosuid", "noexec", "nodev"}),
        mount("/dev", "tmpfs", {"nosuid", "mode=755", "size=65536k"})}},
      {"linux",
       {{"namespaces", std::move(namespaces)},
        {"cgroupsPath", "/" + bundle.name},
        {"devices", std::move(devices)},
        {"resources", {{"devices", cgroup_rules(bundle.devices)}}}}}};
  return config.dump(2) + "\n";
}

Result<void> write_bundle(const Bundle& bundle, host::CommandRunner& runner) {
  const std::filesystem::path rootfs = bundle.directory / "rootfs";
  std::error_code error;
  for (const char* mount_point : {"dev", "proc"}) {
    std::filesystem::create_directories(rootfs / mount_point, error);
    if (error) {
      return Error::from_errno("make " + rootfs.string(), error.value());
    }
  }
  TRY_VOID(fill_rootfs(bundle, rootfs, runner));
  std::ofstream file(bundle.directory / "config.json");
  file << config_json(bundle);
  file.close();
  if (!file) {
    return Error(ErrorCode::kInternal,
                 "write " + (bundle.directory / "config.json").string());
  }
  return {};
}

}  // namespace gpunode::demo
