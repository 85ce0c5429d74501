// kernel.target: the kernel that the driver is built for runs, and stays.

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/core/ascii.h"
#include "node/distribution/distribution.h"
#include "node/driver/kernel_packages.h"
#include "node/facts/next_kernel.h"
#include "node/provision/distribution_row.h"
#include "node/provision/file_plan.h"
#include "node/provision/hold_plan.h"
#include "node/provision/own_holds.h"
#include "node/provision/steps/kernel/archive.h"
#include "node/provision/steps/kernel/kernel.h"
#include "node/provision/steps/steps.h"

namespace gpunode::provision {
namespace {

constexpr const char* kId = "kernel.target";
constexpr const char* kGrubby = "/usr/sbin/grubby";
constexpr const char* kUpdateGrub = "/usr/sbin/update-grub";
constexpr const char* kSetDefault = "/usr/sbin/grub2-set-default";
constexpr const char* kEditEnvironment = "/usr/bin/grub2-editenv";
constexpr const char* kEnvironment = "/boot/grub2/grubenv";
constexpr const char* kDefaults = "/etc/default/grub";

bool is_there(const facts::HostFacts& host, const char* path) {
  const auto found = host.trees.find(path);
  return found != host.trees.end() && found->second.exists;
}

/// Where managers of rpms keep what is locked: dnf, dnf5, EL 7's yum, zypper.
constexpr std::array<const char*, 4> kLocks = {
    "/etc/dnf/plugins/versionlock.list", "/etc/dnf/versionlock.toml",
    "/etc/yum/pluginconf.d/versionlock.list", "/etc/zypp/locks"};

/// Whether a line of one of them locks `name`: "kernel-core-0:4.18.0-1.el8.*",
/// "0:kernel-core-4.18.0-1.el8.*", `name = "kernel-core"` or "solvable_name:
/// kernel-core".
bool is_lock_of(std::string_view line, const std::string& name) {
  if (line.starts_with("0:")) line.remove_prefix(2);
  const bool has_version = line.size() > name.size() + 1 &&
                           line.starts_with(name + "-") &&
                           is_digit(line[name.size() + 1]);
  return has_version || line == "name = \"" + name + "\"" ||
         line == "solvable_name: " + name;
}

bool is_held(const facts::HostFacts& host, const std::string& name) {
  if (host.packages.at(name).is_held) return true;
  for (const char* path : kLocks) {
    const auto file = host.files.find(path);
    if (file == host.files.end() || !file->second.content) continue;
    std::string_view text = *file->second.content;
    while (!text.empty()) {
      const std::size_t end = std::min(text.find('\n'), text.size());
      if (is_lock_of(text.substr(0, end), name)) return true;
      text.remove_prefix(std::min(end + 1, text.size()));
    }
  }
  return false;
}

/// GRUB's id of a kernel's entry, as grub-mkconfig makes it of the file system
/// that is the root; "" where the command line does not tell that.
std::string entry_of(const facts::HostFacts& host, const std::string& release) {
  constexpr std::string_view kRoot = "root=UUID=";
  const std::string& line = host.kernel.command_line;
  const std::size_t at = line.find(kRoot);
  if (at == std::string::npos) return "";
  const std::size_t begin = at + kRoot.size();
  const std::string uuid = line.substr(begin, line.find(' ', begin) - begin);
  return fmt::format("gnulinux-advanced-{}>gnulinux-{}-advanced-{}", uuid,
                     release, uuid);
}

/// `text` with GRUB_DEFAULT, in its own line or a new one.
std::string with_default(std::string text, const std::string& entry) {
  const std::string line = fmt::format("GRUB_DEFAULT=\"{}\"\n", entry);
  std::size_t at = 0;
  while (at < text.size()) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    if (text.compare(at, 13, "GRUB_DEFAULT=") == 0) {
      return text.replace(at, std::min(end + 1, text.size()) - at, line);
    }
    at = end + 1;
  }
  if (!text.empty() && !text.ends_with('\n')) text += '\n';
  return text + line;
}

/// What puts saved_entry back as it is now: a name, a place in the menu, or
/// none at all, which means the newest kernel. Empty where it can't be told.
std::vector<std::string> restored_entry(const facts::HostFacts& host) {
  const auto file = host.files.find(kEnvironment);
  if (!is_there(host, kEditEnvironment) || file == host.files.end() ||
      !file->second.content) {
    return {};
  }
  const auto entry = facts::grub_variable(*file->second.content, "saved_entry");
  if (!entry) return {kEditEnvironment, kEnvironment, "unset", "saved_entry"};
  return {kEditEnvironment, kEnvironment, "set", "saved_entry=" + *entry};
}

/// One plan in the making.
class TargetPlan {
 public:
  explicit TargetPlan(const PlanInput& input)
      : input_(input), target_(target_kernel(input)) {}

  StepPlan made() {
    if (!target_.is_settled()) {
      return StepPlan::blocked(target_.blocked, target_.fix);
    }
    const bool stays =
        input_.spec.host.kernel.policy != KernelPolicy::kAdoptNewest;
    if (!stays) return_to_updates();
    if (!install() || (stays && !keep())) return std::move(plan_);
    reboot();
    return std::move(plan_);
  }

 private:
  void change(const std::string& why) {
    if (plan_.state != StepState::kOk) return;
    plan_.state = StepState::kChange;
    plan_.why = why;
  }

  bool blocked(std::string why, std::string fix) {
    plan_ = StepPlan::blocked(std::move(why), std::move(fix));
    return false;
  }

  /// Nothing is pinned any more.
  void return_to_updates() {
    plan_release(own_holds(input_.history, kId), plan_);
    const auto ours = input_.history.written.find(kDefaults);
    const auto now = input_.facts.files.find(kDefaults);
    if (ours == input_.history.written.end() ||
        now == input_.facts.files.end() ||
        now->second.content != ours->second) {
      return;
    }
    plan_.notes.push_back(
        fmt::format("GRUB_DEFAULT of {} still names the kernel that was "
                    "pinned: `gpunode rollback --step {}` puts it back",
                    kDefaults, kId));
  }

  bool install() {
    if (target_.is_installed) return true;
    const auto found = distribution_row(input_);
    if (!found) {
      return blocked(fmt::format("how the kernel {} is installed is not known: "
                                 "{}",
                                 target_.release, found.error().message()),
                     "install it by hand, and plan again");
    }
    change(fmt::format("the kernel {} is not installed", target_.release));
    // A lock on the kernel of before keeps this one out.
    lifted_ = own_holds(input_.history, kId);
    plan_release(lifted_, plan_);
    const InstallPackages install{
        {driver::kernel_package(*found->row, target_.release)}};
    if (!plan_with_archive(input_, target_.release, install, plan_)) {
      return false;
    }
    const std::string archive =
        driver::archive_words(input_.facts, target_.release);
    if (!archive.empty() && input_.spec.host.kernel.archive.empty()) {
      plan_.notes.push_back(fmt::format(
          "repositories keep their newest kernels; one that is gone is in the "
          "archive: {}",
          archive));
    }
    return true;
  }

  /// It boots next, and no update brings another one.
  bool keep() {
    if (!target_.boots_next && !make_default()) return false;
    if (target_.boots_next && input_.history.unsettled.contains(kDefaults)) {
      change(fmt::format("{} may have changed without GRUB being told",
                         kDefaults));
      update_grub();
    }
    const auto holders = driver::kernel_holders(input_.facts);
    if (lifted_.empty()) {
      plan_release(own_holds(input_.history, kId, holders), plan_);
    }
    HoldPackages hold;
    for (const std::string& name : holders) {
      const bool is_lifted = std::ranges::find(lifted_, name) != lifted_.end();
      if (is_lifted || !is_held(input_.facts, name)) {
        hold.packages.push_back(name);
      }
    }
    if (hold.packages.empty()) return true;
    change(
        fmt::format("updates may replace {}", fmt::join(hold.packages, ", ")));
    plan_hold(input_, std::move(hold), plan_);
    return true;
  }

  bool make_default() {
    const facts::KernelsFacts& kernels = input_.facts.kernels;
    change(fmt::format("{} boots next", kernels.next.empty()
                                            ? std::string("another kernel")
                                            : kernels.next));
    if (is_there(input_.facts, kGrubby)) {
      const auto call = [](const std::string& release) {
        return std::vector<std::string>{kGrubby, "--set-default",
                                        "/boot/vmlinuz-" + release};
      };
      RunProgram run{.argv = call(target_.release),
                     .undo = restored_entry(input_.facts)};
      if (run.undo.empty() && !kernels.next.empty()) {
        run.undo = call(kernels.next);
      }
      plan_.actions.emplace_back(std::move(run));
      return true;
    }
    const std::string entry = entry_of(input_.facts, target_.release);
    if (entry.empty()) return unknown_loader();
    if (is_there(input_.facts, kUpdateGrub)) return debian_default(entry);
    if (is_there(input_.facts, kSetDefault)) {
      RunProgram run{.argv = {kSetDefault, entry},
                     .undo = restored_entry(input_.facts)};
      if (run.undo.empty()) run.undo = {kSetDefault, "0"};
      plan_.actions.emplace_back(std::move(run));
      return true;
    }
    return unknown_loader();
  }

  bool debian_default(const std::string& entry) {
    const auto file = input_.facts.files.find(kDefaults);
    if (file == input_.facts.files.end() || !file->second.content) {
      return unknown_loader();
    }
    const std::string why = plan_.why;
    plan_edited_file(input_, kDefaults,
                     with_default(*file->second.content, entry), plan_);
    if (plan_.state == StepState::kBlocked) return false;
    plan_.why = why;
    update_grub();
    return true;
  }

  void update_grub() {
    plan_.actions.emplace_back(RunProgram{
        .argv = {kUpdateGrub}, .undo = {kUpdateGrub}, .timeout_seconds = 300});
  }

  bool unknown_loader() {
    return blocked(
        fmt::format("{} does not boot next, and how this host's boot loader is "
                    "told so is not known: {}",
                    target_.release, input_.facts.kernels.next_why),
        fmt::format("make {} the default by hand (`grubby --set-default`, "
                    "`grub-set-default`, `bootctl set-default`), or use "
                    "`policy: adoptNewest` of spec.host.kernel",
                    target_.release));
  }

  void reboot() {
    const facts::HostFacts& host = input_.facts;
    const std::string other = other_driver(host);
    if (target_.is_running && other.empty()) return;
    std::string why;
    if (!target_.is_running) {
      why = fmt::format("{} runs, and the driver is for {} ({})",
                        host.kernel.release, target_.release, target_.why);
    }
    if (!other.empty()) {
      if (!why.empty()) why += "; ";
      why += fmt::format("{} has the GPUs until a boot", other);
    }
    change(why);
    // The same for both, so that a run that a boot cuts off goes on.
    plan_.actions.emplace_back(Reboot{fmt::format(
        "{} is to run, with no other driver than NVIDIA's", target_.release)});
  }

  const PlanInput& input_;
  driver::TargetKernel target_;
  StepPlan plan_;
  std::vector<std::string> lifted_;  ///< Holds of ours that the plan lifts.
};

/// Holds of ours go with what asked for them.
StepPlan not_wanted(const PlanInput& input, const char* why) {
  StepPlan plan = StepPlan::not_wanted(why);
  plan_release(own_holds(input.history, kId), plan);
  return plan;
}

class Target final : public Step {
 public:
  std::string_view id() const override { return kId; }
  std::string_view title() const override {
    return "the kernel that the driver is built for runs";
  }
  std::string_view reason() const override {
    return "a module fits one kernel: built for the one that runs, it is gone "
           "when another boots";
  }
  facts::Wanted wants(const NodeSpec& spec) const override {
    facts::Wanted wanted;
    if (!spec.driver.is_wanted) return wanted;
    wanted.driver = true;
    wanted.add(hold_plan_wants());
    for (std::string& name : driver::package_wants()) {
      wanted.packages.insert(std::move(name));
    }
    wanted.files = {kDefaults, kEnvironment};
    wanted.files.insert(kLocks.begin(), kLocks.end());
    wanted.trees = {kGrubby, kUpdateGrub, kSetDefault, kEditEnvironment};
    want_other_driver(wanted);
    wanted.add(archive_wants(spec));
    return wanted;
  }

  StepPlan plan(const PlanInput& input) const override {
    if (!input.spec.driver.is_wanted) {
      return not_wanted(input, "spec.driver is not in the file");
    }
    // The next kernel may be one that it was not built for.
    if (input.spec.driver.source == DriverSource::kPreinstalled &&
        input.spec.host.kernel.policy == KernelPolicy::kAdoptNewest) {
      return not_wanted(input, "the driver is there, and its owner's");
    }
    return TargetPlan(input).made();
  }
};

}  // namespace

std::unique_ptr<Step> make_kernel_target() {
  return std::make_unique<Target>();
}

}  // namespace gpunode::provision
