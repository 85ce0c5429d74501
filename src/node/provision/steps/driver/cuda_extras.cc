// cuda.extras: the toolkit and GPUDirect Storage, where the file asks for them.

#include <algorithm>

#include <fmt/format.h>

#include "node/driver/cuda_branch.h"
#include "node/provision/steps/driver/driver_request.h"
#include "node/provision/steps/steps.h"

namespace gpunode::provision {
namespace {

/// "13.0" as packages have it: "13-0".
std::string dashed(std::string version) {
  std::ranges::replace(version, '.', '-');
  return version;
}

std::vector<std::string> packages_of(const CudaSpec& cuda) {
  std::vector<std::string> packages;
  if (!cuda.toolkit.empty()) {
    packages.push_back("cuda-toolkit-" + dashed(cuda.toolkit));
  }
  if (cuda.gds) {
    packages.push_back(cuda.toolkit.empty()
                           ? "nvidia-gds"
                           : "nvidia-gds-" + dashed(cuda.toolkit));
  }
  return packages;
}

class CudaExtras final : public Step {
 public:
  std::string_view id() const override { return "cuda.extras"; }
  std::string_view title() const override {
    return "what the file asks for of CUDA is installed";
  }
  std::string_view reason() const override {
    return "containers bring CUDA themselves: a node needs neither, unless "
           "programs run on it outside of containers";
  }
  std::vector<std::string> counts_on() const override {
    return {"driver.repository", "driver.packages"};
  }

  facts::Wanted wants(const NodeSpec& spec) const override {
    facts::Wanted wanted = driver_wants();
    for (const std::string& name : packages_of(spec.cuda)) {
      wanted.packages.insert(name);
    }
    return wanted;
  }

  StepPlan plan(const PlanInput& input) const override {
    const CudaSpec& cuda = input.spec.cuda;
    const std::vector<std::string> packages = packages_of(cuda);
    if (packages.empty()) {
      return StepPlan::not_wanted("the file asks for neither toolkit nor gds");
    }
    if (!input.spec.driver.is_wanted) {
      return StepPlan::blocked(
          "NVIDIA's repository is set up with the driver, and the file has no "
          "section `driver`",
          "add `driver: {}`, or take the section `cuda` out");
    }
    StepPlan plan;
    InstallPackages install;
    for (const std::string& name : packages) {
      if (!input.facts.packages.contains(name)) {
        install.packages.push_back(name);
      }
    }
    if (!has_repository(input.spec.driver.source)) {
      return install.packages.empty() ? plan : no_repository(input.spec);
    }
    const auto choice = requested_driver(input, plan);
    if (!choice) return plan;
    if (!runs_toolkit(cuda, *choice, plan)) return plan;
    if (install.packages.empty()) return plan;
    plan.state = StepState::kChange;
    plan.why = fmt::format("{} is not installed", install.packages.front());
    plan.actions.emplace_back(std::move(install));
    add_notes(cuda, *choice, plan);
    return plan;
  }

 private:
  /// The packages are in NVIDIA's repository, which comes with its driver.
  static bool has_repository(DriverSource source) {
    return source == DriverSource::kNvidia ||
           source == DriverSource::kPrecompiled;
  }

  static StepPlan no_repository(const NodeSpec& spec) {
    const char* source = spec.driver.source == DriverSource::kDistribution
                             ? "distro"
                             : "preinstalled";
    return StepPlan::blocked(
        fmt::format("spec.cuda is installed from NVIDIA's repository, and with "
                    "`source: {}` of spec.driver gpunode sets none up",
                    source),
        "say `source: nvidia-cuda-repo`, or install it by hand, or take the "
        "section `cuda` out: containers bring their own");
  }

  /// False: `plan` is blocked, since no program of the toolkit would run.
  static bool runs_toolkit(const CudaSpec& cuda, const driver::Choice& choice,
                           StepPlan& plan) {
    if (cuda.toolkit.empty()) return true;
    const int least = driver::first_branch_for_cuda(cuda.toolkit);
    if (least == 0) {
      plan.notes.push_back(
          fmt::format("which branch of the driver CUDA {} needs is not known "
                      "to this version",
                      cuda.toolkit));
    }
    if (choice.branch >= least) return true;
    const int newest = driver::newest_cuda_of(choice.branch);
    plan = StepPlan::blocked(
        fmt::format("CUDA {} needs branch {} of the driver or later, and this "
                    "host gets {}",
                    cuda.toolkit, least, choice.branch),
        newest == 0
            ? std::string("take `toolkit` out: no CUDA that is known here "
                          "runs on that branch")
            : fmt::format("say a `toolkit` up to {}.x in spec.cuda, or a later "
                          "`branch` in spec.driver if the GPUs have one",
                          newest));
    return false;
  }

  static void add_notes(const CudaSpec& cuda, const driver::Choice& choice,
                        StepPlan& plan) {
    if (!cuda.toolkit.empty()) {
      plan.notes.emplace_back(
          "the toolkit takes about 3 GiB to fetch and 7 GiB on /usr: no "
          "container uses it");
    }
    if (cuda.gds && choice.flavour != driver::Flavour::kOpen) {
      plan.notes.emplace_back(
          "nvidia-fs is made for the open modules, and this host gets "
          "proprietary ones: GPUDirect Storage may fall back to copies");
    }
  }
};

}  // namespace

std::unique_ptr<Step> make_cuda_extras() {
  return std::make_unique<CudaExtras>();
}

}  // namespace gpunode::provision
