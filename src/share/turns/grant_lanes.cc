#include "share/turns/grant_lanes.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <climits>
#include <cstddef>
#include <utility>

#include <fmt/format.h>

#include "share/ledger/lane.h"

namespace gpunode::share {
namespace {

/// A lane as bytes that were read: of words no more than numbers.
struct LaneCopy {
  std::uint64_t launches;
  std::uint64_t waited;
  std::uint64_t waits;
  std::uint32_t owner;
  std::uint32_t waiting;
  std::uint32_t tails;
  std::uint32_t piece;
  std::uint32_t unfenced;
  std::uint32_t missed;
  alignas(kCacheLine) std::array<std::uint32_t, kLaneStreams> asked;
  alignas(kCacheLine) std::array<std::uint32_t, kLaneStreams> done;
  alignas(kCacheLine) std::array<std::uint32_t, kLaneStreams> gated;
  std::array<std::uint32_t, kLaneStreams> until;
  alignas(kCacheLine) std::uint32_t opened;
};
static_assert(offsetof(LaneCopy, missed) == offsetof(Lane, missed));
static_assert(offsetof(LaneCopy, asked) == offsetof(Lane, asked));
static_assert(offsetof(LaneCopy, done) == offsetof(Lane, done));
static_assert(offsetof(LaneCopy, until) == offsetof(Lane, until));
static_assert(offsetof(LaneCopy, opened) == offsetof(Lane, opened));

/// Adds what the lane says of its streams. True if some of its work is held
/// until the container is let in.
bool add(TurnLook* look, const LaneCopy& lane) {
  bool is_held = false;
  for (std::uint32_t at = 0; at < kLaneStreams; ++at) {
    const bool is_shut = share::is_shut(lane.until[at], lane.opened);
    // What is held is no work of the Device's yet.
    const std::uint32_t last = is_shut ? lane.gated[at] : lane.asked[at];
    const bool has_tail = (lane.tails >> at & 1) != 0;
    look->is_busy = look->is_busy || lane.done[at] != last;
    look->has_tail = look->has_tail || (has_tail && !is_shut);
    look->passed += lane.done[at];
    is_held = is_held || is_shut;
  }
  look->wants = look->wants || lane.waiting != 0 || is_held;
  look->missed += lane.missed;
  return is_held;
}

/// Of a container that has more waiting, the others wake by themselves.
constexpr int kMostWoken = 1024;

/// Whatever a process says of its pieces, nobody waits longer for a tail.
constexpr std::chrono::microseconds kLongestTail{500};

/// They may say anything: a sum stands still at the most that there is.
void add(LaneSums* sums, const LaneSums& more) {
  sums->launches += more.launches;
  sums->waits += more.waits;
  sums->waited += std::min(more.waited, Duration::max() - sums->waited);
}

LaneSums sums_of(const LaneCopy& lane) {
  // What it waited cannot be more than there is time.
  constexpr std::uint64_t kMost = std::uint64_t{1} << 60;
  return {lane.launches, lane.waits,
          std::chrono::nanoseconds(
              static_cast<std::int64_t>(std::min(lane.waited, kMost)))};
}

}  // namespace

Result<GrantLanes> GrantLanes::open(const GrantFiles& files,
                                    const std::string& id) {
  TRY(OpenLimits limits,
      open_limits(file_in(files.limits_path(id)), Access::kChange));
  TRY(UniqueFd ledger, open_hostile(file_in(files.ledger_path(id))));
  GrantLanes lanes(std::move(limits), std::move(ledger));
  const std::uint32_t devices = lanes.devices();
  const std::uint32_t slots = lanes.limits_.view.slots();
  std::uint64_t magic = 0;
  if (!lanes.read(&magic, sizeof(magic), lanes_place(devices, slots)) ||
      magic != kLanesMagic) {
    return Error(ErrorCode::kNotFound,
                 fmt::format("allocation {} has no lanes: it was made by an "
                             "agent that gave no turns",
                             id));
  }
  lanes.processes_.resize(devices);
  lanes.seen_.resize(devices);
  lanes.ended_.resize(devices);
  return lanes;
}

bool GrantLanes::read(void* to, std::size_t size, std::size_t place) const {
  // Not by a mapping: the container can make the file shorter.
  return ::pread(ledger_.get(), to, size, static_cast<off_t>(place)) ==
         static_cast<ssize_t>(size);
}

void GrantLanes::find_processes() {
  const std::uint32_t devices = this->devices();
  const std::uint32_t slots = limits_.view.slots();
  for (auto& processes : processes_) processes.clear();
  std::uint32_t used = 0;
  if (!read(&used, sizeof(used),
            lanes_place(devices, slots) + offsetof(LanesHeader, used_slots))) {
    return;
  }
  used = std::min(used, lane_slots(slots));
  for (std::uint32_t slot = 0; slot < used; ++slot) {
    std::uint64_t state = 0;
    if (!read(&state, sizeof(state), slot_place(devices, slot))) return;
    const SlotWord word = SlotWord::unpacked(state);
    if (word.phase != SlotWord::Phase::kLive ||
        limits_.view.says_gone(slot, word.generation)) {
      continue;
    }
    for (std::uint32_t device = 0; device < devices; ++device) {
      std::uint32_t owner = 0;
      if (read(&owner, sizeof(owner),
               lane_place(devices, slots, slot, device) +
                   offsetof(Lane, owner)) &&
          owner == (Lane::kOwned | word.generation)) {
        processes_[device].push_back({slot, owner});
      }
    }
  }
}

TurnLook GrantLanes::look(std::uint32_t device) {
  const std::uint32_t devices = this->devices();
  const std::uint32_t slots = limits_.view.slots();
  TurnLook look;
  std::vector<Seen> seen;
  for (const Process& process : processes_[device]) {
    LaneCopy lane = {};
    if (!read(&lane, sizeof(lane),
              lane_place(devices, slots, process.slot, device)) ||
        lane.owner != process.owner) {
      continue;  // Its end is found out by and by.
    }
    const bool is_held = add(&look, lane);
    look.tail = std::max<Duration>(
        look.tail, std::min<Duration>(std::chrono::microseconds(lane.piece),
                                      kLongestTail));
    Seen one = {process.slot, process.owner, sums_of(lane), lane.launches,
                lane.unfenced};
    for (const Seen& before : seen_[device]) {
      const bool is_same = before.slot == one.slot && before.owner == one.owner;
      if (is_same && is_held) one.told = before.told;
      // It has launched what no fence will tell the end of.
      look.has_tail =
          look.has_tail || (is_same && one.unfenced != before.unfenced);
    }
    look.launches += one.told;
    seen.push_back(one);
  }
  for (const Seen& before : seen_[device]) {
    const bool is_there = std::ranges::any_of(seen, [&](const Seen& one) {
      return one.slot == before.slot && one.owner == before.owner;
    });
    if (!is_there) add(&ended_[device], before.sums);
  }
  seen_[device] = std::move(seen);
  look.launches += ended_[device].launches;
  return look;
}

LaneSums GrantLanes::sums(std::uint32_t device) const {
  LaneSums sums = ended_[device];
  for (const Seen& one : seen_[device]) add(&sums, one.sums);
  return sums;
}

void GrantLanes::say(std::uint32_t device, std::uint32_t word) {
  SmallWord& turn = limit(device).turn;
  const std::uint32_t before = turn.load(std::memory_order_relaxed);
  if (before == word) return;
  const bool opens =
      (before & TurnWord::kClosed) != 0 && (word & TurnWord::kClosed) == 0;
  turn.store(word);
  if (!opens) return;
  ::syscall(SYS_futex, &turn, FUTEX_WAKE, kMostWoken, nullptr, nullptr, 0);
}

void GrantLanes::beat() {
  for (std::uint32_t device = 0; device < devices(); ++device) {
    limit(device).beat.fetch_add(1);
  }
}

}  // namespace gpunode::share
