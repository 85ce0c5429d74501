#include "agent/plugin/named_process.h"

#include <algorithm>
#include <charconv>
#include <vector>

#include <fmt/format.h>

namespace gpunode::plugin {
namespace {

// The kernel's limit is far above; a program with a longer one is not ours.
constexpr std::size_t kMostBytes = std::size_t{2} << 20U;

std::vector<pid_t> processes(const std::vector<std::string>& entries) {
  std::vector<pid_t> found;
  for (const std::string& name : entries) {
    pid_t pid = 0;
    const char* const end = name.data() + name.size();
    const auto parsed = std::from_chars(name.data(), end, pid);
    if (parsed.ec == std::errc() && parsed.ptr == end) found.push_back(pid);
  }
  std::ranges::sort(found);
  return found;
}

}  // namespace

Result<pid_t> find_process(const host::HostRoot& root,
                           const std::string& name) {
  TRY(const std::vector<std::string> entries, root.list_directory("/proc"));
  for (const pid_t pid : processes(entries)) {
    const auto words =
        root.read_file(fmt::format("/proc/{}/cmdline", pid), kMostBytes);
    if (words && words->substr(0, words->find('\0')) == name) return pid;
  }
  return Error(ErrorCode::kNotFound,
               fmt::format("no process found (none was called {:?}; the Pod "
                           "must share its process namespace, and "
                           "--process-to-signal be the program's first word)",
                           name));
}

}  // namespace gpunode::plugin
