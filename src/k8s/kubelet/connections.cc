#include "k8s/kubelet/connections.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include <pthread.h>

#include "base/core/log.h"

namespace gpunode::kubelet {
namespace {

constexpr std::uint64_t kWake = 0;  // Listeners and connections count from 1.

void log_peer(const std::string& owner, int fd) {
  if (!log::enabled(log::Level::kDebug)) return;
  ucred peer{};
  socklen_t size = sizeof peer;
  if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return;
  log::debug("kubelet", "client connected resource={} pid={} uid={}", owner,
             peer.pid, peer.uid);
}

}  // namespace

Result<std::unique_ptr<Connections>> Connections::open(std::size_t limit,
                                                       HandOver hand_over) {
  UniqueFd epoll(::epoll_create1(EPOLL_CLOEXEC));
  if (!epoll) return Error::from_errno("epoll_create1", errno);
  UniqueFd wake(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wake) return Error::from_errno("eventfd", errno);
  UniqueFd spare(::fcntl(wake.get(), F_DUPFD_CLOEXEC, 0));
  if (!spare) return Error::from_errno("duplicate a descriptor", errno);
  std::unique_ptr<Connections> made(
      new Connections(limit, std::move(hand_over), std::move(epoll),
                      std::move(wake), std::move(spare)));
  TRY_VOID(made->watch(made->wake_.get(), EPOLLIN, kWake));
  return made;
}

Connections::Connections(std::size_t limit, HandOver hand_over, UniqueFd epoll,
                         UniqueFd wake, UniqueFd spare)
    : limit_(limit),
      hand_over_(std::move(hand_over)),
      epoll_(std::move(epoll)),
      wake_(std::move(wake)),
      spare_(std::move(spare)) {}

Connections::~Connections() {
  stop();
}

void Connections::stop() {
  stop_thread();
  const MutexLock lock(mutex_);
  listeners_.clear();
}

Result<void> Connections::watch(int fd, std::uint32_t events,
                                std::uint64_t number) {
  epoll_event event{};
  event.events = events;
  event.data.u64 = number;
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) {
    return Error::from_errno("epoll_ctl", errno);
  }
  return {};
}

Result<void> Connections::listen(const std::string& owner,
                                 ListeningSocket socket) {
  const MutexLock lock(mutex_);
  const std::uint64_t number = ++last_number_;
  TRY_VOID(watch(socket.fd(), EPOLLIN, number));
  Listener& listener = listeners_[owner];
  listener.number = number;
  // Closing what was there takes it out of the epoll set as well.
  listener.socket = std::move(socket);
  return {};
}

bool Connections::is_reachable(const std::string& owner) const {
  const MutexLock lock(mutex_);
  const auto found = listeners_.find(owner);
  return found != listeners_.end() && found->second.socket.is_reachable();
}

void Connections::stop_listening(const std::string& owner) {
  const MutexLock lock(mutex_);
  listeners_.erase(owner);
}

void Connections::drop(const std::string& owner, TimePoint until) {
  const MutexLock lock(mutex_);
  if (until > SystemClock().now()) {
    // Half of it first: a client that finds the way back closed while it
    // still has something to say gives up without reading what was sent.
    shut_down(owner, SHUT_WR);
    while (has_any(owner)) {
      if (one_gone_.wait_until(mutex_, until) == std::cv_status::timeout) break;
    }
  }
  shut_down(owner, SHUT_RDWR);
}

bool Connections::has_any(const std::string& owner) const {
  return std::any_of(
      connections_.begin(), connections_.end(),
      [&](const auto& item) { return item.second.owner == owner; });
}

void Connections::shut_down(const std::string& owner, int how) {
  for (const auto& [number, connection] : connections_) {
    if (connection.owner == owner) ::shutdown(connection.watch.get(), how);
  }
}

Connections::Caller Connections::begin_call(int fd) {
  const MutexLock lock(mutex_);
  // Newest first: gRPC may have closed an older one's descriptor a moment
  // ago, and the number was taken again before its hang-up came by.
  const auto found = std::find_if(
      connections_.rbegin(), connections_.rend(),
      [fd](const auto& one) { return one.second.handed_over == fd; });
  if (found == connections_.rend()) return {};
  ++found->second.calls;
  return {found->first, found->second.owner};
}

void Connections::end_call(std::uint64_t connection) {
  const MutexLock lock(mutex_);
  const auto found = connections_.find(connection);
  if (found != connections_.end()) --found->second.calls;
}

Connections::Count Connections::count(const std::string& owner) const {
  const MutexLock lock(mutex_);
  Count count;
  const auto listener = listeners_.find(owner);
  if (listener != listeners_.end()) count.refused = listener->second.refused;
  for (const auto& [number, connection] : connections_) {
    if (connection.owner == owner) ++count.open;
  }
  return count;
}

void Connections::start_thread() {
  thread_ = std::thread([this] {
    ::pthread_setname_np(::pthread_self(), "kubelet-accept");
    while (process_events(-1)) {
    }
  });
}

void Connections::stop_thread() {
  if (!thread_.joinable()) return;
  ::eventfd_write(wake_.get(), 1);
  thread_.join();
  eventfd_t ignored = 0;
  ::eventfd_read(wake_.get(), &ignored);
}

void Connections::process() {
  process_events(0);
}

// Returns false when it is time to end.
bool Connections::process_events(int timeout_ms) {
  std::array<epoll_event, 16> events{};
  const int n = ::epoll_wait(epoll_.get(), events.data(),
                             static_cast<int>(events.size()), timeout_ms);
  for (int i = 0; i < n; ++i) {
    const std::uint64_t number =
        events.at(static_cast<std::size_t>(i)).data.u64;
    if (number == kWake) return false;
    handle(number);
  }
  return true;
}

void Connections::handle(std::uint64_t number) {
  {
    const MutexLock lock(mutex_);
    const auto hung_up = connections_.find(number);
    if (hung_up != connections_.end()) {
      forget(hung_up);
      return;
    }
  }
  accept_from(number);
}

void Connections::accept_from(std::uint64_t number) {
  int listener = -1;
  UniqueFd accepted;
  {
    // Under the lock, so that the listener is not closed meanwhile. It does
    // not block.
    const MutexLock lock(mutex_);
    for (const auto& [owner, candidate] : listeners_) {
      if (candidate.number == number) listener = candidate.socket.fd();
    }
    if (listener < 0) return;  // Removed since epoll spoke.
    accepted.reset(
        ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!accepted && (errno == EMFILE || errno == ENFILE)) shed_one(listener);
  }
  if (!accepted) return;
  UniqueFd connection = admit(number, std::move(accepted));
  if (connection) hand_over_(std::move(connection));
}

UniqueFd Connections::admit(std::uint64_t number, UniqueFd connection) {
  const MutexLock lock(mutex_);
  auto listener = listeners_.begin();
  while (listener != listeners_.end() && listener->second.number != number) {
    ++listener;
  }
  if (listener == listeners_.end()) return {};
  const std::string& owner = listener->first;
  Connection made;
  made.watch.reset(::fcntl(connection.get(), F_DUPFD_CLOEXEC, 0));
  made.handed_over = connection.get();
  made.owner = owner;
  const std::uint64_t id = ++last_number_;
  // Interest in nothing still reports the hang-up.
  if (!made.watch || !make_room(listener->second, owner) ||
      !watch(made.watch.get(), 0, id)) {
    ++listener->second.refused;
    return {};
  }
  log_peer(owner, connection.get());
  connections_.emplace(id, std::move(made));
  return connection;
}

bool Connections::make_room(Listener& listener, const std::string& owner) {
  std::size_t open = 0;
  auto oldest_idle = connections_.end();
  for (auto i = connections_.begin(); i != connections_.end(); ++i) {
    if (i->second.owner != owner) continue;
    ++open;
    if (oldest_idle == connections_.end() && i->second.calls == 0) {
      oldest_idle = i;
    }
  }
  if (open < limit_) return true;
  if (oldest_idle == connections_.end()) return false;
  ++listener.refused;
  ::shutdown(oldest_idle->second.watch.get(), SHUT_RDWR);
  forget(oldest_idle);
  return true;
}

void Connections::forget(std::map<std::uint64_t, Connection>::iterator gone) {
  // By hand: while gRPC still holds the connection, closing our duplicate
  // would leave it in the epoll set, hung up and reported without end.
  (void)::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, gone->second.watch.get(),
                    nullptr);
  connections_.erase(gone);
  one_gone_.notify_all();
}

// Out of descriptors: an accept that fails leaves the client in the queue and
// epoll would report it again at once, for ever. The spare one lets it in and
// out.
void Connections::shed_one(int listener) {
  spare_.reset();
  UniqueFd(::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC)).reset();
  spare_.reset(::fcntl(wake_.get(), F_DUPFD_CLOEXEC, 0));
}

}  // namespace gpunode::kubelet
