#include "base/http/connection.h"

#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <string_view>
#include <utility>

namespace gpunode::http {
namespace {

using std::chrono::seconds;
using State = ParsedRequest::State;

// A whole request, and the taking of an answer, each in this time. Scrapers and
// probes give up at 10 s and less.
constexpr seconds kPatience{10};
// Between requests: longer than the usual scrape interval.
constexpr seconds kIdle{90};
constexpr seconds kFarewell{2};

std::string_view reason(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 400:
      return "Bad Request";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 431:
      return "Request Header Fields Too Large";
    case 503:
      return "Service Unavailable";
    case 505:
      return "HTTP Version Not Supported";
    default:
      return "";  // RFC 9112, 4: may be empty.
  }
}

Response refusal(int status) {
  Response response;
  response.status = status;
  response.body = std::string(reason(status)) + "\n";
  return response;
}

}  // namespace

Connection::Connection(UniqueFd socket, TimePoint now)
    : socket_(std::move(socket)), deadline_(now + kPatience) {}

bool Connection::step(TimePoint now, const Answer& answer) {
  if (is_closing_) return discard();
  if (is_waiting_) return false;
  if (out_.empty()) {
    if (!may_hold_request_) {
      const Outcome outcome = receive(now);
      if (outcome != Outcome::kGo) return outcome == Outcome::kWait;
    }
    may_hold_request_ = false;
    const ParsedRequest parsed = parse_request(in_);
    if (parsed.state == State::kIncomplete) return true;
    deadline_ = now + kPatience;
    if (!respond(parsed, answer)) return true;
  }
  return transmit(now);
}

Connection::Outcome Connection::receive(TimePoint now) {
  std::array<char, kMaxHeadBytes> chunk{};
  // A full buffer is a complete or a refused request, so there is room.
  const ssize_t n = ::recv(socket_.get(), chunk.data(),
                           chunk.size() - in_.size(), MSG_DONTWAIT);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return Outcome::kWait;
  if (n <= 0) return Outcome::kOver;
  if (in_.empty()) deadline_ = now + kPatience;
  in_.append(chunk.data(), static_cast<std::size_t>(n));
  return Outcome::kGo;
}

bool Connection::respond(const ParsedRequest& parsed, const Answer& answer) {
  const bool is_request = parsed.state == State::kComplete;
  const std::optional<Response> answered =
      is_request ? answer(parsed.request) : refusal(parsed.status);
  is_waiting_ = !answered;
  if (!answered) return false;
  const Response& response = *answered;
  keep_alive_ = is_request && parsed.request.keep_alive;
  out_ = "HTTP/1.1 " + std::to_string(response.status) + " ";
  out_ += reason(response.status);
  out_ += "\r\nContent-Type: " + response.content_type;
  out_ += "\r\nContent-Length: " + std::to_string(response.body.size());
  if (response.status == 405) out_ += "\r\nAllow: GET, HEAD";
  // What a page shows is true for the moment only.
  out_ += "\r\nCache-Control: no-store";
  if (!keep_alive_) out_ += "\r\nConnection: close";
  out_ += "\r\n\r\n";
  if (parsed.request.method != "HEAD") out_ += response.body;
  sent_ = 0;
  in_.erase(0, parsed.size_bytes);
  return true;
}

bool Connection::transmit(TimePoint now) {
  while (sent_ < out_.size()) {
    const ssize_t n = ::send(socket_.get(), out_.data() + sent_,
                             out_.size() - sent_, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno == EAGAIN;
    sent_ += static_cast<std::size_t>(n);
  }
  // Memory is for those who are being answered, not for idle connections.
  std::string().swap(out_);
  if (!keep_alive_) {
    // Closing while the client still sends would reset the connection, and
    // the answer could be lost with it (RFC 9112, 9.6).
    std::string().swap(in_);
    ::shutdown(socket_.get(), SHUT_WR);
    is_closing_ = true;
    deadline_ = now + kFarewell;
    return discard();
  }
  may_hold_request_ = !in_.empty();
  if (in_.empty()) std::string().swap(in_);
  deadline_ = now + (in_.empty() ? kIdle : kPatience);
  return true;
}

bool Connection::discard() {
  std::array<char, kMaxHeadBytes> chunk{};
  const ssize_t n =
      ::recv(socket_.get(), chunk.data(), chunk.size(), MSG_DONTWAIT);
  return n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR));
}

}  // namespace gpunode::http
