// Gives work to a Device whose time is given in turns, plays the node beside
// it, and says what came of it: a word and a number a line.
//
//   turn_taker DIRECTORY DEED...      the grant's files; deeds, in turn:
//   retain, release, reset            the primary context
//   create, destroy                   a further one; then the primary is
//                                     current again
//   on N                              work is for stream N: 0, 1 and 2 as the
//                                     driver has them, made ones from 3 on
//   streams N, drop, again            makes N; destroys the one of `on`; makes
//                                     it again
//   launch N                          N pieces of work
//   each N                            N pieces in turn for each made stream
//   async N                           N pieces, by a thread of its own
//   waiting N                         until so many threads wait
//   join                              until those threads have ended
//   own T N                           T threads at once, N pieces each for the
//                                     stream that each thread has
//   forms, copies                     each form of work while the word is
//                                     closed; each copy that takes no turns
//   sync, sync_all                    waits for the stream, for the context
//   capture, end_capture              of the stream of `on`
//   hold N                            the Device stands still, or goes on
//   word N, beat                      as the node writes them
//   fault                             a kernel of the current context failed
//   find_out C                        by the call C; says what it answered
//   amid C                            each call C of the driver has a tool
//                                     launch something
//   watch, rung, till_rung            the ledger, and whether it was written to
//   pool                              memory of the Device's pool
//   asked N                           until so many fences were asked for; says
//                                     how many were then
//   fork_waiting                      a child launches while the word is
//                                     closed, and again when it is open
//   die_waiting                       a child is killed while it waits
//   crowd N                           so many processes while the word is
//                                     closed: who goes, and who waits
//   alarms N                          SIGALRM every N microseconds
//   lane                              what this process's lane says
//   calls C                           how often the double was called so
//
// and those of gate_deeds.h.
#include <sys/inotify.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <barrier>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "gpu/abi/cuda_memory.h"
#include "gpu/abi/cuda_work.h"
#include "tests/share/gate_deeds.h"
#include "tests/share/turn_side.h"
#include "tests/share/work_forms.h"

extern "C" std::uint64_t gpunode_fake_cuda_calls(const char* call);
extern "C" void gpunode_fake_cuda_hold_work(int is_held);
extern "C" void gpunode_fake_cuda_fault();
extern "C" void gpunode_fake_cuda_call_back(const char* call, void (*deed)());

namespace {

namespace abi = gpunode::abi;
using gpunode::share::await;
using gpunode::share::KnownDeed;
using gpunode::share::KnownDeeds;
using gpunode::share::Lane;
using gpunode::share::TurnSide;
using gpunode::share::TurnWord;

constexpr std::size_t kFirstMade = 3;

std::unique_ptr<TurnSide> side;
std::vector<abi::CUstream> streams = {
    nullptr, reinterpret_cast<abi::CUstream>(std::uintptr_t{1}),
    reinterpret_cast<abi::CUstream>(std::uintptr_t{2})};
std::size_t on = 0;
abi::CUcontext other = nullptr;
abi::CUdeviceptr memory = 0;
abi::CUdeviceptr memory_of_primary = 0;
std::vector<std::thread> threads;
int bell = -1;

void say(const char* word, long long number) {
  std::printf("%s %lld\n", word, number);
}

int launch_for(abi::CUstream stream) {
  return abi::cuMemsetD8Async(memory, 1, 1, stream);
}

void launch(std::size_t count) {
  int failed = 0;
  errno = ENOTTY;
  for (std::size_t at = 0; at < count; ++at) {
    const int result = launch_for(streams[on]);
    if (result != abi::CUDA_SUCCESS) failed = result;
  }
  if (errno != ENOTTY) say("errno", errno);
  say("launch", failed);
}

void launch_each(std::size_t count) {
  int failed = 0;
  for (std::size_t at = 0; at < count; ++at) {
    for (std::size_t one = kFirstMade; one < streams.size(); ++one) {
      const int result = launch_for(streams[one]);
      if (result != abi::CUDA_SUCCESS) failed = result;
    }
  }
  say("each", failed);
}

/// Threads have the current context of who makes them.
template <typename Deed>
std::thread thread_of(Deed deed) {
  abi::CUcontext context = nullptr;
  abi::cuCtxGetCurrent(&context);
  return std::thread([=] {
    abi::cuCtxSetCurrent(context);
    deed();
  });
}

void launch_by_own(std::size_t count, std::size_t pieces) {
  std::barrier all(static_cast<std::ptrdiff_t>(count));
  std::atomic<int> failed = 0;
  std::vector<std::thread> own;
  for (std::size_t at = 0; at < count; ++at) {
    own.push_back(thread_of([&, pieces] {
      for (std::size_t piece = 0; piece < pieces; ++piece) {
        if (launch_for(streams[2]) != abi::CUDA_SUCCESS) ++failed;
      }
      all.arrive_and_wait();
    }));
  }
  for (std::thread& thread : own) thread.join();
  say("own", failed);
}

using Forms = std::vector<gpunode::share::WorkForm>;
void try_forms(const Forms& (*forms)()) {
  side->say(0);
  say("prepared", gpunode::share::prepare_forms() ? 1 : 0);
  for (const auto& form : forms()) {
    side->say(TurnWord::kInTurns | TurnWord::kClosed);
    std::atomic<int> result = -1;
    std::thread thread = thread_of([&] { result = form.ask(); });
    await([&] { return side->lane(0).waiting == 1 || result != -1; });
    const bool has_waited = result == -1;
    side->say(TurnWord::kInTurns);
    thread.join();
    std::printf("form %s %d %s\n", form.name.c_str(), result.load(),
                has_waited ? "waited" : "went");
  }
}

void say_lane() {
  const Lane& lane = side->lane(0);
  say("launches", static_cast<long long>(lane.launches));
  say("waits", static_cast<long long>(lane.waits));
  say("waiting", lane.waiting);
  say("tails", lane.tails);
  say("unfenced", lane.unfenced);
  say("missed", lane.missed);
  long long asked = 0;
  long long places = 0;
  bool is_busy = false;
  for (std::size_t at = 0; at < gpunode::share::kLaneStreams; ++at) {
    asked += lane.asked[at];
    if (lane.asked[at] != 0) ++places;
    is_busy = is_busy || lane.asked[at] != lane.done[at];
  }
  say("asked", asked);
  say("places", places);
  say("busy", is_busy ? 1 : 0);
}

void make_streams(std::size_t count) {
  for (std::size_t at = 0; at < count; ++at) {
    streams.emplace_back();
    const int result = abi::cuStreamCreate(&streams.back(), 0);
    if (result != abi::CUDA_SUCCESS) say("stream", result);
  }
}

void watch() {
  bell = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
  const char* ledger = side->ledger_path().c_str();
  say("watch", inotify_add_watch(bell, ledger, IN_CLOSE_WRITE) >= 0 ? 0 : 1);
}

bool is_rung() {
  alignas(inotify_event) std::array<char, 4096> events;
  return read(bell, events.data(), events.size()) > 0;
}

void be_interrupted(std::size_t microseconds) {
  struct sigaction action = {};
  action.sa_handler = [](int) {};
  sigaction(SIGALRM, &action, nullptr);
  const timeval every = {0, static_cast<suseconds_t>(microseconds)};
  const itimerval timer = {every, every};
  setitimer(ITIMER_REAL, &timer, nullptr);
}

void retain() {
  abi::CUcontext primary = nullptr;
  say("retain", abi::cuDevicePrimaryCtxRetain(&primary, 0));
  abi::cuCtxSetCurrent(primary);
  say("memory", abi::cuMemAlloc_v2(&memory, 4096));
  memory_of_primary = memory;
}

void create() {
  say("create", abi::cuCtxCreate_v2(&other, 0, 0));
  say("memory", abi::cuMemAlloc_v2(&memory, 4096));
}

void destroy() {
  say("destroy", abi::cuCtxDestroy_v2(other));
  memory = memory_of_primary;
}

/// The end of a process that has launched; its status says what it got.
[[noreturn]] void launch_and_end(std::size_t count) {
  int failed = 0;
  for (std::size_t at = 0; at < count; ++at) {
    failed = std::max(failed, launch_for(streams[on]));
  }
  _exit(failed);
}

void say_end(pid_t child) {
  int status = -1;
  waitpid(child, &status, 0);
  say("child", WIFEXITED(status) ? WEXITSTATUS(status) : -1);
}

void fork_while_closed() {
  std::fflush(stdout);
  const pid_t child = fork();
  if (child == 0) launch_and_end(5);
  await([] { return side->lane(1).waiting == 1; });
  say("waiting", side->lane(0).waiting);
  side->say(TurnWord::kInTurns);
  say_end(child);
  say("child_launches", static_cast<long long>(side->lane(1).launches));
}

void die_while_closed() {
  std::fflush(stdout);
  side->say(TurnWord::kInTurns | TurnWord::kClosed);
  const pid_t child = fork();
  if (child == 0) {
    retain();
    launch_and_end(1);
  }
  await([] { return side->lane(0).waiting == 1; });
  kill(child, SIGKILL);
  say_end(child);
}

void crowd(std::size_t count) {
  using gpunode::share::kMostLaneSlots;
  std::fflush(stdout);
  side->say(TurnWord::kInTurns | TurnWord::kClosed);
  std::array<int, 2> gone = {};
  if (pipe(gone.data()) != 0) std::abort();
  std::vector<pid_t> children;
  for (std::size_t at = 0; at < count; ++at) {
    children.push_back(fork());
    if (children.back() != 0) continue;
    retain();
    const int result = launch_for(nullptr);
    (void)!write(gone[1], "", 1);
    // Nobody has its slot before all have tried.
    await([] { return side->limit().turn == TurnWord::kInTurns; });
    _exit(result);
  }
  for (std::size_t at = kMostLaneSlots; at < count; ++at) {
    char word = 0;
    (void)!read(gone[0], &word, 1);
  }
  await([] {
    std::uint32_t waiting = 0;
    for (std::uint32_t at = 0; at < kMostLaneSlots; ++at) {
      waiting += side->lane(at).waiting;
    }
    return waiting == kMostLaneSlots;
  });
  say("crowd", side->lanes().used_slots);
  side->say(TurnWord::kInTurns);
  for (const pid_t child : children) say_end(child);
}

void find_out(const std::string& call) {
  int result = -1;
  int word = 0;
  if (call == "launch") result = launch_for(streams[on]);
  if (call == "stream") result = abi::cuStreamSynchronize(streams[on]);
  if (call == "context") result = abi::cuCtxSynchronize();
  if (call == "copy") result = abi::cuMemcpyDtoH_v2(&word, memory, 1);
  if (call == "free") result = abi::cuMemFree_v2(memory);
  if (call == "take") result = abi::cuMemAlloc_v2(&memory, 4096);
  say("found_out", result);
}

std::size_t number(const std::string& text) {
  return std::strtoull(text.c_str(), nullptr, 10);
}

KnownDeeds deeds() {
  using Words = const std::vector<std::string>&;
  return {
      {"retain", {0, [](Words) { retain(); }}},
      {"release",
       {0,
        [](Words) { say("release", abi::cuDevicePrimaryCtxRelease_v2(0)); }}},
      {"reset",
       {0, [](Words) { say("reset", abi::cuDevicePrimaryCtxReset_v2(0)); }}},
      {"create", {0, [](Words) { create(); }}},
      {"destroy", {0, [](Words) { destroy(); }}},
      {"on", {1, [](Words words) { on = number(words[0]); }}},
      {"streams", {1, [](Words words) { make_streams(number(words[0])); }}},
      {"drop",
       {0, [](Words) { say("drop", abi::cuStreamDestroy_v2(streams[on])); }}},
      {"again",
       {0, [](Words) { say("again", abi::cuStreamCreate(&streams[on], 0)); }}},
      {"launch", {1, [](Words words) { launch(number(words[0])); }}},
      {"each", {1, [](Words words) { launch_each(number(words[0])); }}},
      {"async",
       {1,
        [](Words words) {
          const std::size_t count = number(words[0]);
          threads.push_back(thread_of([=] { launch(count); }));
        }}},
      {"pool",
       {0,
        [](Words) {
          abi::CUdeviceptr address = 0;
          say("pool", abi::cuMemAllocAsync(&address, 4096, nullptr));
        }}},
      {"asked",
       {1,
        [](Words words) {
          const std::size_t count = number(words[0]);
          std::uint32_t seen = 0;
          await([&] { return (seen = side->lane(0).asked[0]) >= count; });
          say("asked", seen);
        }}},
      {"till_rung", {0, [](Words) { await(is_rung); }}},
      {"fork_waiting", {0, [](Words) { fork_while_closed(); }}},
      {"die_waiting", {0, [](Words) { die_while_closed(); }}},
      {"crowd", {1, [](Words words) { crowd(number(words[0])); }}},
      {"waiting",
       {1,
        [](Words words) {
          const std::size_t count = number(words[0]);
          await([=] { return side->lane(0).waiting == count; });
        }}},
      {"join",
       {0,
        [](Words) {
          for (std::thread& thread : threads) thread.join();
          threads.clear();
        }}},
      {"own",
       {2,
        [](Words words) {
          launch_by_own(number(words[0]), number(words[1]));
        }}},
      {"forms", {0, [](Words) { try_forms(&gpunode::share::work_forms); }}},
      {"copies",
       {0, [](Words) { try_forms(&gpunode::share::copies_of_others); }}},
      {"sync",
       {0, [](Words) { say("sync", abi::cuStreamSynchronize(streams[on])); }}},
      {"sync_all", {0, [](Words) { say("sync", abi::cuCtxSynchronize()); }}},
      {"capture",
       {0,
        [](Words) {
          say("capture", abi::cuStreamBeginCapture_v2(
                             streams[on], abi::CU_STREAM_CAPTURE_MODE_RELAXED));
        }}},
      {"end_capture",
       {0,
        [](Words) {
          abi::CUgraph graph = nullptr;
          say("end_capture", abi::cuStreamEndCapture(streams[on], &graph));
        }}},
      {"hold",
       {1,
        [](Words words) {
          gpunode_fake_cuda_hold_work(number(words[0]) != 0 ? 1 : 0);
        }}},
      {"word",
       {1,
        [](Words words) {
          side->say(static_cast<std::uint32_t>(number(words[0])));
        }}},
      {"beat", {0, [](Words) { ++side->limit().beat; }}},
      {"fault", {0, [](Words) { gpunode_fake_cuda_fault(); }}},
      {"find_out", {1, [](Words words) { find_out(words[0]); }}},
      {"amid",
       {1,
        [](Words words) {
          static std::string call;
          call = words[0];
          gpunode_fake_cuda_call_back(
              call.c_str(), [] { say("amid", launch_for(streams[on])); });
        }}},
      {"watch", {0, [](Words) { watch(); }}},
      {"rung", {0, [](Words) { say("rung", is_rung() ? 1 : 0); }}},
      {"alarms", {1, [](Words words) { be_interrupted(number(words[0])); }}},
      {"lane", {0, [](Words) { say_lane(); }}},
      {"calls",
       {1,
        [](Words words) {
          say("calls", static_cast<long long>(
                           gpunode_fake_cuda_calls(words[0].c_str())));
        }}},
  };
}

}  // namespace

int main(int count, char** argv) {
  if (count < 2 || abi::cuInit(0) != abi::CUDA_SUCCESS) return 3;
  side = std::make_unique<TurnSide>(argv[1]);
  KnownDeeds all = deeds();
  all.merge(gpunode::share::gate_deeds(
      *side, [] { return static_cast<int>(launch_for(streams[on])); },
      [] { return static_cast<int>(abi::cuStreamSynchronize(streams[on])); }));
  for (int at = 2; at < count; ++at) {
    const KnownDeed& known = all.at(argv[at]);
    std::vector<std::string> words;
    while (words.size() < known.words && at + 1 < count) {
      words.emplace_back(argv[++at]);
    }
    known.deed(words);
  }
  std::fflush(stdout);
  return 0;
}
