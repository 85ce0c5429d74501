// What the programs in this binary need of their process.
#pragma once

#include <string>

#include "agent/config/command_line.h"
#include "base/core/unique_fd.h"

namespace gpunode {

inline constexpr int kDone = 0;
inline constexpr int kFailed = 1;  ///< The peers' only code for every error.

config::Environment read_environment();

/// Blocks the signals that are taken from the descriptor, in this thread and so
/// in every thread made later. Empty if there is none; errno tells why.
UniqueFd take_signals();

/// Logs the message; kFailed.
int fail(const std::string& message);

/// To standard output. A full disk or a reader that left is a failure: what was
/// asked for did not arrive.
int print(const std::string& text);

}  // namespace gpunode
