#include "tests/share/driver_way.h"

#include <dlfcn.h>
#include <unistd.h>

#include <cstdio>

#include "tests/doubles/cuda/export_tables.h"

namespace gpunode::share {
namespace {

void* library() {
  static void* const kLibrary = dlopen("libcuda.so.1", RTLD_NOW);
  return kLibrary;
}

/// What the driver's table has of it; the rest as it is linked.
void* find_in_table(const char* exported, void* linked) {
  const std::string name = exported;
  void* found = reinterpret_cast<void*>(&abi::cuGetExportTable);
  if (way == "table_dlsym") found = dlsym(library(), "cuGetExportTable");
  if (way == "table_proc") {
    abi::cuGetProcAddress("cuGetExportTable", &found, 12000, 0);
  }
  const abi::CUuuid id = fake_cuda::id_of(fake_cuda::ExportTable::kTaking);
  const void* table = nullptr;
  reinterpret_cast<decltype(&abi::cuGetExportTable)>(found)(&table, &id);
  const auto* taking = static_cast<const fake_cuda::TakingTable*>(table);
  if (name == "cuMemAlloc_v2") return reinterpret_cast<void*>(taking->take);
  if (name == "cuMemFree_v2") return reinterpret_cast<void*>(taking->give);
  if (name == "cuMemGetInfo_v2") {
    return reinterpret_cast<void*>(taking->get_info);
  }
  return linked;
}

}  // namespace

std::string way;

void end_with(int status) {
  std::fflush(stdout);
  _exit(status);
}

void* find_call(const char* name, const char* exported, void* linked) {
  void* found = nullptr;
  if (way == "linked") return linked;
  if (way == "dlsym") found = dlsym(library(), exported);
  if (way == "default") found = dlsym(RTLD_DEFAULT, exported);
  if (way == "dlvsym") {
    // The driver's names have no versions, and are found by none.
    found = dlvsym(library(), exported, "NONE");
    if (found == nullptr) found = dlsym(library(), exported);
  }
  if (way.rfind("table_", 0) == 0) return find_in_table(exported, linked);
  if (way == "proc_ptsz") {
    constexpr std::uint64_t kPerThreadStream = 2;
    abi::cuGetProcAddress(name, &found, 13000, kPerThreadStream);
  }
  if (way == "proc") {
    const auto ask = reinterpret_cast<decltype(&abi::cuGetProcAddress)>(
        dlsym(library(), "cuGetProcAddress"));
    ask(name, &found, 12000, 0);
  }
  if (way == "proc_v2") {
    // As the runtime does: it asks the first form for the second.
    const auto first = reinterpret_cast<decltype(&abi::cuGetProcAddress)>(
        dlsym(library(), "cuGetProcAddress"));
    void* second = nullptr;
    first("cuGetProcAddress", &second, 12000, 0);
    abi::CUdriverProcAddressQueryResult status = {};
    reinterpret_cast<decltype(&abi::cuGetProcAddress_v2)>(second)(
        name, &found, 13000, 0, &status);
  }
  if (found == nullptr) {
    std::printf("missing %s\n", exported);
    end_with(2);
  }
  return found;
}

}  // namespace gpunode::share
