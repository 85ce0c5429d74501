#include "apps/vectoradd/message.h"

#include <unistd.h>

#include <array>
#include <cstdarg>
#include <cstddef>
#include <cstdio>

namespace gpunode::vectoradd {

namespace {

// A log line of a container runtime holds 16 KiB; ours are far below.
constexpr std::size_t kLineBytes = 2048;

void write_all(int fd, const char* text, std::size_t length) {
  while (length > 0) {
    const ssize_t written = ::write(fd, text, length);
    if (written <= 0) return;  // Nobody to tell.
    text += written;
    length -= static_cast<std::size_t>(written);
  }
}

void write_line(int fd, const char* format, std::va_list arguments) {
  std::array<char, kLineBytes> line{};
  // NOLINTBEGIN(clang-analyzer-valist.Uninitialized): the callers' va_start
  const int wanted =
      std::vsnprintf(line.data(), line.size() - 1, format, arguments);
  // NOLINTEND(clang-analyzer-valist.Uninitialized)
  if (wanted < 0) return;
  auto length = static_cast<std::size_t>(wanted);
  if (length > line.size() - 2) length = line.size() - 2;
  line[length++] = '\n';
  write_all(fd, line.data(), length);
}

[[gnu::format(printf, 1, 2)]] void write_error(const char* format, ...) {
  std::va_list arguments;
  va_start(arguments, format);
  write_line(STDERR_FILENO, format, arguments);
  va_end(arguments);
}

}  // namespace

void say(const char* format, ...) {
  std::va_list arguments;
  va_start(arguments, format);
  write_line(STDOUT_FILENO, format, arguments);
  va_end(arguments);
}

void complain(const Failure& failure, const char* format, ...) {
  std::va_list arguments;
  va_start(arguments, format);
  write_line(STDERR_FILENO, format, arguments);
  va_end(arguments);
  write_error("  why:  %s", failure.why);
  write_error("  next: %s", failure.next);
}

}  // namespace gpunode::vectoradd
