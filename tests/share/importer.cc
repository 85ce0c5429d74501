// Opens memory that another process made, in each of the ways there are, and
// says what it got: a word and a number a line. Deeds, in turn:
//   ipc, ipc_old N    opens memory of N bytes by a handle; with the same N
//   again
//                     the same memory
//   close             closes what was opened last
//   external N        memory of another API
//   destroy           ends it
//   handle N          a handle of N bytes, which is mapped
//   own N             the same, of this process's own making
//   unmap, release    the handle's
//   pointer N         memory of another process's pool
//   free, free_async  it
//   take              a block of 2 MiB
//   info              free bytes
//   end               the context
//   hold              keeps all until it is killed
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <string>

#include "gpu/abi/cuda_memory.h"
#include "tests/doubles/cuda/shared_memory.h"

namespace {

namespace abi = gpunode::abi;
using gpunode::fake_cuda::SharedMemory;

constexpr auto kFile = abi::CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR;

abi::CUcontext context = nullptr;
abi::CUdeviceptr opened = 0;
abi::CUexternalMemory external = nullptr;
abi::CUmemGenericAllocationHandle handle = 0;
abi::CUdeviceptr range = 0;
std::size_t range_bytes = 0;

/// As another process would have made it.
SharedMemory of_another(std::size_t bytes) {
  return {1, bytes, bytes, 0};
}

template <typename Handle>
Handle handle_of(std::size_t bytes) {
  const SharedMemory shared = of_another(bytes);
  Handle made = {};
  std::memcpy(&made, &shared, sizeof(shared));
  return made;
}

void map(std::size_t bytes) {
  range_bytes = bytes;
  abi::cuMemAddressReserve(&range, bytes, 0, 0, 0);
  std::printf("map %d\n", abi::cuMemMap(range, bytes, 0, handle, 0));
}

int import_handle(std::size_t bytes) {
  const int fd = gpunode::fake_cuda::share_memory(of_another(bytes));
  const int result = abi::cuMemImportFromShareableHandle(
      &handle, reinterpret_cast<void*>(std::intptr_t(fd)), kFile);
  close(fd);
  if (result == abi::CUDA_SUCCESS) map(bytes);
  return result;
}

int import_own(std::size_t bytes) {
  abi::CUmemAllocationProp properties = {};
  properties.type = abi::CU_MEM_ALLOCATION_TYPE_PINNED;
  properties.location = {abi::CU_MEM_LOCATION_TYPE_DEVICE, 0};
  abi::CUmemGenericAllocationHandle made = 0;
  abi::cuMemCreate(&made, bytes, &properties, 0);
  int fd = -1;
  abi::cuMemExportToShareableHandle(&fd, made, kFile, 0);
  const int result = abi::cuMemImportFromShareableHandle(
      &handle, reinterpret_cast<void*>(std::intptr_t(fd)), kFile);
  close(fd);
  map(bytes);
  return result;
}

int import_external(std::size_t bytes) {
  abi::CUDA_EXTERNAL_MEMORY_HANDLE_DESC from = {};
  from.type = abi::CU_EXTERNAL_MEMORY_HANDLE_TYPE_OPAQUE_FD;
  from.size = bytes;
  return abi::cuImportExternalMemory(&external, &from);
}

int import_pointer(std::size_t bytes) {
  abi::CUmemoryPool pool = nullptr;
  abi::cuDeviceGetMemPool(&pool, 0);
  auto data = handle_of<abi::CUmemPoolPtrExportData>(bytes);
  return abi::cuMemPoolImportPointer(&opened, pool, &data);
}

using Deed = int (*)(std::size_t bytes);

const std::map<std::string, Deed>& deeds_of_bytes() {
  static const std::map<std::string, Deed> kAll = {
      {"ipc",
       [](std::size_t bytes) -> int {
         return abi::cuIpcOpenMemHandle_v2(
             &opened, handle_of<abi::CUipcMemHandle>(bytes), 1);
       }},
      {"ipc_old",
       [](std::size_t bytes) -> int {
         return abi::cuIpcOpenMemHandle(
             &opened, handle_of<abi::CUipcMemHandle>(bytes), 1);
       }},
      {"external", import_external},
      {"handle", import_handle},
      {"own", import_own},
      {"pointer", import_pointer},
  };
  return kAll;
}

int take(std::size_t /*unused*/) {
  abi::CUdeviceptr address = 0;
  return abi::cuMemAlloc_v2(&address, std::size_t{2} << 20);
}

int say_info(std::size_t /*unused*/) {
  std::size_t free = 0;
  std::size_t total = 0;
  const int result = abi::cuMemGetInfo_v2(&free, &total);
  std::printf("free_bytes %zu\n", free);
  return result;
}

const std::map<std::string, Deed>& plain_deeds() {
  static const std::map<std::string, Deed> kAll = {
      {"close",
       [](std::size_t) -> int { return abi::cuIpcCloseMemHandle(opened); }},
      {"destroy",
       [](std::size_t) -> int {
         return abi::cuDestroyExternalMemory(external);
       }},
      {"unmap",
       [](std::size_t) -> int { return abi::cuMemUnmap(range, range_bytes); }},
      {"release", [](std::size_t) -> int { return abi::cuMemRelease(handle); }},
      {"free", [](std::size_t) -> int { return abi::cuMemFree_v2(opened); }},
      {"free_async",
       [](std::size_t) -> int { return abi::cuMemFreeAsync(opened, nullptr); }},
      {"hold",
       [](std::size_t) -> int {
         std::printf("holding 1\n");
         std::fflush(stdout);
         for (;;) pause();
       }},
      {"take", take},
      {"info", say_info},
      {"end", [](std::size_t) -> int { return abi::cuCtxDestroy_v2(context); }},
  };
  return kAll;
}

}  // namespace

int main(int count, char** argv) {
  if (abi::cuInit(0) != 0) return 3;
  if (abi::cuCtxCreate_v2(&context, 0, 0) != 0) return 4;
  for (int at = 1; at < count; ++at) {
    const std::string deed = argv[at];
    const auto of_bytes = deeds_of_bytes().find(deed);
    const int result =
        of_bytes == deeds_of_bytes().end()
            ? plain_deeds().at(deed)(0)
            : of_bytes->second(std::strtoull(argv[++at], nullptr, 10));
    std::printf("%s %d\n", deed.c_str(), result);
  }
  return 0;
}
