// For tests: which commands change a host, and how plans write them down.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/host/command_runner.h"

namespace gpunode::provision {

/// Whether the command looks at a host and changes nothing on it. What fetches
/// indexes does change it.
inline bool is_question(const host::Command& command) {
  const auto& argv = command.argv;
  const auto has = [&argv](std::string_view word) {
    return std::ranges::find(argv, word) != argv.end();
  };
  const std::string& program = argv.front();
  if (program.ends_with("/dpkg-query") || program.ends_with("/apt-cache") ||
      program.ends_with("/modinfo")) {
    return true;
  }
  if (program.ends_with("/rpm")) return has("-qa");
  if (program.ends_with("/apt-mark")) return has("showhold");
  if (program.ends_with("/apt-get")) return has("-s");
  if (program.ends_with("/dnf")) {
    return has("repoquery") || has("--assumeno") || has("list");
  }
  if (program.ends_with("/zypper")) {
    return has("search") || has("--dry-run") || has("locks");
  }
  return program.ends_with("/systemctl") && has("show");
}

/// `text` with each `from` as `to`.
inline std::string replaced(std::string text, std::string_view from,
                            std::string_view to) {
  for (std::size_t at = text.find(from); at != std::string::npos;
       at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
  }
  return text;
}

/// The whole command as a shell would take it, but that a line's end within a
/// word is `\n` and a tab `\t`; after it a line for each line of its input.
/// The directory `root` is the host's own "/".
inline std::vector<std::string> lines_of_command(const host::Command& command,
                                                 const std::string& root) {
  std::string line = replaced(host::command_line(command), root, "");
  line = replaced(replaced(std::move(line), "\n", "\\n"), "\t", "\\t");
  std::vector<std::string> lines = {std::move(line)};
  std::string_view input = command.input;
  while (!input.empty()) {
    const std::size_t end = std::min(input.find('\n'), input.size());
    lines.push_back("< " + std::string(input.substr(0, end)));
    input.remove_prefix(std::min(end + 1, input.size()));
  }
  return lines;
}

}  // namespace gpunode::provision
