// prep.packages: the tools that the kubelet calls, that disks are made with,
// and those that were asked for.

#include <algorithm>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "node/provision/steps/steps.h"

namespace gpunode::provision {
namespace {

/// conntrack and tc for kube-proxy and network plugins, socat for
/// port-forwarding, ethtool for kubeadm's preflight; in a family's own names.
std::vector<std::string> base_packages(const facts::OsRelease& os) {
  const auto manager = os.package_manager();
  if (manager == distribution::Manager::kApt) {
    return {"conntrack", "ethtool", "iproute2", "socat"};
  }
  if (manager == distribution::Manager::kZypper) {
    return {"conntrack-tools", "ethtool", "iproute2", "socat"};
  }
  return {"conntrack-tools", "ethtool", "iproute-tc", "socat"};
}

/// What makes the file systems, arrays and volumes that the file asks for: the
/// same names in every family.
std::vector<std::string> storage_packages(const NodeSpec& spec) {
  std::set<std::string> names;
  for (const StorageSpec& entry : spec.storage) {
    names.insert(entry.type == "xfs" ? "xfsprogs" : "e2fsprogs");
    if (entry.layout == "raid0") names.insert("mdadm");
    if (entry.layout == "lvm") names.insert("lvm2");
  }
  return {names.begin(), names.end()};
}

class Packages final : public Step {
 public:
  std::string_view id() const override { return "prep.packages"; }
  std::string_view title() const override {
    return "the tools that a node needs are installed";
  }
  std::string_view reason() const override {
    return "kube-proxy, port-forwarding and network plugins call them, and "
           "disks are made with some";
  }

  facts::Wanted wants(const NodeSpec& spec) const override {
    facts::Wanted wanted;
    wanted.packages.insert(spec.host.packages.begin(),
                           spec.host.packages.end());
    for (std::string& name : storage_packages(spec)) {
      wanted.packages.insert(std::move(name));
    }
    // The distribution is not known yet: every family's names.
    for (const char* like : {"debian", "suse", "rhel"}) {
      facts::OsRelease os;
      os.id = like;
      for (std::string& name : base_packages(os)) {
        wanted.packages.insert(std::move(name));
      }
    }
    return wanted;
  }

  StepPlan plan(const PlanInput& input) const override {
    InstallPackages install;
    const auto add = [&](const std::string& name) {
      if (!input.facts.packages.contains(name) &&
          std::ranges::find(install.packages, name) == install.packages.end()) {
        install.packages.push_back(name);
      }
    };
    for (const std::string& name : base_packages(input.facts.os)) add(name);
    for (const std::string& name : storage_packages(input.spec)) add(name);
    for (const std::string& name : input.spec.host.packages) add(name);
    if (install.packages.empty()) return StepPlan::ok();
    StepPlan plan{.state = StepState::kChange};
    plan.why = fmt::format("missing: {}", fmt::join(install.packages, ", "));
    plan.actions.emplace_back(std::move(install));
    return plan;
  }
};

}  // namespace

std::unique_ptr<Step> make_prep_packages() {
  return std::make_unique<Packages>();
}

}  // namespace gpunode::provision
