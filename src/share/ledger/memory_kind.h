// By which path a process took device memory.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace gpunode::share {

/// Order and number are part of the ledger's format (docs/formats/ledger.md):
/// eight words of a kind each are one cache line.
enum class MemoryKind : std::uint8_t {
  kData,      ///< cuMemAlloc, Pitch, Managed.
  kArray,     ///< Arrays and mipmapped arrays.
  kPool,      ///< What memory pools hold, for cuMemAllocAsync and its kin.
  kVirtual,   ///< cuMemCreate: physical memory for mappings.
  kGraph,     ///< Memory nodes of graphs.
  kContext,   ///< Contexts themselves.
  kImported,  ///< Another process made it and pays for it: no part of sums.
  kLocal,     ///< Local memory (stacks), printf's and malloc's heaps.
};

inline constexpr std::size_t kMemoryKinds = 8;

/// What a container is held to is the sum of these.
constexpr bool is_of_sum(MemoryKind kind) {
  return kind != MemoryKind::kImported;
}

/// As metrics name it: "data", "array", …
constexpr const char* name_of(MemoryKind kind) {
  constexpr std::array<const char*, kMemoryKinds> kNames = {
      "data",  "array",   "pool",     "virtual",
      "graph", "context", "imported", "local"};
  return kNames[static_cast<std::size_t>(kind)];
}

}  // namespace gpunode::share
