// The memory that CUDA addresses reach: every allocation of this process.
//
// An address of device memory is reserved but cannot be read by the host, so
// that a program that dereferences one crashes as it does on a GPU; the bytes
// lie elsewhere. Host and managed memory is at its own address. The caller
// locks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>

namespace gpunode::fake_cuda {

struct Context;

struct Allocation {
  enum class Kind : std::uint8_t { kDevice, kManaged, kHost };

  std::uint64_t address = 0;
  std::uint64_t bytes = 0;
  std::byte* data = nullptr;
  Kind kind = Kind::kDevice;
  const Context* owner = nullptr;  ///< Whose destruction frees it.
  std::size_t device = 0;          ///< Whose memory it takes.
  bool is_of_pool = false;         ///< Which has taken it for all it holds.

  /// Whether a kernel of `context` may touch it.
  bool is_visible_to(const Context* context) const {
    return kind != Kind::kDevice || owner == context;
  }
};

class Memory {
 public:
  Memory() = default;
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;
  ~Memory();

  struct Request {
    std::uint64_t bytes = 0;
    Allocation::Kind kind = Allocation::Kind::kDevice;
    const Context* owner = nullptr;
    std::size_t device = 0;
    bool is_of_pool = false;
  };

  /// The new allocation, or null if the host has no room for it. Whether the
  /// device has is the caller's question: used_bytes().
  const Allocation* allocate(const Request& request);

  /// False if no allocation starts at `address`.
  bool release(std::uint64_t address);

  void release_all(const Context* owner);

  /// The allocation that holds all of [address, address + bytes), or null.
  const Allocation* find(std::uint64_t address, std::uint64_t bytes) const;

  /// What `device` has given away, in whole blocks of 2 MiB: requests above
  /// 1 MiB take their own, smaller ones share, 512 bytes each.
  std::uint64_t used_bytes(std::size_t device) const;

  /// used_bytes() as it would be with one more allocation.
  std::uint64_t used_bytes_with(std::size_t device, std::uint64_t bytes) const;

  /// Memory of `device` that lies behind no address of its own: physical
  /// memory, arrays. False if the device, of `total` bytes, has no room.
  bool take(std::size_t device, std::uint64_t bytes, std::uint64_t total);
  void give(std::size_t device, std::uint64_t bytes);

 private:
  struct Usage {
    std::uint64_t large_bytes = 0;
    std::uint64_t small_bytes = 0;

    std::uint64_t total() const;
    void add(std::uint64_t bytes);
    void remove(std::uint64_t bytes);
  };

  static void unmap(const Allocation& allocation);
  void forget(const Allocation& allocation);

  std::map<std::uint64_t, Allocation> allocations_;  ///< By address.
  std::map<std::size_t, Usage> usage_;               ///< By device.
};

}  // namespace gpunode::fake_cuda
