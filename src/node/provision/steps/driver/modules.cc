// driver.modules: NVIDIA's module is there for every kernel that can boot.

#include <algorithm>

#include <fmt/format.h>

#include "node/driver/kernel_target.h"
#include "node/provision/steps/driver/driver_request.h"
#include "node/provision/steps/steps.h"

namespace gpunode::provision {
namespace {

using facts::KernelImage;
using facts::ModuleFile;

/// What is wrong with a kernel's module, as words after "the kernel K …".
std::string fault_of(const facts::HostFacts& host, const KernelImage& image,
                     const driver::Choice& choice) {
  const ModuleFile& module = image.module;
  if (module.path.empty()) return "has no module nvidia";
  const bool is_its_own = module.vermagic.empty() ||
                          module.vermagic == image.release ||
                          module.vermagic.starts_with(image.release + " ");
  if (!is_its_own) return "has a module nvidia of another kernel";
  if (module.version.empty()) return "";  // Not read: no reason to build.
  if (!is_of(choice, module.version)) {
    return fmt::format("has nvidia {} and not {}", module.version,
                       name_of(choice));
  }
  const std::string& library = host.driver.library;
  if (!library.empty() && library != module.version) {
    return fmt::format("has nvidia {} and the libraries are {}", module.version,
                       library);
  }
  const bool is_open = module.license.find("GPL") != std::string::npos;
  const bool is_to_be_open = choice.flavour == driver::Flavour::kOpen;
  if (!module.license.empty() && is_open != is_to_be_open) {
    return fmt::format("has the {} module nvidia",
                       is_open ? "open" : "proprietary");
  }
  return "";
}

class Modules final : public Step {
 public:
  std::string_view id() const override { return "driver.modules"; }
  std::string_view title() const override {
    return "nvidia is built for every kernel that can boot";
  }
  std::string_view reason() const override {
    return "a package says that it is installed where its module could not be "
           "built, and the next boot is one without GPUs";
  }
  std::vector<std::string> counts_on() const override {
    return {"kernel.target", "kernel.build", "driver.packages"};
  }

  facts::Wanted wants(const NodeSpec& /*spec*/) const override {
    return driver_wants();
  }

  StepPlan plan(const PlanInput& input) const override {
    StepPlan plan;
    const auto choice = requested_driver(input, plan);
    if (!choice) return plan;
    BuildModule build{.module = "nvidia", .kernels = kernels_to_build(input)};
    for (const std::string& kernel : build.kernels) {
      const KernelImage* image = driver::image_of(input.facts, kernel);
      const std::string fault = image == nullptr
                                    ? "is not installed yet"
                                    : fault_of(input.facts, *image, *choice);
      if (fault.empty()) continue;
      plan.state = StepState::kChange;
      if (!plan.why.empty()) plan.why += "; ";
      plan.why += fmt::format("the kernel {} {}", kernel, fault);
    }
    note_kernels_without(input, build.kernels, plan);
    if (plan.state == StepState::kChange) {
      plan.actions.emplace_back(std::move(build));
    }
    return plan;
  }

 private:
  static void note_kernels_without(const PlanInput& input,
                                   const std::vector<std::string>& built,
                                   StepPlan& plan) {
    for (const KernelImage& image : input.facts.kernels.images) {
      if (!image.module.path.empty() ||
          std::ranges::find(built, image.release) != built.end()) {
        continue;
      }
      plan.notes.push_back(
          fmt::format("the kernel {} could be booted by hand and would have no "
                      "driver: {} is installed",
                      image.release,
                      input.spec.driver.source == DriverSource::kNvidia
                          ? "nothing to build its module with"
                          : "no package with its module"));
    }
  }
};

}  // namespace

std::unique_ptr<Step> make_driver_modules() {
  return std::make_unique<Modules>();
}

}  // namespace gpunode::provision
