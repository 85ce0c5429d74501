#include "share/ledger/ledger.h"

#include <sched.h>

#include "share/ledger/patience.h"

namespace gpunode::share {
namespace {

using Phase = SlotWord::Phase;

// How often a slot is looked for while others change them. Each time is one
// turn of the scheduler.
constexpr int kMostRounds = 64;

std::uint64_t plus(std::uint64_t a, std::uint64_t b) {
  return a + b < a ? ~std::uint64_t{0} : a + b;
}

std::uint64_t sum_of(const Cell& cell) {
  std::uint64_t bytes = 0;
  for (std::size_t kind = 0; kind < kMemoryKinds; ++kind) {
    if (!is_of_sum(static_cast<MemoryKind>(kind))) continue;
    bytes = plus(bytes, cell.held[kind].load());
  }
  return bytes;
}

bool is_odd(std::uint64_t number) {
  return (number & 1) != 0;
}

/// The thread of this process that asks. Others of it wait: what a slot asks
/// for must be the asking of one.
class Asking {
 public:
  explicit Asking(Word& asks) : asks_(asks) {
    Patience patience;
    std::uint64_t even = asks.load();
    while (is_odd(even) || !asks.compare_exchange_weak(even, even + 1)) {
      if (is_odd(even)) {
        patience.wait();
        even = asks.load();
      }
    }
    begun_ = even + 1;
  }
  Asking(const Asking&) = delete;
  Asking& operator=(const Asking&) = delete;
  // The slot may have been given to another process meanwhile.
  ~Asking() { asks_.compare_exchange_strong(begun_, begun_ + 1); }

 private:
  Word& asks_;
  std::uint64_t begun_ = 0;
};

}  // namespace

void format_ledger(void* bytes, std::uint32_t devices, std::uint32_t slots) {
  auto* header = static_cast<LedgerHeader*>(bytes);
  header->magic = kLedgerMagic;
  header->version = kLedgerVersion;
  header->devices = devices;
  header->slots = slots;
}

bool Ledger::attach(void* bytes, std::size_t size, const Limits& limits,
                    Ledger* ledger, LifeOf life_of) {
  if (size < sizeof(LedgerHeader)) return false;
  const auto* header = static_cast<const LedgerHeader*>(bytes);
  // The limits' numbers are the ones to believe: the node wrote them.
  if (header->magic != kLedgerMagic || header->version != kLedgerVersion ||
      header->devices != limits.devices() || header->slots != limits.slots() ||
      size < ledger_size(limits.devices(), limits.slots())) {
    return false;
  }
  *ledger = Ledger();
  ledger->bytes_ = static_cast<char*>(bytes);
  ledger->limits_ = limits;
  ledger->life_of_ = life_of;
  return true;
}

LedgerHeader& Ledger::header() const {
  return *reinterpret_cast<LedgerHeader*>(bytes_);
}

DeviceTally& Ledger::tally(std::uint32_t device) const {
  return reinterpret_cast<DeviceTally*>(bytes_ + sizeof(LedgerHeader))[device];
}

SlotHead& Ledger::head(std::uint32_t slot) const {
  const std::size_t each = sizeof(SlotHead) + devices() * sizeof(Cell);
  return *reinterpret_cast<SlotHead*>(bytes_ + sizeof(LedgerHeader) +
                                      devices() * sizeof(DeviceTally) +
                                      slot * each);
}

Cell& Ledger::cell(std::uint32_t slot, std::uint32_t device) const {
  return reinterpret_cast<Cell*>(&head(slot) + 1)[device];
}

std::uint32_t Ledger::used_slots() const {
  const std::uint64_t used = header().used_slots.load();
  return used < limits_.slots() ? static_cast<std::uint32_t>(used)
                                : limits_.slots();
}

bool Ledger::counts(std::uint32_t slot, SlotWord owner) const {
  return owner.phase == Phase::kLive &&
         !limits_.says_gone(slot, owner.generation);
}

Ledger::Sum Ledger::sum(std::uint32_t device, const Crowd* crowd) const {
  Sum sum;
  const Word& grants = tally(device).grants;
  const std::uint64_t granted = grants.load();
  sum.bytes = limits_.unaccounted(device);
  sum.granted = sum.bytes;
  const std::uint32_t used = used_slots();
  for (std::uint32_t slot = 0; slot < used; ++slot) {
    const SlotHead& other = head(slot);
    const std::uint64_t state = other.state.load();
    if (!counts(slot, SlotWord::unpacked(state))) continue;
    // An asking during which the cell was read is seen at one of its ends.
    const std::uint64_t before = other.asks.load();
    const std::uint64_t bytes = sum_of(cell(slot, device));
    sum.bytes = plus(sum.bytes, bytes);
    const std::uint64_t after = other.asks.load();
    const bool is_asked = slot != own_ && (is_odd(before) || after != before);
    if (!is_asked || (crowd != nullptr && crowd->is_standing(slot))) {
      sum.granted = plus(sum.granted, bytes);
    } else if (sum.asking.slot == kNone) {
      sum.asking = {slot, state, after};
    }
  }
  sum.is_of_one_moment = grants.load() == granted;
  return sum;
}

std::uint64_t Ledger::held(std::uint32_t device) const {
  return sum(device, nullptr).bytes;
}

std::uint64_t Ledger::room(std::uint32_t device) const {
  const std::uint64_t limit = limits_.bytes(device);
  const std::uint64_t taken = held(device);
  return taken < limit ? limit - taken : 0;
}

bool Ledger::next_holder(std::uint32_t device, std::uint32_t* slot,
                         Holder* holder) const {
  const std::uint32_t here =
      SlotWord::lowest(SlotWord::kNamespaceBits, self_.pid_namespace);
  const std::uint32_t used = used_slots();
  while (*slot < used) {
    const std::uint32_t at = (*slot)++;
    const auto owner = SlotWord::unpacked(head(at).state.load());
    if (!counts(at, owner) || owner.pid_namespace != here) continue;
    *holder = {owner.pid, sum_of(cell(at, device))};
    if (holder->bytes != 0) return true;
  }
  return false;
}

bool Ledger::is_enrolled() const {
  return own_ != kNone && head(own_).state.load() == own_word_ &&
         !limits_.says_gone(own_, generation());
}

Ledger::Answer Ledger::ask(std::uint32_t device, MemoryKind kind,
                           std::uint64_t bytes, Crowd* crowd) {
  const Asking asking(head(own_).asks);
  Word& held = cell(own_, device).held[static_cast<std::size_t>(kind)];
  for (;;) {
    held.fetch_add(bytes);
    const Sum now = sum(device, crowd);
    const std::uint64_t limit = limits_.bytes(device);
    if (now.bytes <= limit && is_enrolled()) {
      // Before the asking ends: whoever sees it ended sees this, too.
      tally(device).grants.fetch_add(1);
      note_peak(device, now.bytes);
      return {Answer::kGranted, {}};
    }
    held.fetch_sub(bytes);
    if (!is_enrolled()) return {Answer::kLost, {}};
    // What is granted was held all at once when the reading began: since then
    // nothing was granted, and what was given back is not in it.
    if (now.is_of_one_moment && now.granted > limit) {
      return {Answer::kNoRoom, {}};
    }
    // Of those who ask at once the first asks on, and the rest make way for it:
    // all making way, none would have what there is room for.
    if (now.asking.slot < own_) return {Answer::kInTheWay, now.asking};
    if (!wait_for(now.asking, crowd)) return {Answer::kNoRoom, {}};
  }
}

bool Ledger::wait_for(const Asked& asked, Crowd* crowd) {
  const auto is_still_there = [&] {
    return is_odd(asked.asks) && head(asked.slot).asks.load() == asked.asks &&
           head(asked.slot).state.load() == asked.state;
  };
  crowd->begin();
  do {
    crowd->wait();
    // Where they come and go, too: nobody is held up for ever.
    if (crowd->has_waited_long()) return false;
    if (asked.slot == kNone) return true;  // Some were granted what they asked.
    if (!crowd->is_worth_a_look()) continue;
    const Life other = life(asked.slot, SlotWord::unpacked(asked.state));
    if (other == Life::kEnded) free_slot(asked.slot, asked.state);
    if (other == Life::kStopped ||
        (other == Life::kUnknown && crowd->has_waited_long_for_one())) {
      crowd->stands(asked.slot);
    }
  } while (is_still_there() && !crowd->is_standing(asked.slot));
  return true;
}

Verdict Ledger::reserve(std::uint32_t device, MemoryKind kind,
                        std::uint64_t bytes) {
  if (!is_enrolled()) return Verdict::kNotEnrolled;
  bool has_reaped = false;
  Crowd crowd;
  // A limit is far below 2^63, so that no sum of what passes here overflows.
  const bool can_ever_fit = bytes <= limits_.bytes(device);
  while (can_ever_fit) {
    const Answer answer = ask(device, kind, bytes, &crowd);
    if (answer.what == Answer::kGranted) return Verdict::kGranted;
    if (answer.what == Answer::kLost) return Verdict::kNotEnrolled;
    if (answer.what == Answer::kInTheWay) {
      if (!wait_for(answer.asked, &crowd)) break;
      continue;
    }
    if (has_reaped || reap() == 0) break;
    has_reaped = true;
  }
  tally(device).refusals.fetch_add(1, std::memory_order_relaxed);
  return Verdict::kRefused;
}

void Ledger::release(std::uint32_t device, MemoryKind kind,
                     std::uint64_t bytes) {
  if (!is_enrolled()) return;  // It went with the slot.
  cell(own_, device).held[static_cast<std::size_t>(kind)].fetch_sub(bytes);
}

bool Ledger::charge(std::uint32_t device, MemoryKind kind,
                    std::uint64_t bytes) {
  if (!is_enrolled()) return false;
  cell(own_, device).held[static_cast<std::size_t>(kind)].fetch_add(bytes);
  tally(device).grants.fetch_add(1);
  note_peak(device, held(device));
  return true;
}

void Ledger::note_peak(std::uint32_t device, std::uint64_t bytes) const {
  Word& peak = tally(device).peak;
  std::uint64_t highest = peak.load(std::memory_order_relaxed);
  while (highest < bytes && !peak.compare_exchange_weak(
                                highest, bytes, std::memory_order_relaxed)) {
  }
}

bool Ledger::enroll(const ProcessIdentity& self) {
  self_ = self;
  own_ = kNone;
  give_back_of_before_exec();
  reap();  // What is seen from now on is what the living hold.
  bool was_full = false;
  for (int round = 0; round < kMostRounds; ++round) {
    bool is_changing = false;  // A slot is about to be free.
    for (std::uint32_t slot = 0; slot < limits_.slots(); ++slot) {
      if (claim(slot)) return true;
      const auto owner = SlotWord::unpacked(head(slot).state.load());
      is_changing = is_changing || owner.phase == Phase::kReaped;
    }
    if (reap() == 0 && !is_changing) {
      // Once more: another may have freed a slot after it was looked at above.
      if (was_full) return false;
      was_full = true;
    }
    sched_yield();
  }
  return false;
}

void Ledger::give_back_of_before_exec() {
  if (self_.start_time == 0 || self_.pid_namespace == 0) return;
  const std::uint32_t used = used_slots();
  for (std::uint32_t slot = 0; slot < used; ++slot) {
    const std::uint64_t word = head(slot).state.load();
    const SlotWord owner = SlotWord::unpacked(word);
    const SlotWord own = SlotWord::unpacked(
        SlotWord{owner.phase, owner.generation, self_.pid, self_.pid_namespace}
            .packed());
    if (owner.phase != Phase::kLive || own.packed() != word ||
        head(slot).start_time.load() != self_.start_time) {
      continue;
    }
    free_slot(slot, word);
  }
}

bool Ledger::claim(std::uint32_t slot) {
  SlotHead& mine = head(slot);
  std::uint64_t word = mine.state.load();
  SlotWord owner = SlotWord::unpacked(word);
  if (owner.phase != Phase::kFree) return false;
  // Others look at the slot from here on: before it is taken, since to be
  // reaped it must be looked at.
  Word& used = header().used_slots;
  std::uint64_t highest = used.load();
  while (highest <= slot && !used.compare_exchange_weak(highest, slot + 1)) {
  }
  owner = {Phase::kClaimed, owner.generation, self_.pid, self_.pid_namespace};
  if (!mine.state.compare_exchange_strong(word, owner.packed())) return false;
  word = owner.packed();
  empty(slot);  // A process wrongly thought to have ended may have written on.
  mine.start_time.store(self_.start_time);
  // Whoever had the slot may have died while it asked.
  const std::uint64_t asks = mine.asks.load();
  mine.asks.store(asks + (is_odd(asks) ? 1 : 2));
  owner.phase = Phase::kLive;
  if (!mine.state.compare_exchange_strong(word, owner.packed())) return false;
  own_ = slot;
  own_word_ = owner.packed();
  return true;
}

void Ledger::empty(std::uint32_t slot) const {
  for (std::uint32_t device = 0; device < devices(); ++device) {
    for (Word& held : cell(slot, device).held) held.store(0);
  }
}

void Ledger::leave() {
  if (own_ == kNone) return;
  free_slot(own_, own_word_);
  own_ = kNone;
}

void Ledger::free_slot(std::uint32_t slot, std::uint64_t word) {
  SlotHead& taken = head(slot);
  SlotWord owner = SlotWord::unpacked(word);
  owner = {Phase::kReaped, owner.generation, self_.pid, self_.pid_namespace};
  std::uint64_t reaped = owner.packed();
  if (!taken.state.compare_exchange_strong(word, reaped)) return;
  empty(slot);
  taken.start_time.store(0);
  const SlotWord free = {Phase::kFree, owner.generation + 1, 0, 0};
  taken.state.compare_exchange_strong(reaped, free.packed());
}

Life Ledger::life(std::uint32_t slot, SlotWord owner) const {
  if (owner.phase == Phase::kFree || slot == own_) return Life::kUnknown;
  if (owner.phase != Phase::kReaped &&
      limits_.says_gone(slot, owner.generation)) {
    return Life::kEnded;
  }
  // A pid says something only where it was given out. Its start time is not
  // that of a process that only empties the slot, or that has just come.
  const std::uint32_t here =
      SlotWord::lowest(SlotWord::kNamespaceBits, self_.pid_namespace);
  if (here == 0 || owner.pid_namespace != here) return Life::kUnknown;
  const bool is_settled = owner.phase == Phase::kLive;
  return life_of_(owner.pid, is_settled ? head(slot).start_time.load() : 0);
}

std::uint32_t Ledger::reap() {
  std::uint32_t reaped = 0;
  const std::uint32_t used = used_slots();
  for (std::uint32_t slot = 0; slot < used; ++slot) {
    const std::uint64_t word = head(slot).state.load();
    if (life(slot, SlotWord::unpacked(word)) != Life::kEnded) continue;
    free_slot(slot, word);  // Or another did, in this moment.
    ++reaped;
  }
  return reaped;
}

}  // namespace gpunode::share
