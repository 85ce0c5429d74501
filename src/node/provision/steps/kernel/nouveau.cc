// kernel.nouveau: the kernel's own drivers for NVIDIA's GPUs stay away.
//
// Comes before kernel.target, whose reboot serves both: a new kernel, and a GPU
// that nouveau has until then.

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "node/provision/file_plan.h"
#include "node/provision/seen_content.h"
#include "node/provision/steps/kernel/kernel.h"
#include "node/provision/steps/steps.h"

namespace gpunode::provision {
namespace {

constexpr const char* kPath = "/etc/modprobe.d/gpunode-nouveau.conf";
/// Says that the initramfs images were made anew since: a file that was written
/// before a crash is not in them yet.
constexpr const char* kRebuilt = "/var/lib/gpunode/nouveau-initramfs";
/// The same, and gone after a boot: a driver that is loaded while this is there
/// waits for the reboot, and one without it is loaded in spite of all.
constexpr const char* kRebuiltNow = "/run/gpunode/nouveau-initramfs";
constexpr const char* kBody =
    "blacklist nouveau\n"
    "options nouveau modeset=0\n"
    "blacklist nova_core\n"
    "blacklist nova\n"
    "blacklist nova_drm\n";

constexpr const char* kUpdateInitramfs = "/usr/sbin/update-initramfs";
constexpr const char* kDracut = "/usr/bin/dracut";
/// EL 7's.
constexpr const char* kOldDracut = "/usr/sbin/dracut";
constexpr std::uint64_t kRebuildSeconds = 600;

bool is_there(const facts::HostFacts& host, const char* path) {
  const auto found = host.trees.find(path);
  return found != host.trees.end() && found->second.exists;
}

/// What makes the initramfs of `release` anew; empty if nothing does.
std::vector<std::string> rebuild(const facts::HostFacts& host,
                                 const std::string& release) {
  if (is_there(host, kUpdateInitramfs)) {
    return {kUpdateInitramfs, "-u", "-k", release};
  }
  for (const char* dracut : {kDracut, kOldDracut}) {
    if (is_there(host, dracut)) return {dracut, "--force", "--kver", release};
  }
  return {};
}

class Nouveau final : public Step {
 public:
  std::string_view id() const override { return "kernel.nouveau"; }
  std::string_view title() const override {
    return "nouveau and nova leave the GPUs alone";
  }
  std::string_view reason() const override {
    return "a GPU has one driver: while the kernel's own has it, NVIDIA's "
           "cannot start";
  }

  facts::Wanted wants(const NodeSpec& spec) const override {
    facts::Wanted wanted;
    if (!spec.driver.is_wanted) return wanted;
    wanted.driver = true;
    wanted.files = {kPath, kRebuilt, kRebuiltNow};
    wanted.trees = {kUpdateInitramfs, kDracut, kOldDracut};
    want_other_driver(wanted);
    return wanted;
  }

  StepPlan plan(const PlanInput& input) const override {
    if (!input.spec.driver.is_wanted) {
      return StepPlan::not_wanted("spec.driver is not in the file");
    }
    if (input.spec.driver.source == DriverSource::kPreinstalled) {
      return StepPlan::not_wanted("the driver is there, and its owner's");
    }
    const facts::HostFacts& host = input.facts;
    const std::string other = other_driver(host);
    if (!other.empty() && host.modules.contains(other) &&
        !host.modules.at(other)) {
      return StepPlan::blocked(
          fmt::format("{} is built into the kernel {}, and no file keeps it "
                      "from the GPUs",
                      other, host.kernel.release),
          fmt::format("boot a kernel that has {} as a module, or add "
                      "`{}.modeset=0 initcall_blacklist={}_init` to the "
                      "kernel's command line",
                      other, other, other));
    }
    StepPlan plan;
    plan_managed_file(input, kPath, kBody, plan);
    if (plan.state == StepState::kBlocked) return plan;
    plan_rebuild(input, other, plan);
    return plan;
  }

 private:
  static void plan_rebuild(const PlanInput& input, const std::string& other,
                           StepPlan& plan) {
    const facts::HostFacts& host = input.facts;
    const std::string wanted = fmt::format("{}{}", kManagedLine, kBody);
    const bool is_done = content_of(host, kRebuilt) == wanted;
    // Or a run was cut off between the two marks.
    const bool is_owed = input.history.unsettled.contains(kRebuilt);
    const bool is_in_spite = is_done && (!other.empty() || is_owed) &&
                             content_of(host, kRebuiltNow) != wanted;
    if (plan.actions.empty() && is_done && !is_in_spite) return;
    if (plan.state == StepState::kOk) {
      plan.state = StepState::kChange;
      plan.why =
          is_in_spite && !other.empty()
              ? fmt::format("{} is loaded although it is switched off", other)
              : "initramfs images are from before it was switched off";
    }
    for (const facts::KernelImage& image : host.kernels.images) {
      RunProgram run{.argv = rebuild(host, image.release),
                     .timeout_seconds = kRebuildSeconds};
      if (run.argv.empty()) {
        plan.notes.push_back(
            "neither update-initramfs nor dracut is here: if this host has an "
            "initramfs with nouveau in it, make it anew by hand");
        break;
      }
      plan.actions.emplace_back(std::move(run));
    }
    for (const char* path : {kRebuilt, kRebuiltNow}) {
      const std::optional<std::string> content = content_of(host, path);
      if (content == wanted) continue;
      plan.before[path] = content.value_or("");
      plan.actions.emplace_back(WriteFile{
          .path = path, .content = wanted, .before = seen_content(content)});
    }
    plan.notes.emplace_back(
        "a rollback takes the file away; images that were made with it keep "
        "nouveau off until they are made again");
  }

  static std::optional<std::string> content_of(const facts::HostFacts& host,
                                               const char* path) {
    const auto found = host.files.find(path);
    return found == host.files.end() ? std::nullopt : found->second.content;
  }
};

}  // namespace

std::unique_ptr<Step> make_kernel_nouveau() {
  return std::make_unique<Nouveau>();
}

}  // namespace gpunode::provision
