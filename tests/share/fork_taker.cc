// Takes device memory in many processes, and says what became of them: a word
// and a number a line.
//
//   fork_taker tree D       a tree of 2^D - 1 forks, each of which takes memory
//                           and then ends, is killed, or becomes another
//                           program
//   fork_taker leaf         takes memory and ends
//   fork_taker crowd P      P processes that take a block each and hold it
//   until
//                           all have tried
//   fork_taker amid F       F forks while other threads take and free
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

#include "gpu/abi/cuda.h"

namespace {

namespace abi = gpunode::abi;

constexpr std::size_t kBlock = 64 << 10;
constexpr unsigned kForever = 60;
constexpr int kRefused = 2;

const char* self = nullptr;

/// By a process that has used the driver in no other way; what it got.
int take() {
  abi::CUcontext context = nullptr;
  abi::CUdeviceptr address = 0;
  if (abi::cuInit(0) != abi::CUDA_SUCCESS) return abi::CUDA_ERROR_UNKNOWN;
  const int made = abi::cuCtxCreate_v2(&context, 0, 0);
  return made != abi::CUDA_SUCCESS ? made
                                   : abi::cuMemAlloc_v2(&address, kBlock);
}

/// Those who end before their children leave them to the first of all.
[[noreturn]] void grow(unsigned number, unsigned end) {
  for (unsigned child = 2 * number; child <= 2 * number + 1; ++child) {
    if (child < end && fork() == 0) grow(child, end);
  }
  alarm(kForever);
  const int result = take();
  if (result != abi::CUDA_SUCCESS && result != kRefused) _exit(3);
  if (number % 4 == 0) raise(SIGKILL);
  if (number % 4 == 1) execl(self, self, "leaf", nullptr);
  _exit(0);
}

void grow_tree(unsigned depth) {
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  if (fork() == 0) grow(1, 1U << depth);
  int ended = 0;
  int killed = 0;
  int others = 0;
  int status = 0;
  while (wait(&status) > 0) {
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
      ++ended;
    else if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
      ++killed;
    else
      ++others;
  }
  std::printf("ended %d\nkilled %d\nothers %d\n", ended, killed, others);
}

void take_by_crowd(int processes) {
  std::array<int, 2> answers = {};
  std::array<int, 2> end = {};
  if (pipe(answers.data()) != 0 || pipe(end.data()) != 0) _exit(3);
  for (int process = 0; process < processes; ++process) {
    if (fork() != 0) continue;
    close(end[1]);
    const char result = static_cast<char>(take());
    if (write(answers[1], &result, 1) < 0) _exit(3);
    char byte = 0;
    _exit(static_cast<int>(read(end[0], &byte, 1)));  // 0: all have tried.
  }
  close(answers[1]);
  int granted = 0;
  int refused = 0;
  char result = 0;
  for (int at = 0; at < processes && read(answers[0], &result, 1) == 1; ++at) {
    granted += result == abi::CUDA_SUCCESS ? 1 : 0;
    refused += result == kRefused ? 1 : 0;
  }
  close(end[1]);
  while (wait(nullptr) > 0) {
  }
  std::printf("granted %d\nrefused %d\n", granted, refused);
}

std::atomic<bool> is_over = false;

void take_and_free(abi::CUcontext context) {
  abi::cuCtxSetCurrent(context);
  while (!is_over) {
    abi::CUdeviceptr address = 0;
    if (abi::cuMemAlloc_v2(&address, kBlock) == abi::CUDA_SUCCESS) {
      abi::cuMemFree_v2(address);
    }
    if (abi::cuMemAllocAsync(&address, kBlock, nullptr) == abi::CUDA_SUCCESS) {
      abi::cuMemFreeAsync(address, nullptr);
    }
    abi::cuStreamSynchronize(nullptr);
  }
}

[[noreturn]] void take_in_child() {
  alarm(kForever);
  abi::CUdeviceptr address = 0;
  abi::CUdeviceptr of_pool = 0;
  const int taken = abi::cuMemAlloc_v2(&address, kBlock);
  const int async = abi::cuMemAllocAsync(&of_pool, kBlock, nullptr);
  const int freed = abi::cuMemFree_v2(address);
  _exit(taken == 0 && async == 0 && freed == 0 ? 0 : 1);
}

void fork_amid(int forks) {
  abi::CUcontext context = nullptr;
  if (abi::cuInit(0) != 0 || abi::cuCtxCreate_v2(&context, 0, 0) != 0) return;
  std::vector<std::thread> threads;
  for (int at = 0; at < 4; ++at) threads.emplace_back(take_and_free, context);
  int failed = 0;
  for (int at = 0; at < forks; ++at) {
    const pid_t child = fork();
    if (child == 0) take_in_child();
    int status = 0;
    waitpid(child, &status, 0);
    failed += status == 0 ? 0 : 1;
  }
  is_over = true;
  for (std::thread& thread : threads) thread.join();
  std::printf("forks %d\nfailed %d\n", forks, failed);
}

}  // namespace

int main(int count, char** argv) {
  self = argv[0];
  const std::string deed = count > 1 ? argv[1] : "";
  const int number = count > 2 ? std::atoi(argv[2]) : 0;
  if (deed == "leaf") return take() == abi::CUDA_ERROR_UNKNOWN ? 3 : 0;
  if (deed == "tree") grow_tree(static_cast<unsigned>(number));
  if (deed == "crowd") take_by_crowd(number);
  if (deed == "amid") fork_amid(number);
  return 0;
}
