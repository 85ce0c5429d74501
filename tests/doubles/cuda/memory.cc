#include "tests/doubles/cuda/memory.h"

#include <sys/mman.h>

#include <bit>

namespace gpunode::fake_cuda {

namespace {

constexpr std::uint64_t kBlockBytes = 2U << 20;
constexpr std::uint64_t kSmallBytes = 1U << 20;
constexpr std::uint64_t kSmallestBytes = 512;

std::uint64_t round_up(std::uint64_t value, std::uint64_t unit) {
  return (value + unit - 1) / unit * unit;
}

std::byte* map(std::uint64_t bytes, int protection) {
  void* memory = ::mmap(nullptr, bytes, protection,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return memory == MAP_FAILED ? nullptr : static_cast<std::byte*>(memory);
}

}  // namespace

Memory::~Memory() {
  for (const auto& [address, allocation] : allocations_) unmap(allocation);
}

const Allocation* Memory::allocate(const Request& request) {
  std::byte* data = map(request.bytes, PROT_READ | PROT_WRITE);
  if (data == nullptr) return nullptr;
  std::byte* place = data;
  if (request.kind == Allocation::Kind::kDevice) {
    place = map(request.bytes, PROT_NONE);
    if (place == nullptr) {
      ::munmap(data, request.bytes);
      return nullptr;
    }
  }
  Allocation allocation;
  allocation.address = std::bit_cast<std::uint64_t>(place);
  allocation.bytes = request.bytes;
  allocation.data = data;
  allocation.kind = request.kind;
  allocation.owner = request.owner;
  allocation.device = request.device;
  allocation.is_of_pool = request.is_of_pool;
  if (request.kind != Allocation::Kind::kHost && !request.is_of_pool) {
    usage_[request.device].add(request.bytes);
  }
  return &allocations_.emplace(allocation.address, allocation).first->second;
}

bool Memory::release(std::uint64_t address) {
  const auto found = allocations_.find(address);
  if (found == allocations_.end()) return false;
  forget(found->second);
  allocations_.erase(found);
  return true;
}

void Memory::release_all(const Context* owner) {
  for (auto it = allocations_.begin(); it != allocations_.end();) {
    if (it->second.owner == owner) {
      forget(it->second);
      it = allocations_.erase(it);
    } else {
      ++it;
    }
  }
}

const Allocation* Memory::find(std::uint64_t address,
                               std::uint64_t bytes) const {
  auto next = allocations_.upper_bound(address);
  if (next == allocations_.begin()) return nullptr;
  const Allocation& candidate = std::prev(next)->second;
  const std::uint64_t offset = address - candidate.address;
  if (offset >= candidate.bytes || bytes > candidate.bytes - offset) {
    return nullptr;
  }
  return &candidate;
}

std::uint64_t Memory::used_bytes(std::size_t device) const {
  const auto found = usage_.find(device);
  return found == usage_.end() ? 0 : found->second.total();
}

std::uint64_t Memory::used_bytes_with(std::size_t device,
                                      std::uint64_t bytes) const {
  const auto found = usage_.find(device);
  Usage usage = found == usage_.end() ? Usage() : found->second;
  usage.add(bytes);
  return usage.total();
}

bool Memory::take(std::size_t device, std::uint64_t bytes,
                  std::uint64_t total) {
  if (bytes > total || used_bytes_with(device, bytes) > total) return false;
  usage_[device].add(bytes);
  return true;
}

void Memory::give(std::size_t device, std::uint64_t bytes) {
  usage_[device].remove(bytes);
}

std::uint64_t Memory::Usage::total() const {
  return large_bytes + round_up(small_bytes, kBlockBytes);
}

void Memory::Usage::add(std::uint64_t bytes) {
  if (bytes > kSmallBytes) {
    large_bytes += round_up(bytes, kBlockBytes);
  } else {
    small_bytes += round_up(bytes, kSmallestBytes);
  }
}

void Memory::Usage::remove(std::uint64_t bytes) {
  if (bytes > kSmallBytes) {
    large_bytes -= round_up(bytes, kBlockBytes);
  } else {
    small_bytes -= round_up(bytes, kSmallestBytes);
  }
}

void Memory::unmap(const Allocation& allocation) {
  ::munmap(allocation.data, allocation.bytes);
  if (allocation.kind == Allocation::Kind::kDevice) {
    // The reserved range at the address itself.
    ::munmap(std::bit_cast<void*>(allocation.address), allocation.bytes);
  }
}

void Memory::forget(const Allocation& allocation) {
  unmap(allocation);
  if (allocation.kind != Allocation::Kind::kHost && !allocation.is_of_pool) {
    usage_[allocation.device].remove(allocation.bytes);
  }
}

}  // namespace gpunode::fake_cuda
