#include "bench/process_counts.h"

#include <fcntl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <fstream>
#include <map>

#include <fmt/format.h>

namespace gpunode::bench {
namespace {

constexpr int kSystemCallStop = SIGTRAP | 0x80;

/// Resident memory of a process at its highest. Its rusage would not do: that
/// of a child begins with what its parent had before the execve.
std::uint64_t peak_kib_of(pid_t pid) {
  std::ifstream status(fmt::format("/proc/{}/status", pid));
  for (std::string line; std::getline(status, line);) {
    if (line.rfind("VmHWM:", 0) == 0) return std::stoull(line.substr(6));
  }
  return 0;
}

[[noreturn]] void become(std::vector<char*> argv) {
  const int null = ::open("/dev/null", O_RDWR);
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    ::dup2(null, fd);
  }
  if (::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) != 0) ::_exit(99);
  ::execve(argv[0], argv.data(), environ);
  ::_exit(98);
}

class Counter {
 public:
  explicit Counter(pid_t first) : first_(first) {}

  ProcessCounts run() {
    ++counts_.executed;
    go_on(first_, 0);
    int status = 0;
    for (pid_t pid = 0; (pid = ::waitpid(-1, &status, __WALL)) > 0;) {
      if (WIFSTOPPED(status)) {
        stopped(pid, status);
      } else if (pid == first_) {
        counts_.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128;
      }
    }
    return counts_;
  }

 private:
  static void go_on(pid_t pid, int signal) {
    ::ptrace(PTRACE_SYSCALL, pid, nullptr, signal);
  }

  void stopped(pid_t pid, int status) {
    const int event = status >> 16;
    const int signal = WSTOPSIG(status);
    if (signal == kSystemCallStop) {
      system_call(pid);
    } else if (event == PTRACE_EVENT_EXEC) {
      ++counts_.executed;
    } else if (event == PTRACE_EVENT_EXIT) {
      see_memory(pid);
    }
    // A thread or process that is new stops once, which is no signal to it.
    const bool is_ours =
        signal == kSystemCallStop || event != 0 || signal == SIGSTOP;
    go_on(pid, is_ours ? 0 : signal);
  }

  /// To be called before an end: there it has all that it will have had.
  void see_memory(pid_t pid) {
    counts_.peak_kib = std::max(counts_.peak_kib, peak_kib_of(pid));
  }

  void system_call(pid_t pid) {
    __ptrace_syscall_info info{};
    ::ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof(info), &info);
    if (info.op == PTRACE_SYSCALL_INFO_ENTRY) {
      ++counts_.system_calls;
      entered_[pid] = static_cast<long>(info.entry.nr);
      if (info.entry.nr == SYS_execve) see_memory(pid);
    } else if (info.op == PTRACE_SYSCALL_INFO_EXIT && info.exit.is_error == 0) {
      returned(entered_[pid], info.exit.rval);
    }
  }

  void returned(long number, std::int64_t result) {
    switch (number) {
      case SYS_read:
      case SYS_pread64:
        counts_.bytes_read += static_cast<std::uint64_t>(result);
        break;
      case SYS_openat:
      case SYS_openat2:
#ifdef SYS_open
      case SYS_open:
#endif
        ++counts_.opened;
        break;
      default:
        break;
    }
  }

  pid_t first_;
  ProcessCounts counts_;
  std::map<pid_t, long> entered_;  ///< What each thread is within.
};

}  // namespace

std::optional<ProcessCounts> count_process(
    const std::vector<std::string>& words) {
  std::vector<char*> argv;
  for (const std::string& word : words) {
    argv.push_back(const_cast<char*>(word.c_str()));
  }
  argv.push_back(nullptr);
  const pid_t child = ::fork();
  if (child == 0) become(std::move(argv));
  int status = 0;
  if (child < 0 || ::waitpid(child, &status, 0) != child ||
      !WIFSTOPPED(status)) {
    return std::nullopt;
  }
  ::ptrace(PTRACE_SETOPTIONS, child, nullptr,
           PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL | PTRACE_O_TRACEFORK |
               PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC |
               PTRACE_O_TRACEEXIT);
  return Counter(child).run();
}

}  // namespace gpunode::bench
