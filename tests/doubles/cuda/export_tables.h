// The double's tables of functions, for those who ask by cuGetExportTable. Ids
// and contents are made up: of each sort that a caller may meet, one.
#pragma once

#include <array>
#include <cstddef>

#include "gpu/abi/cuda.h"

namespace gpunode::fake_cuda {

enum class ExportTable : char {
  kPlain,     ///< Its size, and nothing that takes memory.
  kTaking,    ///< Its size, and TakingTable's functions.
  kUnsized,   ///< Functions, cuMemAlloc_v2 the first.
  kCut,       ///< Says that it goes on where nothing can be read.
  kUneven,    ///< Says a size that ends within a word.
  kBoundless  ///< Says more than any table has.
};
inline constexpr std::size_t kExportTables = 6;

constexpr abi::CUuuid id_of(ExportTable table) {
  return {{'g', 'p', 'u', 'n', 'o', 'd', 'e', static_cast<char>(table)}};
}

struct TakingTable {
  std::size_t bytes;
  decltype(&abi::cuDriverGetVersion) get_version;
  decltype(&abi::cuMemAlloc_v2) take;
  void* nothing;
  decltype(&abi::cuMemFree_v2) give;
  decltype(&abi::cuMemGetInfo_v2) get_info;
};

}  // namespace gpunode::fake_cuda
