// prep.sysctl: what the kubelet and kube-proxy expect of the kernel.

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "node/provision/file_plan.h"
#include "node/provision/packages/lines.h"
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

/// Late in the order of names: most others are overridden by ours.
constexpr const char* kPath = "/etc/sysctl.d/99-gpunode.conf";
constexpr std::string_view kName = "99-gpunode.conf";

/// Where systemd-sysctl looks (sysctl.d(5)): of a name that several have, the
/// first counts, and of all names the last.
constexpr auto kDirectories = std::to_array<std::string_view>(
    {"/etc/sysctl.d/", "/run/sysctl.d/", "/usr/local/lib/sysctl.d/",
     "/usr/lib/sysctl.d/"});

/// No boot reads it where /etc/sysctl.d has no link to it; procps's
/// `sysctl --system` does, last.
constexpr const char* kOldPath = "/etc/sysctl.conf";

/// The kernel has both names for one setting.
constexpr std::string_view kForward = "net.ipv4.ip_forward";
constexpr std::string_view kForwardAlias = "net.ipv4.conf.all.forwarding";

/// What `text` leaves the setting at; nothing if it does not say. Patterns in
/// it are not looked at.
std::optional<std::string> value_in(std::string_view text,
                                    std::string_view name) {
  std::optional<std::string> value;
  for (const std::string_view line : packages::lines_of(text)) {
    std::string_view words = packages::trimmed(line);
    const std::size_t equals = words.find('=');
    if (words.starts_with('#') || words.starts_with(';') ||
        equals == std::string_view::npos) {
      continue;
    }
    // It may fail without a word.
    if (words.starts_with('-')) words.remove_prefix(1);
    std::string key(packages::trimmed(words.substr(0, words.find('='))));
    std::ranges::replace(key, '/', '.');
    if (key == kForwardAlias) key = kForward;
    if (key != name) continue;
    value = std::string(packages::trimmed(words.substr(words.find('=') + 1)));
  }
  return value;
}

/// Who has the last word on a setting.
struct Later {
  std::string path;
  std::string value;
};

const std::string* content_of(const facts::HostFacts& host,
                              const std::string& path) {
  const auto found = host.files.find(path);
  if (found == host.files.end() || !found->second.content) return nullptr;
  return &*found->second.content;
}

/// The last file that says something of it after ours, at each boot.
std::optional<Later> later_than_ours(const facts::HostFacts& host,
                                     const char* name) {
  std::map<std::string, std::string> by_name;
  for (const std::string_view directory : kDirectories) {
    for (const auto& [path, file] : host.files) {
      if (!path.starts_with(directory)) continue;
      std::string last = path.substr(directory.size());
      if (last > kName) by_name.emplace(std::move(last), path);
    }
  }
  std::optional<Later> later;
  for (const auto& [last, path] : by_name) {
    const std::string* text = content_of(host, path);
    if (text == nullptr) continue;
    if (auto value = value_in(*text, name)) later = {path, *std::move(value)};
  }
  return later;
}

bool fits(const Setting& setting, const std::string& value) {
  if (!setting.is_least) return value == std::to_string(setting.value);
  if (value.empty() || value.size() > 18 ||
      value.find_first_not_of("0123456789") != std::string::npos) {
    return false;
  }
  return std::stoull(value) >= setting.value;
}

/// A file of somebody else's has the last word, and another one than ours. What
/// kubeadm asks for must be so: a person takes theirs back. A limit is theirs
/// to set, and is told.
std::string conflict_words(const Setting& setting, const Later& later) {
  return fmt::format("{} sets {} to {}, and is read after {} at each boot",
                     later.path, setting.name, later.value, kPath);
}

/// Where a person says it otherwise. What is not in /etc is a package's, which
/// an update puts back, or a program's, which makes it at each boot.
std::string fix_words(const Setting& setting, const Later& later) {
  const std::string_view own = kDirectories.front();
  if (later.path.starts_with(own)) {
    return fmt::format("take that line out of {}, or say {} = {} there",
                       later.path, setting.name, setting.value);
  }
  return fmt::format(
      "put a copy of it without that line, or with {} = {}, in {}{}, which "
      "takes its place (sysctl.d(5)): the file itself is a package's or a "
      "program's",
      setting.name, setting.value, own,
      later.path.substr(later.path.rfind('/') + 1));
}

/// Why the running value is not the wanted one.
std::string who_sets(const facts::HostFacts& host, const Setting& setting) {
  const std::string* old = content_of(host, kOldPath);
  const auto value =
      old == nullptr ? std::nullopt : value_in(*old, setting.name);
  if (!value || fits(setting, *value)) {
    return fmt::format("another file or program sets it after {}", kPath);
  }
  return fmt::format(
      "{} says so, which `sysctl --system` reads last: take that line out of "
      "it",
      kOldPath);
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
    wanted.files = {kPath, kOldPath};
    for (const std::string_view directory : kDirectories) {
      wanted.files.insert(std::string(directory) + "*.conf");
    }
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
      const auto later = later_than_ours(input.facts, setting.name);
      if (!later || fits(setting, later->value)) {
        set_now(input.facts, setting, plan);
      } else if (setting.is_least) {
        plan.notes.push_back(fmt::format(
            "{}: it stays so, and many Pods that watch files run out of it; {} "
            "or more there would do",
            conflict_words(setting, *later), setting.value));
      } else {
        return StepPlan::blocked(conflict_words(setting, *later),
                                 fix_words(setting, *later));
      }
    }
    return plan;
  }

 private:
  static void set_now(const facts::HostFacts& host, const Setting& setting,
                      StepPlan& plan) {
    const auto now = host.sysctls.find(setting.name);
    if (now != host.sysctls.end() && fits(setting, now->second)) return;
    plan.actions.emplace_back(
        SetSysctl{setting.name, std::to_string(setting.value)});
    if (plan.state != StepState::kOk) return;
    plan.state = StepState::kChange;
    plan.why =
        fmt::format("{} is {}: {}", setting.name,
                    now == host.sysctls.end() ? "not there" : now->second,
                    who_sets(host, setting));
  }
};

}  // namespace

std::unique_ptr<Step> make_prep_sysctl() {
  return std::make_unique<Sysctl>();
}

}  // namespace gpunode::provision
