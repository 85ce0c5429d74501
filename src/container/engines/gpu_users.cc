#include "container/engines/gpu_users.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "base/core/ascii.h"

namespace gpunode::engines {
namespace {

bool is_number(const std::string& name) {
  return !name.empty() && std::ranges::all_of(name, is_digit);
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

// nvidiactl, nvidia0; not nvidia-uvm, which many a tool has without a GPU.
bool is_gpu_node(std::string_view name) {
  if (name == "nvidiactl") return true;
  constexpr std::string_view kGpu = "nvidia";
  return name.starts_with(kGpu) &&
         is_number(std::string(name.substr(kGpu.size())));
}

bool has_gpu_in_dev(const host::HostRoot& root, const std::string& process) {
  const auto its = root.read_link(process + "/ns/mnt");
  const auto ours = root.read_link("proc/self/ns/mnt");
  if (!its || !ours || *its == *ours) return false;
  const auto nodes = root.list_directory(process + "/root/dev");
  return nodes && std::ranges::any_of(*nodes, is_gpu_node);
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
    const bool is_open = has_gpu_open(root, process);
    if (!is_open && !has_gpu_in_dev(root, process)) continue;
    // It may have ended by now.
    const auto comm = root.read_file(process + "/comm");
    std::string program = comm ? *comm : std::string();
    while (program.ends_with('\n')) program.pop_back();
    users.push_back({id, std::move(program), is_open});
  }
  // clang 14 cannot compile libstdc++ 12's std::ranges one.
  std::stable_partition(users.begin(), users.end(),
                        [](const GpuUser& user) { return user.is_open; });
  return users;
}

}  // namespace gpunode::engines
