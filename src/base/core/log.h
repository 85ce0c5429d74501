// Log lines for people who run nodes: one event a line, on standard error.
//
// The form is klog's, which every Kubernetes log pipeline parses:
//   I1124 06:37:44.123456   4242 agent] registered resource=nvidia.com/gpu
// An event is either logged or returned as an Error, never both.
#pragma once

#include <string_view>

#include <fmt/core.h>

namespace gpunode::log {

enum class Level { kDebug, kInfo, kWarning, kError };

/// Drops what is below `level`. The default is kInfo. Any thread.
void set_level(Level level);
bool enabled(Level level);

/// Writes one line; newlines inside `message` are kept as they are (the
/// configuration dump has many). `area` is the room that speaks. Any thread.
void write(Level level, std::string_view area, std::string_view message);

template <class... Args>
void debug(std::string_view area, fmt::format_string<Args...> format,
           Args&&... args) {
  if (enabled(Level::kDebug)) {
    write(Level::kDebug, area,
          fmt::vformat(format, fmt::make_format_args(args...)));
  }
}

template <class... Args>
void info(std::string_view area, fmt::format_string<Args...> format,
          Args&&... args) {
  write(Level::kInfo, area,
        fmt::vformat(format, fmt::make_format_args(args...)));
}

template <class... Args>
void warning(std::string_view area, fmt::format_string<Args...> format,
             Args&&... args) {
  write(Level::kWarning, area,
        fmt::vformat(format, fmt::make_format_args(args...)));
}

template <class... Args>
void error(std::string_view area, fmt::format_string<Args...> format,
           Args&&... args) {
  write(Level::kError, area,
        fmt::vformat(format, fmt::make_format_args(args...)));
}

}  // namespace gpunode::log
