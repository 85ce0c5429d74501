// The small server of a daemon's own pages: /healthz, /readyz, /metrics.
//
// Plain HTTP/1.1, GET and HEAD, no thread and no timer of its own: the owner
// polls one descriptor beside its others and calls step(). So /healthz answers
// exactly as long as the owner's loop turns, which is what a liveness probe
// wants to know.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>

#include "base/core/clock.h"
#include "base/core/result.h"
#include "base/core/unique_fd.h"
#include "base/http/connection.h"

namespace gpunode::http {

/// One thread only. Holds at most kMaxConnections clients; one more takes the
/// place of the one that has least time left, so that clients that hold their
/// connections and say nothing cannot keep probes out.
class Server {
 public:
  static constexpr std::size_t kMaxConnections = 32;

  /// Listens on `address`, as listener.h says; `clock` outlives the server.
  static Result<Server> listen(const std::string& address, const Clock& clock);

  /// Serves on a socket that listens and does not block, such as a unix one.
  static Result<Server> on(UniqueFd listener, const Clock& clock);

  /// Serves `page` at `path`, exactly; the query is ignored. Pages are made
  /// during step() and must not block: one that has to be waited for answers
  /// nothing, and is asked again after resume().
  void serve(const std::string& path,
             std::function<std::optional<Response>()> page);

  /// Clients whose page was not there yet are answered, if it is now.
  void resume();

  /// Readable when step() has work, timeouts included.
  int fd() const { return epoll_.get(); }

  /// Does what can be done without waiting.
  void step();

  /// What is listened on: "127.0.0.1:9400". Tells a chosen port.
  const std::string& address() const { return address_; }

 private:
  Server(UniqueFd listener, const Clock& clock);

  void step_connection(int fd);
  void accept_clients();
  void pause_accepting();
  void resume_accepting();
  void drop_the_most_expired();
  void drop_expired();
  void arm_timer();
  std::optional<Response> answer(const Request& request) const;

  UniqueFd epoll_;
  UniqueFd listener_;
  UniqueFd timer_;
  std::string address_;
  const Clock* clock_;
  std::map<std::string, std::function<std::optional<Response>()>> pages_;
  std::map<int, Connection> connections_;  // By descriptor.
  std::optional<TimePoint> accept_again_;  // Set while out of descriptors.
};

}  // namespace gpunode::http
