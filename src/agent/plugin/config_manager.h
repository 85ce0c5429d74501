// What NVIDIA's config-manager is as a process: the node's label chooses a
// file, a link leads to it, and who reads it is told.
#pragma once

#include <memory>
#include <optional>

#include "agent/config/manager_settings.h"
#include "agent/plugin/node_label_watch.h"
#include "base/core/result.h"
#include "k8s/api/credentials.h"

namespace gpunode::plugin {

/// Unlike the peer it decides nothing before it knows the Node: a labelled node
/// is never given the default config first. Nor does a Node that is not there
/// count as one without the label. One thread, and the watch's.
class ConfigManager {
 public:
  struct Inputs {
    config::ManagerSettings settings;
    std::unique_ptr<kube::Credentials> credentials;
    int signal_fd = -1;  ///< A signalfd of HUP, INT, TERM and QUIT; not owned.
  };

  /// Fails when the process is out of descriptors.
  static Result<std::unique_ptr<ConfigManager>> start(Inputs inputs);

  /// Until INT, TERM or QUIT, or after the first choice if so told; HUP chooses
  /// again. Fails, as the peer does, when no config can be chosen or linked or
  /// its reader not be told; the link is then as it was, but for the last. An
  /// API server that does not answer or refuses is waited for.
  Result<void> run();

 private:
  enum class Woken { kNews, kAgain, kStop };

  ConfigManager(config::ManagerSettings settings, int signal_fd,
                std::unique_ptr<NodeLabelWatch> watch);

  Woken wait();
  Result<void> take_news();
  Result<void> on(const LabelSeen& label);
  Result<void> on(const LabelTrouble& trouble);
  Result<void> update();
  Result<void> send_signal() const;

  const config::ManagerSettings settings_;
  const int signal_fd_;
  const std::unique_ptr<NodeLabelWatch> watch_;
  std::optional<std::string> label_;  ///< Nothing: not known yet.
};

}  // namespace gpunode::plugin
