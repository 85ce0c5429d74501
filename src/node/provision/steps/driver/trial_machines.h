// For tests: the kinds of machine that drivers are planned for, on each
// distribution.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "node/provision/steps/trial_host.h"

namespace gpunode::provision {

inline facts::PciGpu trial_gpu(std::uint16_t id, const char* product) {
  facts::PciGpu made;
  made.device_id = id;
  made.product = product;
  return made;
}

inline std::vector<facts::PciGpu> eight_gpus(std::uint16_t id,
                                             const char* product,
                                             int switches) {
  std::vector<facts::PciGpu> all(8, trial_gpu(id, product));
  for (int i = 0; i < switches; ++i) {
    facts::PciGpu one = trial_gpu(0x22a3, "NVSwitch");
    one.is_switch = true;
    all.push_back(one);
  }
  return all;
}

/// A kind of machine, by what PCI and firmware tell of it.
struct Machine {
  const char* name;
  std::vector<facts::PciGpu> gpus;
  const char* arch = "x86_64";
  const char* cloud = "";
  const char* product = "";
  bool manages_nvlink = false;
};

inline const std::vector<Machine>& machines() {
  static const std::vector<Machine> kMachines = {
      {"A10G on a g5",
       {trial_gpu(0x2237, "NVIDIA A10G")},
       "x86_64",
       "aws",
       "g5.4xlarge"},
      {"T4", {trial_gpu(0x1eb8, "Tesla T4")}},
      {"8 A100 with NVSwitches",
       eight_gpus(0x20b0, "NVIDIA A100-SXM4-40GB", 6)},
      {"8 H100 with NVSwitches",
       eight_gpus(0x2330, "NVIDIA H100 80GB HBM3", 4)},
      {"8 B200", eight_gpus(0x2901, "NVIDIA B200", 0), "x86_64", "", "", true},
      {"GH200", {trial_gpu(0x2342, "NVIDIA GH200 480GB")}, "aarch64"},
      {"K80", {trial_gpu(0x102d, "Tesla K80")}},
  };
  return kMachines;
}

inline const Machine& machine(std::string_view name) {
  for (const Machine& one : machines()) {
    if (one.name == name) return one;
  }
  throw std::out_of_range(std::string(name));
}

/// A host of that distribution with that machine's GPUs, whose file wants a
/// driver and says nothing more.
inline TrialHost host_of(const char* id, const char* version,
                         const Machine& machine) {
  const std::string_view name = id;
  TrialHost host;
  host.facts.os.id = id;
  host.facts.os.id_like = {"rhel", "fedora"};
  if (name == "ubuntu" || name == "debian") host.facts.os.id_like = {"debian"};
  if (name == "sles" || name == "opensuse-leap") {
    host.facts.os.id_like = {"suse"};
  }
  host.facts.os.version_id = version;
  host.facts.kernel.machine = machine.arch;
  host.facts.gpus = machine.gpus;
  host.facts.machine.cloud = machine.cloud;
  host.facts.machine.product = machine.product;
  host.facts.machine.manages_nvlink = machine.manages_nvlink;
  host.spec.driver.is_wanted = true;
  return host;
}

template <class Kind>
std::vector<Kind> actions_of(const StepPlan& plan) {
  std::vector<Kind> found;
  for (const Action& action : plan.actions) {
    if (const auto* one = std::get_if<Kind>(&action)) found.push_back(*one);
  }
  return found;
}

}  // namespace gpunode::provision
