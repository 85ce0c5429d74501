#include "node/diagnose/host_look.h"

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "container/oci/device_record.h"
#include "gpu/procfs/gpu_list.h"
#include "gpu/procfs/kernel_module.h"

namespace gpunode::diagnose {
namespace {

/// Where --config-state-file is unless told otherwise.
constexpr const char* kStateFile = "/run/gpunode/device-plugin.config";
constexpr std::size_t kMostState = 4096;
constexpr const char* kPodLogs = "/var/log/pods";
constexpr std::size_t kMostRecord = std::size_t{64} << 20;

constexpr std::array<const char*, 3> kUnits = {
    "/etc/systemd/system/gpunode-agent.service",
    "/usr/lib/systemd/system/gpunode-agent.service",
    "/lib/systemd/system/gpunode-agent.service"};

constexpr const char* kFindPod =
    "kubectl get pods -A -o wide -l app.kubernetes.io/name=gpunode";

AgentStatus::Gpu gpu_of(const device::Gpu& gpu) {
  AgentStatus::Gpu made{gpu.id.value,     gpu.index.value, gpu.name,
                        gpu.memory_bytes, gpu.mig_enabled, {}};
  for (const device::MigDevice& mig : gpu.mig_devices) {
    made.mig.push_back({mig.id.value, mig.mig_index, mig.profile, 0});
  }
  return made;
}

void look_at_gpus(const host::HostRoot& host, HostLook& look) {
  if (const auto module = procfs::load_kernel_module(host)) {
    look.known.driver_version = module->version;
  }
  const Result<device::Inventory> listed = procfs::list_gpus(host);
  if (!listed) {
    look.gpu_problem = listed.error().message();
    return;
  }
  for (const device::Gpu& gpu : listed->gpus) {
    look.known.gpus.push_back(gpu_of(gpu));
  }
  if (listed->gpus.empty()) look.gpu_problem = "the driver lists none";
}

/// What is in the record under each resource's name. It says nothing of
/// sharing, and of health what was so when it was written.
void count(const oci::DeviceRecord& record, AgentStatus& known) {
  // An init container's devices are its Pod's next container's as well.
  std::map<std::string, std::set<std::string>> held;
  for (const auto& one : record.holdings) {
    held[one.resource].insert(one.ids.begin(), one.ids.end());
  }
  for (const auto& one : record.resources) {
    AgentStatus::Resource resource;
    resource.name = one.name;
    resource.capacity = resource.allocatable = one.ids.size();
    resource.held = held[one.name].size();
    std::uint64_t free = one.ids.size();
    for (const std::string& id : held[one.name]) {
      if (std::binary_search(one.ids.begin(), one.ids.end(), id)) --free;
    }
    resource.free = free;
    known.resources.push_back(std::move(resource));
  }
}

void read_record(const host::HostRoot& host, const std::string& directory,
                 HostLook& look) {
  AgentStatus& known = look.known;
  const std::string path = directory + "/" + oci::kDeviceRecordFile;
  known.holder_source = "none";
  const Result<std::string> text = host.read_file(path, kMostRecord);
  if (!text) {
    known.holder_problem = text.error().message();
    return;
  }
  const auto record = oci::read_device_record(*text, host.outside(path));
  if (!record) {
    known.holder_problem = record.error().message();
    return;
  }
  known.holder_source = "checkpoint";
  known.holder_problem = "no agent answers, which would ask the kubelet";
  for (const auto& one : record->holdings) {
    known.holders.push_back(
        {"", "", one.pod_uid, one.container, one.resource, one.ids});
  }
  count(*record, known);
}

void look_at_sockets(const host::HostRoot& host, const std::string& directory,
                     HostLook& look) {
  const auto names = host.list_directory(directory);
  if (!names) return;
  for (const std::string& name : *names) {
    const auto listener =
        name.ends_with(".sock")
            ? listener_on(host.outside(fmt::format("{}/{}", directory, name)))
            : std::nullopt;
    if (!listener) continue;
    if (name == "kubelet.sock") {
      look.kubelet_listens = true;
    } else {
      look.plugins.push_back(*listener);
    }
  }
}

/// NVIDIA's plugin, HAMi's and ours name their sockets so.
bool is_of_gpus(const Listener& plugin) {
  return plugin.socket.find("/nvidia") != std::string::npos ||
         plugin.program.starts_with("nvidia-device") ||
         plugin.program.starts_with("gpunode");
}

std::string next_for(const Error& why, const HostLook& look) {
  if (why.code() == ErrorCode::kPermissionDenied) {
    return "ask as root: sudo gpunode status";
  }
  if (look.has_service) {
    return why.code() == ErrorCode::kNotFound
               ? "systemctl enable --now gpunode-agent, then journalctl -u "
                 "gpunode-agent if it does not stay up"
               : "journalctl -u gpunode-agent tells why; then systemctl "
                 "restart gpunode-agent";
  }
  return fmt::format(
      "{} shows whether its Pod is here and why not; without "
      "a cluster, install gpunode-agent.service; of another "
      "--plugin-directory, name it",
      kFindPod);
}

}  // namespace

HostLook look_at_host(const host::HostRoot& host,
                      const std::string& plugin_directory) {
  HostLook look;
  look.has_plugin_directory = host.exists(plugin_directory);
  look_at_gpus(host, look);
  read_record(host, plugin_directory, look);
  name_pods(look.known.holders, host);
  look_at_sockets(host, plugin_directory, look);
  if (const auto text = host.read_file(kStateFile, kMostState)) {
    look.last_choice = text->substr(0, text->find('\n'));
  }
  look.has_service =
      std::any_of(kUnits.begin(), kUnits.end(),
                  [&host](const char* unit) { return host.exists(unit); });
  return look;
}

void name_pods(std::vector<AgentStatus::Holder>& holders,
               const host::HostRoot& host) {
  const bool has_nameless = std::any_of(
      holders.begin(), holders.end(),
      [](const auto& one) { return one.pod.empty() && !one.uid.empty(); });
  if (!has_nameless) return;
  const auto directories = host.list_directory(kPodLogs);
  if (!directories) return;
  // Neither a namespace, nor a Pod's name, nor a UID has an underscore.
  std::map<std::string, std::pair<std::string, std::string>> names;
  for (const std::string& one : *directories) {
    const std::size_t first = one.find('_');
    const std::size_t second = one.find('_', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    names[one.substr(second + 1)] = {one.substr(0, first),
                                     one.substr(first + 1, second - first - 1)};
  }
  for (AgentStatus::Holder& holder : holders) {
    const auto found = names.find(holder.uid);
    if (!holder.pod.empty() || found == names.end()) continue;
    holder.pod_namespace = found->second.first;
    holder.pod = found->second.second;
  }
}

Findings check_absence(const Error& why, const HostLook& look) {
  Findings findings;
  findings.push_back(
      {"agent", "no agent answers: " + why.message(), next_for(why, look)});
  // Who may not ask the agent has been told all that helps.
  if (why.code() == ErrorCode::kPermissionDenied) return findings;
  for (const Listener& plugin : look.plugins) {
    if (!is_of_gpus(plugin)) continue;
    findings.push_back(
        {"plugin",
         fmt::format("another device plugin serves the kubelet here: {} on {}",
                     name_of(plugin), plugin.socket),
         "it alone hands out GPUs; to put gpunode-agent in its place: "
         "gpunode-agent --take-over, docs/take-over.md"});
  }
  if (!look.kubelet_listens) {
    findings.push_back({"kubelet",
                        "no kubelet listens in its directory of device plugins",
                        "systemctl status kubelet"});
  }
  if (!look.gpu_problem.empty()) {
    findings.push_back({"driver", "no GPU is seen: " + look.gpu_problem,
                        "lspci -d 10de: shows what is plugged in; nvidia-smi "
                        "and dmesg what the driver says"});
  }
  return findings;
}

}  // namespace gpunode::diagnose
