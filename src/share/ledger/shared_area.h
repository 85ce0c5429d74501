// A ledger and its limits in memory that forked processes share: for tests.
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "share/ledger/ledger.h"

namespace gpunode::share {

/// Zeros at first. Unmapped at the end.
class SharedBytes {
 public:
  explicit SharedBytes(std::size_t size)
      : size_(size),
        bytes_(mmap(nullptr, size, PROT_READ | PROT_WRITE,
                    MAP_SHARED | MAP_ANONYMOUS, -1, 0)) {}
  SharedBytes(const SharedBytes&) = delete;
  SharedBytes& operator=(const SharedBytes&) = delete;
  ~SharedBytes() { munmap(bytes_, size_); }

  char* data() const { return static_cast<char*>(bytes_); }
  std::size_t size() const { return size_; }

 private:
  std::size_t size_;
  void* bytes_;
};

/// Both files of one container, each device held to `limit` bytes.
class SharedArea {
 public:
  explicit SharedArea(std::uint64_t limit, std::uint32_t devices = 1,
                      std::uint32_t slots = 8)
      : ledger(ledger_size(devices, slots)),
        limits(limits_size(devices, slots)) {
    format_ledger(ledger.data(), devices, slots);
    auto* header = reinterpret_cast<LimitsHeader*>(limits.data());
    header->magic = kLimitsMagic;
    header->version = kLimitsVersion;
    header->devices = devices;
    header->slots = slots;
    for (std::uint32_t device = 0; device < devices; ++device) {
      name_device(device, "GPU-0");
      limit_of(device).bytes = limit;
    }
  }

  void name_device(std::uint32_t device, std::string_view uuid) const {
    uuid.copy(limit_of(device).uuid.data(), kUuidBytes - 1);
  }
  DeviceLimit& limit_of(std::uint32_t device) const {
    return reinterpret_cast<DeviceLimit*>(limits.data() +
                                          sizeof(LimitsHeader))[device];
  }
  GoneWord& gone(std::uint32_t slot) const {
    const auto* header = reinterpret_cast<LimitsHeader*>(limits.data());
    return reinterpret_cast<GoneWord*>(&limit_of(header->devices))[slot];
  }
  /// A process's view of it.
  Ledger view(Ledger::LifeOf life_of) const {
    Limits read;
    Ledger seen;
    if (!Limits::view(limits.data(), limits.size(), &read) ||
        !Ledger::attach(ledger.data(), ledger.size(), read, &seen, life_of)) {
      __builtin_trap();
    }
    return seen;
  }

  SharedBytes ledger;
  SharedBytes limits;
};

}  // namespace gpunode::share
