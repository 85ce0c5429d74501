#include "share/intercept/lanes.h"

#include <sys/mman.h>
#include <unistd.h>

#include "share/intercept/kept_errno.h"
#include "share/intercept/share_files.h"

namespace gpunode::share {
namespace {

LanesHeader* header_of(char* file, std::uint32_t devices, std::uint32_t slots) {
  return reinterpret_cast<LanesHeader*>(file + lanes_place(devices, slots));
}

}  // namespace

std::size_t page_bytes() {
  return static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
}

void Lanes::attach(void* file, std::size_t size, std::uint32_t devices,
                   std::uint32_t slots) {
  file_ = nullptr;
  if (size < ledger_file_size(devices, slots)) return;
  auto* bytes = static_cast<char*>(file);
  const LanesHeader* header = header_of(bytes, devices, slots);
  if (header->magic != kLanesMagic || header->version != kLanesVersion ||
      header->devices != devices || header->slots != lane_slots(slots)) {
    return;
  }
  file_ = bytes;
  devices_ = devices;
  ledger_slots_ = slots;
}

std::uint32_t Lanes::slots() const {
  return file_ == nullptr ? 0 : lane_slots(ledger_slots_);
}

Lane* Lanes::claim(std::uint32_t slot, std::uint32_t generation,
                   std::uint32_t device) const {
  if (slot >= slots() || device >= devices_) return nullptr;
  auto* lane = reinterpret_cast<Lane*>(
      file_ + lane_place(devices_, ledger_slots_, slot, device));
  // Whoever had the slot before has ended, and its work with it.
  lane->owner.store(0);
  for (Word* word : {&lane->launches, &lane->waited, &lane->waits}) {
    word->store(0, std::memory_order_relaxed);
  }
  for (SmallWord* word : {&lane->waiting, &lane->tails, &lane->piece,
                          &lane->unfenced, &lane->opened}) {
    word->store(0, std::memory_order_relaxed);
  }
  for (std::uint32_t at = 0; at < kLaneStreams; ++at) {
    lane->asked[at].store(0, std::memory_order_relaxed);
    lane->done[at].store(0, std::memory_order_relaxed);
    lane->gated[at].store(0, std::memory_order_relaxed);
    lane->until[at].store(0, std::memory_order_relaxed);
  }
  SmallWord& used = header_of(file_, devices_, ledger_slots_)->used_slots;
  std::uint32_t seen = used.load();
  while (seen < slot + 1 && !used.compare_exchange_weak(seen, slot + 1)) {
  }
  lane->owner.store(Lane::kOwned | generation);
  return lane;
}

Lane* Lanes::map_again(std::uint32_t slot, std::uint32_t device,
                       void** page) const {
  if (slot >= slots() || device >= devices_) return nullptr;
  const Errno kept;
  const std::size_t place = lane_place(devices_, ledger_slots_, slot, device);
  const std::size_t within = place % page_bytes();
  // Of no bytes: what is shared is there twice then. Not by the file's name,
  // which may be another file's by now, or out of this root.
  *page = mremap(file_ + place - within, 0, page_bytes(), MREMAP_MAYMOVE);
  if (*page == MAP_FAILED) return nullptr;
  return reinterpret_cast<Lane*>(static_cast<char*>(*page) + within);
}

void Lanes::unmap(void* page) {
  const Errno kept;
  munmap(page, page_bytes());
}

void Lanes::ring() const {
  if (file_ == nullptr) return;
  const Errno kept;
  touch_share_file("ledger");
}

}  // namespace gpunode::share
