// What the verbs of `gpunode` share: the outside world, and how it ended.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/core/result.h"
#include "base/host/command_runner.h"

namespace gpunode::cli {

/// The exit codes of `gpunode`. Under a peer's name every error is 1.
enum class ExitCode {
  kOk = 0,
  kError = 1,
  kChangesPending = 2,
  kRefusedForSafety = 3,
  kRebootNeeded = 4,
  kPersonNeeded = 5,
  kLocked = 6,
  kVerificationFailed = 7,
  kUnsupportedHost = 8,
  kUsage = 64,
};

/// One run of the program; made by main, handed to every verb.
struct Session {
  host::CommandRunner& runner;
  /// Looks up a variable of the environment.
  std::function<std::optional<std::string>(std::string_view)> environment;
  ExitCode outcome = ExitCode::kOk;

  /// Prints `gpunode: error: …`, made harmless, on standard error and keeps
  /// `code` as the outcome.
  void fail(const Error& error, ExitCode code = ExitCode::kError);
};

/// `text` as a terminal may have it: each line as by console::printable().
/// Whatever quotes a file, a disk or a program of the host goes through this.
std::string harmless(std::string_view text);

/// Writes all of `text` to standard output; a full disk or a closed pipe is an
/// Error, so that `gpunode … > file` cannot fail silently.
Result<void> print(std::string_view text);

}  // namespace gpunode::cli
