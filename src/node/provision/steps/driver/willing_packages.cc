#include "node/provision/steps/driver/willing_packages.h"

#include <algorithm>
#include <deque>
#include <fstream>
#include <set>
#include <string_view>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "node/provision/packages/package_set.h"

namespace gpunode::provision {
namespace {

using host::Completed;
using nlohmann::json;

const json& repositories() {
  static const json kAll = [] {
    std::ifstream in(DRIVER_REPOSITORIES);
    return json::parse(in);
  }();
  return kAll;
}

}  // namespace

bool WillingPackages::knows(const host::Command& command) const {
  const std::string& program = command.argv.front();
  return program == "/usr/bin/dnf" || program == "/usr/bin/dnf5" ||
         program == "/usr/bin/yum" || program == "/usr/bin/zypper" ||
         program == "/usr/bin/rpm" || program == "/usr/bin/dpkg-query" ||
         program.starts_with("/usr/bin/apt-");
}

Completed WillingPackages::run(const host::Command& command) {
  const std::string& program = command.argv.front();
  if (program == "/usr/bin/dnf") return dnf(command);
  if (program == "/usr/bin/dnf5") return dnf5(command);
  if (program == "/usr/bin/yum") return yum(command);
  if (program == "/usr/bin/zypper") return zypper(command);
  if (program == "/usr/bin/apt-get") return apt_get(command);
  if (program == "/usr/bin/dpkg-query") return {0, list(false), ""};
  if (program == "/usr/bin/rpm") {
    const bool lists =
        command.argv[1] == "-qa" && command.argv.back() != "gpg-pubkey";
    return {0, lists ? list(true) : "", ""};
  }
  const std::vector<std::string> words(command.argv.begin() + 1,
                                       command.argv.end());
  return program == "/usr/bin/apt-mark" ? apt_mark(words) : apt_cache(words);
}

/// "rhel8" of a repository file that names .../cuda/repos/rhel8/x86_64.
std::string WillingPackages::directory() const {
  constexpr std::string_view kPlace = "/compute/cuda/repos/";
  for (const char* file : {"etc/yum.repos.d/gpunode-cuda.repo",
                           "etc/zypp/repos.d/gpunode-cuda.repo",
                           "etc/apt/sources.list.d/gpunode-cuda.sources"}) {
    const auto text = tree_.root().read_file(std::string("/") + file);
    if (!text) continue;
    const std::size_t at = text->find(kPlace);
    if (at == std::string::npos) continue;
    const std::string rest = text->substr(at + kPlace.size());
    return rest.substr(0, rest.find('/'));
  }
  return "";
}

WillingPackages::Offers WillingPackages::offers() const {
  Offers offers;
  const std::string here = directory();
  for (const json& one : repositories()["repositories"]) {
    const auto all = one["directories"].get<std::vector<std::string>>();
    if (std::ranges::find(all, here) == all.end()) continue;
    for (const auto& [branch, packages] : one["branches"].items()) {
      const json& releases = repositories()["releases"][branch];
      for (std::size_t i = 0; i < std::min(releases.size(), releases_); ++i) {
        for (const auto& [name, about] : packages.items()) {
          const int epoch = about.value("epoch", 0);
          offers[name].push_back(
              {fmt::format("{}{}-{}",
                           epoch == 0 ? "" : fmt::format("{}:", epoch),
                           releases[i].get<std::string>(),
                           one["release"].get<std::string>()),
               about.value("needs", std::vector<std::string>()),
               about.value("module", false)});
        }
      }
    }
    const json precompiled = one.value("precompiled", json::object());
    for (const auto& [version, kernels] : precompiled.items()) {
      const json& releases =
          repositories()["releases"][version.substr(0, version.find('.'))];
      const auto shown =
          releases.begin() +
          static_cast<std::ptrdiff_t>(std::min(releases.size(), releases_));
      if (std::find(releases.begin(), shown, version) == shown) continue;
      for (const json& kernel : kernels) {
        offers[fmt::format("kmod-nvidia-{}-{}", version,
                           kernel.get<std::string>())]
            .push_back({fmt::format("3:{}-1", version), {}});
      }
    }
    for (const auto& [name, version] : one["others"].items()) {
      offers[name].push_back({version, {}});
    }
  }
  return offers;
}

std::string WillingPackages::newest(const std::string& name,
                                    const std::string& branch) const {
  std::string newest;
  const auto all = offers();
  const auto known = all.find(name);
  if (known == all.end()) return newest;
  for (const Offer& offer : known->second) {
    if (packages::is_of(packages::upstream_of(offer.version), branch)) {
      newest = offer.version;
    }
  }
  return newest;
}

/// What has the same version as `name`: what it needs, and what is here and
/// needs it.
std::vector<std::string> WillingPackages::bound_to(
    const Offers& all, const std::string& name) const {
  const auto known = all.find(name);
  if (known == all.end()) return {};
  std::vector<std::string> bound = known->second.front().needs;
  for (const auto& [other, package] : installed_) {
    const auto its = all.find(other);
    if (its == all.end()) continue;
    const auto& needs = its->second.front().needs;
    if (std::ranges::find(needs, name) != needs.end()) bound.push_back(other);
  }
  return bound;
}

std::vector<WillingPackages::Change> WillingPackages::resolve(
    const std::vector<Asked>& install,
    const std::vector<std::string>& remove) const {
  const auto all = offers();
  std::deque<Asked> queue(install.begin(), install.end());
  std::vector<Change> changes;
  std::set<std::string> seen;
  while (!queue.empty()) {
    Asked one = std::move(queue.front());
    queue.pop_front();
    if (!seen.insert(one.name).second) continue;
    // The distribution's own: any version.
    if (one.version.empty()) {
      const auto known = all.find(one.name);
      one.version = known == all.end() ? "1.0-1" : known->second.back().version;
    }
    const auto now = installed_.find(one.name);
    const std::string before =
        now == installed_.end() ? "" : now->second.version;
    if (before != one.version) {
      changes.push_back({one.name, before, one.version});
    }
    for (const std::string& name : bound_to(all, one.name)) {
      const auto same = std::ranges::find(
          all.at(name), packages::upstream_of(one.version),
          [](const Offer& its) { return packages::upstream_of(its.version); });
      if (same != all.at(name).end()) queue.push_back({name, same->version});
    }
  }
  for (const std::string& name : remove) {
    if (const auto now = installed_.find(name); now != installed_.end()) {
      changes.push_back({name, now->second.version, ""});
    }
  }
  std::ranges::sort(changes, {}, &Change::name);
  return changes;
}

void WillingPackages::make(const std::vector<Change>& changes) {
  const auto all = offers();
  for (const Change& change : changes) {
    const auto known = all.find(change.name);
    const bool has_module =
        known != all.end() && known->second.front().has_module;
    if (has_module) ++module_changes_;
    if (change.after.empty()) {
      installed_.erase(change.name);
      continue;
    }
    installed_[change.name] = {change.after};
    if (!has_module) continue;
    for (const Offer& offer : known->second) {
      if (offer.version != change.after) continue;
      if (const std::string old(packages::upstream_of(change.before));
          !old.empty()) {
        tree_.remove("usr/src/nvidia-" + old);
      }
      tree_.file(fmt::format("usr/src/nvidia-{}/dkms.conf",
                             packages::upstream_of(offer.version)),
                 "PACKAGE_NAME=nvidia\n");
    }
  }
}

void WillingPackages::bring(const std::string& name,
                            const std::string& version) {
  const auto before = installed_;
  make(resolve({{name, version}}, {}));
  for (const auto& [held, package] : before) {
    if (package.is_held) installed_[held].is_held = true;
  }
}

std::string WillingPackages::list(bool is_rpm) const {
  std::string text;
  if (!is_rpm) {
    text = "dpkg\tamd64\t1.22\tinstall\tok\tinstalled\t1\n";
  }
  for (const auto& [name, package] : installed_) {
    text += is_rpm
                ? fmt::format("{}\t{}\tx86_64\t1\t1\n", name, package.version)
                : fmt::format("{}\tamd64\t{}\t{}\tok\tinstalled\t1\n", name,
                              package.version,
                              package.is_held ? "hold" : "install");
  }
  return text;
}

}  // namespace gpunode::provision
