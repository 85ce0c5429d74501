#include "share/turns/referee.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "base/core/log.h"
#include "share/ledger/lane.h"

namespace gpunode::share {
namespace {

using std::chrono::milliseconds;

/// All of a Device's containers are looked at so often while somebody works:
/// one that stopped waiting does not ring.
constexpr milliseconds kLookAtAll{2};
/// While nobody can ring.
constexpr milliseconds kLookDeaf{1};
constexpr milliseconds kBeat{50};

void sooner(std::optional<TimePoint>* wake, TimePoint then) {
  *wake = *wake ? std::min(**wake, then) : then;
}

}  // namespace

Referee::Referee(GrantFiles files)
    : files_(std::move(files)),
      bell_(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC)),
      news_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
  if (!bell_) {
    problem_ =
        Error::from_errno("be told of containers that wait", errno).message();
  }
  // Signals are for the agent's own threads.
  sigset_t all;
  sigset_t before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  thread_ = std::thread([this] { run(); });
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

Referee::~Referee() {
  is_ending_.store(true);
  refresh();
  thread_.join();
  for (auto& [id, member] : members_) {
    for (std::uint32_t at = 0; at < member.lanes.devices(); ++at) {
      member.lanes.say(at, 0);
    }
  }
}

void Referee::refresh() {
  is_stale_.store(true);
  const std::uint64_t one = 1;
  (void)!::write(news_.get(), &one, sizeof(one));
}

TurnUses Referee::uses() const {
  const std::lock_guard lock(mutex_);
  TurnUses uses;
  for (const auto& [uuid, court] : courts_) {
    for (const auto& [key, seat] : court.seats) {
      const auto member = members_.find(seat.id);
      if (member == members_.end()) continue;
      TurnUse& use = uses[{seat.id, uuid}];
      use.used = court.book.used(key);
      use.waited = court.book.waited(key);
      use.turns = court.book.turns(key);
      use.is_persistent = court.book.is_persistent(key);
      use.sums = member->second.lanes.sums(seat.device);
    }
  }
  return uses;
}

std::string Referee::problem() const {
  const std::lock_guard lock(mutex_);
  return problem_;
}

void Referee::run() {
  ::prctl(PR_SET_NAME, "turns");
  // Turns are of milliseconds: to the microsecond, not to fifty of them.
  ::prctl(PR_SET_TIMERSLACK, 1000);
  // There are grants to be found.
  std::optional<TimePoint> until = std::chrono::steady_clock::now();
  while (!is_ending_.load()) {
    wait(until);
    const std::lock_guard lock(mutex_);
    take_news();
    if (is_stale_.exchange(false)) find_grants();
    until.reset();
    for (auto& [uuid, court] : courts_) {
      const TimePoint now = std::chrono::steady_clock::now();
      if (!court.wake || now < *court.wake) {
        if (court.wake) sooner(&until, *court.wake);
        continue;
      }
      step(&court, now);
      if (court.wake) sooner(&until, *court.wake);
    }
  }
}

void Referee::wait(std::optional<TimePoint> until) {
  std::array<pollfd, 2> fds = {
      pollfd{news_.get(), POLLIN, 0},
      pollfd{bell_ ? bell_.get() : -1, POLLIN, 0},
  };
  timespec timeout = {};
  if (until) {
    const auto left = std::max<std::chrono::nanoseconds>(
        *until - std::chrono::steady_clock::now(), std::chrono::nanoseconds(0));
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(left);
    timeout.tv_sec = static_cast<time_t>(seconds.count());
    timeout.tv_nsec = static_cast<long>((left - seconds).count());
  }
  (void)::ppoll(fds.data(), fds.size(), until ? &timeout : nullptr, nullptr);
}

/// Who has rung is looked at now.
void Referee::take_news() {
  std::uint64_t count = 0;
  (void)!::read(news_.get(), &count, sizeof(count));
  if (!bell_) return;
  alignas(inotify_event) std::array<char, 4096> bytes;
  std::set<int> rung;
  bool is_lost = false;
  for (;;) {
    const ssize_t got = ::read(bell_.get(), bytes.data(), bytes.size());
    if (got <= 0) break;
    for (std::size_t at = 0; at < static_cast<std::size_t>(got);) {
      const auto* event =
          reinterpret_cast<const inotify_event*>(bytes.data() + at);
      if ((event->mask & IN_Q_OVERFLOW) != 0) is_lost = true;
      rung.insert(event->wd);
      at += sizeof(inotify_event) + event->len;
    }
  }
  const TimePoint now = std::chrono::steady_clock::now();
  for (auto& [id, member] : members_) {
    if (!is_lost && !rung.contains(member.watch)) continue;
    member.lanes.find_processes();
    for (const auto& [device, key] : member.keys) {
      Court& court = courts_[member.lanes.uuid(device)];
      look(&court, key, true);
      court.wake = now;
    }
  }
}

void Referee::find_grants() {
  const auto ids = files_.list();
  if (!ids) {
    log::warning("shares", "{}", ids.error().message());
    return;
  }
  for (auto one = members_.begin(); one != members_.end();) {
    const bool is_listed =
        std::binary_search(ids->begin(), ids->end(), one->first);
    const auto limits =
        is_listed ? open_limits(file_in(files_.limits_path(one->first)),
                                Access::kRead)
                  : Result<OpenLimits>(Error(ErrorCode::kNotFound, ""));
    if (limits && limits->file_number == one->second.lanes.file()) {
      ++one;
      continue;
    }
    unseat(one->first, &one->second);
    one = members_.erase(one);
  }
  for (const std::string& id : *ids) {
    auto member = members_.find(id);
    if (member == members_.end()) {
      auto lanes = GrantLanes::open(files_, id);
      if (!lanes) continue;  // It is looked for again.
      member = members_.emplace(id, Member{std::move(*lanes), -1, {}}).first;
    }
    seat(id, &member->second);
  }
}

/// Its Devices' parts as they are now. A grant of several Devices takes no
/// turns: their work waits for each other's, and would be late on all.
void Referee::seat(const std::string& id, Member* member) {
  GrantLanes& lanes = member->lanes;
  const TimePoint now = std::chrono::steady_clock::now();
  for (std::uint32_t device = 0; device < lanes.devices(); ++device) {
    const TimePart time = lanes.time(device);
    const bool takes_turns = time.thousandths > 0 && lanes.devices() == 1;
    const auto key = member->keys.find(device);
    Court& court = courts_[lanes.uuid(device)];
    court.wake = now;
    if (!takes_turns) {
      lanes.say(device, 0);
      if (key == member->keys.end()) continue;
      court.book.remove(key->second);
      court.seats.erase(key->second);
      court.looks.erase(key->second);
      member->keys.erase(key);
      continue;
    }
    const TurnBook::Key number =
        key == member->keys.end() ? next_key_++ : key->second;
    court.book.set_policy(time.policy);
    court.book.set(number, time.thousandths / 1000.0);
    if (key != member->keys.end()) continue;
    member->keys[device] = number;
    court.seats[number] = {id, device};
    lanes.find_processes();
    if (bell_ && member->watch < 0) {
      const std::string self = fmt::format("/proc/self/fd/{}", lanes.fd());
      member->watch = ::inotify_add_watch(bell_.get(), self.c_str(), IN_MODIFY);
      if (member->watch < 0 && problem_.empty()) {
        problem_ =
            Error::from_errno("watch the account of " + id, errno).message();
      }
    }
    look(&court, number, true);
  }
}

void Referee::unseat(const std::string& id, Member* member) {
  (void)id;
  for (const auto& [device, key] : member->keys) {
    Court& court = courts_[member->lanes.uuid(device)];
    court.book.remove(key);
    court.seats.erase(key);
    court.looks.erase(key);
    court.wake = std::chrono::steady_clock::now();
    // Whoever still runs in it is no longer this node's to give turns to.
    member->lanes.say(device, 0);
  }
  if (member->watch >= 0) ::inotify_rm_watch(bell_.get(), member->watch);
}

void Referee::look(Court* court, TurnBook::Key key, bool is_new) {
  const auto seat = court->seats.find(key);
  if (seat == court->seats.end()) return;
  const auto member = members_.find(seat->second.id);
  if (member == members_.end()) return;
  if (is_new) member->second.lanes.find_processes();
  court->looks[key] = member->second.lanes.look(seat->second.device);
}

void Referee::step(Court* court, TimePoint now) {
  court->wake.reset();
  if (court->seats.empty()) return;
  const bool is_deaf = !problem_.empty();
  const bool is_time = now - court->looked_at >= kLookAtAll || is_deaf;
  if (is_time) {
    court->looked_at = now;
    for (const auto& [key, seat] : court->seats) look(court, key, is_deaf);
  } else if (court->watched) {
    look(court, *court->watched, false);
  }
  const Turn turn = court->book.step(now, court->looks);
  bool is_wanted = false;
  for (const auto& [key, one] : court->looks) {
    is_wanted = is_wanted || one.wants;
  }
  court->open = turn.open;
  if (turn.open) court->watched = turn.open;
  const bool beats = is_wanted && now - court->beaten_at >= kBeat;
  if (beats) court->beaten_at = now;
  for (const auto& [key, seat] : court->seats) {
    GrantLanes& lanes = members_.at(seat.id).lanes;
    const bool is_open = court->open == key;
    std::uint32_t word = TurnWord::kInTurns;
    if (!is_open) word |= TurnWord::kClosed;
    if (is_open && turn.is_contended) word |= TurnWord::kContended;
    lanes.say(seat.device, word);
    if (beats) lanes.beat();
  }
  if (turn.wake) court->wake = std::max(*turn.wake, now);
  if (is_wanted) sooner(&court->wake, now + kBeat);
  if (is_deaf) sooner(&court->wake, now + kLookDeaf);
}

}  // namespace gpunode::share
