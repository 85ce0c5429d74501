// prep.host: this is the host that the file is for, and one that can be a node.

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "node/driver/driver_choice.h"
#include "node/driver/gpu_expectation.h"
#include "node/facts/obstacles.h"
#include "node/provision/distribution_row.h"
#include "node/provision/steps/steps.h"

namespace gpunode::provision {
namespace {

/// "rocky 8.9", "rocky 8" and "rocky" all fit Rocky Linux 8.9.
bool fits(const std::string& wanted, const facts::OsRelease& os) {
  const std::size_t blank = wanted.find(' ');
  if (wanted.substr(0, blank) != os.id) return false;
  if (blank == std::string::npos) return true;
  const std::string version = wanted.substr(blank + 1);
  return os.version_id == version || os.version_id.starts_with(version + ".");
}

/// Of architectures that NVIDIA maintains no driver for, those that the file
/// says a repository of.
bool has_driver(const PlanInput& input) {
  const std::string& machine = input.facts.kernel.machine;
  if (machine.empty() || facts::has_maintained_driver(machine)) return true;
  const auto row = distribution_row(input);
  return row && std::ranges::any_of(row->row->architectures,
                                    [&](const auto& architecture) {
                                      return architecture.machine == machine;
                                    });
}

class Host final : public Step {
 public:
  std::string_view id() const override { return "prep.host"; }
  std::string_view title() const override {
    return "the host is the one that is meant";
  }
  std::string_view reason() const override {
    return "a file for another machine must not change this one";
  }

  facts::Wanted wants(const NodeSpec& /*spec*/) const override { return {}; }

  StepPlan plan(const PlanInput& input) const override {
    const facts::HostFacts& facts = input.facts;
    const ExpectedHost& expect = input.spec.host.expect;
    if (facts.machine.container) {
      return StepPlan::refused(
          "this is a container: its kernel, disks and services are the host's",
          "run gpunode on the host itself");
    }
    if (facts.machine.image_based) {
      return StepPlan::refused(
          fmt::format("{} is made from an image and loses changes of /usr and "
                      "/etc at its next update",
                      facts.os.pretty_name),
          "build an image with the driver in it, or use the distribution's own "
          "GPU image");
    }
    if (!facts.os.package_manager()) {
      return StepPlan::refused(
          fmt::format("{} is no distribution that gpunode knows",
                      facts.os.pretty_name),
          "use a distribution of the RHEL, Debian, Ubuntu, SUSE or Amazon "
          "Linux families");
    }
    if (input.spec.driver.is_wanted && !has_driver(input)) {
      return StepPlan::refused(
          fmt::format("there is no maintained driver for {}",
                      facts.kernel.machine),
          "use x86_64 or aarch64; if the distribution has a repository with "
          "one, say so with `architectures` in spec.distributions");
    }
    if (!expect.os.empty() && !fits(expect.os, facts.os)) {
      return StepPlan::refused(
          fmt::format("spec.host.expect.os is \"{}\", and this is \"{} {}\"",
                      expect.os, facts.os.id, facts.os.version_id),
          "take the file that is meant for this host, or change expect");
    }
    if (!expect.arch.empty() && expect.arch != facts.kernel.machine) {
      return StepPlan::refused(
          fmt::format("spec.host.expect.arch is \"{}\", and this is \"{}\"",
                      expect.arch, facts.kernel.machine),
          "take the file that is meant for this host, or change expect");
    }
    const int count = driver::count_own_gpus(facts);
    if (count < input.spec.gpu.count) {
      return StepPlan::blocked(
          fmt::format("spec.gpu.count is {}, and {} GPU{} of this host {} on "
                      "the PCI bus",
                      input.spec.gpu.count, count, count == 1 ? "" : "s",
                      count == 1 ? "answers" : "answer"),
          "`gpunode facts` lists them, those that fell off the bus or that "
          "vfio keeps, too; look at power and slots, and switch the machine "
          "off and on; or change spec.gpu.count");
    }
    const auto others = driver::unexpected_gpus(facts, input.spec.gpu.expect);
    if (!others.empty()) {
      return StepPlan::blocked(
          fmt::format("the GPUs are not those of spec.gpu.expect: {}",
                      fmt::join(others, "; ")),
          "`gpunode facts` lists them, those that fell off the bus or that "
          "vfio keeps, too; take the file that is meant for this host, or "
          "change spec.gpu.expect");
    }
    StepPlan plan;
    if (!facts.machine.systemd) {
      plan.notes.emplace_back(
          "systemd is not running here: units can only be written, not "
          "started");
    }
    return plan;
  }
};

}  // namespace

std::unique_ptr<Step> make_prep_host() {
  return std::make_unique<Host>();
}

}  // namespace gpunode::provision
