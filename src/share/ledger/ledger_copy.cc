#include "share/ledger/ledger_copy.h"

#include <cstring>

namespace gpunode::share {
namespace {

void add(std::uint64_t bytes, std::uint64_t* sum) {
  *sum = *sum + bytes < *sum ? ~std::uint64_t{0} : *sum + bytes;
}

}  // namespace

bool LedgerCopy::view(const void* bytes, std::size_t size,
                      std::uint32_t devices, std::uint32_t slots,
                      LedgerCopy* copy) {
  if (size != ledger_size(devices, slots)) return false;
  copy->bytes_ = static_cast<const char*>(bytes);
  copy->devices_ = devices;
  copy->slots_ = slots;
  std::array<std::uint32_t, 3> numbers = {};
  std::memcpy(numbers.data(), copy->bytes_ + offsetof(LedgerHeader, version),
              sizeof(numbers));
  return copy->word_at(offsetof(LedgerHeader, magic)) == kLedgerMagic &&
         numbers[0] == kLedgerVersion && numbers[1] == devices &&
         numbers[2] == slots;
}

std::uint64_t LedgerCopy::word_at(std::size_t offset) const {
  std::uint64_t word = 0;
  std::memcpy(&word, bytes_ + offset, sizeof(word));
  return word;
}

std::size_t LedgerCopy::offset_of(std::uint32_t slot) const {
  return sizeof(LedgerHeader) + devices_ * sizeof(DeviceTally) +
         slot * (sizeof(SlotHead) + devices_ * sizeof(Cell));
}

bool LedgerCopy::read_slot(std::uint32_t slot, SlotUse* use) const {
  const std::size_t at = offset_of(slot);
  use->owner = SlotWord::unpacked(word_at(at + offsetof(SlotHead, state)));
  use->start_time = word_at(at + offsetof(SlotHead, start_time));
  return use->owner.phase == SlotWord::Phase::kLive;
}

std::uint64_t LedgerCopy::held_by(std::uint32_t slot,
                                  std::uint32_t device) const {
  const std::size_t cell =
      offset_of(slot) + sizeof(SlotHead) + device * sizeof(Cell);
  std::uint64_t sum = 0;
  for (std::size_t kind = 0; kind < kMemoryKinds; ++kind) {
    if (!is_of_sum(static_cast<MemoryKind>(kind))) continue;
    add(word_at(cell + kind * sizeof(Word)), &sum);
  }
  return sum;
}

DeviceUse LedgerCopy::use_of(std::uint32_t device, const Limits& limits) const {
  DeviceUse use;
  SlotUse slot_use;
  for (std::uint32_t slot = 0; slot < slots_; ++slot) {
    if (!read_slot(slot, &slot_use) ||
        limits.says_gone(slot, slot_use.owner.generation)) {
      continue;
    }
    const std::size_t cell =
        offset_of(slot) + sizeof(SlotHead) + device * sizeof(Cell);
    for (std::size_t kind = 0; kind < kMemoryKinds; ++kind) {
      add(word_at(cell + kind * sizeof(Word)), &use.held[kind]);
    }
  }
  for (std::size_t kind = 0; kind < kMemoryKinds; ++kind) {
    if (is_of_sum(static_cast<MemoryKind>(kind))) {
      add(use.held[kind], &use.total);
    }
  }
  const std::size_t tally = sizeof(LedgerHeader) + device * sizeof(DeviceTally);
  use.peak = word_at(tally + offsetof(DeviceTally, peak));
  use.refusals = word_at(tally + offsetof(DeviceTally, refusals));
  return use;
}

}  // namespace gpunode::share
