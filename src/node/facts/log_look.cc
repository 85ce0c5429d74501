#include "node/facts/log_look.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <string_view>
#include <utility>

#include "node/facts/host_text.h"
#include "node/facts/kernel_message.h"

namespace gpunode::facts {
namespace {

constexpr const char* kDkms = "/var/lib/dkms";
constexpr std::size_t kMostBuilds = 8;

/// Of a log that is too long, its end: whole lines. It is the newest that
/// tells. "" where there is no such file to seek in.
std::string read_end(const host::HostRoot& host, const std::string& path) {
  const auto fd = host.open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
  struct stat status {};
  if (!fd || ::fstat(fd->get(), &status) != 0 || !S_ISREG(status.st_mode)) {
    return {};
  }
  constexpr auto kLimit = static_cast<off_t>(kLogLimitBytes);
  off_t at = std::max<off_t>(status.st_size - kLimit, 0);
  std::string text(kLogLimitBytes, '\0');
  std::size_t size = 0;
  while (size < text.size()) {
    const ssize_t n =
        ::pread(fd->get(), text.data() + size, text.size() - size, at);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    size += static_cast<std::size_t>(n);
    at += n;
  }
  text.resize(size);
  const std::size_t line = text.find('\n');
  return line == std::string::npos ? std::string() : text.substr(line + 1);
}

/// kNotFound is no gap: most hosts lack most of these files.
std::string read_log(const host::HostRoot& host, const std::string& path,
                     std::vector<std::string>& gaps) {
  auto text = host.read_file(path, kLogLimitBytes);
  if (text) return *std::move(text);
  if (text.error().code() == ErrorCode::kCorrupt) {
    std::string end = read_end(host, path);
    if (!end.empty()) {
      gaps.push_back(path + " is long: its last 16 MiB were looked at");
      return end;
    }
  }
  if (text.error().code() == ErrorCode::kUnavailable) return {};
  if (text.error().code() != ErrorCode::kNotFound) {
    gaps.push_back("read " + path + ": " + cause_of(host, path, text.error()));
  }
  return {};
}

/// Of syslog's file, which goes over many boots, the last one.
std::string last_boot(const std::string& text) {
  std::string_view rest = text;
  std::size_t begin = 0;
  while (!rest.empty()) {
    const std::size_t at = text.size() - rest.size();
    // Anybody may log these words; the kernel begins with them.
    if (kernel_message(take_line(rest)).starts_with("Linux version ")) {
      begin = at;
    }
  }
  return text.substr(begin);
}

void ask_for_kernel_log(host::CommandRunner& runner, LogFacts& logs) {
  host::Command journal;
  // The last lines: a long one does not fit into what is kept of a program.
  journal.argv = {"/usr/bin/journalctl", "-k",      "-b",   "-o",
                  "short-monotonic",     "--lines", "5000", "--quiet",
                  "--no-pager"};
  auto said = runner.output(journal);
  logs.kernel_source = "journalctl -k -b";
  if (!said || trimmed(*said).empty()) {
    host::Command ring;
    ring.argv = {"/usr/bin/dmesg"};
    said = runner.output(ring);
    logs.kernel_source = "dmesg";
  }
  if (said && !trimmed(*said).empty()) {
    logs.kernel = *std::move(said);
    return;
  }
  // A kernel that said nothing at all is one that was not heard.
  logs.kernel_source.clear();
  logs.gaps.push_back("the kernel's log is not known: " +
                      (said ? "journald and dmesg have nothing of this boot"
                            : said.error().message()));
}

void read_kernel_log_file(const host::HostRoot& host, LogFacts& logs) {
  constexpr std::array<const char*, 3> kFiles = {
      "/var/log/kern.log", "/var/log/messages", "/var/log/dmesg"};
  for (const char* path : kFiles) {
    logs.kernel = last_boot(read_log(host, path, logs.gaps));
    if (logs.kernel.empty()) continue;
    logs.kernel_source = path;
    return;
  }
  logs.gaps.push_back("the kernel's log is not known: none of " +
                      std::string(kFiles[0]) + ", " + kFiles[1] + " and " +
                      kFiles[2] + " has a line");
}

/// What DKMS builds lies in build/ until it is done; then its log moves to the
/// kernel it is for. So a log that is there is of a build that failed.
void read_builds(const host::HostRoot& host, LogFacts& logs) {
  const auto names = host.list_directory(kDkms);
  if (!names) return;
  for (const std::string& name : *names) {
    if (!name.starts_with("nvidia")) continue;
    const std::string module = std::string(kDkms) + "/" + name;
    const auto versions = host.list_directory(module);
    if (!versions) continue;
    for (const std::string& version : *versions) {
      const std::string path = module + "/" + version + "/build/make.log";
      std::string text = read_log(host, path, logs.gaps);
      if (text.empty()) continue;
      logs.builds.push_back({path, version, std::move(text)});
      if (logs.builds.size() == kMostBuilds) return;
    }
  }
}

}  // namespace

LogFacts read_logs(const host::HostRoot& host, host::CommandRunner& runner) {
  LogFacts logs;
  if (host.prefix() == "/") {
    ask_for_kernel_log(runner, logs);
  } else {
    read_kernel_log_file(host, logs);
  }
  read_builds(host, logs);
  for (const char* path : {"/var/log/dnf.log", "/var/log/apt/term.log"}) {
    std::string text = read_log(host, path, logs.gaps);
    if (!text.empty()) logs.packages.push_back({path, std::move(text)});
  }
  return logs;
}

}  // namespace gpunode::facts
