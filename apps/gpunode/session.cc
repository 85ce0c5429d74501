#include "apps/gpunode/session.h"

#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <utility>

#include <fmt/format.h>

#include "apps/gpunode/error_sink.h"
#include "base/console/page.h"

namespace gpunode::cli {
namespace {

ErrorSink& error_sink() {
  static ErrorSink sink;
  return sink;
}

}  // namespace

void set_error_sink(ErrorSink sink) {
  error_sink() = std::move(sink);
}

std::string harmless(std::string_view text) {
  std::string shown;
  for (;;) {
    const std::size_t end = text.find('\n');
    shown += console::printable(text.substr(0, end));
    if (end == std::string_view::npos) return shown;
    shown += '\n';
    text.remove_prefix(end + 1);
  }
}

void Session::fail(const Error& error, ExitCode code) {
  fmt::print(stderr, "gpunode: error: {}\n", harmless(error.message()));
  if (error_sink()) error_sink()(error, code);
  outcome = code;
}

Result<void> print(std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(STDOUT_FILENO, text.data(), text.size());
    if (written < 0) {
      if (errno == EINTR) continue;
      return Error::from_errno("write standard output", errno);
    }
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return {};
}

}  // namespace gpunode::cli
