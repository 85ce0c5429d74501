// Running programs whose output is looked at while they run.
#pragma once

#include <string_view>

#include "base/host/command_runner.h"

namespace gpunode::host {

enum class OutputStream { kOut, kErr };

/// Told of what programs print, as it comes; from the thread that runs them.
class OutputWatch {
 public:
  virtual ~OutputWatch() = default;
  virtual void started(const Command& command) = 0;
  /// Any bytes, in pieces of any size. The program waits while this does.
  virtual void printed(OutputStream stream, std::string_view bytes) = 0;
};

/// SystemCommandRunner, watched. Results are the same.
class WatchedCommandRunner final : public CommandRunner {
 public:
  /// `watch` must outlive it.
  explicit WatchedCommandRunner(OutputWatch& watch) : watch_(watch) {}

  Result<Completed> run(const Command& command) override;

 private:
  OutputWatch& watch_;
};

}  // namespace gpunode::host
