// Questions to programs of the host that are asked once.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/host/command_runner.h"

namespace gpunode::host {

/// Gives the first answer again when the same question is asked again: a look
/// at the host is one look, however many want to know. For what changes
/// nothing, as long as nothing else is done meanwhile. One thread at a time.
class RememberingRunner final : public CommandRunner {
 public:
  /// What may be remembered. Anything else is run each time.
  using IsQuestion = std::function<bool(const Command& command)>;

  /// `inner` must outlive it.
  RememberingRunner(CommandRunner& inner, IsQuestion is_question);

  /// As the inner one; of questions only success is kept, by the words alone.
  Result<Completed> run(const Command& command) override;

  /// After something was done, or waited for: all is asked anew.
  void forget() { answers_.clear(); }

 private:
  CommandRunner& inner_;
  IsQuestion is_question_;
  std::map<std::vector<std::string>, Completed> answers_;
};

}  // namespace gpunode::host
