// Takes device memory by one of the ways that lead to the driver, and says what
// it got: one word and a number a line.
//
//   cuda_taker WAY DEED...
//
// WAY is one of driver_way.h. Deeds, in turn:
//   uuid              device 0's
//   info              free and total bytes
//   take N            takes blocks of N bytes until it is refused
//   some N K          the same, K of them at most
//   threads T N       the same by T threads at once, one block each
//   heap N            sets the limit of the context's heap
//   context           makes another context
//   amid CALL         asks for the memory's size, takes and frees memory, at
//   the
//                     beginning of each such call of the driver, as tools that
//                     watch calls may; ends the program if that takes forever
//   free              gives all back
//   hold              keeps all until it is killed
//   release           the same, and what it was is still known to map, unmap,
//                     retain and import, which are about virtual memory
//   odd               gives every other back
//   sync, keep, trim, destroy
//                     about pools: taking_path.h
//   graph, chain, nested, launch, ...
//                     about graphs: graph_path.h
//   path NAME         takes and frees by it from here on: taking_path.cc
//   rights            whether the C library takes it for one of other rights
//                     than its user's
//   early             asks for memory before cuInit, which is refused
//   unread            a context that the library knows nothing of, and from
//                     here on no file can be opened, its limits neither
//   files             files can be opened again
//   fork N            takes blocks of N bytes in a child, and when that has
//                     ended here
//   crowd P T N       takes blocks of N bytes by T threads in each of P
//                     processes, which hold what they have until all are done
#include <dlfcn.h>
#include <sys/auxv.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "gpu/abi/cuda.h"
#include "tests/share/driver_way.h"
#include "tests/share/graph_path.h"
#include "tests/share/taking_path.h"

namespace {

namespace abi = gpunode::abi;

using gpunode::share::end_with;
using gpunode::share::way;

abi::CUcontext context = nullptr;
std::mutex taken_mutex;
std::vector<std::uint64_t> taken;
std::size_t taken_bytes = 0;  ///< Of each.
std::string path = "data";

int take_all(std::size_t bytes, std::size_t most = ~std::size_t{0}) {
  const auto& way_of_taking = gpunode::share::path_of(path);
  taken_bytes = bytes;
  for (std::size_t at = 0; at < most; ++at) {
    std::uint64_t key = 0;
    const int result = way_of_taking.take(bytes, &key);
    if (result != abi::CUDA_SUCCESS) return result;
    const std::lock_guard lock(taken_mutex);
    taken.push_back(key);
  }
  return abi::CUDA_SUCCESS;
}

void say_uuid() {
  abi::CUuuid uuid = {};
  GET(cuDeviceGetUuid, cuDeviceGetUuid_v2)(&uuid, 0);
  std::string text = "GPU-";
  for (int at = 0; at < 16; ++at) {
    if (at == 4 || at == 6 || at == 8 || at == 10) text += '-';
    std::array<char, 3> digits = {};
    std::snprintf(digits.data(), digits.size(), "%02x",
                  static_cast<unsigned char>(uuid.bytes[at]));
    text += digits.data();
  }
  std::printf("uuid %s\n", text.c_str());
}

void say_info() {
  std::size_t free = 0;
  std::size_t total = 0;
  std::size_t device_total = 0;
  GET(cuMemGetInfo, cuMemGetInfo_v2)(&free, &total);
  GET(cuDeviceTotalMem, cuDeviceTotalMem_v2)(&device_total, 0);
  std::printf("free %zu\ntotal %zu\ndevice_total %zu\n", free, total,
              device_total);
}

/// By threads at once; returns how many blocks all have.
std::size_t take_by_threads(int number, std::size_t bytes,
                            std::size_t most = ~std::size_t{0}) {
  std::vector<std::thread> threads;
  for (int thread = 0; thread < number; ++thread) {
    threads.emplace_back([bytes, most] {
      abi::cuCtxSetCurrent(context);  // Each thread has its own.
      take_all(bytes, most);
    });
  }
  for (std::thread& thread : threads) thread.join();
  return taken.size();
}

void begin();

void take_by_crowd(int processes, int threads, std::size_t bytes) {
  std::array<int, 2> counts = {};
  std::array<int, 2> end = {};
  if (pipe(counts.data()) != 0 || pipe(end.data()) != 0) end_with(3);
  for (int process = 0; process < processes; ++process) {
    if (fork() != 0) continue;
    close(end[1]);
    begin();
    const std::size_t blocks = take_by_threads(threads, bytes);
    if (write(counts[1], &blocks, sizeof(blocks)) < 0) _exit(3);
    char byte = 0;
    _exit(static_cast<int>(read(end[0], &byte, 1)));  // 0: all are done.
  }
  std::size_t all = 0;
  for (int process = 0; process < processes; ++process) {
    std::size_t blocks = 0;
    if (read(counts[0], &blocks, sizeof(blocks)) > 0) all += blocks;
  }
  close(end[1]);
  while (wait(nullptr) > 0) {
  }
  std::printf("blocks %zu\n", all);
}

void begin() {
  if (abi::cuInit(0) != 0) {
    std::printf("no driver\n");
    end_with(3);
  }
  const int result = abi::cuCtxCreate_v2(&context, 0, 0);
  if (result != 0) {
    std::printf("context %d\n", result);
    end_with(4);
  }
}

void let_open_files(bool is_let) {
  rlimit limit = {};
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = is_let ? limit.rlim_max : 0;
  setrlimit(RLIMIT_NOFILE, &limit);
}

/// By the C library's own dlsym.
void begin_unread() {
  using Dlsym = void* (*)(void*, const char*);
  const auto find = reinterpret_cast<Dlsym>(
      dlsym(dlopen("libc.so.6", RTLD_NOW | RTLD_NOLOAD), "dlsym"));
  const auto create = reinterpret_cast<decltype(&abi::cuCtxCreate_v2)>(
      find(dlopen("libcuda.so.1", RTLD_NOW | RTLD_NOLOAD), "cuCtxCreate_v2"));
  if (abi::cuInit(0) != 0 || create(&context, 0, 0) != 0) end_with(4);
  let_open_files(false);
}

void begin_for(const std::string& deed) {
  return deed == "unread" ? begin_unread() : begin();
}

void take_in_child_and_here(std::size_t bytes) {
  std::fflush(stdout);
  const pid_t child = fork();
  if (child != 0) waitpid(child, nullptr, 0);
  begin();
  take_all(bytes);
  std::printf("%s %zu\n", child == 0 ? "child" : "parent", taken.size());
  if (child == 0) end_with(0);
}

void free_all() {
  for (const std::uint64_t key : taken) {
    const int result = gpunode::share::path_of(path).give(key);
    if (result != 0) std::printf("free_result %d\n", result);
  }
}

/// Every other: what is free then lies in pieces.
void free_odd() {
  std::vector<std::uint64_t> kept;
  for (std::size_t at = 0; at < taken.size(); ++at) {
    if (at % 2 == 0) {
      kept.push_back(taken[at]);
    } else {
      gpunode::share::path_of(path).give(taken[at]);
    }
  }
  taken = kept;
}

/// The words of the deeds, one by one.
class Words {
 public:
  Words(int count, char** words) : words_(words, words + count) {}
  bool is_empty() const { return at_ == words_.size(); }
  std::string next() { return is_empty() ? "" : words_[at_++]; }
  std::size_t number() { return std::strtoull(next().c_str(), nullptr, 10); }

 private:
  std::vector<std::string> words_;
  std::size_t at_ = 1;
};

/// What needs no context, or makes its own; false: it is none of these.
bool is_done_before(const std::string& deed, Words& words) {
  if (deed == "early") {
    abi::CUdeviceptr address = 0;
    std::printf("early %d\n", GET(cuMemAlloc, cuMemAlloc_v2)(&address, 4096));
  } else if (deed == "hold") {
    std::printf("holding 1\n");
    std::fflush(stdout);
    for (;;) pause();
  } else if (deed == "rights") {
    std::printf("secure %lu\n", getauxval(AT_SECURE));
  } else if (deed == "path") {
    path = words.next();
  } else if (deed == "files") {
    let_open_files(true);
  } else if (deed == "fork") {
    take_in_child_and_here(words.number());
  } else if (deed == "crowd") {
    const auto processes = static_cast<int>(words.number());
    const auto threads = static_cast<int>(words.number());
    take_by_crowd(processes, threads, words.number());
  } else {
    return false;
  }
  return true;
}

int amid_times = 0;

void ask_amid() {
  std::size_t free = 0;
  std::size_t total = 0;
  GET(cuMemGetInfo, cuMemGetInfo_v2)(&free, &total);
  abi::CUdeviceptr address = 0;
  GET(cuMemAlloc, cuMemAlloc_v2)(&address, 4096);
  GET(cuMemFree, cuMemFree_v2)(address);
  ++amid_times;
}

void let_ask_amid(const char* call) {
  using CallBack = void (*)(const char*, void (*)());
  auto* const call_back = reinterpret_cast<CallBack>(
      dlsym(RTLD_DEFAULT, "gpunode_fake_cuda_call_back"));
  if (call_back == nullptr) end_with(5);
  call_back(call, ask_amid);
  constexpr unsigned kForever = 60;
  alarm(kForever);
}

/// What is taken a number of times; false: it is none of these.
bool is_taking_done(const std::string& deed, Words& words) {
  if (deed == "take" || deed == "some") {
    const std::size_t bytes = words.number();
    const int result =
        deed == "take" ? take_all(bytes) : take_all(bytes, words.number());
    std::printf("blocks %zu\nresult %d\n", taken.size(), result);
  } else if (deed == "threads") {
    const auto threads = static_cast<int>(words.number());
    const std::size_t blocks = take_by_threads(threads, words.number(), 1);
    std::printf("blocks %zu\n", blocks);
  } else if (deed == "amid") {
    let_ask_amid(words.next().c_str());
  } else if (deed == "heap") {
    std::printf("heap %d\n",
                GET(cuCtxSetLimit, cuCtxSetLimit)(
                    abi::CU_LIMIT_MALLOC_HEAP_SIZE, words.number()));
  } else if (deed == "context") {
    abi::CUcontext other = nullptr;
    // By its name: asked for, a new driver gives a form with other parameters.
    std::printf("context %d\n", abi::cuCtxCreate_v2(&other, 0, 0));
  } else {
    return false;
  }
  return true;
}

}  // namespace

int main(int count, char** argv) {
  Words words(count, argv);
  way = words.next();
  bool has_begun = false;
  while (!words.is_empty()) {
    const std::string deed = words.next();
    if (is_done_before(deed, words)) continue;
    if (!has_begun) begin_for(deed);
    has_begun = true;
    if (is_taking_done(deed, words)) continue;
    if (deed == "uuid") say_uuid();
    if (deed == "info") say_info();
    if (deed == "free" || deed == "release") free_all();
    if (deed == "free") taken.clear();
    if (gpunode::share::do_pool(deed)) continue;
    const bool has_size = gpunode::share::is_graph_with_size(deed);
    const std::size_t bytes = has_size ? words.number() : 0;
    if (gpunode::share::do_graph(deed, bytes, has_size ? words.number() : 0)) {
      continue;
    }
    if (deed == "odd") free_odd();
    gpunode::share::do_virtual(deed, taken_bytes, taken);
  }
  if (amid_times != 0) std::printf("amid %d\n", amid_times);
  return 0;
}
