// driver.load: the modules are in the kernel, in the version that is installed,
// now and after each boot.

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "node/driver/gpu_services.h"
#include "node/provision/file_plan.h"
#include "node/provision/steps/driver/driver_request.h"
#include "node/provision/steps/steps.h"

namespace gpunode::provision {
namespace {

constexpr const char* kPath = "/etc/modules-load.d/gpunode-nvidia.conf";

// Nothing loads nvidia_uvm by itself: without it the first container with CUDA
// finds no /dev/nvidia-uvm.
constexpr auto kWanted =
    std::to_array<const char*>({"nvidia", "nvidia_uvm", "nvidia_modeset"});

/// Those that stand on nvidia, in the order in which they can go, and itself.
constexpr auto kGoing = std::to_array<const char*>(
    {"nvidia_fs", "gdrdrv", "nvidia_peermem", "nvidia_uvm", "nvidia_drm",
     "nvidia_modeset", "nvidia"});

/// Of the modules that are loaded, those that hold a reference to nvidia.
int dependents(const facts::HostFacts& host) {
  int count = 0;
  for (const std::string_view name : kGoing) {
    const bool is_direct = name != "nvidia" && name != "nvidia_drm";
    if (is_direct && host.modules.contains(std::string(name))) ++count;
  }
  return count;
}

/// The kernel itself uses it: a console on the GPU, say. Nobody can stop that.
bool is_held_by_kernel(const facts::HostFacts& host) {
  return host.driver.holders.empty() && host.driver.users > dependents(host);
}

class Load final : public Step {
 public:
  std::string_view id() const override { return "driver.load"; }
  std::string_view title() const override {
    return "the driver's modules are loaded";
  }
  std::string_view reason() const override {
    return "containers find their GPUs only while the installed driver is the "
           "one in the kernel";
  }
  std::vector<std::string> counts_on() const override {
    return {"driver.packages", "driver.modules", "driver.options"};
  }

  facts::Wanted wants(const NodeSpec& /*spec*/) const override {
    facts::Wanted wanted = reload_wants();
    wanted.files = {kPath};
    for (const char* name : kGoing) wanted.modules.insert(name);
    wanted.modules.insert("ib_umad");
    return wanted;
  }

  StepPlan plan(const PlanInput& input) const override {
    StepPlan plan;
    const auto choice = requested_driver(input, plan);
    if (!choice) return plan;
    std::string body;
    for (const char* name : kWanted) body += fmt::format("{}\n", name);
    if (choice->needs_subnet_manager) body += "ib_umad\n";
    plan_managed_file(input, kPath, body, plan);
    if (plan.state == StepState::kBlocked) return plan;
    const std::string reason = reload_reason(input, *choice);
    if (!reason.empty()) {
      plan_reload(input, *choice, reason, plan);
    } else {
      plan_missing(input, *choice, plan);
    }
    return plan;
  }

 private:
  static void change(StepPlan& plan, std::string why) {
    if (plan.state == StepState::kDrift) return;
    plan.state = StepState::kChange;
    plan.why = std::move(why);
  }

  static void load(const std::string& name, StepPlan& plan) {
    plan.actions.emplace_back(SetModule{name, true});
  }

  static void plan_missing(const PlanInput& input, const driver::Choice& choice,
                           StepPlan& plan) {
    const auto need = [&](const std::string& name) {
      if (input.facts.modules.contains(name)) return;
      load(name, plan);
      if (plan.state == StepState::kOk) {
        change(plan, fmt::format("{} is not loaded", name));
      }
    };
    for (const char* name : kWanted) need(name);
    if (choice.needs_subnet_manager) need("ib_umad");
    note_missing_gpus(input.facts, plan);
  }

  static void plan_reload(const PlanInput& input, const driver::Choice& choice,
                          const std::string& reason, StepPlan& plan) {
    if (refuse_in_use(input, reason, plan)) return;
    change(plan, fmt::format("the loaded driver {}", reason));
    if (is_held_by_kernel(input.facts)) {
      plan.actions.emplace_back(
          Reboot{fmt::format("the loaded driver {}, and the kernel itself uses "
                             "it",
                             reason)});
      return;
    }
    std::vector<std::string> guests;
    for (const driver::GpuService& service : driver::gpu_services()) {
      const std::string unit(service.unit);
      const auto known = input.facts.units.find(unit);
      if (known == input.facts.units.end() ||
          known->second.active_state != "active") {
        continue;
      }
      plan.actions.emplace_back(SetUnit{.unit = unit, .active = Wish::kNo});
      if (!service.is_drivers) guests.insert(guests.begin(), unit);
    }
    for (const char* name : kGoing) {
      if (input.facts.modules.contains(name)) {
        plan.actions.emplace_back(SetModule{name, false});
      }
    }
    for (const char* name : kWanted) load(name, plan);
    if (choice.needs_subnet_manager) load("ib_umad", plan);
    // Before the run driver.services found them well, and so is not asked
    // again.
    for (const std::string& unit : driver_services(input.spec, choice)) {
      plan.actions.emplace_back(SetUnit{.unit = unit, .active = Wish::kYes});
    }
    for (const std::string& unit : guests) {
      plan.actions.emplace_back(SetUnit{.unit = unit, .active = Wish::kYes});
    }
  }

  static void note_missing_gpus(const facts::HostFacts& host, StepPlan& plan) {
    const auto gpus =
        std::ranges::count_if(host.gpus, [](const facts::PciGpu& gpu) {
          return !gpu.is_switch && driver::is_hosts_own(gpu);
        });
    if (host.driver.loaded_version.empty() || host.driver.proc_gpus == gpus) {
      return;
    }
    plan.notes.push_back(
        fmt::format("the driver has {} of {} GPUs: `dmesg | grep NVRM` says "
                    "what it has against the rest",
                    host.driver.proc_gpus, gpus));
  }
};

}  // namespace

std::unique_ptr<Step> make_driver_load() {
  return std::make_unique<Load>();
}

}  // namespace gpunode::provision
