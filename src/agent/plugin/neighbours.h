// Neighbours: who else serves this node's kubelet where we want to.
#pragma once

#include <sys/types.h>

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "agent/plugin/rival.h"
#include "base/core/unique_fd.h"

namespace gpunode::plugin {

/// A process that listens on a socket which is not ours.
struct Neighbour {
  pid_t pid = 0;        ///< 0: of a PID namespace that is not seen from here.
  std::string program;  ///< As the kernel names it, printable; empty: unknown.
  bool is_gpunode = false;  ///< An agent of ours runs, too.
};

/// Of one plugin directory. Used by one thread.
///
/// A socket does not tell whose it is, and a container does not see the other
/// container's processes. Agents of ours know each other by a shared flock on
/// the directory itself: the kernel gives it back when they end, however they
/// end, and a kubelet that empties the directory does not touch it.
class Neighbours {
 public:
  explicit Neighbours(std::string plugin_directory);

  /// Who answers on the socket `path`; nothing if nobody does. Connects and
  /// hangs up; takes at most 50 ms.
  std::optional<Neighbour> on_socket(const std::string& path);

  /// What the kubelet's own record in the directory has of `resource`. It is
  /// the kubelet's, and late: for words, not for decisions.
  struct Recorded {
    std::vector<std::string> registered;  ///< Ids that were listed as healthy.
    std::vector<std::string> held;  ///< Ids of containers, ended ones perhaps.
  };
  Recorded recorded(const std::string& resource) const;

  /// The path of a socket in the directory that is named as NVIDIA's plugin
  /// and what was made from it name theirs, is not `is_ours`, and answers.
  /// While another agent of ours runs there is none: it may be that one's.
  std::optional<std::string> beside(
      const std::function<bool(const std::string& name)>& is_ours);

 private:
  void open_directory();
  bool another_agent_runs();

  std::string directory_;
  UniqueFd mark_;
};

/// Why we do not listen on `path`, and what the operator may do.
std::string refusal_because_of(const Neighbour& neighbour,
                               const std::string& path,
                               Rival rival = Rival::kUnknown,
                               const NodeSigns& signs = {});

/// Why nothing is offered while somebody listens on `path`, which is not ours.
std::string refusal_beside(const Neighbour& neighbour, const std::string& path,
                           Rival rival, const NodeSigns& signs);

/// "nvidia-device-p, process 12", or that it cannot be seen.
std::string name_of(const Neighbour& neighbour);

}  // namespace gpunode::plugin
