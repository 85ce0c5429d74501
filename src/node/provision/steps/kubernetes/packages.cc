// kubernetes.packages: kubelet and kubeadm of the cluster's minor version,
// which no update changes.

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "node/provision/bundle_plan.h"
#include "node/provision/file_plan.h"
#include "node/provision/hold_plan.h"
#include "node/provision/kubernetes_section.h"
#include "node/provision/own_holds.h"
#include "node/provision/package_actions.h"
#include "node/provision/packages/lines.h"
#include "node/provision/packages/mirrors.h"
#include "node/provision/packages/package_set.h"
#include "node/provision/packages/repo_file.h"
#include "node/provision/packages/repository.h"
#include "node/provision/steps/driver/driver_holds.h"
#include "node/provision/steps/kubernetes/node_identity.h"
#include "node/provision/steps/steps.h"

namespace gpunode::provision {
namespace {

using packages::Tool;

constexpr const char* kUnit = "kubelet.service";
constexpr auto kPackages =
    std::to_array<std::string_view>({"kubelet", "kubeadm"});

constexpr const char* kRepository = "gpunode-kubernetes";
/// The first minor version that pkgs.k8s.io has (kubernetes.io, "Changing The
/// Kubernetes Package Repository").
constexpr int kFirstMinor = 24;
/// "isv:kubernetes OBS Project", which signs every minor version's repository:
/// kubernetes/kubernetes#128609, rpm-software-management/
/// distribution-gpg-keys#105. Copies of it in the repositories of 1.24 to 1.27
/// had expired once (kubernetes/release#3818), which FetchKey tells.
constexpr const char* kFingerprint = "DE15B14486CD377B9E876E1A234654DA9A296436";

/// Gone since 2024-03 (kubernetes/release#3485): with one of them on, no index
/// can be fetched.
constexpr auto kGone = std::to_array<std::string_view>(
    {"apt.kubernetes.io", "yum.kubernetes.io", "packages.cloud.google.com/apt",
     "packages.cloud.google.com/yum/repos/kubernetes"});

bool is_gone(std::string_view line) {
  return std::ranges::any_of(kGone, [&](std::string_view one) {
    return line.find(one) != std::string_view::npos;
  });
}

/// Whether a file of repositories, of apt's or of dnf's, has one of them on.
/// Google's own packages have the same server: those for Kubernetes are named.
bool has_gone_repository(const std::string& path, const std::string& content) {
  if (path.ends_with(".repo")) {
    bool is_on = true;
    bool is_hit = false;
    bool has_any = false;
    for (const std::string_view line : packages::lines_of(content)) {
      const std::string_view text = packages::trimmed(line);
      if (text.starts_with('[')) {
        has_any = has_any || (is_on && is_hit);
        is_on = true;
        is_hit = false;
      } else if (text.starts_with("enabled")) {
        const std::size_t equals = std::min(text.find('='), text.size() - 1);
        is_on = packages::is_yes(packages::trimmed(text.substr(equals + 1)));
      } else if (text.starts_with("baseurl") && is_gone(text)) {
        is_hit = true;
      }
    }
    return has_any || (is_on && is_hit);
  }
  for (const std::string_view line : packages::lines_of(content)) {
    const std::string_view text = packages::trimmed(line);
    if (text.starts_with('#') || !is_gone(text)) continue;
    if (text.find("kubernetes") != std::string_view::npos) return true;
  }
  return false;
}

/// How packages are to come: all that differs between the families.
struct Origin {
  Tool tool = Tool::kApt;
  std::string url;      ///< With its last slash; where they come from.
  std::string key_url;  ///< And their key.
};

class PackagesPlan {
 public:
  PackagesPlan(const PlanInput& input, StepPlan& plan)
      : input_(input), spec_(input.spec.kubernetes), plan_(plan) {}

  void make() {
    const auto tool = package_tool(input_.facts.os);
    if (!tool) {
      return blocked(tool.error().message(),
                     "install kubelet and kubeadm by hand and say `source: "
                     "preinstalled`");
    }
    tool_ = *tool;
    if (is_in_the_way()) return;
    if (spec_.source == KubernetesSource::kCommunity &&
        input_.spec.bundle.empty() && !add_repository()) {
      return;
    }
    if (!add_packages()) return;
    add_hold();
    add_unit();
  }

 private:
  void blocked(std::string why, std::string fix) {
    plan_ = StepPlan::blocked(std::move(why), std::move(fix));
  }
  void change(const std::string& why) {
    if (plan_.state == StepState::kOk) plan_.state = StepState::kChange;
    if (plan_.why.empty()) plan_.why = why;
  }

  bool is_in_the_way() {
    for (const auto& [path, file] : input_.facts.files) {
      const bool is_list = path.starts_with("/etc/apt/sources.list") ||
                           path.starts_with("/etc/yum.repos.d/") ||
                           path.starts_with("/etc/zypp/repos.d/");
      if (!is_list || !file.content ||
          !has_gone_repository(path, *file.content)) {
        continue;
      }
      blocked(fmt::format("{} has the repository of Kubernetes' packages that "
                          "Google had until 2024-03; it is gone, and with it "
                          "no index can be fetched",
                          path),
              fmt::format("remove it with `rm {}`: packages come from "
                          "pkgs.k8s.io now",
                          path));
      return true;
    }
    return false;
  }

  Origin origin() const {
    Origin origin;
    origin.tool = tool_;
    const char* kind = tool_ == Tool::kApt ? "deb" : "rpm";
    const char* key =
        tool_ == Tool::kApt ? "Release.key" : "repodata/repomd.xml.key";
    const std::string url =
        fmt::format("https://pkgs.k8s.io/core:/stable:/v1.{}/{}/",
                    kubernetes_minor(spec_.version), kind);
    origin.url = packages::mirrored(url, input_.spec.mirrors);
    origin.key_url = packages::mirrored(url + key, input_.spec.mirrors);
    return origin;
  }

  bool has_key(const std::string& path) const {
    const auto found = input_.facts.files.find(path);
    return found != input_.facts.files.end() && found->second.content &&
           packages::check_key(*found->second.content, {kFingerprint}, 0);
  }

  /// False: a person must act first.
  bool add_repository() {
    if (kubernetes_minor(spec_.version) < kFirstMinor) {
      blocked(fmt::format("pkgs.k8s.io has Kubernetes from 1.24 on, and the "
                          "file asks for {}",
                          spec_.version),
              "have kubelet and kubeadm of that version in a repository of the "
              "host and say `source: distribution`, or install them by hand "
              "and say `source: preinstalled`");
      return false;
    }
    const Origin from = origin();
    const std::string key =
        packages::repository_key_path(tool_, kRepository, true);
    if (!has_key(key)) {
      change(fmt::format("{} is missing, or not Kubernetes' key", key));
      plan_.actions.emplace_back(FetchKey{from.key_url, key, {kFingerprint}});
    }
    packages::Repository repository;
    repository.id = kRepository;
    repository.name = fmt::format("Kubernetes 1.{} ({})",
                                  kubernetes_minor(spec_.version), kRepository);
    repository.urls = {from.url};
    if (tool_ != Tool::kApt) repository.urls[0].pop_back();
    // The docs of kubeadm have `exclude=` there, which would exclude this
    // installation, too: packages are held instead.
    const auto file = packages::repository_file(tool_, repository, key);
    if (!file) {
      blocked(file.error().message(), "mend spec.mirrors");
      return false;
    }
    plan_managed_file(input_, file->path, file->content, plan_);
    return plan_.state != StepState::kBlocked;
  }

  const facts::PackageFacts* installed(std::string_view name) const {
    const auto found = input_.facts.packages.find(std::string(name));
    return found == input_.facts.packages.end() ? nullptr : &found->second;
  }

  bool is_wanted_version(std::string_view name) const {
    const auto* package = installed(name);
    return package != nullptr &&
           packages::is_of(packages::upstream_of(package->version),
                           spec_.version);
  }

  /// What the set is taken from, as the manager tells repositories.
  std::string from() const {
    if (!input_.spec.bundle.empty()) return bundle_source(input_.spec, tool_);
    if (spec_.source != KubernetesSource::kCommunity) return {};
    if (tool_ != Tool::kApt) return kRepository;
    std::string address = origin().url;
    if (const std::size_t at = address.find("//"); at != std::string::npos) {
      address.erase(0, at + 2);
    }
    while (address.ends_with('/')) address.pop_back();
    return address;
  }

  bool add_packages() {
    const bool is_there = std::ranges::all_of(
        kPackages,
        [&](std::string_view name) { return is_wanted_version(name); });
    if (is_there) return true;
    if (!may_change()) return false;
    HoldPackages release;
    release.held = false;
    for (const std::string_view name : kPackages) {
      const std::string text(name);
      if (!has_hold(input_, tool_, text)) continue;
      if (!input_.history.held.contains(text)) {
        blocked(fmt::format("{} is held in its version by somebody else, and "
                            "the file asks for {}",
                            name, spec_.version),
                fmt::format("let it go with `{} {}`", lift(), name));
        return false;
      }
      release.packages.push_back(text);
    }
    change(fmt::format("kubelet and kubeadm {} are missing", spec_.version));
    if (!release.packages.empty()) {
      plan_.actions.emplace_back(std::move(release));
    }
    InstallSet set;
    set.packages = {kPackages.begin(), kPackages.end()};
    set.version = spec_.version;
    if (auto lacks = bundle_lacks(input_, set.packages, set.version)) {
      plan_ = *std::move(lacks);
      return false;
    }
    set.from = from();
    plan_.actions.emplace_back(std::move(set));
    is_changed_ = true;
    return true;
  }

  const char* lift() const {
    if (tool_ == Tool::kApt) return "apt-mark unhold";
    return tool_ == Tool::kDnf ? "dnf versionlock delete" : "zypper removelock";
  }

  /// A kubelet that is a node's is not taken to another minor version by its
  /// package alone.
  bool may_change() {
    const auto* kubelet = installed("kubelet");
    if (kubelet == nullptr) return true;
    const auto conf = input_.facts.files.find(kKubeletConf);
    const bool is_node =
        conf != input_.facts.files.end() && conf->second.exists();
    const std::string upstream(packages::upstream_of(kubelet->version));
    const int minor = kubernetes_minor(upstream);
    if (!is_node || minor == kubernetes_minor(spec_.version)) return true;
    blocked(
        fmt::format("this host is a node with kubelet {}, and the file asks "
                    "for {}: that is an upgrade of the node, not an "
                    "installation",
                    upstream, spec_.version),
        "say the version that the node has; to upgrade it, drain it, follow "
        "`kubeadm upgrade node` from one minor version to the next, and say "
        "the new version then");
    return false;
  }

  void add_hold() {
    HoldPackages hold;
    for (const std::string_view name : kPackages) {
      const std::string text(name);
      if (is_changed_ || !is_held(input_, tool_, text)) {
        hold.packages.push_back(text);
      }
    }
    if (hold.packages.empty()) return;
    change(fmt::format("free to change: {}", fmt::join(hold.packages, ", ")));
    plan_hold(input_, std::move(hold), plan_);
  }

  void add_unit() {
    const auto unit = input_.facts.units.find(kUnit);
    if (unit != input_.facts.units.end() &&
        unit->second.unit_file_state == "enabled") {
      return;
    }
    change("kubelet.service is not enabled");
    plan_.actions.emplace_back(SetUnit{.unit = kUnit, .enabled = Wish::kYes});
  }

  const PlanInput& input_;
  const KubernetesSpec& spec_;
  StepPlan& plan_;
  Tool tool_ = Tool::kApt;
  bool is_changed_ = false;
};

StepPlan plan_preinstalled(const PlanInput& input) {
  const auto unit = input.facts.units.find(kUnit);
  const bool is_there = unit != input.facts.units.end() &&
                        !unit->second.load_state.empty() &&
                        unit->second.load_state != "not-found";
  if (!is_there) {
    return StepPlan::blocked(
        "kubelet.service is not on this host, and the file says `source: "
        "preinstalled`",
        "install kubelet and kubeadm, or say `source: pkgs.k8s.io`");
  }
  if (unit->second.unit_file_state == "enabled" ||
      unit->second.unit_file_state == "static") {
    return StepPlan::ok();
  }
  StepPlan plan{.state = StepState::kChange};
  plan.why = "kubelet.service is not enabled";
  plan.actions.emplace_back(SetUnit{.unit = kUnit, .enabled = Wish::kYes});
  return plan;
}

class KubernetesPackages final : public Step {
 public:
  std::string_view id() const override { return "kubernetes.packages"; }
  std::string_view title() const override {
    return "kubelet and kubeadm of the cluster's version are installed";
  }
  std::string_view reason() const override {
    return "they make the host a node, and a kubelet newer than the API server "
           "is not supported";
  }

  facts::Wanted wants(const NodeSpec& spec) const override {
    facts::Wanted wanted;
    if (!spec.kubernetes.is_wanted) return wanted;
    wanted.files = {
        "/etc/yum.repos.d/*.repo",
        "/etc/zypp/repos.d/*.repo",
        "/etc/apt/sources.list",
        "/etc/apt/sources.list.d/*.list",
        "/etc/apt/sources.list.d/*.sources",
        kKubeletConf,
        packages::repository_key_path(Tool::kApt, kRepository, true),
        packages::repository_key_path(Tool::kDnf, kRepository, true)};
    wanted.packages.insert(kPackages.begin(), kPackages.end());
    wanted.units = {kUnit};
    wanted.add(hold_wants());
    wanted.add(bundle_wants(spec));
    wanted.add(hold_plan_wants());
    return wanted;
  }

  StepPlan plan(const PlanInput& input) const override {
    StepPlan plan;
    if (!input.spec.kubernetes.is_wanted) {
      plan = StepPlan::not_wanted("spec.kubernetes is not in the file");
      plan_release(own_holds(input.history, "kubernetes."), plan);
      return plan;
    }
    if (input.spec.kubernetes.source == KubernetesSource::kPreinstalled) {
      plan = plan_preinstalled(input);
      // Of packages that were ours to install once.
      if (plan.state != StepState::kBlocked) {
        plan_release(own_holds(input.history, "kubernetes."), plan);
      }
      return plan;
    }
    PackagesPlan(input, plan).make();
    return plan;
  }
};

}  // namespace

std::unique_ptr<Step> make_kubernetes_packages() {
  return std::make_unique<KubernetesPackages>();
}

}  // namespace gpunode::provision
