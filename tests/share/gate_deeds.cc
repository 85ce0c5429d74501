#include "tests/share/gate_deeds.h"

#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

#include "gpu/abi/cuda_work.h"
#include "tests/share/played_clock.h"

extern "C" std::uint64_t gpunode_fake_cuda_calls(const char* call);
extern "C" void gpunode_fake_cuda_call_back(const char* call, void (*deed)());

namespace gpunode::share {
namespace {

namespace fs = std::filesystem;

const TurnSide* node = nullptr;
int (*launch_one)() = nullptr;
int (*wait_for_stream)() = nullptr;

void say(const char* word, std::uint64_t number) {
  std::printf("%s %lu\n", word, static_cast<unsigned long>(number));
}

std::uint32_t count_held(const Lane& lane) {
  std::uint32_t held = 0;
  for (const SmallWord& until : lane.until) {
    if (is_shut(until, lane.opened)) ++held;
  }
  return held;
}

void say_gates() {
  const Lane& lane = node->lane(0);
  std::uint32_t until = 0;
  std::uint32_t gated = 0;
  std::uint32_t done = 0;
  for (std::uint32_t at = 0; at < kLaneStreams; ++at) {
    until = std::max(until, lane.until[at].load());
    gated += lane.gated[at];
    done += lane.done[at];
  }
  say("held", count_held(lane));
  say("until", until);
  say("gated", gated);
  say("done", done);
  say("opened", lane.opened);
  say("gates", gpunode_fake_cuda_calls("cuStreamWaitValue32_v2"));
}

/// The word first, as the node does it.
/// The process's own thread lets in what is held.
void let_in() {
  node->say(TurnWord::kInTurns);
  await([] {
    const Lane& lane = node->lane(0);
    for (std::size_t at = 0; at < gpunode::share::kLaneStreams; ++at) {
      if (gpunode::share::is_shut(lane.until[at], lane.opened)) return false;
    }
    return true;
  });
}

void sync_let_in() {
  constexpr const char* kCall = "cuStreamSynchronize";
  const std::uint64_t before = gpunode_fake_cuda_calls(kCall);
  std::atomic<bool> is_let_in = false;
  std::thread other([&] {
    await([&] { return gpunode_fake_cuda_calls(kCall) != before; });
    // Who does not wait has every chance to show it.
    for (int turn = 0; turn < 20; ++turn) sched_yield();
    is_let_in = true;
    let_in();
  });
  const int result = wait_for_stream();
  say("let_in_by_then", is_let_in ? 1 : 0);
  other.join();
  say("sync", static_cast<std::uint64_t>(result));
}

fs::directory_iterator tasks() {
  return fs::directory_iterator("/proc/self/task");
}

std::uint64_t count_threads() {
  return static_cast<std::uint64_t>(
      std::distance(tasks(), fs::directory_iterator()));
}

void say_threads() {
  constexpr std::uint64_t kAlarm = std::uint64_t{1} << (SIGALRM - 1);
  std::uint64_t alert = 0;
  for (const auto& task : tasks()) {
    std::ifstream status(task.path() / "status");
    for (std::string line; std::getline(status, line);) {
      if (line.rfind("SigBlk:", 0) != 0) continue;
      const std::uint64_t blocked = std::stoull(line.substr(7), nullptr, 16);
      if ((blocked & kAlarm) == 0) ++alert;
    }
  }
  say("threads", count_threads());
  say("alert", alert);
}

bool is_one_in(long call) {
  return std::any_of(tasks(), fs::directory_iterator(), [=](const auto& task) {
    std::ifstream file(task.path() / "syscall");
    long its = -1;
    file >> its;
    return its == call;
  });
}

bool is_one_resting() {
  return is_one_in(SYS_futex);
}

/// Who sleeps until something happens looks what time it is.
/// Waits for the stream, so long by the stopped clock.
void sync_after(std::uint64_t milliseconds) {
  static std::uint64_t length = 0;
  length = milliseconds;
  gpunode_fake_cuda_call_back("cuStreamSynchronize",
                              [] { set_clock_on(length); });
  say("sync", static_cast<std::uint64_t>(wait_for_stream()));
  gpunode_fake_cuda_call_back("cuStreamSynchronize", nullptr);
}

void go_on(std::uint64_t milliseconds) {
  const std::uint64_t before = clock_looks();
  set_clock_on(milliseconds);
  await([=] {
    node->say(node->limit().turn);
    return clock_looks() != before;
  });
}

void leave_no_room() {
  std::ifstream sizes("/proc/self/statm");
  std::uint64_t pages = 0;
  sizes >> pages;
  // Less than a stack has.
  const std::uint64_t most =
      pages * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE)) + (2 << 20);
  const rlimit limit = {most, most};
  if (setrlimit(RLIMIT_AS, &limit) != 0) std::abort();
}

void fork_gated() {
  std::fflush(stdout);
  const pid_t child = fork();
  if (child == 0) {
    if (count_threads() != 1) _exit(101);
    if (const int result = launch_one(); result != 0) _exit(result);
    _exit(count_threads() == 2 ? 0 : 102);
  }
  int status = -1;
  waitpid(child, &status, 0);
  say("child",
      static_cast<std::uint64_t>(WIFEXITED(status) ? WEXITSTATUS(status) : -1));
  say("child_held", count_held(node->lane(1)));
  say("child_waits", node->lane(1).waits);
}

}  // namespace

KnownDeeds gate_deeds(const TurnSide& side, int (*launch)(),
                      int (*synchronize)()) {
  using Words = const std::vector<std::string>&;
  node = &side;
  launch_one = launch;
  wait_for_stream = synchronize;
  static std::string call;
  return {
      {"gates", {0, [](Words) { say_gates(); }}},
      {"let_in", {0, [](Words) { let_in(); }}},
      {"let_in_amid",
       {1,
        [](Words words) {
          call = words[0];
          gpunode_fake_cuda_call_back(call.c_str(), &let_in);
        }}},
      {"open_amid",
       {1,
        [](Words words) {
          call = words[0];
          gpunode_fake_cuda_call_back(call.c_str(),
                                      [] { node->say(TurnWord::kInTurns); });
        }}},
      {"sync_let_in", {0, [](Words) { sync_let_in(); }}},
      {"sync_after",
       {1, [](Words words) { sync_after(std::stoul(words[0])); }}},
      {"piece",
       {1,
        [](Words words) {
          node->lane(0).piece =
              static_cast<std::uint32_t>(std::stoul(words[0]));
        }}},
      {"threads", {0, [](Words) { say_threads(); }}},
      {"stop_clock", {0, [](Words) { stop_clock(); }}},
      {"later", {1, [](Words words) { go_on(std::stoul(words[0])); }}},
      {"too_late",
       {0,
        [](Words) {
          await([] {
            // It is woken, and the word is as it was.
            node->say(node->limit().turn);
            return node->lane(0).missed != 0;
          });
        }}},
      {"naps",
       {0,
        [](Words) {
          await(
              [] { return is_one_in(SYS_nanosleep) || count_threads() == 1; });
          say("naps", count_threads() - 1);
        }}},
      {"rests", {0, [](Words) { await(is_one_resting); }}},
      {"rests_amid",
       {1,
        [](Words words) {
          call = words[0];
          gpunode_fake_cuda_call_back(call.c_str(),
                                      [] { await(is_one_resting); });
        }}},
      {"no_room", {0, [](Words) { leave_no_room(); }}},
      {"open_when_waiting",
       {0,
        [](Words) {
          std::thread([] {
            await([] { return node->lane(0).waiting == 1; });
            node->say(TurnWord::kInTurns);
          }).detach();
        }}},
      {"fork_gated", {0, [](Words) { fork_gated(); }}},
  };
}

}  // namespace gpunode::share
