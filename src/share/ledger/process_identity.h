// Which process this is, and whether another one still lives: so told that a
// pid which the kernel gives out anew is not taken for its former owner.
#pragma once

#include <cstdint>

namespace gpunode::share {

struct ProcessIdentity {
  std::uint32_t pid = 0;
  /// Inode of the pid namespace in which `pid` counts; 0 where /proc is not
  /// to be had, or is that of another namespace.
  std::uint32_t pid_namespace = 0;
  /// Field 22 of /proc/<pid>/stat; 0 where it is not to be had.
  std::uint64_t start_time = 0;
};

/// The calling process, read anew at each call: a fork changes it.
ProcessIdentity identity_of_this_process();

enum class Life : std::uint8_t {
  kUnknown,  ///< It lives, as far as can be told.
  kRuns,     ///< Or waits for something, as a process does.
  kStopped,  ///< By a signal or a tracer: until another lets it go on.
  kEnded,
};

/// How the process of the pid is that started at `start_time` (0: at any time).
/// A process whose threads have all ended is gone though its parent has not
/// asked for it; one whose first thread alone has ended is not. `pid` counts in
/// this process's pid namespace.
Life life_of(std::uint32_t pid, std::uint64_t start_time);

/// That life_of() says kEnded: in doubt it lives.
bool is_gone(std::uint32_t pid, std::uint64_t start_time);

/// What life_of() reads in a line of /proc/<pid>/stat.
struct ProcessStat {
  std::uint64_t pid = 0;
  char state = '?';
  std::uint64_t threads = 0;
  std::uint64_t start_time = 0;
};

/// False if the line is none of the kernel's. The name in it may hold spaces,
/// brackets and newlines. `line` ends with a NUL.
bool parse_process_stat(const char* line, ProcessStat* stat);

}  // namespace gpunode::share
