// Where a person on the node asks the agent how it is: `gpunode status`.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "agent/plugin/agent_view.h"
#include "agent/plugin/pod_holders.h"
#include "base/core/clock.h"
#include "base/core/result.h"
#include "base/http/server.h"
#include "k8s/kubelet/listening_socket.h"

namespace gpunode::plugin {

/// HTTP on a unix socket: GET /status answers status_document(). The file is
/// gpunode/agent.sock in the plugin directory, which every agent sees at the
/// place where the host has it; both are root's alone. In a directory of its
/// own, for the kubelet removes every file beside its socket when it starts,
/// and leaves directories. One thread; a client that dawdles holds up nobody,
/// and neither does a kubelet that is asked who holds devices.
class StatusSocket {
 public:
  /// `look` is asked from step(). A socket that is there is replaced: of two
  /// agents, which are a rollout, the newer one answers.
  static Result<StatusSocket> open(const std::string& plugin_directory,
                                   const Clock& clock,
                                   std::function<AgentView()> look,
                                   HolderSources sources);

  /// Either is readable when step() has work.
  int fd() const { return server_.fd(); }
  int news_fd() const { return asked_->query.fd(); }
  void step();

 private:
  /// What the page and step() share; it stays where it is when this is moved.
  struct Asked {
    explicit Asked(HolderSources sources) : query(std::move(sources)) {}
    HolderQuery query;
    std::optional<Holders> answer;  // While clients are given it.
  };

  StatusSocket(kubelet::ListeningSocket file, http::Server server,
               std::unique_ptr<Asked> asked)
      : file_(std::move(file)),
        asked_(std::move(asked)),
        server_(std::move(server)) {}

  kubelet::ListeningSocket file_;  // Its descriptor is the server's, too.
  std::unique_ptr<Asked> asked_;
  http::Server server_;
};

}  // namespace gpunode::plugin
