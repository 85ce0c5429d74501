#include "base/http/server.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <iterator>
#include <utility>
#include <vector>

#include "base/http/listener.h"

namespace gpunode::http {
namespace {

constexpr int kAcceptsPerStep = 16;

bool control(int epoll, int operation, int fd, std::uint32_t events) {
  epoll_event event{};
  event.events = events;
  event.data.fd = fd;
  return ::epoll_ctl(epoll, operation, fd, &event) == 0;
}

// A hang-up is told whatever is asked for.
std::uint32_t wishes_of(const Connection& connection) {
  if (connection.is_waiting()) return 0;
  return connection.wants_write() ? EPOLLOUT : EPOLLIN;
}

}  // namespace

Server::Server(UniqueFd listener, const Clock& clock)
    : epoll_(::epoll_create1(EPOLL_CLOEXEC)),
      listener_(std::move(listener)),
      timer_(::timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC)),
      address_(bound_address(listener_.get())),
      clock_(&clock) {}

Result<Server> Server::listen(const std::string& address, const Clock& clock) {
  TRY(UniqueFd listener, listen_on(address));
  return on(std::move(listener), clock);
}

Result<Server> Server::on(UniqueFd listener, const Clock& clock) {
  Server server(std::move(listener), clock);
  if (!server.epoll_ || !server.timer_ ||
      !control(server.epoll_.get(), EPOLL_CTL_ADD, server.listener_.get(),
               EPOLLIN) ||
      !control(server.epoll_.get(), EPOLL_CTL_ADD, server.timer_.get(),
               EPOLLIN)) {
    return Error::from_errno("listen on " + server.address(), errno);
  }
  return server;
}

void Server::serve(const std::string& path,
                   std::function<std::optional<Response>()> page) {
  pages_[path] = std::move(page);
}

void Server::resume() {
  std::vector<int> waiting;
  for (auto& [fd, connection] : connections_) {
    if (connection.is_waiting()) waiting.push_back(fd);
  }
  for (const int fd : waiting) {
    connections_.at(fd).resume();
    // As resume() leaves it, so that step_connection() sees what changes.
    control(epoll_.get(), EPOLL_CTL_MOD, fd, wishes_of(connections_.at(fd)));
    step_connection(fd);
  }
  arm_timer();
}

void Server::step() {
  std::array<epoll_event, kMaxConnections + 2> events{};
  const int count = ::epoll_wait(epoll_.get(), events.data(),
                                 static_cast<int>(events.size()), 0);
  bool has_clients = false;
  for (int i = 0; i < count; ++i) {
    const int fd = events[static_cast<std::size_t>(i)].data.fd;
    if (fd == listener_.get()) {
      has_clients = true;
    } else if (fd == timer_.get()) {
      std::uint64_t expirations = 0;
      static_cast<void>(::read(timer_.get(), &expirations, sizeof expirations));
    } else {
      step_connection(fd);
    }
  }
  drop_expired();
  // Last, so that no event of this round is taken for one of a client that got
  // a descriptor again.
  if (has_clients) accept_clients();
  if (accept_again_ && *accept_again_ <= clock_->now()) resume_accepting();
  arm_timer();
}

void Server::step_connection(int fd) {
  const auto found = connections_.find(fd);
  if (found == connections_.end()) return;
  Connection& connection = found->second;
  const std::uint32_t wished = wishes_of(connection);
  const bool goes_on = connection.step(
      clock_->now(),
      [this](const Request& request) { return answer(request); });
  if (!goes_on) {
    connections_.erase(found);
  } else if (wishes_of(connection) != wished) {
    control(epoll_.get(), EPOLL_CTL_MOD, fd, wishes_of(connection));
  }
}

void Server::accept_clients() {
  for (int i = 0; i < kAcceptsPerStep; ++i) {
    UniqueFd socket(::accept4(listener_.get(), nullptr, nullptr,
                              SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!socket) {
      // Clients that cannot be taken stay in the queue and keep the listener
      // readable: without a pause the owner's loop would spin.
      if (errno == EMFILE || errno == ENFILE || errno == ENOMEM ||
          errno == ENOBUFS) {
        pause_accepting();
      }
      return;
    }
    if (connections_.size() >= kMaxConnections) drop_the_most_expired();
    const int fd = socket.get();
    if (!control(epoll_.get(), EPOLL_CTL_ADD, fd, EPOLLIN)) continue;
    connections_.try_emplace(fd, std::move(socket), clock_->now());
    // Most clients have sent their request by now.
    step_connection(fd);
  }
}

void Server::pause_accepting() {
  control(epoll_.get(), EPOLL_CTL_MOD, listener_.get(), 0);
  accept_again_ = clock_->now() + std::chrono::seconds(1);
}

void Server::resume_accepting() {
  control(epoll_.get(), EPOLL_CTL_MOD, listener_.get(), EPOLLIN);
  accept_again_.reset();
}

void Server::drop_the_most_expired() {
  connections_.erase(std::min_element(connections_.begin(), connections_.end(),
                                      [](const auto& a, const auto& b) {
                                        return a.second.deadline() <
                                               b.second.deadline();
                                      }));
}

void Server::drop_expired() {
  const TimePoint now = clock_->now();
  std::erase_if(connections_, [now](const auto& entry) {
    return entry.second.deadline() <= now;
  });
}

void Server::arm_timer() {
  std::optional<TimePoint> next = accept_again_;
  for (const auto& [fd, connection] : connections_) {
    next =
        std::min(next.value_or(connection.deadline()), connection.deadline());
  }
  itimerspec when{};  // All zero disarms.
  if (next) {
    // At least 1 ms, since 0 would disarm, and never early.
    const auto left = std::max(
        std::chrono::milliseconds(1),
        std::chrono::ceil<std::chrono::milliseconds>(*next - clock_->now()));
    when.it_value.tv_sec = left.count() / 1000;
    when.it_value.tv_nsec = left.count() % 1000 * 1000000;
  }
  ::timerfd_settime(timer_.get(), 0, &when, nullptr);
}

std::optional<Response> Server::answer(const Request& request) const {
  const auto page = pages_.find(request.path);
  Response response;
  if (page == pages_.end()) {
    response.status = 404;
    response.body = "Not Found\n";
  } else if (request.method != "GET" && request.method != "HEAD") {
    response.status = 405;
    response.body = "Method Not Allowed\n";
  } else {
    return page->second();
  }
  return response;
}

}  // namespace gpunode::http
