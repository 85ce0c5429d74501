#include "apps/runtime/report.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>

#include <fmt/format.h>

#include "base/core/rfc3339.h"
#include "base/core/unique_fd.h"
#include "base/text/json_splice.h"

namespace gpunode::runtime {
namespace {

/// logrus' two forms, which runc writes and containerd reads.
std::string formatted(std::string_view level, std::string_view message,
                      bool is_json) {
  const std::string text = text::json_string(message);
  const std::string now = rfc3339(std::chrono::system_clock::now());
  if (!is_json) {
    return fmt::format("time=\"{}\" level={} msg={}\n", now, level, text);
  }
  return text::json_object({{"level", text::json_string(level)},
                            {"msg", text},
                            {"time", text::json_string(now)}}) +
         "\n";
}

void write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(fd, text.data(), text.size());
    if (written <= 0) return;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
}

void append(const std::string& path, std::string_view text) {
  const std::size_t slash = path.rfind('/');
  if (slash != std::string::npos && slash > 0) {
    ::mkdir(path.substr(0, slash).c_str(), 0755);
  }
  const UniqueFd file(
      ::open(path.c_str(),
             O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK | O_CLOEXEC, 0644));
  if (file) write_all(file.get(), text);
}

}  // namespace

std::string one_line(std::string_view message) {
  constexpr std::size_t kLongest = 2000;
  std::string out;
  for (const char c : message.substr(0, kLongest)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f) {
      out += fmt::format("\\x{:02x}", byte);
    } else {
      out += c;
    }
  }
  return out;
}

void Report::add_destination(Destination destination) {
  if (destination.path.empty() || destination.path == "/dev/null") return;
  destinations_.push_back(std::move(destination));
}

void Report::set_level(std::string_view level) {
  static constexpr std::array<std::string_view, 3> kQuiet = {"error", "fatal",
                                                             "panic"};
  static constexpr std::array<std::string_view, 5> kLoud = {
      "warn", "warning", "info", "debug", "trace"};
  has_warnings_ = std::ranges::find(kQuiet, level) == kQuiet.end();
  if (has_warnings_ && std::ranges::find(kLoud, level) == kLoud.end()) {
    warn(fmt::format("log-level {} is none; info is taken",
                     text::json_string(level.substr(0, 100))));
  }
}

void Report::warn(std::string_view message) {
  if (!has_warnings_) return;
  lines_.push_back({"warning", one_line(message)});
}

void Report::add_error(std::string_view message) {
  lines_.push_back({"error", one_line(message)});
}

void Report::flush() {
  if (lines_.empty()) return;
  for (const Destination& destination : destinations_) {
    std::string text;
    for (const Line& line : lines_) {
      text += formatted(line.level, line.message, destination.is_json);
    }
    append(destination.path, text);
  }
  lines_.clear();
}

void Report::fail(std::string_view message) {
  add_error(message);
  write_all(STDERR_FILENO, formatted("error", lines_.back().message, false));
  flush();
}

}  // namespace gpunode::runtime
