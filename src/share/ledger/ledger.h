// Bytes of device memory that the processes of one container hold together,
// and the limit that they are held to.
//
// There is no total that could go wrong: what counts is the sum over the slots
// of living processes, read anew for every reservation. A process writes to no
// slot but its own, so whatever instruction it is killed at, all that it held
// or was about to hold goes with its slot, in one step.
#pragma once

#include <cstddef>
#include <cstdint>

#include "share/ledger/crowd.h"
#include "share/ledger/layout.h"
#include "share/ledger/limits.h"
#include "share/ledger/process_identity.h"

namespace gpunode::share {

enum class Verdict : std::uint8_t {
  kGranted,
  kRefused,      ///< The limit has no room for it.
  kNotEnrolled,  ///< The process has no slot, or not any longer.
};

/// A process of the container, and what it holds of a device.
struct Holder {
  std::uint32_t pid = 0;  ///< As the looking process's pid namespace has it.
  std::uint64_t bytes = 0;
};

/// Writes the header of a ledger into `bytes`: ledger_size() zeros, aligned to
/// a page, that nobody else maps yet.
void format_ledger(void* bytes, std::uint32_t devices, std::uint32_t slots);

/// One process's view of a mapped ledger. Does not own the mappings, which must
/// outlive it. reserve(), release() and the reading members may be called by
/// any number of threads at once; the others by one, while no thread does.
/// No member allocates memory or takes a lock that outlives its process.
/// reserve() waits for others only where they ask at the same time for what is
/// left: for as long as they run, for some milliseconds where they are stopped,
/// for 10 s at the most. No other member blocks for longer than milliseconds.
class Ledger {
 public:
  /// Tells how a process is; life_of() but in tests.
  using LifeOf = Life (*)(std::uint32_t pid, std::uint64_t start_time);

  /// False if the bytes are no ledger of this version, are too few for what
  /// their header says, or have other devices or slots than the limits.
  static bool attach(void* bytes, std::size_t size, const Limits& limits,
                     Ledger* ledger, LifeOf life_of = &share::life_of);

  /// For a view that takes no slot: who is looking.
  void look_on(const ProcessIdentity& self) { self_ = self; }
  /// Takes a slot for the process; false if all belong to living ones. The
  /// child of a fork has none until it enrolls itself. What the same process
  /// held before an exec is given back: the driver has freed it.
  bool enroll(const ProcessIdentity& self);
  bool is_enrolled() const;
  /// Gives the slot back, and with it all that it holds.
  void leave();

  /// Takes `bytes` of `device`, below devices(), before the driver is asked for
  /// them; release() undoes it if the driver has none. The sum of all that was
  /// granted and not released never exceeds the limit by a byte. Refused if the
  /// limit has no room, after the dead are reaped: what there is room for is
  /// granted, however many ask at once. A process that was stopped while it
  /// asked holds what it asks for.
  Verdict reserve(std::uint32_t device, MemoryKind kind, std::uint64_t bytes);
  /// Gives back what reserve() granted, in any parts.
  void release(std::uint32_t device, MemoryKind kind, std::uint64_t bytes);
  /// Takes `bytes` that the driver has given already, whatever the limit says:
  /// what can only be known afterwards. False if not enrolled.
  bool charge(std::uint32_t device, MemoryKind kind, std::uint64_t bytes);

  std::uint32_t devices() const { return limits_.devices(); }
  const Limits& limits() const { return limits_; }
  /// Bytes that the living hold, with what the driver says they hold besides.
  std::uint64_t held(std::uint32_t device) const;
  /// Bytes up to the limit: none where more is held.
  std::uint64_t room(std::uint32_t device) const;

  /// The next that holds bytes of the device, from `slot` on, which becomes the
  /// one to go on with; false if there is none. Those of other pid namespaces
  /// are left out: their pids are others' here.
  bool next_holder(std::uint32_t device, std::uint32_t* slot,
                   Holder* holder) const;

  /// Empties the slots of processes that have ended; returns how many it found.
  std::uint32_t reap();

  /// Of the slot taken, as the node is told of it.
  std::uint32_t slot() const { return own_; }
  std::uint32_t generation() const {
    return SlotWord::unpacked(own_word_).generation;
  }

 private:
  static constexpr std::uint32_t kNone = ~std::uint32_t{0};

  /// An asking of another process, as it was seen.
  struct Asked {
    std::uint32_t slot = kNone;
    std::uint64_t state = 0;
    std::uint64_t asks = 0;
  };

  /// What a reading of all slots came to.
  struct Sum {
    std::uint64_t bytes = 0;
    /// Of these what is taken back by nobody's failing.
    std::uint64_t granted = 0;
    /// The first other than the own whose bytes may have been such as are taken
    /// back; of no slot: there was none.
    Asked asking;
    /// Nothing was granted while it was read: what is freed here and granted
    /// there counts once.
    bool is_of_one_moment = true;
  };

  /// What one asking came to.
  struct Answer {
    enum What : std::uint8_t { kGranted, kNoRoom, kInTheWay, kLost };
    What what = kNoRoom;
    Asked asked;  ///< Of kInTheWay: who asks, too.
  };

  SlotHead& head(std::uint32_t slot) const;
  Cell& cell(std::uint32_t slot, std::uint32_t device) const;
  DeviceTally& tally(std::uint32_t device) const;
  LedgerHeader& header() const;
  std::uint32_t used_slots() const;
  bool counts(std::uint32_t slot, SlotWord owner) const;
  /// Those who stand in the crowd, if it is given, ask for nothing.
  Sum sum(std::uint32_t device, const Crowd* crowd) const;
  Answer ask(std::uint32_t device, MemoryKind kind, std::uint64_t bytes,
             Crowd* crowd);
  /// Until that asking has come to its end, or its process to its own, or is
  /// found to stand. False if that has taken too long.
  bool wait_for(const Asked& asked, Crowd* crowd);
  void note_peak(std::uint32_t device, std::uint64_t bytes) const;
  Life life(std::uint32_t slot, SlotWord owner) const;
  void give_back_of_before_exec();
  bool claim(std::uint32_t slot);
  void empty(std::uint32_t slot) const;
  /// From `word` to free, through kReaped, unless another was faster.
  void free_slot(std::uint32_t slot, std::uint64_t word);

  char* bytes_ = nullptr;
  Limits limits_;
  LifeOf life_of_ = nullptr;
  ProcessIdentity self_;
  std::uint32_t own_ = kNone;
  std::uint64_t own_word_ = 0;
};

}  // namespace gpunode::share
