// driver.obstacles: what must be out of the way before a driver is installed.

#include <algorithm>

#include <fmt/format.h>

#include "node/provision/steps/driver/driver_request.h"
#include "node/provision/steps/steps.h"

namespace gpunode::provision {
namespace {

using facts::PciGpu;

bool is_for_machines(const PciGpu& gpu) {
  return !gpu.is_switch && gpu.driver.find("vfio") != std::string::npos;
}

/// GPUs that another driver has on purpose, or that need another driver.
void plan_gpus(const facts::HostFacts& host, StepPlan& plan) {
  const auto vgpu = std::ranges::find_if(host.gpus, &PciGpu::is_vgpu);
  if (vgpu != host.gpus.end()) {
    plan = StepPlan::blocked(
        fmt::format("the GPU at {} is a hypervisor's vGPU, which takes the "
                    "GRID driver of that hypervisor's release alone",
                    vgpu->address),
        "install the driver that the cloud or the hypervisor offers for its "
        "vGPUs, and say `source: preinstalled`");
    return;
  }
  const auto vfio = std::ranges::find_if(host.gpus, is_for_machines);
  if (vfio == host.gpus.end()) return;
  const bool has_other = std::ranges::any_of(host.gpus, [](const PciGpu& gpu) {
    return !gpu.is_switch && driver::is_hosts_own(gpu);
  });
  if (has_other) {
    plan.notes.push_back(
        fmt::format("the GPU at {} is kept for virtual machines by {}: "
                    "containers do not see it",
                    vfio->address, vfio->driver));
    return;
  }
  plan = StepPlan::blocked(
      fmt::format("the GPU at {} is kept for virtual machines by {}",
                  vfio->address, vfio->driver),
      "take its id out of the options of vfio-pci in /etc/modprobe.d and off "
      "the kernel's command line (vfio-pci.ids), reboot, and apply again");
}

/// Drivers that came by another way, which packages would destroy in part.
void plan_other_ways(const facts::DriverFacts& driver, StepPlan& plan) {
  if (driver.has_runfile) {
    plan = StepPlan::blocked(
        "a driver was installed from a runfile, whose files packages would "
        "overwrite in part",
        "run `/usr/bin/nvidia-uninstall`, which removes it, reboot, and apply "
        "again");
  } else if (driver.has_container) {
    plan = StepPlan::blocked(
        "a container runs the driver (NVIDIA's GPU operator), and two that do "
        "so take it from each other",
        "say `driver.enabled: false` in the operator's ClusterPolicy and "
        "reboot, or say `source: preinstalled` here");
  }
}

class Obstacles final : public Step {
 public:
  std::string_view id() const override { return "driver.obstacles"; }
  std::string_view title() const override {
    return "nothing is in the way of the driver";
  }
  std::string_view reason() const override {
    return "a driver over another one, or under running programs, is a node "
           "that half works";
  }

  facts::Wanted wants(const NodeSpec& /*spec*/) const override {
    return reload_wants();
  }

  StepPlan plan(const PlanInput& input) const override {
    StepPlan plan;
    const facts::HostFacts& host = input.facts;
    if (!input.spec.driver.is_wanted) return without_section(host);
    if (input.spec.driver.source == DriverSource::kPreinstalled) {
      (void)requested_driver(input, plan);
      return plan;
    }
    plan_gpus(host, plan);
    if (plan.state == StepState::kOk) plan_other_ways(host.driver, plan);
    if (plan.state != StepState::kOk) return plan;
    const auto request = request_for(input);
    if (!request) return no_driver(request.error());
    plan_running(input, request->choice, plan);
    return plan;
  }

 private:
  /// What is there stays: a section that is gone takes nothing away.
  static StepPlan without_section(const facts::HostFacts& host) {
    StepPlan plan = StepPlan::not_wanted("the file has no section `driver`");
    if (!host.driver.library.empty()) {
      plan.notes.push_back(fmt::format(
          "the driver {} stays as it is: `gpunode rollback` takes off what "
          "gpunode installed, your package manager anything else",
          host.driver.library));
    }
    return plan;
  }

  static void plan_running(const PlanInput& input, const driver::Choice& choice,
                           StepPlan& plan) {
    const std::string reason = reload_reason(input, choice);
    if (reason.empty() || refuse_in_use(input, reason, plan)) return;
    plan.notes.push_back(
        fmt::format("the loaded driver {}: Pods with a GPU cannot run while it "
                    "changes, all others go on",
                    reason));
  }
};

}  // namespace

std::unique_ptr<Step> make_driver_obstacles() {
  return std::make_unique<Obstacles>();
}

}  // namespace gpunode::provision
