// Tables of functions by id.
#include <sys/mman.h>

#include <cstring>

#include "tests/doubles/cuda/export_tables.h"
#include "tests/doubles/cuda/runtime.h"

namespace gpunode::abi {

using fake_cuda::enter;
using fake_cuda::ExportTable;
using fake_cuda::Runtime;
using fake_cuda::TakingTable;

namespace {

struct PlainTable {
  std::size_t bytes;
  decltype(&cuDriverGetVersion) get_version;
  decltype(&cuCtxGetCurrent) get_current;
};

struct UnsizedTable {
  decltype(&cuMemAlloc_v2) take;
  decltype(&cuMemFree_v2) give;
};

// As in the driver: in memory that is written once, when it is loaded.
constexpr PlainTable kPlain = {sizeof(PlainTable), &cuDriverGetVersion,
                               &cuCtxGetCurrent};
constexpr TakingTable kTaking = {sizeof(TakingTable), &cuDriverGetVersion,
                                 &cuMemAlloc_v2,      nullptr,
                                 &cuMemFree_v2,       &cuMemGetInfo_v2};
constexpr UnsizedTable kUnsized = {&cuMemAlloc_v2, &cuMemFree_v2};
constexpr TakingTable kUneven = {sizeof(TakingTable) - 1, &cuDriverGetVersion,
                                 &cuMemAlloc_v2,          nullptr,
                                 &cuMemFree_v2,           &cuMemGetInfo_v2};
constexpr TakingTable kBoundless = {std::size_t{1} << 40, &cuDriverGetVersion,
                                    &cuMemAlloc_v2,       nullptr,
                                    &cuMemFree_v2,        &cuMemGetInfo_v2};

/// At the end of what can be read, and longer by its own word.
const void* cut_table() {
  constexpr std::size_t kPage = 65536;  // As large as there are.
  static const void* const kTable = [] {
    void* memory = mmap(nullptr, 2 * kPage, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return static_cast<void*>(nullptr);
    char* end = static_cast<char*>(memory) + kPage;
    mprotect(end, kPage, PROT_NONE);
    TakingTable table = kTaking;
    table.bytes += sizeof(void*);
    return std::memcpy(end - sizeof(table), &table, sizeof(table));
  }();
  return kTable;
}

const void* table_of(const CUuuid& id) {
  const std::array<const void*, fake_cuda::kExportTables> tables = {
      &kPlain, &kTaking, &kUnsized, cut_table(), &kUneven, &kBoundless};
  for (std::size_t at = 0; at < tables.size(); ++at) {
    const CUuuid known = fake_cuda::id_of(static_cast<ExportTable>(at));
    if (std::memcmp(&known, &id, sizeof(id)) == 0) return tables[at];
  }
  return nullptr;
}

}  // namespace

CUresult cuGetExportTable(const void** table, const CUuuid* id) {
  return enter("cuGetExportTable", [&](Runtime&) {
    if (table == nullptr || id == nullptr) return CUDA_ERROR_INVALID_VALUE;
    const void* found = table_of(*id);
    if (found == nullptr) return CUDA_ERROR_INVALID_VALUE;
    *table = found;
    return CUDA_SUCCESS;
  });
}

}  // namespace gpunode::abi
