// driver.options: what the module nvidia is loaded with.

#include <fmt/format.h>

#include "node/provision/file_plan.h"
#include "node/provision/steps/driver/driver_request.h"
#include "node/provision/steps/steps.h"

namespace gpunode::provision {
namespace {

constexpr const char* kPath = "/etc/modprobe.d/gpunode-nvidia.conf";
constexpr const char* kGspOption = "NVreg_EnableGpuFirmware";

class Options final : public Step {
 public:
  std::string_view id() const override { return "driver.options"; }
  std::string_view title() const override {
    return "nvidia is loaded with its options";
  }
  std::string_view reason() const override {
    return "some machines need a module that is told so: a GSP that hangs is "
           "done without, coherent memory is the driver's";
  }

  facts::Wanted wants(const NodeSpec& /*spec*/) const override {
    facts::Wanted wanted = driver_wants();
    wanted.files = {kPath};
    return wanted;
  }

  StepPlan plan(const PlanInput& input) const override {
    StepPlan plan;
    const auto choice = requested_driver(input, plan);
    if (!choice) return plan;
    if (choice->module_options.empty()) {
      plan_no_managed_file(input, kPath, plan);
      return plan;
    }
    std::string line = "options nvidia";
    for (const auto& [name, value] : choice->module_options) {
      line += fmt::format(" {}={}", name, value);
    }
    plan_managed_file(input, kPath, line + "\n", plan);
    note_what_cannot_be_proved(input.facts.driver, *choice, plan);
    return plan;
  }

 private:
  /// A module passes over options that it does not know, without a word.
  static void note_what_cannot_be_proved(const facts::DriverFacts& loaded,
                                         const driver::Choice& choice,
                                         StepPlan& plan) {
    constexpr std::string_view kPrefix = "NVreg_";
    for (const auto& [name, value] : choice.module_options) {
      if (name == kGspOption && choice.flavour == driver::Flavour::kOpen) {
        plan.notes.push_back(
            fmt::format("open modules take {}={} and use the GSP all the same: "
                        "only proprietary ones can do without it",
                        name, value));
      }
      const bool is_readable =
          !loaded.params.empty() && name.starts_with(kPrefix);
      if (is_readable && !loaded.params.contains(name.substr(kPrefix.size()))) {
        plan.notes.push_back(fmt::format(
            "the loaded driver {} does not know {}, and passes over it",
            loaded.loaded_version, name));
      }
    }
  }
};

}  // namespace

std::unique_ptr<Step> make_driver_options() {
  return std::make_unique<Options>();
}

}  // namespace gpunode::provision
