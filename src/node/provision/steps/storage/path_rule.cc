// What SELinux's policy says of a path that it does not know.
//
// A policy has types for /var/lib/containerd and its like. What lies elsewhere
// is default_t or mnt_t to it, and a relabelling gives it that: containers may
// not read their own images then. An equivalence says that a path is as another
// one is; libselinux reads those of the host from a file, a line each, which is
// what `semanage fcontext -a -e` writes. That file is edited here: semanage is
// not everywhere, and a file's inverse is exact.

#include <algorithm>
#include <array>
#include <sstream>
#include <string_view>

#include <fmt/format.h>

#include "base/host/selinux_policy.h"
#include "node/provision/file_plan.h"
#include "node/provision/mount_place.h"
#include "node/provision/steps/storage/storage.h"

namespace gpunode::provision {
namespace {

constexpr const char* kConfigPath = "/etc/selinux/config";

/// SELINUXTYPE of the distributions: targeted where RHEL's, default Debian's.
constexpr std::array<std::string_view, 4> kPolicies = {"targeted", "default",
                                                       "minimum", "mls"};

struct Home {
  std::string_view user;
  std::string_view path;  ///< Where the policy expects what is the user's.
};

/// Engines first: a kubelet that uses their disk waits for it and owns nothing
/// there.
constexpr auto kHomes = std::to_array<Home>({
    {"containerd.service", "/var/lib/containerd"},
    {"docker.service", "/var/lib/docker"},
    {"crio.service", "/var/lib/containers"},
    {"kubelet.service", "/var/lib/kubelet"},
});

/// Types of what the policy does not know more of.
constexpr std::array<std::string_view, 12> kGeneral = {
    "default_t",   "file_t", "home_root_t", "mnt_t",
    "root_t",      "tmp_t",  "unlabeled_t", "user_home_dir_t",
    "user_home_t", "usr_t",  "var_lib_t",   "var_t"};

std::string rules_path(std::string_view policy) {
  return fmt::format("/etc/selinux/{}/contexts/files/file_contexts.subs",
                     policy);
}

std::string content_of(const PlanInput& input, const std::string& path) {
  const auto file = input.facts.files.find(path);
  return file == input.facts.files.end() ? ""
                                         : file->second.content.value_or("");
}

std::string policy_label(const PlanInput& input, std::string_view path) {
  const auto tree = input.facts.trees.find(std::string(path));
  return tree == input.facts.trees.end() ? ""
                                         : tree->second.selinux_policy_label;
}

/// "mnt_t" of "system_u:object_r:mnt_t:s0".
std::string_view type_of(std::string_view label) {
  for (int i = 0; i < 2; ++i) {
    const std::size_t colon = label.find(':');
    if (colon == std::string_view::npos) return "";
    label.remove_prefix(colon + 1);
  }
  return label.substr(0, label.find(':'));
}

bool is_general(std::string_view label) {
  return std::ranges::find(kGeneral, type_of(label)) != kGeneral.end();
}

/// Where what lives on the entry's disk is expected; "" if that is where it is
/// mounted, or not known.
std::string_view home_of(const StorageSpec& entry) {
  for (const Home& home : kHomes) {
    if (is_within(entry.path, home.path)) return "";
  }
  for (const Home& home : kHomes) {
    if (std::ranges::find(entry.users, home.user) != entry.users.end()) {
      return home.path;
    }
  }
  return "";
}

/// The policy that is loaded, "" if it is none whose files we look at.
std::string_view policy_of(const PlanInput& input) {
  std::istringstream lines(content_of(input, kConfigPath));
  constexpr std::string_view kKey = "SELINUXTYPE=";
  std::string_view found;
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with(kKey)) continue;
    std::string_view value = std::string_view(line).substr(kKey.size());
    value = value.substr(0, value.find_last_not_of(" \t\r\"'") + 1);
    if (value.starts_with('"') || value.starts_with('\'')) {
      value.remove_prefix(1);
    }
    const auto policy = std::ranges::find(kPolicies, value);
    found = policy == kPolicies.end() ? std::string_view() : *policy;
  }
  return found;
}

/// A line of the rules is for the path already, whatever it says.
bool has_rule(const std::string& rules, const std::string& path) {
  std::istringstream lines(rules);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string first;
    if (words >> first && first == path) return true;
  }
  return false;
}

/// The policy has nothing of its own for the entry's path and more for where
/// what lives there is expected.
bool lacks_rule(const PlanInput& input, const StorageSpec& entry) {
  const std::string here = policy_label(input, entry.path);
  const std::string home = policy_label(input, home_of(entry));
  return input.facts.machine.selinux && is_general(here) && !home.empty() &&
         !host::is_same_label(here, home);
}

void add_rule(const StorageSpec& entry, std::string& rules) {
  if (has_rule(rules, entry.path)) return;
  if (!rules.empty() && !rules.ends_with('\n')) rules += '\n';
  rules += fmt::format("{} {}\n", entry.path, home_of(entry));
}

std::string words_of(const PlanInput& input, const StorageSpec& entry) {
  return fmt::format("SELinux's policy has only {} for {}",
                     type_of(policy_label(input, entry.path)), entry.path);
}

}  // namespace

void want_path_rule(const StorageSpec& entry, facts::Wanted& wanted) {
  const std::string_view home = home_of(entry);
  wanted.trees.insert(entry.path);
  if (home.empty()) return;
  wanted.trees.insert(std::string(home));
  wanted.files.insert(kConfigPath);
  for (const std::string_view policy : kPolicies) {
    wanted.files.insert(rules_path(policy));
  }
}

std::string path_label(const PlanInput& input, const StorageSpec& entry) {
  return lacks_rule(input, entry) && !policy_of(input).empty() &&
                 !has_rule(content_of(input, rules_path(policy_of(input))),
                           entry.path)
             ? policy_label(input, home_of(entry))
             : policy_label(input, entry.path);
}

void plan_path_rule(const PlanInput& input, const StorageSpec& entry,
                    StepPlan& plan) {
  const bool is_unknown = input.facts.machine.selinux &&
                          is_general(policy_label(input, entry.path));
  if (is_unknown && home_of(entry).empty()) {
    plan.notes.push_back(fmt::format(
        "{}: confined programs, containers above all, may do little there. If "
        "an engine or the kubelet is to live there, name its service in "
        "`users`; for others, `semanage fcontext` gives it a type",
        words_of(input, entry)));
  }
  if (!lacks_rule(input, entry)) return;
  const std::string_view policy = policy_of(input);
  if (policy.empty()) {
    plan.notes.push_back(fmt::format(
        "{}, and which policy is loaded {} does not tell: run `semanage "
        "fcontext -a -e {} {}` and apply again, or containers may not read "
        "what is there",
        words_of(input, entry), kConfigPath, home_of(entry), entry.path));
    return;
  }
  const std::string path = rules_path(policy);
  std::string rules = content_of(input, path);
  if (has_rule(rules, entry.path)) return;
  // Entries before this one change the same file, and all plan from one look.
  for (const StorageSpec& other : input.spec.storage) {
    if (other.id == entry.id) break;
    if (lacks_rule(input, other)) add_rule(other, rules);
  }
  add_rule(entry, rules);
  plan_edited_file(input, path, std::move(rules), plan);
}

}  // namespace gpunode::provision
