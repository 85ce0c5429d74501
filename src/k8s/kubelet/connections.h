// Accepts on the sockets of all resources and watches over the connections.
//
// gRPC owns a connection once it has been handed over and does not tell when
// it ends. A duplicate of the descriptor stays here: it tells by hanging up,
// and shutting it down is how one resource's clients are let go while the
// others' stay.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/core/clock.h"
#include "base/core/mutex.h"
#include "base/core/result.h"
#include "base/core/unique_fd.h"
#include "k8s/kubelet/listening_socket.h"

namespace gpunode::kubelet {

/// An epoll set, waited on by a thread of its own or by the caller's loop.
/// Methods: any thread, but process() from one at a time.
class Connections {
 public:
  /// Takes a new connection. Runs in process(), and may call no method here.
  using HandOver = std::function<void(UniqueFd connection)>;

  /// `limit`: connections open on one socket at a time (kMaxConnections).
  static Result<std::unique_ptr<Connections>> open(std::size_t limit,
                                                   HandOver hand_over);
  ~Connections();
  Connections(const Connections&) = delete;
  Connections& operator=(const Connections&) = delete;

  /// Readable when process() has something to do.
  int poll_fd() const { return epoll_.get(); }
  /// Accepts who waits and forgets who is gone. Does not block.
  void process() EXCLUDES(mutex_);
  /// Starts, or ends and joins, a thread that calls process().
  void start_thread();
  void stop_thread();

  /// Ends the thread, if any, and removes all sockets; connections stay. Not
  /// to be called from two threads at once.
  void stop() EXCLUDES(mutex_);

  /// Accepts on `socket` in the name of `owner`; replaces the owner's socket.
  Result<void> listen(const std::string& owner, ListeningSocket socket)
      EXCLUDES(mutex_);

  /// Whether the owner's path still leads here. False if there is no owner.
  bool is_reachable(const std::string& owner) const EXCLUDES(mutex_);

  /// Stops accepting and removes the socket's file; connections stay.
  void stop_listening(const std::string& owner) EXCLUDES(mutex_);

  /// Tells the owner's clients that nothing more will come and waits for them
  /// to close; cuts off those that have not at `until`. Hang-ups are noticed
  /// by process(), which another thread has to call meanwhile. At once for a
  /// time that has passed.
  void drop(const std::string& owner, TimePoint until) EXCLUDES(mutex_);

  /// A call begins on the connection that was handed over as descriptor `fd`.
  /// Returns its number, for end_call(), and its owner; 0 if it is gone.
  struct Caller {
    std::uint64_t connection = 0;
    std::string owner;
  };
  Caller begin_call(int fd) EXCLUDES(mutex_);
  void end_call(std::uint64_t connection) EXCLUDES(mutex_);

  struct Count {
    std::size_t open = 0;
    std::uint64_t refused = 0;
  };
  Count count(const std::string& owner) const EXCLUDES(mutex_);

 private:
  struct Listener {
    std::uint64_t number = 0;
    ListeningSocket socket;
    std::uint64_t refused = 0;
  };
  struct Connection {
    UniqueFd watch;  // Our duplicate.
    int handed_over = -1;
    std::string owner;
    std::size_t calls = 0;
  };

  Connections(std::size_t limit, HandOver hand_over, UniqueFd epoll,
              UniqueFd wake, UniqueFd spare);
  bool process_events(int timeout_ms) EXCLUDES(mutex_);
  void handle(std::uint64_t number) EXCLUDES(mutex_);
  void accept_from(std::uint64_t number) EXCLUDES(mutex_);
  UniqueFd admit(std::uint64_t number, UniqueFd connection) EXCLUDES(mutex_);
  bool has_any(const std::string& owner) const REQUIRES(mutex_);
  void shut_down(const std::string& owner, int how) REQUIRES(mutex_);
  bool make_room(Listener& listener, const std::string& owner) REQUIRES(mutex_);
  void forget(std::map<std::uint64_t, Connection>::iterator gone)
      REQUIRES(mutex_);
  void shed_one(int listener);
  Result<void> watch(int fd, std::uint32_t events, std::uint64_t number);

  const std::size_t limit_;
  const HandOver hand_over_;
  const UniqueFd epoll_;
  const UniqueFd wake_;  // An eventfd: readable when the thread is to end.
  UniqueFd spare_;       // Given up to shed a client when descriptors run out.

  mutable Mutex mutex_;
  std::condition_variable_any one_gone_;
  std::uint64_t last_number_ GUARDED_BY(mutex_) = 0;
  std::map<std::string, Listener> listeners_ GUARDED_BY(mutex_);
  // By number, that is, oldest first.
  std::map<std::uint64_t, Connection> connections_ GUARDED_BY(mutex_);
  std::thread thread_;
};

}  // namespace gpunode::kubelet
