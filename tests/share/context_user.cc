// Makes and ends contexts by the driver's names as it is linked with them, and
// says what it got: a word and a number a line. Deeds, in turn:
//   retain, release, release_old, reset, reset_old   the primary context
//   create, create_v3, create_v4, destroy            a further one
//   destroy_old, attach, detach                      the same, as before CUDA 4
//   take N            one block of N bytes in the current context; says errno
//                     if that changed it
//   free              the block taken last
//   limits L N        cuCtxSetLimit by 8 threads at once, 5000 times each, with
//   N
//                     and 2 * N in turn
//   limit L N         cuCtxSetLimit
//   info              free and total bytes
//   raw N             a child by a raw clone frees the first block, as it has
//                     it of its parent, takes one of N bytes, and ends
//   unseen            a context that the library knows nothing of
//   pool N            one block of N bytes of the device's pool
//   calls C           how often the double was called by that name
//   amid C            retains and releases the primary context and sets a
//                     limit, at the beginning of each such call of the driver,
//                     as tools that watch calls may; ends the program if that
//                     takes forever
//   nofiles, files    no file can be opened; files can be opened again
//   move F T          a file or directory is elsewhere from here on
//   write32 F O N     N at offset O of file F, as the node writes
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "gpu/abi/cuda.h"

extern "C" std::uint64_t gpunode_fake_cuda_calls(const char* call);
extern "C" void gpunode_fake_cuda_call_back(const char* call, void (*deed)());

namespace {

namespace abi = gpunode::abi;

abi::CUcontext made = nullptr;
std::vector<abi::CUdeviceptr> taken;

void retain() {
  abi::CUcontext primary = nullptr;
  std::printf("retain %d\n", abi::cuDevicePrimaryCtxRetain(&primary, 0));
  if (primary != nullptr) abi::cuCtxSetCurrent(primary);
}

void take(std::size_t bytes) {
  abi::CUdeviceptr address = 0;
  errno = ENOTTY;
  std::printf("take %d\n", abi::cuMemAlloc_v2(&address, bytes));
  if (errno != ENOTTY) std::printf("errno %d\n", errno);
  taken.push_back(address);
}

void free_last() {
  std::printf("free %d\n", abi::cuMemFree_v2(taken.back()));
  taken.pop_back();
}

void say_info() {
  std::size_t free = 0;
  std::size_t total = 0;
  abi::cuMemGetInfo_v2(&free, &total);
  std::printf("free_bytes %zu\ntotal %zu\n", free, total);
}

/// No handler of a fork runs. The double's state is there as in a fork.
void take_in_raw_child(std::size_t bytes) {
  std::fflush(stdout);
  const long child = syscall(SYS_clone, SIGCHLD, nullptr, nullptr, nullptr, 0);
  if (child == 0) {
    // The parent's block is none of the child's.
    std::printf("child_free %d\n", abi::cuMemFree_v2(taken.front()));
    take(bytes);
    std::fflush(stdout);
    _exit(0);
  }
  waitpid(static_cast<pid_t>(child), nullptr, 0);
}

void let_open_files(bool is_let) {
  rlimit limit = {};
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = is_let ? limit.rlim_max : 0;
  setrlimit(RLIMIT_NOFILE, &limit);
}

void set_limits_by_threads(abi::CUlimit limit, std::size_t value) {
  abi::CUcontext context = nullptr;
  abi::cuCtxGetCurrent(&context);
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 8; ++thread) {
    threads.emplace_back([=] {
      abi::cuCtxSetCurrent(context);
      for (std::size_t turn = 0; turn < 5000; ++turn) {
        abi::cuCtxSetLimit(limit, value * (1 + turn % 2));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

void take_of_pool(std::size_t bytes) {
  abi::CUdeviceptr address = 0;
  std::printf("pool %d\n", abi::cuMemAllocAsync(&address, bytes, nullptr));
}

int amid_times = 0;

void ask_amid() {
  abi::CUcontext primary = nullptr;
  abi::cuDevicePrimaryCtxRetain(&primary, 0);
  abi::cuCtxSetLimit(abi::CU_LIMIT_MALLOC_HEAP_SIZE, 8 << 20);
  abi::cuDevicePrimaryCtxRelease_v2(0);
  ++amid_times;
}

void say_amid() {
  if (amid_times != 0) std::printf("amid %d\n", amid_times);
}

void let_ask_amid(const char* call) {
  gpunode_fake_cuda_call_back(call, ask_amid);
  constexpr unsigned kForever = 60;
  alarm(kForever);
}

/// By the C library's own dlsym.
void create_unseen() {
  using Dlsym = void* (*)(void*, const char*);
  const auto find = reinterpret_cast<Dlsym>(
      dlsym(dlopen("libc.so.6", RTLD_NOW | RTLD_NOLOAD), "dlsym"));
  const auto create = reinterpret_cast<decltype(&abi::cuCtxCreate_v2)>(
      find(dlopen("libcuda.so.1", RTLD_NOW | RTLD_NOLOAD), "cuCtxCreate_v2"));
  std::printf("create %d\n", create(&made, 0, 0));
}

void write_32(const char* path, std::size_t offset, std::uint32_t value) {
  const int fd = open(path, O_WRONLY | O_CLOEXEC);
  std::printf("write32 %zd\n",
              pwrite(fd, &value, sizeof(value), static_cast<off_t>(offset)));
  close(fd);
}

using Deed = void (*)();

const std::map<std::string, Deed>& deeds() {
  static const std::map<std::string, Deed> kAll = {
      {"retain", retain},
      {"release",
       [] {
         std::printf("release %d\n", abi::cuDevicePrimaryCtxRelease_v2(0));
       }},
      {"release_old",
       [] { std::printf("release %d\n", abi::cuDevicePrimaryCtxRelease(0)); }},
      {"reset",
       [] { std::printf("reset %d\n", abi::cuDevicePrimaryCtxReset_v2(0)); }},
      {"reset_old",
       [] { std::printf("reset %d\n", abi::cuDevicePrimaryCtxReset(0)); }},
      {"create",
       [] { std::printf("create %d\n", abi::cuCtxCreate_v2(&made, 0, 0)); }},
      {"create_v3",
       [] {
         std::printf("create %d\n",
                     abi::cuCtxCreate_v3(&made, nullptr, 0, 0, 0));
       }},
      {"create_v4",
       [] {
         std::printf("create %d\n", abi::cuCtxCreate_v4(&made, nullptr, 0, 0));
       }},
      {"destroy",
       [] { std::printf("destroy %d\n", abi::cuCtxDestroy_v2(made)); }},
      {"destroy_old",
       [] { std::printf("destroy %d\n", abi::cuCtxDestroy(made)); }},
      {"attach",
       [] { std::printf("attach %d\n", abi::cuCtxAttach(&made, 0)); }},
      {"detach", [] { std::printf("detach %d\n", abi::cuCtxDetach(made)); }},
      {"unseen", create_unseen},
      {"free", free_last},
      {"info", say_info},
      {"nofiles", [] { let_open_files(false); }},
      {"files", [] { let_open_files(true); }},
  };
  return kAll;
}

}  // namespace

int main(int count, char** argv) {
  if (abi::cuInit(0) != 0) return 3;
  for (int at = 1; at < count; ++at) {
    const std::string deed = argv[at];
    const auto number = [&] {
      return at + 1 < count ? std::strtoull(argv[++at], nullptr, 10) : 0;
    };
    if (deed == "take") {
      take(number());
    } else if (deed == "raw") {
      take_in_raw_child(number());
    } else if (deed == "calls" && at + 1 < count) {
      std::printf("calls %llu\n", static_cast<unsigned long long>(
                                      gpunode_fake_cuda_calls(argv[++at])));
    } else if (deed == "amid" && at + 1 < count) {
      let_ask_amid(argv[++at]);
    } else if (deed == "pool") {
      take_of_pool(number());
    } else if (deed == "move" && at + 2 < count) {
      std::printf("move %d\n", std::rename(argv[at + 1], argv[at + 2]));
      at += 2;
    } else if (deed == "write32" && at + 3 < count) {
      const char* path = argv[++at];
      const std::size_t offset = number();
      write_32(path, offset, static_cast<std::uint32_t>(number()));
    } else if (deed == "limits") {
      const auto limit = static_cast<abi::CUlimit>(number());
      set_limits_by_threads(limit, number());
    } else if (deed == "limit") {
      const auto limit = static_cast<abi::CUlimit>(number());
      std::printf("limit %d\n", abi::cuCtxSetLimit(limit, number()));
    } else {
      deeds().at(deed)();
    }
  }
  say_amid();
  return 0;
}
