// .repo files of dnf, yum and zypper, as others wrote them: which repositories
// they have, and one of them turned on. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace gpunode::packages {

/// libdnf's OptionBool, and apt's: "1", "yes", "true", "on", in any case.
bool is_yes(std::string_view value);

struct RepoSection {
  std::string id;
  bool is_enabled = true;  ///< What no line says is on: dnf.conf(5).

  friend bool operator==(const RepoSection&, const RepoSection&) = default;
};

/// The sections of a file, "[main]" left out. What is no section and no
/// `enabled` is not looked at; any bytes.
std::vector<RepoSection> repo_sections(std::string_view text);

/// The file with section `id` on: what `dnf config-manager --set-enabled` makes
/// of it. Every other byte stays. Unchanged if it has no such section.
std::string with_enabled(std::string_view text, std::string_view id);

}  // namespace gpunode::packages
