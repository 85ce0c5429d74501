// runtime.gpu: what gives containers their GPUs is there: gpunode-runtime, or
// the CDI spec. That containerd uses it is runtime.config's.

#include <string>
#include <utility>

#include <fmt/format.h>

#include "node/facts/wanted_files.h"
#include "node/provision/file_plan.h"
#include "node/provision/steps/runtime/cdi_units.h"
#include "node/provision/steps/runtime/containerd_file.h"
#include "node/provision/steps/runtime/runtime.h"

namespace gpunode::provision {
namespace {

// As deploy/systemd's unit writes it.
constexpr const char* kCdiSpec = "/var/run/cdi/nvidia.yaml";
constexpr const char* kPackage = "gpunode";

std::string digest_name(const std::string& path) {
  return path + std::string(facts::kDigestEnding);
}

/// The digest of a program; empty if it is not there or can't be read.
std::string digest_of(const PlanInput& input, const std::string& path) {
  const auto found = input.facts.files.find(digest_name(path));
  if (found == input.facts.files.end()) return {};
  return found->second.content.value_or("");
}

class Gpu final : public Step {
 public:
  std::string_view id() const override { return "runtime.gpu"; }
  std::string_view title() const override {
    return "what gives containers their GPUs is there";
  }
  std::string_view reason() const override {
    return "a container has a GPU's devices and the driver's libraries by "
           "gpunode-runtime, or by the node's CDI spec";
  }
  std::vector<std::string> counts_on() const override {
    return {"driver.packages", "driver.load", "runtime.links"};
  }

  facts::Wanted wants(const NodeSpec& spec) const override {
    if (!spec.runtime.is_wanted) return {};
    facts::Wanted wanted;
    if (spec.runtime.gpu_mode == GpuMode::kCdi) {
      wanted.files = {kCdiSpec};
      wanted.modules = {"nvidia"};
      return wanted;
    }
    wanted.files = {digest_name(kRuntimeProgram)};
    if (!spec.runtime_program.empty()) {
      wanted.files.insert(digest_name(spec.runtime_program));
    }
    wanted.packages = {kPackage};
    return wanted;
  }

  StepPlan plan(const PlanInput& input) const override {
    if (!input.spec.runtime.is_wanted) {
      return StepPlan::not_wanted("the file has no `spec.runtime`");
    }
    return input.spec.runtime.gpu_mode == GpuMode::kCdi ? plan_spec(input)
                                                        : plan_program(input);
  }

 private:
  static StepPlan plan_program(const PlanInput& input) {
    const std::string& from = input.spec.runtime_program;
    const std::string now = digest_of(input, kRuntimeProgram);
    if (from == kRuntimeProgram) return StepPlan::ok();
    if (input.facts.packages.contains(kPackage)) {
      if (!now.empty()) return StepPlan::ok();
      return StepPlan::blocked(
          fmt::format("{} is gone, and the package {} has it", kRuntimeProgram,
                      kPackage),
          "install the package anew; `apt-get install --reinstall gpunode` "
          "or `dnf reinstall gpunode`");
    }
    const std::string wanted = from.empty() ? "" : digest_of(input, from);
    if (wanted.empty()) {
      if (now.empty()) {
        return StepPlan::blocked(
            fmt::format("{} is not there, nor gpunode-runtime beside gpunode",
                        kRuntimeProgram),
            "unpack the whole release where gpunode is, or install its "
            "package");
      }
      StepPlan plan;
      plan.notes.push_back(fmt::format(
          "{} stays as it is: there is no gpunode-runtime beside gpunode",
          kRuntimeProgram));
      return plan;
    }
    if (now == wanted) return StepPlan::ok();
    StepPlan plan{.state = StepState::kChange};
    plan.why = now.empty() ? fmt::format("{} is missing", kRuntimeProgram)
                           : fmt::format("{} is another than {}",
                                         kRuntimeProgram, from);
    plan.actions.emplace_back(InstallProgram{from, kRuntimeProgram, wanted});
    return plan;
  }

  /// Kept by the unit of runtime.links; made now, so that no Pod waits for it.
  static StepPlan plan_spec(const PlanInput& input) {
    const auto file = input.facts.files.find(kCdiSpec);
    const bool is_there =
        file != input.facts.files.end() && file->second.exists();
    if (is_there || !will_have_driver(input) || !input.facts.machine.systemd) {
      return StepPlan::ok();
    }
    StepPlan plan{.state = StepState::kChange};
    plan.why = fmt::format("{} is missing", kCdiSpec);
    plan.actions.emplace_back(
        SetUnit{.unit = kRefreshUnit, .active = Wish::kYes, .restart = true});
    return plan;
  }
};

}  // namespace

std::unique_ptr<Step> make_runtime_gpu() {
  return std::make_unique<Gpu>();
}

}  // namespace gpunode::provision
