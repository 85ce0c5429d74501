// What libgpunode-cuda.so costs a program on a real GPU: bench/gpu_shares.py
// runs this with and without it, in turn.
//
//   share_bench probe                    a word and a number a line:
//   microseconds
//                                        a call, medians; or what it says
//   share_bench lay DIR LIBRARY MIB      files of a share of device 0, of all
//   of
//                                        it for 0 MiB, beside a copy of LIBRARY
//   share_bench pairs WAY COUNT          COUNT calls of cuMemAlloc and
//   cuMemFree
//                                        (alloc), cuMemAllocAsync and its free
//                                        (async), cuStreamSynchronize (sync) or
//                                        cuMemGetInfo (info), for counting
//   share_bench take SIZE                takes blocks of SIZE bytes until it is
//                                        refused
#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "bench/cuda_driver.h"
#include "gpu/abi/cuda.h"
#include "gpu/abi/cuda_memory.h"
#include "share/grants/grant_files.h"

namespace {

namespace abi = gpunode::abi;
using gpunode::bench::check;
using gpunode::bench::give_up;
using gpunode::bench::uuid_of_first;
using Clock = std::chrono::steady_clock;

constexpr const char* kEmptyKernel =
    ".version 6.0\n.target sm_50\n.address_size 64\n"
    ".visible .entry empty() { ret; }\n";

double microseconds_since(Clock::time_point begin) {
  return std::chrono::duration<double, std::micro>(Clock::now() - begin)
      .count();
}

/// Median of `rounds` rounds of `count` calls, microseconds a call.
template <typename Call>
void report(const char* word, int rounds, int count, Call call) {
  for (int i = 0; i < count; ++i) call();
  std::vector<double> times;
  for (int round = 0; round < rounds; ++round) {
    const auto begin = Clock::now();
    for (int i = 0; i < count; ++i) call();
    times.push_back(microseconds_since(begin) / count);
  }
  std::nth_element(times.begin(), times.begin() + rounds / 2, times.end());
  std::printf("%s %.4f\n", word, times[static_cast<std::size_t>(rounds) / 2]);
}

void open_context() {
  check("cuInit", DRIVER(cuInit)(0));
  abi::CUcontext context = nullptr;
  check("cuDevicePrimaryCtxRetain",
        DRIVER(cuDevicePrimaryCtxRetain)(&context, 0));
  check("cuCtxSetCurrent", DRIVER(cuCtxSetCurrent)(context));
}

void probe() {
  const auto begin = Clock::now();
  open_context();
  std::printf("start_ms %.3f\n", microseconds_since(begin) / 1e3);

  abi::CUmodule module = nullptr;
  abi::CUfunction kernel = nullptr;
  check("cuModuleLoadData", DRIVER(cuModuleLoadData)(&module, kEmptyKernel));
  check("cuModuleGetFunction",
        DRIVER(cuModuleGetFunction)(&kernel, module, "empty"));
  auto* const launch = DRIVER(cuLaunchKernel);
  auto* const synchronize = DRIVER(cuStreamSynchronize);
  const auto go = [&] {
    launch(kernel, 1, 1, 1, 1, 1, 1, 0, nullptr, nullptr, nullptr);
  };
  report("launch_us", 15, 2000, go);
  synchronize(nullptr);
  report("launch100_sync_us", 15, 50, [&] {
    for (int i = 0; i < 100; ++i) go();
    synchronize(nullptr);
  });
  report("sync_us", 15, 5000, [&] { synchronize(nullptr); });

  auto* const allocate = DRIVER(cuMemAlloc_v2);
  auto* const release = DRIVER(cuMemFree_v2);
  abi::CUdeviceptr address = 0;
  // Without another block beside it, each pair takes a block of the driver's.
  const auto pair = [&](std::size_t bytes) {
    return [&, bytes] {
      check("cuMemAlloc", allocate(&address, bytes));
      release(address);
    };
  };
  report("alloc_free_alone_4k_us", 9, 200, pair(4096));
  abi::CUdeviceptr neighbour = 0;
  check("cuMemAlloc", allocate(&neighbour, 4096));
  report("alloc_free_4k_us", 15, 2000, pair(4096));
  report("alloc_free_16m_us", 9, 200, pair(16 << 20));
  auto* const allocate_async = DRIVER(cuMemAllocAsync);
  auto* const release_async = DRIVER(cuMemFreeAsync);
  report("alloc_free_async_1m_us", 15, 2000, [&] {
    check("cuMemAllocAsync", allocate_async(&address, 1 << 20, nullptr));
    release_async(address, nullptr);
  });
  synchronize(nullptr);
  auto* const information = DRIVER(cuMemGetInfo_v2);
  std::size_t free_bytes = 0;
  std::size_t total_bytes = 0;
  report("memory_info_us", 15, 2000,
         [&] { information(&free_bytes, &total_bytes); });
  std::printf("total_mib %zu\n", total_bytes >> 20U);
}

void call_often(std::string_view way, int count) {
  open_context();
  auto* const allocate = DRIVER(cuMemAlloc_v2);
  auto* const release = DRIVER(cuMemFree_v2);
  auto* const allocate_async = DRIVER(cuMemAllocAsync);
  auto* const release_async = DRIVER(cuMemFreeAsync);
  auto* const synchronize = DRIVER(cuStreamSynchronize);
  auto* const information = DRIVER(cuMemGetInfo_v2);
  abi::CUdeviceptr address = 0;
  std::size_t free_bytes = 0;
  std::size_t total_bytes = 0;
  for (int i = 0; i < count; ++i) {
    if (way == "alloc") {
      allocate(&address, 4096);
      release(address);
    } else if (way == "async") {
      allocate_async(&address, 4096, nullptr);
      release_async(address, nullptr);
    } else if (way == "sync") {
      synchronize(nullptr);
    } else {
      information(&free_bytes, &total_bytes);
    }
  }
}

void take(std::size_t bytes) {
  open_context();
  auto* const allocate = DRIVER(cuMemAlloc_v2);
  std::size_t blocks = 0;
  abi::CUdeviceptr address = 0;
  abi::CUresult result = abi::CUDA_SUCCESS;
  while ((result = allocate(&address, bytes)) == abi::CUDA_SUCCESS) ++blocks;
  std::printf("taken_mib %zu\nrefused_with %d\n", blocks * bytes >> 20U,
              static_cast<int>(result));
}

void lay(const std::string& directory, const std::string& library,
         std::uint64_t mib) {
  std::size_t bytes = mib << 20U;
  const std::string uuid = uuid_of_first();
  if (mib == 0)
    check("cuDeviceTotalMem", DRIVER(cuDeviceTotalMem_v2)(&bytes, 0));
  const gpunode::share::GrantFiles files(directory);
  const auto made = files.renew({"0", {{uuid, bytes}}});
  if (!made) give_up(made.error().message());
  std::filesystem::copy_file(library, directory + "/0/libgpunode-cuda.so",
                             std::filesystem::copy_options::overwrite_existing);
}

}  // namespace

int main(int count, char** argv) {
  const std::string_view verb = count > 1 ? argv[1] : "";
  if (verb == "probe" && count == 2) {
    probe();
  } else if (verb == "pairs" && count == 4) {
    call_often(argv[2], std::atoi(argv[3]));
  } else if (verb == "take" && count == 3) {
    take(std::strtoull(argv[2], nullptr, 10));
  } else if (verb == "lay" && count == 5) {
    lay(argv[2], argv[3], std::strtoull(argv[4], nullptr, 10));
  } else {
    give_up("what it takes stands at the head of bench/share_bench.cc");
  }
  return 0;
}
