// This process's account: which limits it is held to, and what it has taken.
#pragma once

#include <cstdint>

#include "gpu/abi/cuda.h"
#include "share/intercept/blocks.h"
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

/// All members may be called by any number of threads at once.
class Account {
 public:
  constexpr Account() = default;
  Account(const Account&) = delete;
  Account& operator=(const Account&) = delete;
  ~Account() = default;  // Lives as long as the process.

  /// The process is in a container that is held to limits: the files `limits`
  /// and `ledger` lie beside this library. Looked for once; again in the child
  /// of a fork, which has taken nothing yet.
  bool is_limited();
  /// Takes bytes of the current context's device before the driver is asked for
  /// them, and says which device that is. kGranted for a device that has no
  /// limit, or if nobody is limited here: then `block` is of 0 bytes. A process
  /// for which the ledger has no slot gets nothing.
  Verdict reserve(MemoryKind kind, std::uint64_t bytes, Block* block);
  /// The same for a device that is named.
  Verdict reserve_on(abi::CUdevice device, MemoryKind kind, std::uint64_t bytes,
                     Block* block);
  void release(const Block& block);

  /// What is charged goes with `key`, an address or handle, until it is freed.
  void remember(std::uint64_t key, const Block& block);
  /// Before the driver is asked to free `key`: another thread may be given it
  /// at once. False for one that is unknown; else end_free() follows.
  bool begin_free(std::uint64_t key, Block* block);
  void end_free(std::uint64_t key, const Block& block, bool is_freed);

  /// The limit and what is left of it for the device; false if it has none.
  bool view(abi::CUdevice device, std::uint64_t* limit, std::uint64_t* left);
  /// The same for the current context's device.
  bool view(std::uint64_t* limit, std::uint64_t* left);

 private:
  enum class State : std::uint8_t { kNew, kOpening, kLimited, kFree };
  static constexpr std::uint32_t kNoDevice = ~std::uint32_t{0};
  static constexpr int kMostOrdinals = 64;

  static void begin_anew();
  /// Maps the files and takes a slot; false if there are none of ours.
  bool open();
  /// Number of the device in the limits; kNoDevice: it has none.
  std::uint32_t number_of(abi::CUdevice device);
  std::uint32_t current_device();
  Verdict reserve_of(std::uint32_t device, std::uint64_t bytes, Block* block);

  std::atomic<State> state_ = State::kNew;
  Limits limits_;
  Ledger ledger_;
  bool has_ledger_ = false;
  Blocks blocks_;
  /// By ordinal: number in the limits + 1; 0: not looked up yet.
  std::array<std::atomic<std::uint32_t>, kMostOrdinals> numbers_ = {};
};

/// The one of this process.
Account& account();

}  // namespace gpunode::share
