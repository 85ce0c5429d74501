// A ledger as its container left it: any words at any place, and any size. What
// the node reads of it stays within it, and sums never run over.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "share/ledger/ledger.h"
#include "share/ledger/ledger_copy.h"
#include "share/ledger/limits.h"

namespace {

namespace share = gpunode::share;

constexpr std::uint32_t kDevices = 2;
constexpr std::uint32_t kSlots = 3;
/// Of the input: where a word goes, and the word.
constexpr std::size_t kChange = sizeof(std::uint16_t) + sizeof(std::uint64_t);

void require(bool claim) {
  if (!claim) std::abort();
}

/// Bytes as a mapping has them: at the begin of a cache line.
class Mapped {
 public:
  explicit Mapped(std::size_t size)
      : size_(size), lines_(size / sizeof(Line) + 1) {}
  char* data() { return lines_.front().bytes; }
  const char* data() const { return lines_.front().bytes; }
  std::size_t size() const { return size_; }

 private:
  struct alignas(share::kCacheLine) Line {
    char bytes[share::kCacheLine] = {};
  };
  std::size_t size_;
  std::vector<Line> lines_;
};

/// The node's own file, which no container writes to.
Mapped limits_file() {
  Mapped file(share::limits_size(kDevices, kSlots));
  const share::LimitsHeader header{share::kLimitsMagic, share::kLimitsVersion,
                                   kDevices, kSlots, 0};
  std::memcpy(file.data(), &header, sizeof(header));
  return file;
}

void read_all(const Mapped& bytes, const share::Limits& limits) {
  share::LedgerCopy copy;
  if (!share::LedgerCopy::view(bytes.data(), bytes.size(), kDevices, kSlots,
                               &copy)) {
    return;
  }
  require(bytes.size() == share::ledger_size(kDevices, kSlots));
  for (std::uint32_t device = 0; device < kDevices; ++device) {
    const share::DeviceUse use = copy.use_of(device, limits);
    for (std::size_t kind = 0; kind < share::kMemoryKinds; ++kind) {
      // What others pay for may be more than all.
      require(use.held[kind] <= use.total ||
              !share::is_of_sum(static_cast<share::MemoryKind>(kind)));
    }
    for (std::uint32_t slot = 0; slot < kSlots; ++slot) {
      share::SlotUse owner;
      const bool lives = copy.read_slot(slot, &owner);
      require(!lives || copy.held_by(slot, device) <= use.total);
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  static const Mapped limits_bytes = limits_file();
  share::Limits limits;
  require(
      share::Limits::view(limits_bytes.data(), limits_bytes.size(), &limits));
  Mapped raw(size);
  std::copy_n(data, size, raw.data());
  read_all(raw, limits);
  if (share::Limits untrusted;
      share::Limits::view(raw.data(), raw.size(), &untrusted)) {
    require(untrusted.devices() <= share::kMostDevices);
    (void)untrusted.says_gone(untrusted.slots() - 1, 1);
  }

  Mapped ledger(share::ledger_size(kDevices, kSlots));
  share::format_ledger(ledger.data(), kDevices, kSlots);
  for (; size >= kChange; data += kChange, size -= kChange) {
    std::uint16_t at = 0;
    std::memcpy(&at, data, sizeof(at));
    const std::size_t place = at % (ledger.size() - sizeof(std::uint64_t) + 1);
    std::memcpy(ledger.data() + place, data + sizeof(at),
                sizeof(std::uint64_t));
  }
  read_all(ledger, limits);
  return 0;
}
