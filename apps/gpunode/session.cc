#include "apps/gpunode/session.h"

#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include <fmt/format.h>

namespace gpunode::cli {

void Session::fail(const Error& error, ExitCode code) {
  fmt::print(stderr, "gpunode: error: {}\n", error.message());
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
