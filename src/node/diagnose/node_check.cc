#include "node/diagnose/node_check.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/core/rfc3339.h"

namespace gpunode::diagnose {
namespace {

using std::chrono::days;
using std::chrono::sys_seconds;
using Gravity = CheckFinding::Gravity;
using Found = std::vector<CheckFinding>;

constexpr std::string_view kNodePrefix = "system:node:";

void add_step(const StepLook& step, Found& found) {
  const std::string what =
      fmt::format("{} ({}): {}", step.id, step.title, step.why);
  switch (step.stand) {
    case StepStand::kDrift:
      found.push_back({Gravity::kWarning,
                       "Drift",
                       {"plan", what,
                        "`gpunode plan` shows it; take it into the file, or "
                        "`gpunode apply --overwrite-drift` puts it back"}});
      return;
    case StepStand::kToDo:
      found.push_back(
          {Gravity::kWarning,
           "NotAsDeclared",
           {"plan", what, "`gpunode plan` shows it, `gpunode apply` does it"}});
      return;
    case StepStand::kBlocked:
    case StepStand::kRefused:
      found.push_back(
          {Gravity::kWarning, "NotAsDeclared", {"plan", what, step.fix}});
      return;
    case StepStand::kAsDeclared:
    case StepStand::kNotWanted:
      return;
  }
}

void add_plan(const PlanLook& plan, Found& found) {
  if (!plan.problem.empty()) {
    found.push_back({Gravity::kWarning,
                     "PlanUnknown",
                     {"plan",
                      "whether the node is as its file says is not "
                      "known: " +
                          plan.problem,
                      "`gpunode plan` says more"}});
  }
  if (plan.is_pending) {
    found.push_back({Gravity::kWarning,
                     "RunPending",
                     {"run",
                      "a run of gpunode has not come to its end; it goes on "
                      "after a reboot, or is under way",
                      "wait, or `gpunode resume`"}});
  }
  for (const StepLook& step : plan.steps) {
    // What a run has yet to do is no news while it has not ended.
    if (plan.is_pending && step.stand == StepStand::kToDo) continue;
    add_step(step, found);
  }
}

std::string module_remedy(const std::string& release) {
  return fmt::format(
      "`dkms autoinstall -k {}` builds it, given that kernel's headers, or "
      "install the driver's package for it",
      release);
}

CheckFinding without_module(Gravity gravity, std::string what,
                            std::string next) {
  return {gravity,
          "KernelWithoutModule",
          {"kernel", std::move(what), std::move(next)}};
}

void check_running_kernel(const facts::KernelModules& kernels, Found& found) {
  if (kernels.running.empty()) return;
  found.push_back(without_module(
      Gravity::kBad,
      fmt::format("kernel {} runs, and there is no nvidia module for it, while "
                  "{} has one: this node has no GPUs",
                  kernels.running, kernels.other_with_module),
      module_remedy(kernels.running) + "; then `modprobe nvidia`"));
}

void check_next_kernel(const facts::KernelModules& kernels, Found& found) {
  const std::string& next = kernels.next.release;
  std::string remedy = module_remedy(next);
  if (next != kernels.running && !kernels.running_module.empty()) {
    remedy += fmt::format("; until then start {}", kernels.running);
  }
  found.push_back(without_module(
      Gravity::kBad,
      fmt::format("kernel {} is next ({}), and there is no nvidia module for "
                  "it: after a reboot this node has no GPUs",
                  next, kernels.next.why),
      std::move(remedy)));
}

void check_kernels_that_may_be_next(const facts::KernelModules& kernels,
                                    Found& found) {
  if (kernels.without_module.empty()) return;
  found.push_back(without_module(
      Gravity::kWarning,
      fmt::format("which kernel is next is not known ({}), and there is no "
                  "nvidia module for {}: if it is one of them, this node has "
                  "no GPUs after a reboot",
                  kernels.next.why, fmt::join(kernels.without_module, ", ")),
      module_remedy(kernels.without_module.front())));
}

void check_kernels(const facts::KernelModules& kernels, Found& found) {
  if (kernels.is_of_container) return;
  const bool runs_with = kernels.is_loaded || !kernels.running_module.empty();
  // No kernel has it: no driver was brought here that could be missed.
  if (!runs_with && kernels.other_with_module.empty()) return;
  if (!runs_with) check_running_kernel(kernels, found);
  const std::string& next = kernels.next.release;
  if (next.empty()) return check_kernels_that_may_be_next(kernels, found);
  const bool is_told = !runs_with && next == kernels.running;
  if (kernels.next_module.empty() && !is_told) {
    check_next_kernel(kernels, found);
  }
}

/// Who mends a certificate, and how.
std::string renewal_of(const facts::CertificateFacts& one) {
  if (one.path.ends_with("/kubelet-client-current.pem") ||
      one.path.ends_with("/kubelet-server-current.pem")) {
    return "the kubelet renews it by itself when it can: journalctl -u kubelet "
           "tells why not, and `kubectl get csr` whether somebody must approve";
  }
  if (one.path.ends_with("/kubelet.crt")) {
    return "move it and kubelet.key away and restart the kubelet, which makes "
           "new ones";
  }
  if (one.path.ends_with("/ca.crt") || one.path.ends_with("-ca.crt")) {
    return "bring in a new authority beside it: Kubernetes' manual rotation of "
           "CA certificates";
  }
  return "`kubeadm certs renew all` on this machine, then restart the control "
         "plane's Pods";
}

std::string name_of(const facts::CertificateFacts& one) {
  return one.user.empty() ? one.path
                          : fmt::format("{} (user {})", one.path, one.user);
}

void check_certificate(const facts::CertificateFacts& one,
                       const CheckRules& rules, Found& found) {
  if (!one.error.empty()) {
    found.push_back(
        {Gravity::kWarning,
         "CertificateUnreadable",
         {"certificate", fmt::format("{}: {}", name_of(one), one.error),
          fmt::format("`ls -l {}` and `openssl x509 -noout -text -in {}`",
                      one.path, one.path)}});
    return;
  }
  const auto left = one.not_after - rules.now;
  const std::string end = rfc3339(one.not_after);
  if (left < std::chrono::seconds(0)) {
    found.push_back(
        {Gravity::kBad,
         "CertificateExpired",
         {"certificate", fmt::format("{} expired {}", name_of(one), end),
          renewal_of(one)}});
    return;
  }
  const auto whole = one.not_after - one.not_before;
  const bool is_short = whole < 4 * rules.certificate_warning;
  if (is_short ? left >= whole / 10 : left >= rules.certificate_warning) return;
  found.push_back({Gravity::kWarning,
                   "CertificateExpiring",
                   {"certificate",
                    fmt::format("{} expires in {} days, {}", name_of(one),
                                days_left(one, rules.now), end),
                    renewal_of(one)}});
}

}  // namespace

std::int64_t days_left(const facts::CertificateFacts& certificate,
                       sys_seconds now) {
  return std::chrono::floor<days>(certificate.not_after - now).count();
}

std::vector<CheckFinding> check_node(const NodeLook& look,
                                     const CheckRules& rules) {
  Found found;
  check_kernels(look.kernels, found);
  for (const facts::CertificateFacts& one : look.certificates) {
    check_certificate(one, rules, found);
  }
  add_plan(look.plan, found);
  std::ranges::stable_sort(found, [](const auto& a, const auto& b) {
    return a.gravity > b.gravity;
  });
  return found;
}

Findings check_plan(const PlanLook& plan) {
  Found found;
  add_plan(plan, found);
  Findings findings;
  for (CheckFinding& one : found) findings.push_back(std::move(one.finding));
  return findings;
}

kube::NodeCondition condition_of(const std::vector<CheckFinding>& findings) {
  kube::NodeCondition condition;
  condition.type = kConditionType;
  if (findings.empty()) {
    condition.status = kube::NodeCondition::Status::kFalse;
    condition.reason = "AsDeclared";
    condition.message = "gpunode check finds nothing to tell";
    return condition;
  }
  condition.status = kube::NodeCondition::Status::kTrue;
  condition.reason = findings.front().reason;
  for (const CheckFinding& one : findings) {
    if (!condition.message.empty()) condition.message += "; ";
    condition.message += one.finding.what;
  }
  return condition;
}

std::string node_of_kubelet(const std::string& common_name) {
  if (!common_name.starts_with(kNodePrefix)) return {};
  return common_name.substr(kNodePrefix.size());
}

}  // namespace gpunode::diagnose
