#include "node/provision/packages/rpm_database.h"

#include <algorithm>
#include <cctype>
#include <iterator>
#include <string_view>

#include "node/facts/packages.h"
#include "node/provision/packages/lines.h"
#include "node/provision/packages/rpm_output.h"

namespace gpunode::packages {
namespace {

constexpr const char* kRpm = "/usr/bin/rpm";

std::string root_option(const ToolRunner& runner) {
  return "--root=" + runner.settings().root;
}

/// rpm's pseudo package of a key, "gpg-pubkey-d42d0685-62589a51", is named by
/// the last 8 digits of its fingerprint and its time; from rpm 6 on by all 40.
bool is_of_key(std::string_view package, const std::string& fingerprint) {
  constexpr std::string_view kBegin = "gpg-pubkey-";
  if (!package.starts_with(kBegin)) return false;
  package.remove_prefix(kBegin.size());
  const std::string_view id = package.substr(0, package.find('-'));
  std::string digits = fingerprint;
  std::ranges::transform(digits, digits.begin(), [](unsigned char c) {
    return static_cast<char>(std::tolower(c));
  });
  return digits.size() == 40 && (id == digits || id == digits.substr(32));
}

/// The pseudo packages of all keys.
Result<std::vector<std::string>> key_packages(ToolRunner& runner) {
  std::vector<std::string> command = {kRpm};
  if (runner.has_root()) command.push_back(root_option(runner));
  command.insert(command.end(),
                 {"-qa", "--queryformat", "%{NAME}-%{VERSION}-%{RELEASE}\\n",
                  "gpg-pubkey"});
  TRY(const host::Completed completed, runner.ask(command));
  if (completed.status != 0) {
    return to_error(runner.tool(), explain(runner.tool(), completed.err),
                    "read rpm's keys");
  }
  std::vector<std::string> packages;
  for (const std::string_view line : lines_of(completed.out)) {
    packages.emplace_back(trimmed(line));
  }
  return packages;
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

Result<std::vector<std::string>> known_rpm_keys(
    ToolRunner& runner, const std::vector<std::string>& fingerprints) {
  TRY(const std::vector<std::string> packages, key_packages(runner));
  std::vector<std::string> known;
  std::ranges::copy_if(
      fingerprints, std::back_inserter(known), [&](const std::string& one) {
        return std::ranges::any_of(packages, [&](const std::string& package) {
          return is_of_key(package, one);
        });
      });
  return known;
}

Result<void> erase_rpm_keys(ToolRunner& runner,
                            const std::vector<std::string>& fingerprints) {
  TRY(std::vector<std::string> packages, key_packages(runner));
  std::erase_if(packages, [&](const std::string& package) {
    return std::ranges::none_of(fingerprints, [&](const std::string& one) {
      return is_of_key(package, one);
    });
  });
  if (packages.empty()) return {};
  std::vector<std::string> command = {kRpm};
  if (runner.has_root()) command.push_back(root_option(runner));
  command.insert(command.end(), {"--erase", "--allmatches"});
  command.insert(command.end(), packages.begin(), packages.end());
  TRY_VOID(runner.act("take keys out of rpm's database", command));
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

}  // namespace gpunode::packages
