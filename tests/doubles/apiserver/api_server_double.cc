#include "tests/doubles/apiserver/api_server_double.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <limits>
#include <utility>

#include <fmt/format.h>

#include "base/text/json_edit.h"
#include "base/text/tree.h"

namespace gpunode::kube {
namespace {

using apiserver::Faults;
using apiserver::Reply;
using apiserver::Request;

bool send_all(int socket, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  return true;
}

bool send_chunk(int socket, const std::string& bytes) {
  return send_all(socket,
                  fmt::format("{:x}\r\n", bytes.size()) + bytes + "\r\n");
}

/// The names of discovery, by path.
std::string resources_at(const std::string& path) {
  if (path == "/api/v1") {
    return R"([{"name":"nodes"},{"name":"nodes/status"},{"name":"pods"},{"name":"pods/eviction","group":"policy","version":"v1","kind":"Eviction"},{"name":"configmaps"}])";
  }
  if (path == "/apis/nfd.k8s-sigs.io/v1alpha1") {
    return R"([{"name":"nodefeatures"}])";
  }
  if (path == "/apis/events.k8s.io/v1") return R"([{"name":"events"}])";
  return {};
}

}  // namespace

ApiServerDouble::ApiServerDouble()
    : listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  if (::bind(listener_.get(), generic, size) != 0 ||
      ::listen(listener_.get(), 16) != 0 ||
      ::getsockname(listener_.get(), generic, &size) != 0) {
    std::abort();
  }
  port_ = ntohs(address.sin_port);
  accepting_ = std::thread([this] { accept_clients(); });
}

ApiServerDouble::~ApiServerDouble() {
  {
    const MutexLock lock(mutex_);
    is_closing_ = true;
    for (const int socket : sockets_) ::shutdown(socket, SHUT_RDWR);
    news_.notify_all();
  }
  ::shutdown(listener_.get(), SHUT_RDWR);
  accepting_.join();
  for (std::thread& thread : threads_) thread.join();
}

void ApiServerDouble::accept_clients() {
  for (;;) {
    const int socket =
        ::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC);
    if (socket < 0) return;
    const MutexLock lock(mutex_);
    if (is_closing_) {
      ::close(socket);
      return;
    }
    if (is_away_) {
      ++turned_away_;
      ::close(socket);
      continue;
    }
    sockets_.push_back(socket);
    threads_.emplace_back([this, socket] { serve(socket); });
  }
}

void ApiServerDouble::serve(int socket) {
  std::string bytes;
  std::array<char, 4096> piece{};
  for (bool is_open = true; is_open;) {
    if (const auto request = apiserver::take_request(bytes)) {
      is_open = answer(socket, *request);
      continue;
    }
    const ssize_t n = ::recv(socket, piece.data(), piece.size(), 0);
    if (n <= 0) break;
    bytes.append(piece.data(), static_cast<std::size_t>(n));
  }
  const MutexLock lock(mutex_);
  std::erase(sockets_, socket);
  ::close(socket);
}

bool ApiServerDouble::answer(int socket, const Request& request) {
  std::optional<Reply> reply;
  {
    const MutexLock lock(mutex_);
    requests_.push_back(request.line());
    last_request_ = request.head + "\r\n" + request.body;
    news_.notify_all();
    if (is_silent_) {
      while (is_silent_ && !is_closing_) news_.wait(mutex_);
      return false;
    }
    const Faults::Fate fate = faults_.next_fate();
    if (fate != Faults::Fate::kReset) reply = route(request);
    news_.notify_all();
    if (fate != Faults::Fate::kAnswered) {
      const linger at_once{1, 0};
      ::setsockopt(socket, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
      return false;
    }
  }
  if (reply) return send_all(socket, reply->on_the_wire());
  watch(socket, request);
  return false;
}

std::optional<Reply> ApiServerDouble::route(const Request& request) {
  if (auto fault = faults_.next(request)) return fault;
  if (request.method == "POST" && request.path.ends_with("/eviction")) {
    return objects_.evict(request);
  }
  if (request.method == "POST") return objects_.create(request);
  if (request.method == "PUT") return objects_.replace(request);
  if (request.method == "PATCH") return objects_.patch(request);
  if (request.method == "DELETE") return objects_.erase(request.path);
  if (request.method != "GET") {
    return Reply::failure(405, "MethodNotAllowed", "not supported");
  }
  if (request.is_collection() && request.parameter("watch") == "true" &&
      !objects_.is_expired(request)) {
    return std::nullopt;
  }
  return read(request);
}

Reply ApiServerDouble::read(const Request& request) {
  if (const std::string resources = resources_at(request.path);
      !resources.empty()) {
    return {200, R"({"kind":"APIResourceList","resources":)" + resources + "}",
            ""};
  }
  if (!request.is_collection()) return objects_.get(request.path);
  if (objects_.is_expired(request)) {
    return Reply::failure(410, "Expired", "too old resource version");
  }
  return objects_.list(request);
}

void ApiServerDouble::watch(int socket, const Request& request) {
  if (!send_all(socket,
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                "Transfer-Encoding: chunked\r\n\r\n")) {
    return;
  }
  apiserver::WatchFeed::Place place;
  {
    const MutexLock lock(mutex_);
    place = feed_.begin(request, objects_);
    news_.notify_all();
  }
  for (;;) {
    apiserver::WatchFeed::News news;
    {
      const MutexLock lock(mutex_);
      while (!is_closing_ && !feed_.has_news(place, objects_)) {
        news_.wait(mutex_);
      }
      if (is_closing_) return;
      news = feed_.take(place, request, objects_);
    }
    if (!news.bytes.empty() && !send_chunk(socket, news.bytes)) return;
    if (!news.end) continue;
    if (*news.end == End::kReset) {
      const linger at_once{1, 0};
      ::setsockopt(socket, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    } else {
      send_all(socket, "0\r\n\r\n");
    }
    return;
  }
}

void ApiServerDouble::put(const std::string& path, const std::string& json) {
  auto value = text::read_json(json, "the test's object");
  if (!value) std::abort();
  const MutexLock lock(mutex_);
  objects_.put(path, text::tree_of(*value));
  news_.notify_all();
}

void ApiServerDouble::remove(const std::string& path) {
  const MutexLock lock(mutex_);
  objects_.erase(path);
  news_.notify_all();
}

std::string ApiServerDouble::object(const std::string& path) const {
  const MutexLock lock(mutex_);
  return objects_.object(path);
}

void ApiServerDouble::require_token(const std::string& token) {
  const MutexLock lock(mutex_);
  faults_.require_token(token);
}

void ApiServerDouble::refuse(int status, const std::string& reason,
                             unsigned times, const std::string& headers,
                             const std::string& method) {
  Reply refusal = Reply::failure(status, reason, "as the test wants");
  refusal.headers = headers;
  const MutexLock lock(mutex_);
  faults_.refuse(std::move(refusal), times, method);
}

void ApiServerDouble::refuse_at(const std::string& path, int status,
                                const std::string& reason) {
  const MutexLock lock(mutex_);
  faults_.refuse_at(path, Reply::failure(status, reason, "as the test wants"));
}

void ApiServerDouble::hold_evictions(unsigned times, const std::string& words) {
  const MutexLock lock(mutex_);
  faults_.hold_evictions(times, words);
}

void ApiServerDouble::reset_connections(unsigned times) {
  const MutexLock lock(mutex_);
  faults_.cut(0, 0, times);
}

void ApiServerDouble::lose_answers(unsigned times, unsigned passed) {
  const MutexLock lock(mutex_);
  faults_.cut(passed, times, 0);
}

void ApiServerDouble::be_cut_off(unsigned passed, bool is_first_carried_out) {
  constexpr unsigned kForEver = std::numeric_limits<unsigned>::max();
  const MutexLock lock(mutex_);
  faults_.cut(passed, is_first_carried_out ? 1 : 0, kForEver);
}

void ApiServerDouble::have_node_features(bool has) {
  const MutexLock lock(mutex_);
  faults_.have_node_features(has);
}

void ApiServerDouble::forget_history() {
  const MutexLock lock(mutex_);
  objects_.forget_history();
}

void ApiServerDouble::end_watches(End how) {
  const MutexLock lock(mutex_);
  feed_.end(how, objects_);
  news_.notify_all();
}

void ApiServerDouble::send_to_watches(const std::string& bytes) {
  const MutexLock lock(mutex_);
  feed_.send(bytes);
  news_.notify_all();
}

void ApiServerDouble::be_away(bool is_away) {
  const MutexLock lock(mutex_);
  is_away_ = is_away;
  if (!is_away) return;
  for (const int socket : sockets_) ::shutdown(socket, SHUT_RDWR);
  feed_.end(End::kReset, objects_);
  news_.notify_all();
}

std::size_t ApiServerDouble::turned_away() const {
  const MutexLock lock(mutex_);
  return turned_away_;
}

void ApiServerDouble::be_silent(bool is_silent) {
  const MutexLock lock(mutex_);
  is_silent_ = is_silent;
  news_.notify_all();
}

std::vector<std::string> ApiServerDouble::requests() const {
  const MutexLock lock(mutex_);
  return requests_;
}

std::string ApiServerDouble::last_request() const {
  const MutexLock lock(mutex_);
  return last_request_;
}

void ApiServerDouble::wait_for_watches(unsigned count) {
  const MutexLock lock(mutex_);
  while (feed_.begun() < count) news_.wait(mutex_);
}

void ApiServerDouble::wait_for_requests(std::size_t count) {
  const MutexLock lock(mutex_);
  while (requests_.size() < count) news_.wait(mutex_);
}

}  // namespace gpunode::kube
