#include "share/grants/process_table.h"

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <string_view>

#include "share/ledger/layout.h"
#include "share/ledger/process_identity.h"

namespace gpunode::share {
namespace {

std::uint32_t low_bits(std::uint32_t inode) {
  return SlotWord::lowest(SlotWord::kNamespaceBits, inode);
}

std::uint32_t number(std::string_view digits) {
  std::uint32_t value = 0;
  const char* const end = digits.data() + digits.size();
  const auto [stop, error] = std::from_chars(digits.data(), end, value);
  return error == std::errc() && stop == end ? value : 0;
}

/// The last of "NSpid:\t4711\t12": that of the innermost namespace.
std::uint32_t inner_pid_of(std::string_view status) {
  constexpr std::string_view kField = "\nNSpid:";
  const std::size_t at = status.find(kField);
  if (at == std::string_view::npos) return 0;
  std::string_view line = status.substr(at + kField.size());
  line = line.substr(0, line.find('\n'));
  return number(line.substr(line.find_last_of(" \t") + 1));
}

/// Of "pid:[4026531836]".
std::uint32_t inode_of(std::string_view link) {
  constexpr std::string_view kBegin = "pid:[";
  if (!link.starts_with(kBegin) || !link.ends_with(']')) return 0;
  link.remove_prefix(kBegin.size());
  link.remove_suffix(1);
  return number(link);
}

}  // namespace

std::optional<HostProcess> read_process(const host::HostRoot& host,
                                        std::uint32_t pid) {
  const std::string place = "/proc/" + std::to_string(pid);
  const auto line = host.read_file(place + "/stat");
  ProcessStat stat;
  if (!line || !parse_process_stat(line->c_str(), &stat)) return std::nullopt;
  const bool has_ended = (stat.state == 'Z' || stat.state == 'X');
  if (has_ended && stat.threads <= 1) return std::nullopt;
  HostProcess process;
  process.pid = pid;
  process.start_time = stat.start_time;
  if (const auto link = host.read_link(place + "/ns/pid")) {
    process.pid_namespace = inode_of(*link);
  }
  if (const auto status = host.read_file(place + "/status")) {
    process.inner_pid = inner_pid_of(*status);
  }
  return process;
}

ProcessTable::ProcessTable(const std::vector<HostProcess>& processes) {
  for (const HostProcess& process : processes) {
    processes_.emplace(process.start_time, process);
  }
}

ProcessTable ProcessTable::read(const host::HostRoot& host) {
  std::vector<HostProcess> processes;
  const auto names = host.list_directory("/proc");
  if (!names) return ProcessTable({});
  for (const std::string& name : *names) {
    const std::uint32_t pid = number(name);
    if (pid == 0) continue;
    if (const auto process = read_process(host, pid)) {
      processes.push_back(*process);
    }
  }
  return ProcessTable(processes);
}

bool ProcessTable::has_self() const {
  const auto self = static_cast<std::uint32_t>(::getpid());
  return std::any_of(
      processes_.begin(), processes_.end(),
      [self](const auto& one) { return one.second.pid == self; });
}

const HostProcess* ProcessTable::find(std::uint32_t inner_pid,
                                      std::uint32_t low_namespace_bits,
                                      std::uint64_t start_time) const {
  const bool is_known = start_time != 0;
  const auto begin =
      is_known ? processes_.lower_bound(start_time) : processes_.begin();
  const auto end =
      is_known ? processes_.upper_bound(start_time) : processes_.end();
  for (auto at = begin; at != end; ++at) {
    const HostProcess& process = at->second;
    if (process.pid_namespace != 0 &&
        low_bits(process.pid_namespace) != low_namespace_bits) {
      continue;
    }
    if (process.inner_pid != 0 && process.inner_pid != inner_pid) continue;
    return &process;
  }
  return nullptr;
}

}  // namespace gpunode::share
