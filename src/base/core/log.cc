#include "base/core/log.h"

#include <unistd.h>

#include <atomic>
#include <ctime>
#include <iterator>

#include <fmt/format.h>

namespace gpunode::log {
namespace {

std::atomic<Level> threshold{Level::kInfo};

char letter(Level level) {
  switch (level) {
    case Level::kDebug:
      return 'D';
    case Level::kInfo:
      return 'I';
    case Level::kWarning:
      return 'W';
    case Level::kError:
      break;
  }
  return 'E';
}

}  // namespace

void set_level(Level level) {
  threshold = level;
}
bool enabled(Level level) {
  return level >= threshold.load();
}

void write(Level level, std::string_view area, std::string_view message) {
  if (!enabled(level)) return;
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  tm utc{};
  // UTC, not local time: reading the host's zone files costs start-up time,
  // and a container has none.
  ::gmtime_r(&now.tv_sec, &utc);
  fmt::memory_buffer line;
  fmt::format_to(std::back_inserter(line),
                 "{}{:02}{:02} {:02}:{:02}:{:02}.{:06} {:7} {}] {}\n",
                 letter(level), utc.tm_mon + 1, utc.tm_mday, utc.tm_hour,
                 utc.tm_min, utc.tm_sec, now.tv_nsec / 1000, ::getpid(), area,
                 message);
  // One write(2) a line: lines of several threads do not mix, and a log
  // reader that has gone away (EPIPE, EAGAIN) costs a line, not the daemon.
  const char* next = line.data();
  std::size_t left = line.size();
  while (left > 0) {
    const ssize_t n = ::write(STDERR_FILENO, next, left);
    if (n <= 0) return;
    next += n;
    left -= static_cast<std::size_t>(n);
  }
}

}  // namespace gpunode::log
