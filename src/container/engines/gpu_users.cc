#include "container/engines/gpu_users.h"

#include <algorithm>
#include <array>
#include <string_view>

namespace gpunode::engines {
namespace {

bool is_number(const std::string& name) {
  return !name.empty() &&
         std::ranges::all_of(name, [](char c) { return c >= '0' && c <= '9'; });
}

// What the engines, and Kubernetes above them, name the cgroups of containers.
bool is_container(const std::string& cgroups) {
  static constexpr std::array<std::string_view, 5> kMarks = {
      "kubepods", "docker", "cri-containerd", "crio-", "libpod"};
  return std::ranges::any_of(kMarks, [&cgroups](std::string_view mark) {
    return cgroups.find(mark) != std::string::npos;
  });
}

bool has_gpu_open(const host::HostRoot& root, const std::string& process) {
  const auto descriptors = root.list_directory(process + "/fd");
  if (!descriptors) return false;
  return std::ranges::any_of(*descriptors, [&](const std::string& name) {
    const auto target = root.read_link(process + "/fd/" + name);
    return target && target->starts_with("/dev/nvidia");
  });
}

}  // namespace

std::vector<GpuUser> gpu_users(const host::HostRoot& root) {
  std::vector<GpuUser> users;
  const auto processes = root.list_directory("proc");
  if (!processes) return users;
  for (const std::string& id : *processes) {
    if (!is_number(id)) continue;
    const std::string process = "proc/" + id;
    const auto cgroups = root.read_file(process + "/cgroup");
    if (!cgroups || !is_container(*cgroups)) continue;
    if (!has_gpu_open(root, process)) continue;
    std::string program = root.read_file(process + "/comm").has_value()
                              ? *root.read_file(process + "/comm")
                              : std::string();
    while (program.ends_with('\n')) program.pop_back();
    users.push_back({id, std::move(program)});
  }
  return users;
}

}  // namespace gpunode::engines
