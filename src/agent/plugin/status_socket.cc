#include "agent/plugin/status_socket.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <utility>

#include "agent/plugin/status_document.h"
#include "base/core/unique_fd.h"

namespace gpunode::plugin {

Result<StatusSocket> StatusSocket::open(const std::string& plugin_directory,
                                        const Clock& clock,
                                        std::function<AgentView()> look,
                                        HolderSources sources) {
  std::string directory = plugin_directory;
  if (directory.empty() || directory.back() != '/') directory += '/';
  directory += "gpunode";
  if (::mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST) {
    return Error::from_errno("make " + directory, errno);
  }
  TRY(kubelet::ListeningSocket file,
      kubelet::ListeningSocket::bind(directory + "/agent.sock"));
  UniqueFd listener(::fcntl(file.fd(), F_DUPFD_CLOEXEC, 0));
  if (!listener) return Error::from_errno("listen on " + file.path(), errno);
  TRY(http::Server server, http::Server::on(std::move(listener), clock));
  auto asked = std::make_unique<Asked>(std::move(sources));
  server.serve("/status",
               [look = std::move(look),
                asked = asked.get()]() -> std::optional<http::Response> {
                 if (!asked->answer) {
                   asked->query.start();
                   return std::nullopt;
                 }
                 return http::Response{
                     200, "application/json",
                     status_document(look(), *asked->answer) + "\n"};
               });
  return StatusSocket(std::move(file), std::move(server), std::move(asked));
}

void StatusSocket::step() {
  for (Holders& holders : asked_->query.take()) {
    asked_->answer = std::move(holders);
    server_.resume();
    // The next who asks wants to know what is so then.
    asked_->answer.reset();
  }
  server_.step();
}

}  // namespace gpunode::plugin
