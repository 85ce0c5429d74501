// What the program says: progress on standard output, failures on standard
// error, one write a line, so that a container's log keeps them whole.
#pragma once

namespace gpunode::vectoradd {

/// Writes one line to standard output. printf's conversions.
[[gnu::format(printf, 1, 2)]] void say(const char* format, ...);

/// A failure, told as people need it.
struct Failure {
  const char* why;   ///< What usually causes it.
  const char* next;  ///< What to look at or to run.
};

/// Writes what failed (printf's conversions), why and what to do next to
/// standard error.
[[gnu::format(printf, 2, 3)]] void complain(const Failure& failure,
                                            const char* format, ...);

}  // namespace gpunode::vectoradd
