// gpunode-agent, running beside the demo on the simulated node.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "base/core/result.h"

namespace gpunode::demo {

/// Ends when this object does, and with this process in any case.
class AgentProcess {
 public:
  struct Options {
    std::vector<std::string> argv;  ///< argv[0] is the program.
    std::string dev;                ///< Becomes its /dev.
    std::string log;                ///< Gets its output.
  };

  /// Starts it in a mount namespace of its own, in which `dev` is /dev, as a
  /// node's /dev is in the agent's Pod. Needs CAP_SYS_ADMIN.
  static Result<AgentProcess> start(const Options& options);

  AgentProcess(AgentProcess&& other) noexcept;
  AgentProcess& operator=(AgentProcess&&) = delete;
  ~AgentProcess();

  /// SIGTERM, and SIGKILL to one that stays. True if it ended by itself, with
  /// exit code 0.
  bool stop();

 private:
  explicit AgentProcess(pid_t pid) : pid_(pid) {}

  pid_t pid_ = -1;
};

}  // namespace gpunode::demo
