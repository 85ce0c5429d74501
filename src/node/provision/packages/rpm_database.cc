#include "node/provision/packages/rpm_database.h"

#include <algorithm>

#include "node/facts/packages.h"
#include "node/provision/packages/rpm_output.h"

namespace gpunode::packages {
namespace {

constexpr const char* kRpm = "/usr/bin/rpm";

std::string root_option(const ToolRunner& runner) {
  return "--root=" + runner.settings().root;
}

}  // namespace

Result<Observation> observe_rpms(ToolRunner& runner,
                                 const std::vector<std::string>& names) {
  TRY_VOID(check_names(names));
  std::vector<std::string> command = facts::rpm_list_argv(runner.host());
  if (runner.has_root()) {
    command.insert(command.begin() + 1, root_option(runner));
  }
  TRY(const host::Completed completed, runner.ask(command));
  if (completed.status != 0) {
    return to_error(runner.tool(), explain(runner.tool(), completed.err),
                    "read rpm's database");
  }
  TRY(Observation observation, parse_rpm_list(completed.out, runner.tool()));
  if (!names.empty()) {
    std::erase_if(observation.installed, [&names](const Package& package) {
      return std::find(names.begin(), names.end(), package.name) == names.end();
    });
  }
  return observation;
}

Result<void> import_rpm_key(ToolRunner& runner, const std::string& key_file) {
  if (!key_file.starts_with('/')) {
    return Error(ErrorCode::kInvalidArgument,
                 "import key " + key_file + ": not an absolute path");
  }
  std::vector<std::string> command = {kRpm};
  if (runner.has_root()) command.push_back(root_option(runner));
  command.insert(command.end(), {"--import", key_file});
  TRY_VOID(runner.act("import key " + key_file, command));
  return {};
}

Result<void> check_scripts(Tool tool, const host::Completed& completed) {
  const auto failed = failed_scripts(all_output(completed));
  if (failed.empty()) return {};
  std::string lines;
  for (const std::string& line : failed) {
    lines += (lines.empty() ? "" : "; ") + line;
  }
  return to_error(tool, {FailureKind::kScript, lines}, "change packages");
}

Result<void> check_dnf4(const host::HostRoot& host) {
  const auto target = host.read_link("/usr/bin/dnf");
  if (!target || target->find("dnf5") == std::string::npos) return {};
  return Error(ErrorCode::kUnsupported,
               "this system has dnf5, which is not supported yet; next: "
               "install dnf 4 (package \"dnf4\") or the packages by hand");
}

}  // namespace gpunode::packages
