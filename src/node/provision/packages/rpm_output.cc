#include "node/provision/packages/rpm_output.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <utility>

#include "node/provision/packages/lines.h"

namespace gpunode::packages {
namespace {

/// Made to be installed side by side: dnf's installonlypkgs and zypp's
/// multiversion are "provides installonlypkg(kernel)", which these have.
bool is_side_by_side(std::string_view name) {
  static constexpr auto kPrefixes = std::to_array<std::string_view>(
      {"kernel", "kmod-", "gpg-pubkey", "nvidia-open-driver-G"});
  return std::any_of(
      kPrefixes.begin(), kPrefixes.end(),
      [name](std::string_view prefix) { return name.starts_with(prefix); });
}

std::string remedy_for(Tool tool, const std::string& name) {
  return tool == Tool::kZypper ? "zypper install --force " + name
                               : "dnf remove --duplicates";
}

}  // namespace

std::string without_zero_epoch(std::string_view version) {
  if (version.starts_with("0:")) version.remove_prefix(2);
  return std::string(version);
}

Result<Observation> parse_rpm_list(std::string_view text, Tool tool) {
  Observation observation;
  std::map<std::pair<std::string, std::string>, std::vector<std::string>> seen;
  for (const std::string_view line : lines_of(text)) {
    // Debian's rpm says with every command that it is not meant to be used.
    if (line.empty() || line.starts_with("rpm: ")) continue;
    std::array<std::string_view, 4> fields;
    std::size_t count = 0;
    for (std::size_t at = 0; at <= line.size() && count < fields.size();) {
      const std::size_t end = std::min(line.find('\t', at), line.size());
      fields[count++] = line.substr(at, end - at);
      at = end + 1;
    }
    if (count != fields.size()) {
      return Error(ErrorCode::kCorrupt,
                   "rpm: not a line of a package: " + std::string(line));
    }
    if (fields[0] == "gpg-pubkey") continue;
    Package package;
    package.name = fields[0];
    package.version = without_zero_epoch(fields[1]);
    package.architecture = fields[2];
    std::from_chars(fields[3].data(), fields[3].data() + fields[3].size(),
                    package.installed_bytes);
    seen[{package.name, package.architecture}].push_back(package.version);
    observation.installed.push_back(std::move(package));
  }
  std::stable_sort(
      observation.installed.begin(), observation.installed.end(),
      [](const Package& a, const Package& b) { return a.name < b.name; });
  for (const auto& [key, versions] : seen) {
    if (versions.size() < 2 || is_side_by_side(key.first)) continue;
    std::string all;
    for (const std::string& version : versions) {
      all += (all.empty() ? "" : " and ") + version;
    }
    observation.troubles.push_back({key.first + " is installed as " + all +
                                        ": an earlier transaction broke off",
                                    remedy_for(tool, key.first)});
  }
  return observation;
}

}  // namespace gpunode::packages
