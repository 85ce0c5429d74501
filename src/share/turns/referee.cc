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
#include <exception>
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
/// So often it is found out who has ended.
constexpr milliseconds kCount{100};
/// While one that cannot ring works, or does not.
constexpr milliseconds kLookDeaf{1};
constexpr milliseconds kLookDeafAndIdle{20};
constexpr milliseconds kBeat{50};
/// Who rings more often than this is not looked at more often, and who takes
/// long to be looked at, less often by so much.
constexpr std::chrono::microseconds kRing{200};
constexpr int kRingCost = 20;
/// After something went wrong that nobody has thought of.
constexpr std::chrono::seconds kAfterFault{1};

void sooner(std::optional<TimePoint>* wake, TimePoint then) {
  *wake = *wake ? std::min(**wake, then) : then;
}

}  // namespace

Referee::Referee(GrantFiles files)
    : files_(std::move(files)),
      news_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
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
  let_all_go();
}

void Referee::let_all_go() {
  for (auto& [id, member] : members_) {
    for (std::uint32_t at = 0; at < member.lanes.devices(); ++at) {
      member.lanes.say(at, 0);
    }
    if (member.watch >= 0) ::inotify_rm_watch(bell_.get(), member.watch);
  }
  members_.clear();
  courts_.clear();
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
      use.file = member->second.lanes.file();
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
    try {
      until = round();
    } catch (const std::exception& fault) {
      // Without turns everybody works, and the agent has more to do than this.
      log::error("shares", "turns begin anew: {}", fault.what());
      let_all_go();
      is_stale_.store(true);
      until = std::chrono::steady_clock::now() + kAfterFault;
    }
  }
}

/// Until when there is nothing to do.
std::optional<TimePoint> Referee::round() {
  take_news();
  answer_rings();
  is_ringing_ = std::ranges::any_of(
      members_, [](const auto& one) { return one.second.is_rung; });
  if (is_stale_.exchange(false)) {
    find_grants();
    std::erase_if(courts_,
                  [](const auto& one) { return one.second.seats.empty(); });
  }
  std::optional<TimePoint> until;
  for (auto& [uuid, court] : courts_) {
    const TimePoint now = std::chrono::steady_clock::now();
    if (court.wake && now >= *court.wake) step(&court, now);
    if (court.wake) sooner(&until, *court.wake);
  }
  return until;
}

void Referee::wait(std::optional<TimePoint> until) {
  std::array<pollfd, 2> fds = {
      pollfd{news_.get(), POLLIN, 0},
      // Who has yet to be heard is heard first: others may ring without end.
      pollfd{bell_ && !is_ringing_ ? bell_.get() : -1, POLLIN, 0},
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

/// Who has rung. No more is read at once than is answered.
void Referee::take_news() {
  std::uint64_t count = 0;
  (void)!::read(news_.get(), &count, sizeof(count));
  if (!bell_) return;
  alignas(inotify_event) std::array<char, 4096> bytes;
  const ssize_t got = ::read(bell_.get(), bytes.data(), bytes.size());
  std::set<int> rung;
  bool is_lost = false;
  for (std::size_t at = 0; got > 0 && at < static_cast<std::size_t>(got);) {
    const auto* event =
        reinterpret_cast<const inotify_event*>(bytes.data() + at);
    if ((event->mask & IN_Q_OVERFLOW) != 0) is_lost = true;
    rung.insert(event->wd);
    at += sizeof(inotify_event) + event->len;
  }
  if (rung.empty()) return;
  for (auto& [id, member] : members_) {
    if (is_lost || rung.contains(member.watch)) member.is_rung = true;
  }
}

/// Looks at who has rung, now or as soon as it may be looked at again.
void Referee::answer_rings() {
  const TimePoint now = std::chrono::steady_clock::now();
  for (auto& [id, member] : members_) {
    if (!member.is_rung) continue;
    if (member.keys.empty()) {
      member.is_rung = false;
      continue;
    }
    const bool is_now = now >= member.deaf_until;
    if (is_now) {
      member.is_rung = false;
      member.lanes.find_processes();
    }
    for (const auto& [device, key] : member.keys) {
      Court& court = courts_[member.lanes.uuid(device)];
      if (is_now) look(&court, key);
      sooner(&court.wake, is_now ? now : member.deaf_until);
    }
    if (!is_now) continue;
    const TimePoint end = std::chrono::steady_clock::now();
    member.deaf_until =
        end + std::max<Duration>(kRing, kRingCost * (end - now));
  }
}

void Referee::find_grants() {
  const auto ids = files_.list();
  if (!ids) {
    log::warning("shares", "{}", ids.error().message());
    return;
  }
  if (!bell_) bell_ = UniqueFd(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
  problem_ = bell_ ? std::string()
                   : Error::from_errno("be told of who waits", errno).message();
  for (auto one = members_.begin(); one != members_.end();) {
    auto& [id, member] = *one;
    bool is_same = std::binary_search(ids->begin(), ids->end(), id);
    if (is_same) {
      const auto limits =
          open_limits(file_in(files_.limits_path(id)), Access::kRead);
      // That it could not be looked at says nothing.
      is_same = limits ? limits->file_number == member.lanes.file()
                       : limits.error().code() != ErrorCode::kNotFound &&
                             limits.error().code() != ErrorCode::kCorrupt;
    }
    if (is_same) {
      ++one;
      continue;
    }
    for (std::uint32_t at = 0; at < member.lanes.devices(); ++at) {
      unseat(&member, at);
    }
    if (member.watch >= 0) ::inotify_rm_watch(bell_.get(), member.watch);
    one = members_.erase(one);
  }
  for (const std::string& id : *ids) {
    auto member = members_.find(id);
    if (member == members_.end()) {
      auto lanes = GrantLanes::open(files_, id);
      if (!lanes) continue;  // It is looked for again.
      member = members_.emplace(id, Member{std::move(*lanes)}).first;
    }
    seat(id, &member->second);
  }
}

/// Its Devices' parts and priorities as they are now. A grant of several
/// Devices takes no turns: their work waits for each other's, and would be late
/// on all.
void Referee::seat(const std::string& id, Member* member) {
  GrantLanes& lanes = member->lanes;
  lanes.find_processes();
  for (std::uint32_t device = 0; device < lanes.devices(); ++device) {
    const TimePart time = lanes.time(device);
    if (time.thousandths == 0 || lanes.devices() > 1) {
      unseat(member, device);
      continue;
    }
    Court& court = courts_[lanes.uuid(device)];
    const auto [key, is_new] = member->keys.try_emplace(device, next_key_);
    if (is_new) {
      ++next_key_;
      lanes.beat();  // Who went on without a node waits again.
    }
    court.book.set_policy(time.policy);
    court.book.set(key->second, time.thousandths / 1000.0,
                   lanes.priority(device).value);
    court.seats[key->second] = {id, device};
    // Watched before it is looked at: nothing is missed.
    watch(id, member);
    look(&court, key->second);
    court.wake = std::chrono::steady_clock::now();
  }
}

/// Whoever runs in it waits for nobody.
void Referee::unseat(Member* member, std::uint32_t device) {
  member->lanes.say(device, 0);
  const auto key = member->keys.find(device);
  if (key == member->keys.end()) return;
  Court& court = courts_[member->lanes.uuid(device)];
  court.book.remove(key->second);
  court.seats.erase(key->second);
  court.looks.erase(key->second);
  court.wake = std::chrono::steady_clock::now();
  member->keys.erase(key);
}

void Referee::watch(const std::string& id, Member* member) {
  if (!bell_ || member->watch >= 0) return;
  const std::string self = fmt::format("/proc/self/fd/{}", member->lanes.fd());
  member->watch =
      ::inotify_add_watch(bell_.get(), self.c_str(), IN_CLOSE_WRITE);
  if (member->watch < 0) {
    problem_ = Error::from_errno("watch the account of " + id, errno).message();
  }
}

void Referee::look(Court* court, TurnBook::Key key) {
  const Seat& seat = court->seats.at(key);
  court->looks[key] = members_.at(seat.id).lanes.look(seat.device);
}

/// At all of them, if it is time to. True if one of them cannot ring.
bool Referee::look_at_all(Court* court, TimePoint now) {
  const bool is_time = now - court->looked_at >= kLookAtAll;
  const bool counts = now - court->counted_at >= kCount;
  if (is_time) court->looked_at = now;
  if (counts) court->counted_at = now;
  bool is_deaf = false;
  for (const auto& [key, seat] : court->seats) {
    Member& member = members_.at(seat.id);
    const bool rings = member.watch >= 0;
    is_deaf = is_deaf || !rings;
    if (counts || !rings) member.lanes.find_processes();
    if (is_time || counts || !rings || court->watched == key) look(court, key);
  }
  return is_deaf;
}

void Referee::step(Court* court, TimePoint now) {
  court->wake.reset();
  const bool is_deaf = look_at_all(court, now);
  const TurnPlan turn = court->book.step(now, court->looks);
  bool is_wanted = false;
  bool is_busy = false;
  for (const auto& [key, one] : court->looks) {
    is_wanted = is_wanted || one.wants;
    is_busy = is_busy || one.is_busy;
  }
  // Who works without a turn went on without a node.
  court->open = turn.open;
  if (turn.open) court->watched = turn.open;
  const bool beats = (is_wanted || is_busy) && now - court->beaten_at >= kBeat;
  if (beats) court->beaten_at = now;
  // One after the other: no two are to be open at once.
  for (const bool opens : {false, true}) {
    for (const auto& [key, seat] : court->seats) {
      if ((court->open == key) != opens) continue;
      std::uint32_t word = TurnWord::kInTurns;
      if (!opens) word |= TurnWord::kClosed;
      if (opens && turn.is_contended) word |= TurnWord::kContended;
      if (court->book.is_one_by_one(key)) word |= TurnWord::kOneByOne;
      members_.at(seat.id).lanes.say(seat.device, word);
    }
  }
  for (const auto& [key, seat] : court->seats) {
    if (beats) members_.at(seat.id).lanes.beat();
  }
  if (turn.wake) court->wake = std::max(*turn.wake, now);
  if (is_wanted) sooner(&court->wake, now + kBeat);
  if (is_deaf) {
    const bool is_idle = !is_wanted && !is_busy;
    sooner(&court->wake, now + (is_idle ? kLookDeafAndIdle : kLookDeaf));
  }
}

}  // namespace gpunode::share
