// prep.sysctl: what the kubelet and kube-proxy expect of the kernel.

#include <array>

#include <fmt/format.h>

#include "node/provision/file_plan.h"
#include "node/provision/steps/steps.h"

namespace gpunode::provision {
namespace {

struct Setting {
  const char* name;
  std::uint64_t value;
  bool is_least;  ///< More is as good.
};

/// kubeadm's preflight wants the first three; the limits are those that many
/// watching Pods run out of.
constexpr std::array<Setting, 5> kSettings = {{
    {"net.bridge.bridge-nf-call-iptables", 1, false},
    {"net.bridge.bridge-nf-call-ip6tables", 1, false},
    {"net.ipv4.ip_forward", 1, false},
    {"fs.inotify.max_user_instances", 8192, true},
    {"fs.inotify.max_user_watches", 524288, true},
}};

/// Late in the order of names: most others would be overridden by ours, and who
/// overrides ours is found by the running value.
constexpr const char* kPath = "/etc/sysctl.d/99-gpunode.conf";

bool fits(const Setting& setting, const std::string& value) {
  if (!setting.is_least) return value == std::to_string(setting.value);
  if (value.empty() || value.size() > 18 ||
      value.find_first_not_of("0123456789") != std::string::npos) {
    return false;
  }
  return std::stoull(value) >= setting.value;
}

class Sysctl final : public Step {
 public:
  std::string_view id() const override { return "prep.sysctl"; }
  std::string_view title() const override {
    return "forwarding, bridged traffic and inotify limits are set";
  }
  std::string_view reason() const override {
    return "Pods reach each other and Services only so, and kubeadm refuses a "
           "host without";
  }

  facts::Wanted wants(const NodeSpec& /*spec*/) const override {
    facts::Wanted wanted;
    wanted.files = {kPath};
    for (const Setting& setting : kSettings) {
      wanted.sysctls.insert(setting.name);
    }
    return wanted;
  }

  StepPlan plan(const PlanInput& input) const override {
    StepPlan plan;
    std::string body;
    for (const Setting& setting : kSettings) {
      body += fmt::format("{} = {}\n", setting.name, setting.value);
    }
    plan_managed_file(input, kPath, body, plan);
    for (const Setting& setting : kSettings) {
      const auto now = input.facts.sysctls.find(setting.name);
      if (now != input.facts.sysctls.end() && fits(setting, now->second)) {
        continue;
      }
      plan.actions.emplace_back(
          SetSysctl{setting.name, std::to_string(setting.value)});
      if (plan.state == StepState::kOk) {
        plan.state = StepState::kChange;
        plan.why = fmt::format(
            "{} is {}: another file or program sets it after {}", setting.name,
            now == input.facts.sysctls.end() ? "not there" : now->second,
            kPath);
      }
    }
    return plan;
  }
};

}  // namespace

std::unique_ptr<Step> make_prep_sysctl() {
  return std::make_unique<Sysctl>();
}

}  // namespace gpunode::provision
