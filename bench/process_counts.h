// What a program does to the system, counted: no noise can blur it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace gpunode::bench {

/// Of one program and all that it starts, to their end.
struct ProcessCounts {
  std::uint64_t executed = 0;      ///< Programs that an execve became.
  std::uint64_t system_calls = 0;  ///< Entered, by any of its threads.
  std::uint64_t opened = 0;        ///< Files that an open gave.
  std::uint64_t bytes_read = 0;    ///< By read and pread64.
  std::uint64_t peak_kib = 0;      ///< The largest process's resident memory.
  int status = -1;                 ///< Exit status; 128 if it was killed.
};

/// Runs `words` under ptrace, without output. Nothing if this machine does not
/// let us trace.
std::optional<ProcessCounts> count_process(
    const std::vector<std::string>& words);

}  // namespace gpunode::bench
