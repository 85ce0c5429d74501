// Referee: gives containers their turns on Devices, as long as the node's agent
// runs.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "base/core/clock.h"
#include "base/core/unique_fd.h"
#include "share/grants/grant_files.h"
#include "share/turns/grant_lanes.h"
#include "share/turns/turn_book.h"

namespace gpunode::share {

/// What a container has had of a Device's time since its grant was first seen
/// by who counts it: a Referee, or agents together (turn_lives.h).
struct TurnUse {
  Duration used{};    ///< Of the Device, as it was charged.
  Duration waited{};  ///< In which it wanted a turn and had none.
  std::uint64_t turns = 0;
  LaneSums sums;
  bool is_persistent = false;  ///< Has a kernel that does not end.
  std::uint64_t file = 0;      ///< GrantLook::file of what was counted.
};

/// By allocation id and Device.
using TurnUses = std::map<std::pair<std::string, std::string>, TurnUse>;

/// A thread of its own, for it has to be on time. The members are for any
/// thread.
class Referee {
 public:
  /// Begins with the grants that are there.
  explicit Referee(GrantFiles files);
  Referee(const Referee&) = delete;
  Referee& operator=(const Referee&) = delete;
  /// Nobody waits for turns any more.
  ~Referee();

  /// Grants, or their parts and priorities, may be others.
  void refresh();
  TurnUses uses() const;
  /// Why some cannot tell it that they wait; empty: it is told. These it looks
  /// at, up to a thousand times a second.
  std::string problem() const;

 private:
  struct Member {
    GrantLanes lanes;
    int watch = -1;          ///< Of inotify; none: it is looked at instead.
    bool is_rung = false;    ///< And not looked at since.
    TimePoint deaf_until{};  ///< It rings too often.
    std::map<std::uint32_t, TurnBook::Key> keys =
        {};  ///< By Device in the grant.
  };
  struct Seat {
    std::string id;
    std::uint32_t device = 0;
  };
  /// One Device.
  struct Court {
    TurnBook book;
    std::map<TurnBook::Key, Seat> seats;
    TurnBook::Looks looks;
    std::optional<TurnBook::Key> open;
    /// Who had it last: looked at while its work comes to its end, too.
    std::optional<TurnBook::Key> watched;
    std::optional<TimePoint> wake;
    TimePoint looked_at{};   ///< At all of them.
    TimePoint counted_at{};  ///< Which processes live.
    TimePoint beaten_at{};
  };

  void run();
  std::optional<TimePoint> round();
  void wait(std::optional<TimePoint> until);
  void take_news();
  void answer_rings();
  void find_grants();
  void seat(const std::string& id, Member* member);
  void unseat(Member* member, std::uint32_t device);
  void watch(const std::string& id, Member* member);
  void let_all_go();
  void step(Court* court, TimePoint now);
  bool look_at_all(Court* court, TimePoint now);
  void look(Court* court, TurnBook::Key key);

  const GrantFiles files_;
  UniqueFd bell_;  // inotify; none: it could not be had.
  UniqueFd news_;  // eventfd
  std::atomic<bool> is_ending_ = false;
  std::atomic<bool> is_stale_ = true;
  mutable std::mutex mutex_;  // What follows.
  std::map<std::string, Member> members_;
  std::map<std::string, Court> courts_;  // By Device.
  TurnBook::Key next_key_ = 1;
  bool is_ringing_ = false;  ///< Somebody has rung too soon again.
  std::string problem_;
  std::thread thread_;  // Last: it uses all of it.
};

}  // namespace gpunode::share
