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
/// No member allocates memory, takes a lock that outlives its process, or
/// blocks for longer than some milliseconds.
class Ledger {
 public:
  /// Tells whether a process has ended; is_gone() but in tests.
  using IsGone = bool (*)(std::uint32_t pid, std::uint64_t start_time);

  /// False if the bytes are no ledger of this version, are too few for what
  /// their header says, or have other devices or slots than the limits.
  static bool attach(void* bytes, std::size_t size, const Limits& limits,
                     Ledger* ledger, IsGone is_gone = &share::is_gone);

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
  /// limit has no room, after the dead are reaped; and if a process that was
  /// stopped while it asked is still asking for what is left.
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

  /// What a reading of all slots came to.
  struct Sum {
    std::uint64_t bytes = 0;
    /// The first slot other than the own whose bytes may have been such as are
    /// taken back; kNone: there was none.
    std::uint32_t asking = kNone;
    /// Nothing was granted while it was read: what is freed here and granted
    /// there counts once.
    bool is_of_one_moment = true;
  };

  /// What one asking came to.
  struct Answer {
    enum What : std::uint8_t { kGranted, kNoRoom, kInTheWay, kLost };
    What what = kNoRoom;
    std::uint32_t slot = kNone;  ///< Of kInTheWay: who asks, too.
  };

  SlotHead& head(std::uint32_t slot) const;
  Cell& cell(std::uint32_t slot, std::uint32_t device) const;
  DeviceTally& tally(std::uint32_t device) const;
  LedgerHeader& header() const;
  std::uint32_t used_slots() const;
  bool counts(std::uint32_t slot, SlotWord owner) const;
  std::uint64_t asked_so_far() const;
  Sum sum(std::uint32_t device) const;
  Answer ask(std::uint32_t device, MemoryKind kind, std::uint64_t bytes);
  /// Until that slot's asking has come to its end, or its process to its own.
  void make_way_for(std::uint32_t slot);
  void note_peak(std::uint32_t device, std::uint64_t bytes) const;
  bool has_ended(std::uint32_t slot, SlotWord owner) const;
  void give_back_of_before_exec();
  bool claim(std::uint32_t slot);
  void empty(std::uint32_t slot) const;
  /// From `word` to free, through kReaped, unless another was faster.
  void free_slot(std::uint32_t slot, std::uint64_t word);

  char* bytes_ = nullptr;
  Limits limits_;
  IsGone is_gone_ = nullptr;
  ProcessIdentity self_;
  std::uint32_t own_ = kNone;
  std::uint64_t own_word_ = 0;
};

}  // namespace gpunode::share
