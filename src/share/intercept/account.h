// This process's account: which limits it is held to, and what it has taken.
#pragma once

#include <cstdint>

#include "gpu/abi/cuda.h"
#include "share/intercept/blocks.h"
#include "share/intercept/lanes.h"
#include "share/ledger/ledger.h"

namespace gpunode::share {

/// Bytes that the driver takes for `bytes` asked of it, as measured (H200,
/// driver 580): above 1 MiB in whole blocks of 2 MiB, up to it in pieces of
/// 512 bytes of blocks that are shared.
constexpr std::uint64_t charged_bytes(std::uint64_t bytes) {
  constexpr std::uint64_t kPiece = 512;
  constexpr std::uint64_t kBlock = 2 << 20;
  const std::uint64_t unit = bytes > kBlock / 2 ? kBlock : kPiece;
  const std::uint64_t rounded = (bytes + unit - 1) / unit * unit;
  return rounded < bytes ? bytes : rounded;  // Nobody has so much.
}

/// What a container has of a device: bytes.
struct DeviceLook {
  std::uint64_t limit = kNoLimit;
  std::uint64_t held = 0;
};

/// All members may be called by any number of threads at once.
class Account {
 public:
  constexpr Account() = default;
  Account(const Account&) = delete;
  Account& operator=(const Account&) = delete;
  ~Account() = default;  // Lives as long as the process.

  /// The process is in a container that is held to limits: the files `limits`
  /// and `ledger` lie beside this library. Looked for until it is known; anew
  /// in the child of a fork, which has taken nothing yet. While the files
  /// cannot be read though they may be there, it is.
  bool is_limited();
  /// Takes bytes of the current context's device before the driver is asked for
  /// them, and says which device that is, refused too. kGranted for a device
  /// that has no limit, or if nobody is limited here: then `block` is of 0
  /// bytes. A process takes its slot of the ledger with its first bytes; while
  /// there is none for it, it gets nothing.
  Verdict reserve(MemoryKind kind, std::uint64_t bytes, Block* block);
  /// The same for a device that is named.
  Verdict reserve_on(abi::CUdevice device, MemoryKind kind, std::uint64_t bytes,
                     Block* block);
  /// The same for bytes of a device by its number in the limits.
  Verdict reserve_block(const Block& block);
  void release(const Block& block);
  /// What the driver has given already, whatever the limit says. False: it is
  /// counted nowhere.
  bool charge(const Block& block);
  /// Number of the device in the limits; kNoDevice: it has none. While they
  /// cannot be read, a number that stands for the one that it will have:
  /// nothing of it is granted until then.
  std::uint32_t number_of(abi::CUdevice device);
  static constexpr std::uint32_t kNoDevice = ~std::uint32_t{0};

  /// What is charged goes with `key`, an address or handle, until it is freed.
  void remember(std::uint64_t key, const Block& block);
  /// Before the driver is asked to free `key`: another thread may be given it
  /// at once. False for one that is unknown; else end_free() follows.
  bool begin_free(std::uint64_t key, Block* block);
  void end_free(std::uint64_t key, const Block& block, bool is_freed);

  /// Before the driver is asked to end a context: with it goes all that was
  /// taken in it. Until end_context() says whether it did, that belongs to
  /// nobody who could be mistaken for another: a context made meanwhile may get
  /// the same handle.
  std::uint64_t begin_end_context(std::uint64_t context);
  void end_context(std::uint64_t context, std::uint64_t token, bool has_ended);
  /// What other threads took in it between: for one that ended and cannot have
  /// been made again yet.
  void drop_context(std::uint64_t context);
  /// What a context takes of the device, as the node has measured it; 0: it
  /// hasn't.
  std::uint64_t measured_context_bytes(abi::CUdevice device);

  /// The limit of the device; kNoLimit: it has none.
  std::uint64_t limit_of(abi::CUdevice device);
  /// The limit and what is left of it for the device; false if it has none.
  bool view(abi::CUdevice device, std::uint64_t* limit, std::uint64_t* left);
  /// The same for the current context's device.
  bool view(std::uint64_t* limit, std::uint64_t* left);

  /// Some Device's time may be given in turns. A few loads: asked before
  /// anything is launched.
  bool may_take_turns();
  /// The container's limits of the device, by its number.
  const DeviceLimit& limits_at(std::uint32_t device) const {
    return limits_.at(device);
  }
  /// This process's lane of the device, by its number; null: it has none. Once
  /// a process and device.
  Lane* claim_lane(std::uint32_t device);
  Lane* map_lane_again(std::uint32_t device, void** page);
  void ring() const { lanes_.ring(); }

  /// Number of the device that NVML calls so ("GPU-…", "MIG-…"); kNoDevice: no
  /// limits name it. For the members below, which take no slot.
  std::uint32_t number_of(const char* uuid);
  /// The limit, kNoLimit if there is none, and what the container holds.
  DeviceLook look_at(std::uint32_t device);
  /// The next process of the container that holds bytes of the device, from
  /// `slot` on, which becomes the one to go on with; false: there is none.
  bool next_holder(std::uint32_t device, std::uint32_t* slot, Holder* holder);

 private:
  /// What ProcessWords::opening and ::slot say; 0 in a new process.
  enum Opening : std::uint32_t { kNew, kOpening, kLimited, kFree, kUnread };
  enum Slot : std::uint32_t { kNoSlot, kTakingSlot, kHasSlot };
  /// What the files say; kUnknown: they could not be read.
  enum class Rule : std::uint8_t { kFree, kLimited, kUnknown };
  static constexpr int kMostOrdinals = 64;

  Rule rule();
  Rule open();
  void forget();
  bool attach();
  bool has_slot();
  /// The number that what number_of() gave stands for by now.
  std::uint32_t numbered(std::uint32_t device);
  static constexpr std::uint32_t kNotNumbered = std::uint32_t{1} << 31;
  std::uint32_t current_device();
  Verdict reserve_of(std::uint32_t device, std::uint64_t bytes, Block* block);

  Limits limits_;
  Ledger ledger_;
  /// The same ledger, for those who look and take nothing.
  Ledger onlooker_;
  Lanes lanes_;
  std::atomic<bool> has_ledger_ = false;
  std::atomic<std::uint64_t> ended_contexts_ = 0;
  Blocks blocks_;
  /// By ordinal: number in the limits + 1, or kHasNone; 0: not looked up yet.
  static constexpr std::uint32_t kHasNone = ~std::uint32_t{0};
  std::array<std::atomic<std::uint32_t>, kMostOrdinals> numbers_ = {};
};

/// The one of this process.
Account& account();

}  // namespace gpunode::share
