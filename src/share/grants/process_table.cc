#include "share/grants/process_table.h"

#include <charconv>
#include <cstring>
#include <string_view>

#include <fmt/format.h>

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

/// Of "NSpid:\t4711\t12": the pids, outermost first.
std::string_view pids_of(std::string_view status) {
  constexpr std::string_view kField = "\nNSpid:";
  const std::size_t at = status.find(kField);
  if (at == std::string_view::npos) return {};
  std::string_view line = status.substr(at + kField.size());
  line = line.substr(0, line.find('\n'));
  const std::size_t begin = line.find_first_not_of(" \t");
  return begin == std::string_view::npos ? std::string_view()
                                         : line.substr(begin);
}

/// Of "pid:[4026531836]".
std::uint32_t inode_of(std::string_view link) {
  constexpr std::string_view kBegin = "pid:[";
  if (!link.starts_with(kBegin) || !link.ends_with(']')) return 0;
  link.remove_prefix(kBegin.size());
  link.remove_suffix(1);
  return number(link);
}

/// The line of /proc; nothing if the process is not there. Of what is there and
/// is none of the kernel's lines, kCorrupt.
Result<std::optional<ProcessStat>> read_stat(const host::HostRoot& host,
                                             std::uint32_t pid) {
  const auto line = host.read_file(fmt::format("/proc/{}/stat", pid));
  if (!line) {
    if (line.error().code() == ErrorCode::kNotFound) {
      return std::optional<ProcessStat>();
    }
    return line.error();
  }
  ProcessStat stat;
  if (!parse_process_stat(line->c_str(), &stat)) {
    return Error(ErrorCode::kCorrupt,
                 fmt::format("/proc/{}/stat is not as kernels write it", pid));
  }
  const bool has_ended = stat.state == 'Z' || stat.state == 'X';
  if (has_ended && stat.threads <= 1) return std::optional<ProcessStat>();
  return std::optional<ProcessStat>(stat);
}

}  // namespace

bool may_live(const host::HostRoot& host, std::uint32_t pid,
              std::uint64_t start_time) {
  const auto stat = read_stat(host, pid);
  return !stat || (*stat && (*stat)->start_time == start_time);
}

Result<std::optional<HostProcess>> read_process(const host::HostRoot& host,
                                                std::uint32_t pid) {
  TRY(const std::optional<ProcessStat> stat, read_stat(host, pid));
  if (!stat) return std::optional<HostProcess>();
  HostProcess process;
  process.pid = pid;
  process.start_time = stat->start_time;
  if (const auto link = host.read_link(fmt::format("/proc/{}/ns/pid", pid))) {
    process.pid_namespace = inode_of(*link);
  }
  const auto status = host.read_file(fmt::format("/proc/{}/status", pid));
  if (status) {
    const std::string_view pids = pids_of(*status);
    const std::size_t last = pids.find_last_of(" \t");
    process.is_inside = last != std::string_view::npos;
    process.inner_pid =
        number(process.is_inside ? pids.substr(last + 1) : pids);
  } else if (status.error().code() == ErrorCode::kNotFound) {
    return std::optional<HostProcess>();
  } else {
    return status.error();
  }
  return std::optional<HostProcess>(process);
}

ProcessTable::ProcessTable(const std::vector<HostProcess>& processes,
                           bool is_whole)
    : is_whole_(is_whole) {
  for (const HostProcess& process : processes) {
    processes_.emplace(process.start_time, process);
  }
}

ProcessTable ProcessTable::read(const host::HostRoot& host) {
  std::vector<HostProcess> processes;
  const auto names = host.list_directory("/proc");
  bool is_whole = names.has_value();
  if (!names) return ProcessTable({}, is_whole);
  for (const std::string& name : *names) {
    const std::uint32_t pid = number(name);
    if (pid == 0) continue;
    const auto process = read_process(host, pid);
    is_whole = is_whole && process.has_value();
    if (process && *process) processes.push_back(**process);
  }
  return ProcessTable(processes, is_whole);
}

bool ProcessTable::can_tell(std::uint32_t low_namespace_bits) const {
  if (!is_whole_) return false;
  const ProcessIdentity self = identity_of_this_process();
  bool has_self = false;
  bool has_others = false;
  for (const auto& [start_time, process] : processes_) {
    has_self = has_self || process.pid == self.pid;
    has_others = has_others || process.is_inside ||
                 (process.pid_namespace != 0 && self.pid_namespace != 0 &&
                  process.pid_namespace != self.pid_namespace);
  }
  const bool is_own = self.pid_namespace != 0 &&
                      low_bits(self.pid_namespace) == low_namespace_bits;
  return has_self && (is_own || has_others);
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
