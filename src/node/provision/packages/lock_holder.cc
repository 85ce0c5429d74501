#include "node/provision/packages/lock_holder.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <span>
#include <sstream>
#include <utility>

#include <fmt/format.h>

#include "node/provision/packages/redaction.h"

namespace gpunode::packages {
namespace {

/// What the tools say before the number of the process that they wait for.
constexpr auto kBlames = std::to_array<std::string_view>(
    {"held by process ", "already locked by ", "process with pid ",
     "application with pid ", "application with PID ", "running as pid "});

// apt and dpkg: fcntl locks (apt-pkg/fileutl.cc; dpkg's lock-frontend).
constexpr auto kAptLocks = std::to_array<std::string_view>(
    {"/var/lib/dpkg/lock-frontend", "/var/lib/dpkg/lock",
     "/var/cache/apt/archives/lock", "/var/lib/apt/lists/lock"});
// rpm's transaction lock is an fcntl lock; its place differs.
constexpr auto kRpmLocks = std::to_array<std::string_view>(
    {"/var/lib/rpm/.rpm.lock", "/usr/lib/sysimage/rpm/.rpm.lock",
     "/root/.rpmdb/.rpm.lock",
     // dnf 5's own (libdnf5/conf/const.hpp).
     "/usr/lib/sysimage/libdnf5/system-repo.lock",
     "/run/dnf/rpmtransaction.lock"});
// dnf/lock.py: the file holds the number of a process.
constexpr auto kDnfPids = std::to_array<std::string_view>(
    {"/var/cache/dnf/metadata_lock.pid", "/var/cache/dnf/download_lock.pid",
     "/var/lib/dnf/rpmdb_lock.pid",
     // yum's.
     "/var/run/yum.pid"});
// libzypp/ZYppFactory.cc.
constexpr auto kZyppPids =
    std::to_array<std::string_view>({"/run/zypp.pid", "/var/run/zypp.pid"});

int number_at(std::string_view text, std::size_t at) {
  int number = 0;
  std::from_chars(text.data() + at, text.data() + text.size(), number);
  return number;
}

/// "fe:00:1234", as /proc/locks names an open file; empty if there is none.
std::string lock_id(const host::HostRoot& host, std::string_view path) {
  const auto file = host.open(std::string(path), O_RDONLY);
  struct stat status {};
  if (!file || ::fstat(file->get(), &status) != 0) return "";
  return fmt::format("{:02x}:{:02x}:{}", major(status.st_dev),
                     minor(status.st_dev), status.st_ino);
}

/// Holders of the fcntl locks `paths`, from the lines of /proc/locks:
/// "1: POSIX  ADVISORY  WRITE 5225 fe:00:1234 0 EOF".
void add_fcntl_holders(const host::HostRoot& host,
                       std::span<const std::string_view> paths,
                       std::vector<LockHolder>& holders) {
  const auto locks = host.read_file("/proc/locks");
  if (!locks) return;
  for (const std::string_view path : paths) {
    const std::string id = lock_id(host, path);
    if (id.empty()) continue;
    std::istringstream lines(*locks);
    for (std::string line; std::getline(lines, line);) {
      std::istringstream words(line);
      std::string number, type, kind, access, pid, file;
      words >> number >> type >> kind >> access >> pid >> file;
      // "1: -> POSIX" is one who waits.
      if (type != "POSIX" || access != "WRITE" || file != id) continue;
      LockHolder holder = holder_of(host, number_at(pid, 0));
      holder.lock = path;
      holders.push_back(std::move(holder));
    }
  }
}

void add_pid_file_holders(const host::HostRoot& host,
                          std::span<const std::string_view> paths,
                          std::vector<LockHolder>& holders) {
  for (const std::string_view path : paths) {
    const auto text = host.read_file(std::string(path));
    const int pid = text ? number_at(*text, 0) : 0;
    if (pid <= 0 || !host.exists("/proc/" + std::to_string(pid))) continue;
    const auto is_known = [pid](const LockHolder& holder) {
      return holder.pid == pid;
    };
    // /var/run is a link to /run on most hosts: the same file twice.
    if (std::any_of(holders.begin(), holders.end(), is_known)) continue;
    LockHolder holder = holder_of(host, pid);
    holder.lock = path;
    holders.push_back(std::move(holder));
  }
}

}  // namespace

std::string describe(const LockHolder& holder) {
  const std::string command =
      holder.command.empty() ? "a process" : holder.command;
  return fmt::format("{} (pid {})", command, holder.pid);
}

int blamed_pid(std::string_view output) {
  for (const std::string_view blame : kBlames) {
    const std::size_t at = output.find(blame);
    if (at == std::string_view::npos) continue;
    if (const int pid = number_at(output, at + blame.size()); pid > 0) {
      return pid;
    }
  }
  return 0;
}

LockHolder holder_of(const host::HostRoot& host, int pid) {
  LockHolder holder;
  holder.pid = pid;
  auto line = host.read_file(fmt::format("/proc/{}/cmdline", pid));
  if (!line) return holder;
  while (!line->empty() && line->back() == '\0') line->pop_back();
  for (char& c : *line) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
  }
  constexpr std::size_t kShown = 120;
  if (line->size() > kShown) line->replace(kShown, std::string::npos, "…");
  holder.command = redacted(*line);
  return holder;
}

std::vector<LockHolder> lock_holders(const host::HostRoot& host, Tool tool) {
  std::vector<LockHolder> holders;
  switch (tool) {
    case Tool::kApt:
      add_fcntl_holders(host, kAptLocks, holders);
      break;
    case Tool::kDnf:
      add_fcntl_holders(host, kRpmLocks, holders);
      add_pid_file_holders(host, kDnfPids, holders);
      break;
    case Tool::kZypper:
      add_fcntl_holders(host, kRpmLocks, holders);
      add_pid_file_holders(host, kZyppPids, holders);
      break;
  }
  return holders;
}

std::vector<LockHolder> outlast_holders(
    const std::function<std::vector<LockHolder>()>& look,
    const std::function<void()>& pause, unsigned looks) {
  std::vector<LockHolder> holders = look();
  for (unsigned i = 1; i < looks && !holders.empty(); ++i) {
    pause();
    holders = look();
  }
  return holders;
}

}  // namespace gpunode::packages
