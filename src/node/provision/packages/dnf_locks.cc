// Version locks: Dnf's further half.
#include <algorithm>

#include "node/provision/packages/dnf.h"
#include "node/provision/packages/rpm_database.h"

namespace gpunode::packages {

Result<std::vector<Hold>> Dnf::holds() {
  // Locks are a list in a file: no repository is needed to read it.
  std::vector<std::string> command = local_argv();
  command.insert(command.end(), {"versionlock", "list"});
  TRY(const host::Completed completed, runner_.act("list holds", command));
  return dialect_.has_named_locks ? parse_dnf5_locks(completed.out)
                                  : parse_dnf_locks(completed.out);
}

Result<void> Dnf::hold(const std::vector<std::string>& names) {
  if (names.empty()) return {};
  TRY(const Observation observation, observe(names));
  std::vector<std::string> command = local_argv();
  command.insert(command.end(), {"versionlock", "add"});
  for (const std::string& name : names) {
    const Package* package = observation.find(name);
    if (package == nullptr) {
      return Error(ErrorCode::kNotFound,
                   "hold " + name + ": it is not installed");
    }
    if (dialect_.has_named_locks) {
      command.push_back(name + "-" + package->version);
      continue;
    }
    const std::size_t colon = package->version.find(':');
    const bool has_epoch = colon != std::string::npos;
    const std::string epoch =
        has_epoch ? package->version.substr(0, colon) : "0";
    const std::string version =
        package->version.substr(has_epoch ? colon + 1 : 0);
    command.push_back(dialect_.has_epoch_first
                          ? epoch + ":" + name + "-" + version + ".*"
                          : name + "-" + epoch + ":" + version + ".*");
  }
  TRY_VOID(runner_.act("hold packages", command));
  return {};
}

Result<void> Dnf::release(const std::vector<Hold>& holds) {
  if (holds.empty()) return {};
  std::vector<std::string> command = local_argv();
  command.insert(command.end(), {"versionlock", "delete"});
  if (dialect_.has_named_locks) TRY_VOID(check_alone(holds));
  for (const Hold& hold : holds) {
    // What a list says is not an option: it begins with a name.
    TRY_VOID(check_names({hold.name}));
    command.push_back(dialect_.has_named_locks ? hold.name : hold.entry);
  }
  TRY_VOID(runner_.act("release packages", command));
  return {};
}

/// A name is all that dnf 5 is told, and it deletes every entry of it.
Result<void> Dnf::check_alone(const std::vector<Hold>& going) {
  TRY(const std::vector<Hold> all, holds());
  for (const Hold& hold : all) {
    const bool goes = std::ranges::find(going, hold) != going.end();
    const bool has_name = std::ranges::any_of(
        going, [&](const Hold& one) { return one.name == hold.name; });
    if (goes || !has_name) continue;
    return Error(ErrorCode::kUnsupported,
                 "release packages: " + hold.name +
                     " has another version lock (" + hold.entry +
                     "), and dnf 5 deletes all of a name; next: take the one "
                     "that is to go out of /etc/dnf/versionlock.toml");
  }
  return {};
}

}  // namespace gpunode::packages
