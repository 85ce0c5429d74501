#include "node/provision/steps/driver/driver_holds.h"

#include <algorithm>

#include "node/provision/packages/dnf_output.h"
#include "node/provision/packages/lines.h"

namespace gpunode::provision {
namespace {

constexpr const char* kDnfLocks = "/etc/dnf/plugins/versionlock.list";
constexpr const char* kYumLocks = "/etc/yum/pluginconf.d/versionlock.list";
constexpr const char* kDnf5Locks = "/etc/dnf/versionlock.toml";
constexpr const char* kZypperLocks = "/etc/zypp/locks";

bool has_line(const PlanInput& input, const char* path,
              const auto& is_the_line) {
  const auto found = input.facts.files.find(path);
  if (found == input.facts.files.end() || !found->second.content) return false;
  const auto lines = packages::lines_of(*found->second.content);
  return std::ranges::any_of(lines, is_the_line);
}

/// yum's "3:name-580…" as dnf's "name-3:580…".
std::string dnfs_spelling(std::string_view line, const std::string& name) {
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos ||
      !line.substr(colon + 1).starts_with(name + "-")) {
    return {};
  }
  return name + "-" + std::string(line.substr(0, colon + 1)) +
         std::string(line.substr(colon + name.size() + 2));
}

/// Whether `is_the_lock` of a line of dnf's list or yum's.
bool has_lock(const PlanInput& input, const std::string& name,
              const auto& is_the_lock) {
  return has_line(input, kDnfLocks, is_the_lock) ||
         has_line(input, kYumLocks, [&](std::string_view line) {
           return is_the_lock(dnfs_spelling(line, name));
         });
}

/// Those of `name` in dnf 5's file. One of another form's list keeps nothing
/// back on a host with dnf 5, and the other way round: each is looked at, and
/// only one of the forms is there to write its own.
std::vector<packages::Hold> dnf5_locks_of(const PlanInput& input,
                                          const std::string& name) {
  const auto found = input.facts.files.find(kDnf5Locks);
  if (found == input.facts.files.end() || !found->second.content) return {};
  auto locks = packages::parse_dnf5_lock_file(*found->second.content);
  std::erase_if(locks,
                [&](const packages::Hold& one) { return one.name != name; });
  return locks;
}

}  // namespace

bool is_held(const PlanInput& input, packages::Tool tool,
             const std::string& name) {
  const auto package = input.facts.packages.find(name);
  if (package == input.facts.packages.end()) return false;
  if (tool == packages::Tool::kApt) return package->second.is_held;
  if (tool == packages::Tool::kZypper) {
    return has_line(input, kZypperLocks, [&](std::string_view line) {
      return line.starts_with("solvable_name:") &&
             packages::trimmed(line.substr(14)) == name;
    });
  }
  // "name-epoch:version-release.*"; an epoch of 0 is not in what rpm says.
  const std::string& version = package->second.version;
  const bool has_epoch = version.find(':') != std::string::npos;
  const std::string lock = name + "-" + (has_epoch ? "" : "0:") + version + ".";
  return std::ranges::any_of(dnf5_locks_of(input, name),
                             [&](const packages::Hold& one) {
                               return packages::is_lock_on(one, version);
                             }) ||
         has_lock(input, name, [&](std::string_view line) {
           return line.starts_with(lock);
         });
}

bool has_hold(const PlanInput& input, packages::Tool tool,
              const std::string& name) {
  if (tool != packages::Tool::kDnf) return is_held(input, tool, name);
  if (!dnf5_locks_of(input, name).empty()) return true;
  return has_lock(input, name, [&](std::string_view line) {
    // "name-3:580…": what follows a name's dash is a number.
    return line.size() > name.size() + 1 && line.starts_with(name) &&
           line[name.size()] == '-' && line[name.size() + 1] >= '0' &&
           line[name.size() + 1] <= '9';
  });
}

facts::Wanted hold_wants() {
  facts::Wanted wanted;
  wanted.files = {kDnfLocks, kDnf5Locks, kYumLocks, kZypperLocks};
  return wanted;
}

}  // namespace gpunode::provision
