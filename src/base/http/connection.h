// One client of the server: requests read, answered and sent in turn, never
// waiting for the client.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "base/core/clock.h"
#include "base/core/unique_fd.h"
#include "base/http/request.h"

namespace gpunode::http {

struct Response {
  int status = 200;
  std::string content_type = "text/plain; charset=utf-8";
  std::string body;
};

/// Nothing: not yet; see Connection::resume().
using Answer = std::function<std::optional<Response>(const Request&)>;

/// Holds at most kMaxHeadBytes of what the client sent and one answer; while
/// an answer is on its way nothing is read, so that a client that only sends
/// fills its own buffers.
class Connection {
 public:
  Connection(UniqueFd socket, TimePoint now);

  /// Does what the socket allows now, at most one request. False when the
  /// connection is over.
  bool step(TimePoint now, const Answer& answer);

  /// Whether step() waits for room to write, or has work left, rather than for
  /// bytes to read.
  bool wants_write() const { return !out_.empty() || may_hold_request_; }

  /// Whether an answer is owed that is not there yet. Nothing of the socket's
  /// is waited for meanwhile; step() is then called for a client that has gone.
  bool is_waiting() const { return is_waiting_; }

  /// The answer may be there: the next step() asks for it again.
  void resume() {
    is_waiting_ = false;
    may_hold_request_ = true;
  }

  /// When the client has been waited for long enough.
  TimePoint deadline() const { return deadline_; }

  int fd() const { return socket_.get(); }

 private:
  enum class Outcome { kWait, kGo, kOver };

  Outcome receive(TimePoint now);
  /// False: not yet.
  bool respond(const ParsedRequest& parsed, const Answer& answer);
  bool transmit(TimePoint now);
  bool discard();

  UniqueFd socket_;
  TimePoint deadline_;
  std::string in_;
  std::string out_;
  std::size_t sent_ = 0;
  bool keep_alive_ = true;
  bool may_hold_request_ = false;  // Bytes of the next request are in in_.
  bool is_waiting_ = false;        // The request in in_ has no answer yet.
  bool is_closing_ = false;        // All is sent; the client's end is awaited.
};

}  // namespace gpunode::http
