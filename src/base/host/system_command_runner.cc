#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <optional>
#include <string_view>
#include <utility>

#include "base/core/clock.h"
#include "base/core/unique_fd.h"
#include "base/host/command_runner.h"
#include "base/host/watched_command_runner.h"

namespace gpunode::host {
namespace {

using std::chrono::milliseconds;

struct Pipe {
  UniqueFd read_end;
  UniqueFd write_end;
};

Result<Pipe> make_pipe() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0)
    return Error::from_errno("pipe", errno);
  return Pipe{UniqueFd(ends[0]), UniqueFd(ends[1])};
}

/// A pipe that already holds all of `input`: nothing needs to be fed while the
/// program runs, and no SIGPIPE can meet us.
Result<UniqueFd> filled_pipe(const std::string& input) {
  TRY(Pipe pipe, make_pipe());
  ::fcntl(pipe.write_end.get(), F_SETFL, O_NONBLOCK);
  if (!input.empty()) {
    const ssize_t n = ::write(pipe.write_end.get(), input.data(), input.size());
    if (n < 0 || static_cast<std::size_t>(n) != input.size()) {
      return Error(ErrorCode::kInvalidArgument,
                   "standard input is larger than a pipe");
    }
  }
  return std::move(pipe.read_end);
}

/// What has been read from one of the program's pipes.
struct Stream {
  UniqueFd pipe;
  std::string kept;  // The last kOutputLimitBytes.
  OutputWatch* watch = nullptr;
  OutputStream name = OutputStream::kOut;
  bool is_truncated = false;

  /// Reads what is there without waiting; closes the pipe at its end. A flood
  /// is left for the next call, so that the deadline is looked at in between.
  void drain() {
    std::array<char, 16384> chunk{};
    for (int i = 0; pipe && i < 64; ++i) {
      const ssize_t n = ::read(pipe.get(), chunk.data(), chunk.size());
      if (n < 0 && errno == EINTR) continue;
      if (n < 0 && errno == EAGAIN) return;
      if (n <= 0) {
        pipe.reset();
        return;
      }
      const std::string_view read(chunk.data(), static_cast<std::size_t>(n));
      if (watch != nullptr) watch->printed(name, read);
      kept.append(read);
      // Twice the limit before cutting, so that a flood is not moved a chunk
      // at a time.
      if (kept.size() > 2 * kOutputLimitBytes) cut();
    }
  }

  void cut() {
    if (kept.size() <= kOutputLimitBytes) return;
    kept.erase(0, kept.size() - kOutputLimitBytes);
    is_truncated = true;
  }
};

std::vector<char*> pointers(const std::vector<std::string>& words) {
  std::vector<char*> result;
  result.reserve(words.size() + 1);
  for (const std::string& word : words) {
    // execve's own signature lacks the const it keeps.
    result.push_back(const_cast<char*>(word.c_str()));
  }
  result.push_back(nullptr);
  return result;
}

/// posix_spawn's two parameter objects, filled and released together.
class SpawnSettings {
 public:
  SpawnSettings() {
    ::posix_spawn_file_actions_init(&actions_);
    ::posix_spawnattr_init(&attributes_);
  }
  SpawnSettings(const SpawnSettings&) = delete;
  SpawnSettings& operator=(const SpawnSettings&) = delete;
  ~SpawnSettings() {
    ::posix_spawn_file_actions_destroy(&actions_);
    ::posix_spawnattr_destroy(&attributes_);
  }

  /// Returns errno or 0.
  int fill(int in, int out, int err, const std::string& directory) {
    if (!directory.empty()) {
      const int error =
          ::posix_spawn_file_actions_addchdir_np(&actions_, directory.c_str());
      if (error != 0) return error;
    }
    int target = 0;
    for (const int stream : {in, out, err}) {
      const int error =
          ::posix_spawn_file_actions_adddup2(&actions_, stream, target++);
      if (error != 0) return error;
    }
    // Our descriptors are O_CLOEXEC; those of the libraries in this process
    // need not be.
    const int error = ::posix_spawn_file_actions_addclosefrom_np(&actions_, 3);
    if (error != 0) return error;
    sigset_t none;
    sigset_t all;
    ::sigemptyset(&none);
    ::sigfillset(&all);
    ::posix_spawnattr_setsigmask(&attributes_, &none);
    ::posix_spawnattr_setsigdefault(&attributes_, &all);
    ::posix_spawnattr_setpgroup(&attributes_, 0);
    return ::posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETPGROUP |
                                                        POSIX_SPAWN_SETSIGMASK |
                                                        POSIX_SPAWN_SETSIGDEF);
  }

  const posix_spawn_file_actions_t* actions() const { return &actions_; }
  const posix_spawnattr_t* attributes() const { return &attributes_; }

 private:
  posix_spawn_file_actions_t actions_{};
  posix_spawnattr_t attributes_{};
};

/// A started program, its streams, and the wait for its end.
class Child {
 public:
  Child(pid_t pid, UniqueFd out, UniqueFd err, OutputWatch* watch) : pid_(pid) {
    out_.pipe = std::move(out);
    err_.pipe = std::move(err);
    out_.watch = watch;
    err_.watch = watch;
    err_.name = OutputStream::kErr;
    for (const Stream* stream : {&out_, &err_}) {
      ::fcntl(stream->pipe.get(), F_SETFL, O_NONBLOCK);
    }
    exit_fd_.reset(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  }

  /// Waits for the program to end; false when `timeout` came first.
  bool wait(milliseconds timeout) {
    const SystemClock clock;
    const TimePoint deadline = clock.now() + timeout;
    while (!reap()) {
      const auto left = std::chrono::ceil<milliseconds>(deadline - clock.now());
      if (left.count() <= 0) return false;
      // Before Linux 5.3 nothing tells us of the end but asking.
      const milliseconds step =
          exit_fd_ ? milliseconds(60000) : milliseconds(10);
      poll_streams(std::min(left, step));
    }
    // What the program wrote is in the pipes by now. Their end is not waited
    // for: a daemon it started may keep them open for good.
    drain();
    return true;
  }

  /// A program stuck in the kernel, as on a GPU that hangs, does not even die
  /// of this; it is left to whoever reaps after us.
  void kill() {
    ::kill(-pid_, SIGKILL);
    wait(std::chrono::seconds(2));
  }

  /// As waitpid(2) reports it; after wait() or kill().
  int status() const { return status_; }
  Stream& out() { return out_; }
  Stream& err() { return err_; }

 private:
  bool reap() {
    const pid_t got = ::waitpid(pid_, &status_, WNOHANG);
    // Someone else reaped our child: a bug in the process, but not a hang.
    if (got < 0) status_ = W_EXITCODE(127, 0);
    return got != 0;
  }

  void poll_streams(milliseconds timeout) {
    // Closed streams have descriptor -1, which poll(2) passes over.
    std::array<pollfd, 3> entries = {{{out_.pipe.get(), POLLIN, 0},
                                      {err_.pipe.get(), POLLIN, 0},
                                      {exit_fd_.get(), POLLIN, 0}}};
    ::poll(entries.data(), entries.size(), static_cast<int>(timeout.count()));
    drain();
  }

  void drain() {
    out_.drain();
    err_.drain();
  }

  pid_t pid_;
  int status_ = 0;
  Stream out_;
  Stream err_;
  UniqueFd exit_fd_;
};

Result<Child> start(const Command& command, OutputWatch* watch) {
  TRY(const UniqueFd in, filled_pipe(command.input));
  TRY(Pipe out, make_pipe());
  TRY(Pipe err, make_pipe());
  SpawnSettings settings;
  pid_t pid = -1;
  int error = settings.fill(in.get(), out.write_end.get(), err.write_end.get(),
                            command.directory);
  if (error == 0) {
    error = ::posix_spawn(&pid, command.argv[0].c_str(), settings.actions(),
                          settings.attributes(), pointers(command.argv).data(),
                          pointers(command.env).data());
  }
  if (error != 0) return Error::from_errno("start", error);
  if (watch != nullptr) watch->started(command);
  return Child(pid, std::move(out.read_end), std::move(err.read_end), watch);
}

/// What became of a program that did not end by itself, or not quietly.
Error failure(const std::string& what, ErrorCode code, Child& child) {
  const std::string& err = child.err().kept;
  const std::string tail = output_tail(err.empty() ? child.out().kept : err);
  return {code, tail.empty() ? what : what + ": " + tail};
}

Result<Completed> run_to_end(const Command& command, OutputWatch* watch) {
  TRY(Child child, start(command, watch));
  if (!child.wait(command.timeout)) {
    child.kill();
    return failure("no end within " + std::to_string(command.timeout.count()) +
                       " ms, killed",
                   ErrorCode::kUnavailable, child);
  }
  child.out().cut();
  child.err().cut();
  const int status = child.status();
  if (WIFSIGNALED(status)) {
    return failure("killed by signal " + std::to_string(WTERMSIG(status)),
                   ErrorCode::kInternal, child);
  }
  if (child.out().is_truncated) {
    return failure(
        "printed more than " + std::to_string(kOutputLimitBytes) + " bytes",
        ErrorCode::kInternal, child);
  }
  return Completed{WEXITSTATUS(status), std::move(child.out().kept),
                   std::move(child.err().kept)};
}

Result<Completed> run_checked(const Command& command, OutputWatch* watch) {
  const std::string attempt = "run " + command_line(command);
  if (command.argv.empty() || command.argv[0].substr(0, 1) != "/") {
    return Error(ErrorCode::kInvalidArgument,
                 attempt + ": the program must be an absolute path");
  }
  auto completed = run_to_end(command, watch);
  if (!completed) return std::move(completed).error().with_context(attempt);
  return completed;
}

}  // namespace

Result<Completed> SystemCommandRunner::run(const Command& command) {
  return run_checked(command, nullptr);
}

Result<Completed> WatchedCommandRunner::run(const Command& command) {
  return run_checked(command, &watch_);
}

}  // namespace gpunode::host
