// Running other programs: no shell, nothing inherited, always an end.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <vector>

#include "base/core/result.h"

namespace gpunode::host {

struct Command {
  /// argv[0] is the program, as an absolute path; nothing is looked up.
  std::vector<std::string> argv;
  /// The whole environment, as NAME=value. The default makes programs speak
  /// English, so that what they say can be read.
  std::vector<std::string> env = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin",
                                  "LC_ALL=C"};
  /// Standard input; at most what a pipe holds (64 KiB).
  std::string input;
  std::chrono::milliseconds timeout = std::chrono::seconds(30);
  /// The working directory; empty: ours.
  std::string directory = {};
};

/// A program that ran to its end.
struct Completed {
  int status = 0;   ///< Exit status, 0 to 255.
  std::string out;  ///< Standard output, at most kOutputLimitBytes.
  std::string err;  ///< Standard error, at most kOutputLimitBytes, its end.
};

/// Output kept per stream; the rest is read and dropped.
inline constexpr std::size_t kOutputLimitBytes = std::size_t{1} << 20;

/// How programs are run; the real one is SystemCommandRunner, tests have
/// fake_command_runner.h.
class CommandRunner {
 public:
  virtual ~CommandRunner() = default;

  /// Runs a program to its end. An Error if it could not be started, was killed
  /// by a signal, printed more than is kept, or did not end in time
  /// (kUnavailable; its whole process group is killed then). A failing exit
  /// status is not an Error. Messages carry the end of what it printed.
  virtual Result<Completed> run(const Command& command) = 0;

  /// The standard output of a program that succeeds; a failing exit status is
  /// an Error too.
  Result<std::string> output(const Command& command);
};

/// Starts real programs, each in a process group of its own, with default
/// signals and with no descriptor but 0, 1 and 2. Returns when the program
/// ends, though daemons that it left behind may hold its pipes. Any thread; the
/// process must not ignore SIGCHLD or reap children that are not its own.
class SystemCommandRunner final : public CommandRunner {
 public:
  Result<Completed> run(const Command& command) override;
};

/// "/usr/bin/x -a 'b c'", for messages.
std::string command_line(const Command& command);

/// The last lines of `output` on one line, for messages; control characters
/// are made harmless. Empty if there is nothing to see.
std::string output_tail(const std::string& output);

}  // namespace gpunode::host
