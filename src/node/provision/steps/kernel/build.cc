// kernel.build: modules can be built for the kernel that they are for.

#include <string>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "node/distribution/distribution.h"
#include "node/driver/kernel_packages.h"
#include "node/provision/distribution_row.h"
#include "node/provision/file_plan.h"
#include "node/provision/seen_content.h"
#include "node/provision/steps/kernel/archive.h"
#include "node/provision/steps/kernel/kernel.h"
#include "node/provision/steps/steps.h"

namespace gpunode::provision {
namespace {

/// For which kernel it was proved, and with which compiler.
constexpr const char* kProven = "/var/lib/gpunode/proven-build";

StepPlan build_plan(const PlanInput& input) {
  const facts::HostFacts& host = input.facts;
  const driver::TargetKernel target = target_kernel(input);
  if (!target.is_settled()) {
    return StepPlan::blocked(
        "it is not settled for which kernel: see kernel.target", target.fix);
  }
  const auto found = distribution_row(input);
  if (!found) return StepPlan::blocked(found.error().message(), "see above");
  const distribution::Distribution& row = *found->row;

  StepPlan plan;
  InstallPackages install{driver::missing_tools(row, host, target.release)};
  const facts::KernelImage* image = driver::image_of(host, target.release);
  const bool has_devel = image != nullptr && image->has_devel;
  if (!has_devel) {
    install.packages.insert(install.packages.begin(),
                            driver::devel_package(row, host, target.release));
  }
  // A kernel that stays brings no other.
  if (input.spec.host.kernel.policy == KernelPolicy::kAdoptNewest) {
    for (std::string& name : driver::missing_followers(row, host)) {
      install.packages.push_back(std::move(name));
    }
  }
  const std::string compiler = driver::compiler_path(row, host, target.release);
  const std::string proof =
      fmt::format("{}kernel {}\ncompiler {}\n", kManagedLine, target.release,
                  compiler.empty() ? std::string("gcc") : compiler);
  const auto file = host.files.find(kProven);
  const std::optional<std::string> proven =
      file == host.files.end() ? std::nullopt : file->second.content;
  const bool needs_archive = !has_devel &&
                             !input.spec.host.kernel.archive.empty() &&
                             input.spec.bundle.empty();
  if (install.packages.empty() || !needs_archive) plan_no_archive(input, plan);
  if (install.packages.empty() && proven == proof) return plan;

  plan.state = StepState::kChange;
  plan.why = install.packages.empty()
                 ? fmt::format("it is not proven for {}", target.release)
                 : fmt::format("missing for {}: {}", target.release,
                               fmt::join(install.packages, ", "));
  if (image != nullptr && !image->devel_release.empty()) {
    plan.why += fmt::format(" (/lib/modules/{}/build is of {})", target.release,
                            image->devel_release);
  }
  const std::string archive = driver::archive_words(host, target.release);
  if (!has_devel && !archive.empty() &&
      input.spec.host.kernel.archive.empty()) {
    plan.notes.push_back(fmt::format(
        "if the repositories no longer have it, which is so for kernels of an "
        "older point release: {}; or update the kernel{}",
        archive,
        input.spec.host.kernel.policy == KernelPolicy::kAdoptNewest
            ? ""
            : ", and use `policy: adoptNewest` of spec.host.kernel"));
  }
  if (has_devel && !install.packages.empty()) {
    plan.actions.emplace_back(std::move(install));
  } else if (!install.packages.empty() &&
             !plan_with_archive(input, target.release, std::move(install),
                                plan)) {
    return plan;
  }
  plan.actions.emplace_back(ProveBuild{target.release, compiler});
  plan.before[kProven] = proven.value_or("");
  plan.actions.emplace_back(WriteFile{
      .path = kProven, .content = proof, .before = seen_content(proven)});
  return plan;
}

/// Nothing is to be built; what an earlier run left for it goes.
StepPlan unbuilt(const PlanInput& input, std::string why) {
  StepPlan plan;
  plan_no_archive(input, plan);
  if (plan.state == StepState::kOk) return StepPlan::not_wanted(std::move(why));
  return plan;
}

class Build final : public Step {
 public:
  std::string_view id() const override { return "kernel.build"; }
  std::string_view title() const override {
    return "modules can be built for the kernel";
  }
  std::string_view reason() const override {
    return "DKMS builds the driver's modules with the kernel's own devel "
           "package and compiler, and hides it if it cannot";
  }
  std::vector<std::string> counts_on() const override {
    return {"kernel.target"};
  }

  facts::Wanted wants(const NodeSpec& spec) const override {
    facts::Wanted wanted = archive_wants(spec);
    if (!spec.driver.is_wanted) return wanted;
    wanted.driver = true;
    wanted.files.insert(kProven);
    for (std::string& name : driver::package_wants()) {
      wanted.packages.insert(std::move(name));
    }
    return wanted;
  }

  StepPlan plan(const PlanInput& input) const override {
    const DriverSpec& spec = input.spec.driver;
    if (!spec.is_wanted) {
      return unbuilt(input, "spec.driver is not in the file");
    }
    switch (spec.source) {
      case DriverSource::kNvidia:
        return build_plan(input);
      case DriverSource::kPreinstalled:
        return unbuilt(input, "the driver is there: nothing is built");
      case DriverSource::kPrecompiled:
      case DriverSource::kDistribution:
        break;
    }
    return unbuilt(input, "the driver's modules come built");
  }
};

}  // namespace

std::unique_ptr<Step> make_kernel_build() {
  return std::make_unique<Build>();
}

}  // namespace gpunode::provision
