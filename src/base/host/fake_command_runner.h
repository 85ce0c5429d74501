// For tests: programs that only pretend to run.
#pragma once

#include <deque>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "base/host/command_runner.h"

namespace gpunode::host {

/// Answers from a script and records what it was asked. A command that the
/// script does not know fails the test.
class FakeCommandRunner final : public CommandRunner {
 public:
  /// The next command with exactly this command line, as command_line() has
  /// it, and `input` gets `answer`. Answers to one command are given in turn,
  /// the last one again and again.
  void script(const std::string& line, Result<Completed> answer,
              const std::string& input = "") {
    answers_[{line, input}].push_back(std::move(answer));
  }

  Result<Completed> run(const Command& command) override {
    commands_.push_back(command);
    const auto found = answers_.find({command_line(command), command.input});
    if (found == answers_.end()) {
      ADD_FAILURE() << "unscripted command: " << command_line(command)
                    << "\nwith input: " << command.input;
      return Error(ErrorCode::kInternal,
                   "unscripted command: " + command_line(command));
    }
    Result<Completed> answer = found->second.front();
    if (found->second.size() > 1) found->second.pop_front();
    return answer;
  }

  /// Every command run so far, in order.
  const std::vector<Command>& commands() const { return commands_; }

  /// Their command lines, for comparing whole.
  std::vector<std::string> lines() const {
    std::vector<std::string> lines;
    for (const Command& command : commands_) {
      lines.push_back(command_line(command));
    }
    return lines;
  }

 private:
  std::map<std::pair<std::string, std::string>, std::deque<Result<Completed>>>
      answers_;
  std::vector<Command> commands_;
};

}  // namespace gpunode::host
