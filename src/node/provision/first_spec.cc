#include "node/provision/first_spec.h"

#include <map>

#include <fmt/format.h>

#include "node/provision/disk_candidates.h"

namespace gpunode::provision {
namespace {

std::string gpu_lines(const facts::HostFacts& facts) {
  std::map<std::string, int> counts;
  for (const facts::PciGpu& gpu : facts.gpus) {
    if (!gpu.is_switch) ++counts[gpu.product];
  }
  if (counts.empty()) return "# No NVIDIA GPU was seen here.\n";
  std::string text;
  for (const auto& [product, count] : counts) {
    text += fmt::format("# {} x {}\n", count, product);
  }
  return text;
}

/// Where containerd is there, as it is.
std::string runtime_lines(const facts::HostFacts& facts) {
  const auto unit = facts.units.find("containerd.service");
  if (unit == facts.units.end() || unit->second.load_state != "loaded") {
    return R"(  # What runs containers: distribution, docker-ce (for RHEL and its kin),
  # preinstalled; GPUs by default-runtime, runtimeclass or cdi:
  # runtime:
  #   install: {source: docker-ce, version: "1.7"}
  #   gpu: {mode: default-runtime}
)";
  }
  const char* source = "preinstalled";
  if (facts.packages.contains("containerd.io")) {
    source = "docker-ce";
  } else if (facts.packages.contains("containerd")) {
    source = "distribution";
  }
  return fmt::format(
      R"(  # containerd is here. Every container is started by gpunode-runtime:
  # default-runtime; those of a RuntimeClass alone: runtimeclass; or cdi.
  runtime:
    install: {{source: {}}}
    gpu: {{mode: default-runtime}}
)",
      source);
}

}  // namespace

std::string first_spec(const facts::HostFacts& facts) {
  return fmt::format(
      R"(# What this host is to become. `gpunode validate` checks this file,
# `gpunode plan` shows what it means, `gpunode apply` does it.
#
# {} on {}
{}apiVersion: gpunode.dev/v1alpha1
kind: GPUNode
spec:
  host:
    # Refuse on any other host.
    expect: {{os: "{} {}", arch: {}}}
    # off, or keep: the kubelet does not start with swap in use.
    swap: off
    # auto: reboot when needed and go on; ask: stop and say so; never.
    reboot: {{mode: ask, max: 3}}
  # gpunode-check.timer looks after the node: hourly, daily, weekly, off.
  check: {{interval: hourly, certificateDays: 30}}
{}{})",
      facts.os.pretty_name, facts.machine.product, gpu_lines(facts),
      facts.os.id, facts.os.version_id, facts.kernel.machine,
      storage_comment(facts.storage), runtime_lines(facts));
}

}  // namespace gpunode::provision
