// Asks the driver for its tables of functions, by its own cuGetExportTable and
// as programs do, and says what it got: a word and a number a line.
#include <dlfcn.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "tests/doubles/cuda/export_tables.h"

namespace {

namespace abi = gpunode::abi;
using gpunode::fake_cuda::ExportTable;
using gpunode::fake_cuda::TakingTable;

/// By the C library's own dlsym.
auto real_get() {
  using Dlsym = void* (*)(void*, const char*);
  const auto find = reinterpret_cast<Dlsym>(
      dlsym(dlopen("libc.so.6", RTLD_NOW | RTLD_NOLOAD), "dlsym"));
  return reinterpret_cast<decltype(&abi::cuGetExportTable)>(
      find(dlopen("libcuda.so.1", RTLD_NOW | RTLD_NOLOAD), "cuGetExportTable"));
}

/// same: the driver's own table. again: the next who asks gets the same.
void ask(std::size_t at) {
  const abi::CUuuid id =
      gpunode::fake_cuda::id_of(static_cast<ExportTable>(at));
  const void* real = nullptr;
  const void* given = nullptr;
  const void* again = nullptr;
  real_get()(&real, &id);
  errno = ENOTTY;
  const int result = abi::cuGetExportTable(&given, &id);
  const bool keeps_errno = errno == ENOTTY;
  abi::cuGetExportTable(&again, &id);
  std::printf("table%zu_result %d\ntable%zu_same %d\ntable%zu_again %d\n", at,
              result, at, given == real ? 1 : 0, at, again == given ? 1 : 0);
  if (!keeps_errno) std::printf("errno 1\n");
  if (given == real || result != abi::CUDA_SUCCESS) return;
  const auto* ours = static_cast<const TakingTable*>(given);
  const auto* theirs = static_cast<const TakingTable*>(real);
  std::printf(
      "bytes %zu\nplain %d\nempty %d\ntake %d\ngive %d\n", ours->bytes,
      ours->get_version == theirs->get_version ? 1 : 0,
      ours->nothing == nullptr ? 1 : 0,
      ours->take == &abi::cuMemAlloc_v2 && ours->take != theirs->take ? 1 : 0,
      ours->give == &abi::cuMemFree_v2 ? 1 : 0);
}

}  // namespace

int main() {
  for (std::size_t at = 0; at < gpunode::fake_cuda::kExportTables; ++at) {
    ask(at);
  }
  const abi::CUuuid unknown = {};
  const void* table = &table;
  std::printf("unknown %d\n", abi::cuGetExportTable(&table, &unknown));
  std::printf("untouched %d\n", table == &table ? 1 : 0);
  std::printf("null_table %d\n", abi::cuGetExportTable(nullptr, &unknown));
  std::printf("null_id %d\n", abi::cuGetExportTable(&table, nullptr));
  return 0;
}
