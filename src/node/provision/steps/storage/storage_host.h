// For tests: a host with a root volume and a disk for spec.storage.
#pragma once

#include <string>
#include <vector>

#include "node/provision/steps/storage/storage.h"
#include "node/provision/steps/trial_host.h"

namespace gpunode::provision {

inline constexpr const char* kInstanceStore =
    "Amazon EC2 NVMe Instance Storage";
inline constexpr const char* kRelabel =
    "run /usr/bin/find /var/lib/containerd -xdev -not -type c -not -type b "
    "-exec /sbin/restorecon -i {} +";
inline constexpr std::uint64_t kSize = 600'000'000'000;

inline facts::DiskFacts disk(const std::string& name, const std::string& model,
                             const std::string& serial) {
  facts::DiskFacts disk;
  disk.device.name = name;
  disk.device.path = "/dev/" + name;
  disk.device.subsystem = host::BlockSubsystem::kNvme;
  disk.device.model = model;
  disk.device.serial = serial;
  disk.device.size_bytes = kSize;
  return disk;
}

inline StorageSpec entry() {
  StorageSpec entry;
  entry.id = "containerd";
  entry.label = "gn-container";
  entry.select.cloud_ephemeral = true;
  entry.path = "/var/lib/containerd";
  entry.users = {"containerd.service", "kubelet.service"};
  return entry;
}

/// A g5.4xlarge: the root volume and one blank instance store.
inline TrialHost g5() {
  TrialHost host;
  host.spec.storage = {entry()};
  host.facts.files["/etc/machine-id"].content = "aabb\n";
  host.facts.storage.root_is_known = true;
  for (const std::string& unit : entry().users) {
    host.facts.units[unit] = {"not-found", "inactive", ""};
  }
  facts::DiskFacts root = disk("nvme0n1", "Amazon Elastic Block Store", "vol1");
  root.is_system = true;
  root.in_use = "is in use: mounted at /";
  facts::DiskFacts store = disk("nvme1n1", kInstanceStore, "AWS1");
  store.was_proved = true;
  store.is_blank = true;
  store.finding = "blank: no signature";
  store.digest = "digest-of-AWS1";
  host.facts.storage.disks = {root, store};
  return host;
}

inline StepPlan plan_disk(const TrialHost& host) {
  return host.plan(*make_storage_disk(host.spec.storage.front()));
}

inline std::vector<std::string> words(const StepPlan& plan) {
  std::vector<std::string> words;
  for (const Action& action : plan.actions) words.push_back(describe(action));
  return words;
}

}  // namespace gpunode::provision
