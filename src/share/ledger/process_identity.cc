#include "share/ledger/process_identity.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdio>
#include <cstring>

namespace gpunode::share {
namespace {

// The name is 64 bytes at the most, the numbers that are wanted come early.
constexpr std::size_t kStatBytes = 1024;

bool read_stat(const char* path, ProcessStat* stat) {
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  std::array<char, kStatBytes> line = {};
  ssize_t length = 0;
  do {
    length = read(fd, line.data(), line.size() - 1);
  } while (length < 0 && errno == EINTR);
  close(fd);
  if (length <= 0) return false;
  return parse_process_stat(line.data(), stat);
}

bool parse_number(const char** text, std::uint64_t* number) {
  const char* at = *text;
  if (*at < '0' || *at > '9') return false;
  *number = 0;
  for (; *at >= '0' && *at <= '9'; ++at) {
    *number = *number * 10 + static_cast<std::uint64_t>(*at - '0');
  }
  *text = at;
  return true;
}

/// To the begin of the field `fields` further on.
const char* skip_fields(const char* text, int fields) {
  for (; fields > 0; --fields) {
    text = std::strchr(text, ' ');
    if (text == nullptr) return nullptr;
    ++text;
  }
  return text;
}

std::uint32_t pid_namespace() {
  std::array<char, 64> target = {};
  const ssize_t length =
      readlink("/proc/self/ns/pid", target.data(), target.size() - 1);
  if (length <= 0) return 0;
  const char* inode = std::strchr(target.data(), '[');  // pid:[4026531836]
  std::uint64_t number = 0;
  if (inode == nullptr || !parse_number(&++inode, &number)) return 0;
  return static_cast<std::uint32_t>(number);
}

}  // namespace

bool parse_process_stat(const char* line, ProcessStat* stat) {
  const char* pid = line;
  if (!parse_number(&pid, &stat->pid) || *pid != ' ') return false;
  const char* after_name = std::strrchr(line, ')');
  if (after_name == nullptr || after_name[1] != ' ') return false;
  const char* state = after_name + 2;  // Field 3.
  if (*state == '\0' || state[1] != ' ') return false;
  const char* threads = skip_fields(state, 17);
  if (threads == nullptr) return false;
  stat->state = *state;
  if (!parse_number(&threads, &stat->threads)) return false;
  const char* start_time = skip_fields(threads, 2);
  return start_time != nullptr && parse_number(&start_time, &stat->start_time);
}

ProcessIdentity identity_of_this_process() {
  ProcessIdentity self;
  self.pid = static_cast<std::uint32_t>(getpid());
  self.pid_namespace = pid_namespace();
  ProcessStat stat;
  if (!read_stat("/proc/self/stat", &stat)) return self;
  self.start_time = stat.start_time;
  // A /proc of another pid namespace tells of other processes.
  if (stat.pid != self.pid) self.pid_namespace = 0;
  return self;
}

Life life_of(std::uint32_t pid, std::uint64_t start_time) {
  if (pid == 0) return Life::kUnknown;
  // The kernel is asked first: /proc may hide the processes of other users.
  if (kill(static_cast<pid_t>(pid), 0) != 0 && errno == ESRCH) {
    return Life::kEnded;
  }
  std::array<char, 32> path = {};
  std::snprintf(path.data(), path.size(), "/proc/%u/stat", pid);
  ProcessStat stat;
  if (!read_stat(path.data(), &stat)) return Life::kUnknown;
  if (start_time != 0 && stat.start_time != start_time) return Life::kEnded;
  const bool has_ended = stat.state == 'Z' || stat.state == 'X';
  // A first thread that has ended says nothing of the others.
  if (has_ended) return stat.threads <= 1 ? Life::kEnded : Life::kUnknown;
  const bool is_stopped = stat.state == 'T' || stat.state == 't';
  return is_stopped ? Life::kStopped : Life::kRuns;
}

bool is_gone(std::uint32_t pid, std::uint64_t start_time) {
  return life_of(pid, start_time) == Life::kEnded;
}

}  // namespace gpunode::share
