#include "base/host/selinux_policy.h"

#include <algorithm>

namespace gpunode::host {
namespace {

constexpr std::string_view kNone = "<<none>>";

std::string_view without_user(std::string_view label) {
  const std::size_t colon = label.find(':');
  return colon == std::string_view::npos ? label : label.substr(colon);
}

}  // namespace

Result<std::map<std::string, std::string>> policy_labels(
    CommandRunner& runner, const std::vector<std::string>& paths) {
  std::map<std::string, std::string> labels;
  if (paths.empty()) return labels;
  Command command;
  command.argv = {"/usr/sbin/matchpathcon"};
  command.argv.insert(command.argv.end(), paths.begin(), paths.end());
  // Its status is not 0 if it has nothing for one of several.
  TRY(const Completed done, runner.run(command));
  std::string_view text = done.out;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    const std::size_t tab = line.find_last_of('\t');
    if (tab == std::string_view::npos) continue;
    const std::string_view path = line.substr(0, tab);
    const std::string_view label = line.substr(tab + 1);
    if (label == kNone || std::ranges::find(paths, path) == paths.end()) {
      continue;
    }
    labels.emplace(path, label);
  }
  return labels;
}

bool is_same_label(std::string_view a, std::string_view b) {
  return without_user(a) == without_user(b);
}

}  // namespace gpunode::host
