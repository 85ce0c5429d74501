// driver.packages: the driver and what must be of the same version, and nothing
// else of NVIDIA's beside it.

#include <algorithm>
#include <array>
#include <set>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "node/distribution/precompiled.h"
#include "node/driver/kernel_packages.h"
#include "node/provision/bundle_plan.h"
#include "node/provision/driver_wish.h"
#include "node/provision/file_plan.h"
#include "node/provision/packages/lines.h"
#include "node/provision/packages/package_set.h"
#include "node/provision/packages/repository.h"
#include "node/provision/steps/driver/driver_basis.h"
#include "node/provision/steps/driver/driver_holds.h"
#include "node/provision/steps/kernel/kernel.h"
#include "node/provision/steps/steps.h"

namespace gpunode::provision {
namespace {

using distribution::Family;
using packages::Tool;

constexpr const char* kPreferences =
    "/etc/apt/preferences.d/gpunode-nvidia.pref";

/// A driver that somebody else packaged, and what it is told by.
struct Stranger {
  std::string_view pattern;  ///< "*" at the end stands for any rest.
  std::string_view who;
};

constexpr auto kStrangers = std::to_array<Stranger>({
    {"akmod-nvidia*", "RPM Fusion"},
    {"xorg-x11-drv-nvidia*", "RPM Fusion"},
    {"kmod-nvidia-6*", "RPM Fusion"},
    {"dkms-nvidia", "negativo17"},
    {"akmod-nvidia-open", "negativo17"},
    {"nvidia-x11-drv*", "ELRepo"},
    {"nvidia-tesla-*", "Debian"},
    {"nvidia-legacy-*", "Debian"},
});

bool matches(std::string_view pattern, std::string_view name) {
  if (!pattern.ends_with('*')) return pattern == name;
  return name.starts_with(pattern.substr(0, pattern.size() - 1));
}

/// Ubuntu's archive has its "server" set, which excludes NVIDIA's.
bool is_ubuntus(std::string_view name) {
  return name.starts_with("linux-modules-nvidia-") ||
         name.starts_with("linux-objects-nvidia-") ||
         ((name.starts_with("nvidia-") || name.starts_with("libnvidia-")) &&
          (name.ends_with("-server") || name.ends_with("-server-open")));
}

/// False: `plan` is blocked by packages of somebody else's.
bool is_alone(const PlanInput& input, const DriverBasis& basis,
              StepPlan& plan) {
  std::vector<std::string> names;
  std::set<std::string> owners;
  for (const auto& [name, package] : input.facts.packages) {
    for (const Stranger& one : kStrangers) {
      const bool is_nvidias = name == "nvidia-legacy-check" ||
                              distribution::parse_precompiled_kmod(name);
      if (is_nvidias || !matches(one.pattern, name)) continue;
      names.push_back(name);
      owners.emplace(one.who);
      break;
    }
    if (basis.is_nvidias && basis.row->family == Family::kUbuntu &&
        is_ubuntus(name)) {
      names.push_back(name);
      owners.emplace("Ubuntu's archive");
    }
  }
  if (names.empty()) return true;
  const char* remove = "dnf remove";
  if (basis.tool == Tool::kApt) remove = "apt-get purge";
  if (basis.tool == Tool::kZypper) remove = "zypper remove";
  if (basis.row->manager == distribution::Manager::kYum) remove = "yum remove";
  plan = StepPlan::blocked(
      fmt::format("a driver of {} is installed, and two can't be: {}",
                  fmt::join(owners, " and "), fmt::join(names, ", ")),
      fmt::format("drain the node, remove it with `{} {}`{}", remove,
                  fmt::join(names, " "),
                  basis.row->family == Family::kUbuntu
                      ? ", or say `source: distro`"
                      : ""));
  return false;
}

/// Versions of the branch, whatever the archive or another repository offers.
/// The distribution's own drivers have the same names in other builds.
std::string preferences(const DriverBasis& basis) {
  const std::string names =
      "nvidia-* libnvidia-* libnvsdm* libcuda1 cuda-drivers* "
      "xserver-xorg-video-nvidia* firmware-nvidia-*";
  std::string text;
  for (const char* origin : {"Ubuntu", "Debian"}) {
    text += fmt::format("Package: {}\nPin: release o={}\nPin-Priority: -1\n\n",
                        names, origin);
  }
  text +=
      fmt::format("Package: {}\nPin: version {}{}\nPin-Priority: 1001\n", names,
                  basis.version(), basis.choice.version.empty() ? ".*" : "*");
  return text;
}

std::string enabled_stream(const PlanInput& input) {
  const auto found = input.facts.files.find(kNvidiaModuleFile);
  if (found == input.facts.files.end() || !found->second.content) return {};
  std::string stream;
  bool is_enabled = false;
  for (const std::string_view line :
       packages::lines_of(*found->second.content)) {
    const std::size_t equals = line.find('=');
    if (equals == std::string_view::npos) continue;
    const auto key = packages::trimmed(line.substr(0, equals));
    const auto value = packages::trimmed(line.substr(equals + 1));
    if (key == "stream") stream = value;
    if (key == "state") is_enabled = value == "enabled";
  }
  return is_enabled ? stream : std::string();
}

/// Why the installed set is not the wanted one; empty if it is.
std::string differs(const PlanInput& input, const DriverBasis& basis,
                    const std::vector<std::string>& rivals) {
  std::vector<std::string> missing;
  std::set<std::string> versions;
  for (const std::string& name : basis.set()) {
    const auto found = installed_upstreams(input, name);
    if (found.empty()) missing.push_back(name);
    versions.insert(found.begin(), found.end());
  }
  for (const std::string& name : basis.beside.any) {
    if (!input.facts.packages.contains(name)) missing.push_back(name);
  }
  if (!rivals.empty()) {
    return fmt::format("{} is of another flavour or branch",
                       fmt::join(rivals, ", "));
  }
  if (versions.size() > 1) {
    return fmt::format("half installed: versions {} stand side by side",
                       fmt::join(versions, " and "));
  }
  if (!versions.empty() &&
      !packages::is_of(*versions.begin(), basis.version())) {
    return fmt::format("version {} is installed, and {} is wanted",
                       *versions.begin(), basis.version());
  }
  if (missing.empty()) return {};
  return fmt::format("missing: {}", fmt::join(missing, ", "));
}

/// The version that a companion that is missing must have: the installed one,
/// so that nothing else moves.
std::string wanted_version(const PlanInput& input, const DriverBasis& basis) {
  std::set<std::string> versions;
  bool is_whole = true;
  for (const std::string& name : basis.driver.packages) {
    const auto found = installed_upstreams(input, name);
    is_whole &= !found.empty();
    versions.insert(found.begin(), found.end());
  }
  is_whole &= versions.size() == 1 &&
              packages::is_of(*versions.begin(), basis.version());
  return is_whole ? *versions.begin() : basis.version();
}

bool is_held_by_us(const PlanInput& input, const DriverBasis& basis,
                   const std::string& name) {
  return distribution::is_of_driver(name) &&
         input.history.held.contains(name) && has_hold(input, basis.tool, name);
}

/// True: `plan` is blocked, since somebody else holds what `set` would change.
bool is_held_by_others(const PlanInput& input, const DriverBasis& basis,
                       const InstallSet& set, StepPlan& plan) {
  std::vector<std::string> names;
  for (const auto& [name, installed] : input.facts.packages) {
    if (!distribution::is_of_driver(name) ||
        input.history.held.contains(name) ||
        !has_hold(input, basis.tool, name)) {
      continue;
    }
    const bool goes = std::ranges::find(set.removed, name) != set.removed.end();
    if (goes || !packages::is_of(packages::upstream_of(installed.version),
                                 set.version)) {
      names.push_back(name);
    }
  }
  if (names.empty()) return false;
  const char* lift = "dnf versionlock delete";
  if (basis.tool == Tool::kApt) lift = "apt-mark unhold";
  if (basis.tool == Tool::kZypper) lift = "zypper removelock";
  if (basis.row->manager == distribution::Manager::kYum) {
    lift = "yum versionlock delete";
  }
  plan = StepPlan::blocked(
      fmt::format("somebody else than gpunode holds {}, and {}",
                  fmt::join(names, ", "), plan.why),
      fmt::format("lift it with `{} {}`, or have `version:` of spec.driver say "
                  "what is installed",
                  lift, fmt::join(names, " ")));
  return true;
}

/// Modules of another flavour, branch or making. A package for each kernel has
/// no relation to the driver's version that would take it along.
std::vector<std::string> rivals_here(const PlanInput& input,
                                     const DriverBasis& basis) {
  std::vector<std::string> rivals;
  for (const std::string& name : basis.driver.rivals) {
    if (input.facts.packages.contains(name)) rivals.push_back(name);
  }
  const bool keeps_ready_made =
      packages::has_version_inside(basis.driver.module);
  for (const auto& [name, package] : input.facts.packages) {
    const auto kmod = distribution::parse_precompiled_kmod(name);
    const bool is_other =
        kmod ? !keeps_ready_made ||
                   !packages::is_of(kmod->version, basis.version())
             : distribution::is_of_another_branch(name, basis.choice.branch);
    if (is_other) rivals.push_back(name);
  }
  return rivals;
}

/// True: `plan` is blocked by what a bundle lacks.
bool is_not_bundled(const PlanInput& input, const InstallSet& set,
                    StepPlan& plan) {
  auto lacks = bundle_lacks(input, set.packages, set.version);
  if (!lacks) lacks = bundle_lacks(input, set.others, "");
  if (!lacks) return false;
  plan = *std::move(lacks);
  return true;
}

void add_set(const PlanInput& input, const DriverBasis& basis, StepPlan& plan) {
  InstallSet set;
  set.removed = rivals_here(input, basis);
  std::string why = differs(input, basis, set.removed);
  if (why.empty()) return;
  if (plan.state == StepState::kOk) plan.state = StepState::kChange;
  if (plan.state == StepState::kChange) plan.why = std::move(why);
  set.version = wanted_version(input, basis);
  if (is_held_by_others(input, basis, set, plan)) return;
  set.packages = basis.set();
  for (const std::string& name : basis.beside.any) {
    if (!input.facts.packages.contains(name)) set.others.push_back(name);
  }
  if (is_not_bundled(input, set, plan)) return;
  set.from = basis.from();
  for (const std::string_view pattern : distribution::driver_patterns()) {
    set.family.emplace_back(pattern);
  }
  HoldPackages release;
  release.held = false;
  // Names may carry the branch: those of the old one are held as well, and go.
  for (const auto& [name, installed] : input.facts.packages) {
    if (is_held_by_us(input, basis, name)) {
      release.packages.push_back(name);
    }
  }
  const bool was_held = !release.packages.empty();
  if (was_held) plan.actions.emplace_back(std::move(release));
  plan.actions.emplace_back(std::move(set));
  // Before the run driver.hold found them held, and so is not asked again.
  if (was_held && input.spec.driver.hold) {
    plan.actions.emplace_back(HoldPackages{.packages = basis.held()});
  }
}

/// ib_umad, where the kernel's own package does not have it: without it the
/// fabric manager of NVLink 5 does not start.
void add_fabric_modules(const PlanInput& input, const DriverBasis& basis,
                        StepPlan& plan) {
  if (!basis.choice.needs_subnet_manager ||
      !wants_fabric_manager(input.spec.driver, basis.choice)) {
    return;
  }
  const driver::TargetKernel kernel = target_kernel(input);
  // kernel.target says what hinders it.
  if (!kernel.is_settled()) return;
  const std::string package =
      driver::extra_modules_package(*basis.row, kernel.release);
  // Of several kernels the facts have one version: any counts, so that this
  // ends. driver.load tells a module that is missing for all that.
  const std::string name = package.substr(0, package.find('='));
  if (name.empty() || input.facts.packages.contains(name)) return;
  if (plan.state == StepState::kOk) plan.state = StepState::kChange;
  if (plan.why.empty()) {
    plan.why = fmt::format(
        "{} is missing, with the kernel module ib_umad that NVSwitches of "
        "NVLink 5 are managed through",
        name);
  }
  plan.actions.emplace_back(InstallPackages{{package}});
}

class DriverPackagesStep final : public Step {
 public:
  std::string_view id() const override { return "driver.packages"; }
  std::string_view title() const override {
    return "NVIDIA's driver is installed, all of it in one version";
  }
  std::string_view reason() const override {
    return "userspace, modules and fabric manager of different versions refuse "
           "each other";
  }
  std::vector<std::string> counts_on() const override {
    return {"driver.repository"};
  }

  facts::Wanted wants(const NodeSpec& spec) const override {
    if (!spec.driver.is_wanted) return {};
    facts::Wanted wanted = basis_wants();
    wanted.add(hold_wants());
    wanted.add(bundle_wants(spec));
    wanted.files.insert({kPreferences, kNvidiaModuleFile});
    for (const char* pattern :
         {"nvidia-*", "libnvidia-*", "libnvsdm*", "kmod-nvidia-*",
          "akmod-nvidia*", "xorg-x11-drv-nvidia*", "dkms-nvidia",
          "linux-modules-nvidia-*", "linux-objects-nvidia-*", "nvlsm",
          "linux-modules-extra-*", "kernel-modules-extra",
          "kernel6.12-modules-extra", "kernel6.18-modules-extra",
          "infiniband-diags", "libibumad", "libibumad3"}) {
      wanted.packages.insert(pattern);
    }
    return wanted;
  }

  StepPlan plan(const PlanInput& input) const override {
    StepPlan plan;
    const auto basis = driver_basis(input, plan);
    if (!basis) return plan;
    if (!is_alone(input, *basis, plan)) return plan;
    plan.notes = basis->choice.reasons;
    if (packages::has_version_inside(basis->driver.module)) {
      plan.notes.emplace_back(
          "a kernel that comes with an update has no module until gpunode "
          "applies again, and NVIDIA's come some days after it: `kernel: "
          "{policy: pinRunning}` of spec.host keeps this one");
    }
    if (basis->is_nvidias && basis->tool == Tool::kApt) {
      plan_managed_file(input, kPreferences, preferences(*basis), plan);
      if (plan.state == StepState::kBlocked) return plan;
    }
    const std::string& stream = basis->driver.stream;
    if (!stream.empty() && enabled_stream(input) != stream) {
      plan.state = StepState::kChange;
      plan.why = fmt::format("the stream {} of {} is not enabled", stream,
                             kNvidiaModule);
      plan.actions.emplace_back(SetModuleStream{kNvidiaModule, stream});
    }
    add_set(input, *basis, plan);
    if (plan.state != StepState::kBlocked) {
      add_fabric_modules(input, *basis, plan);
    }
    return plan;
  }
};

}  // namespace

std::unique_ptr<Step> make_driver_packages() {
  return std::make_unique<DriverPackagesStep>();
}

}  // namespace gpunode::provision
