#include "share/ledger/process_identity.h"

#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdio>

#include <gtest/gtest.h>
#include <pthread.h>

namespace gpunode::share {
namespace {

/// A child that waits until it is killed, or does what it is told.
class Child {
 public:
  explicit Child(void (*work)()) {
    EXPECT_EQ(pipe(said_.data()), 0);
    pid_ = fork();
    if (pid_ == 0) {
      work();
      (void)!write(said_[1], "x", 1);
      for (;;) pause();
    }
    close(said_[1]);
    char byte = 0;
    EXPECT_EQ(read(said_[0], &byte, 1), 1);
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child() {
    close(said_[0]);
    if (pid_ > 0) bury();
  }

  std::uint32_t pid() const { return static_cast<std::uint32_t>(pid_); }
  /// It ends; nobody has asked for it yet.
  void kill_it() const {
    kill(pid_, SIGKILL);
    siginfo_t info;
    waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOWAIT);
  }
  void bury() {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
    pid_ = -1;
  }

 private:
  std::array<int, 2> said_ = {-1, -1};
  pid_t pid_ = -1;
};

TEST(ProcessIdentity, ThisProcessLives) {
  const ProcessIdentity self = identity_of_this_process();
  EXPECT_EQ(self.pid, static_cast<std::uint32_t>(getpid()));
  EXPECT_NE(self.pid_namespace, 0u);
  EXPECT_NE(self.start_time, 0u);
  EXPECT_FALSE(is_gone(self.pid, self.start_time));
  EXPECT_FALSE(is_gone(self.pid, 0));
  EXPECT_TRUE(is_gone(self.pid, self.start_time + 1)) << "another's pid";
  EXPECT_FALSE(is_gone(0, 0)) << "nobody's";
}

TEST(ProcessIdentity, AChildIsGoneBeforeItsParentAsksForIt) {
  Child child([] {});
  EXPECT_FALSE(is_gone(child.pid(), 0));
  child.kill_it();
  EXPECT_TRUE(is_gone(child.pid(), 0));
  const std::uint32_t pid = child.pid();
  child.bury();
  EXPECT_TRUE(is_gone(pid, 0));
}

TEST(ProcessIdentity, AStoppedProcessIsTold) {
  const Child child([] {});
  EXPECT_EQ(life_of(child.pid(), 0), Life::kRuns);
  kill(static_cast<pid_t>(child.pid()), SIGSTOP);
  siginfo_t info;
  waitid(P_PID, child.pid(), &info, WSTOPPED);
  EXPECT_EQ(life_of(child.pid(), 0), Life::kStopped);
  EXPECT_EQ(life_of(0, 0), Life::kUnknown) << "nobody's";
}

TEST(ProcessIdentity, AProcessLivesOnWithoutItsFirstThread) {
  // The first thread waits until it alone is left to write, then ends: its
  // state is that of the dead, and the process goes on.
  std::array<int, 2> gone = {-1, -1};
  ASSERT_EQ(pipe(gone.data()), 0);
  const pid_t pid = fork();
  if (pid == 0) {
    pthread_t thread;
    static int end = gone[1];
    pthread_create(
        &thread, nullptr,
        [](void*) -> void* {
          std::array<char, 64> path = {};
          std::snprintf(path.data(), path.size(), "/proc/self/task/%d/stat",
                        getpid());
          for (;;) {
            FILE* file = fopen(path.data(), "r");
            std::array<char, 512> line = {};
            (void)!fread(line.data(), 1, line.size() - 1, file);
            fclose(file);
            ProcessStat stat;
            if (parse_process_stat(line.data(), &stat) && stat.state == 'Z')
              break;
            sched_yield();
          }
          (void)!write(end, "x", 1);
          for (;;) pause();
        },
        nullptr);
    syscall(SYS_exit, 0);  // This thread alone, and nothing of C++ is undone.
  }
  close(gone[1]);
  char byte = 0;
  ASSERT_EQ(read(gone[0], &byte, 1), 1);
  EXPECT_FALSE(is_gone(static_cast<std::uint32_t>(pid), 0));
  kill(pid, SIGKILL);
  waitpid(pid, nullptr, 0);
  EXPECT_TRUE(is_gone(static_cast<std::uint32_t>(pid), 0));
  close(gone[0]);
}

TEST(ProcessStat, TheNameMayHoldAnything) {
  ProcessStat stat;
  ASSERT_TRUE(parse_process_stat(
      "77 (a) R 1 (b\n c) S 1 77 77 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 12 0 "
      "98765 1000 2",
      &stat));
  EXPECT_EQ(stat.pid, 77u);
  EXPECT_EQ(stat.state, 'S');
  EXPECT_EQ(stat.threads, 12u);
  EXPECT_EQ(stat.start_time, 98765u);
}

TEST(ProcessStat, WhatIsNoLineOfTheKernelIsRefused) {
  ProcessStat stat;
  for (const char* line :
       {"", ")", ") ", ") S", "77 (a) S",
        "(a) S 1 77 77 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 12 0 98765 1",
        "77 (a S 1 77 77 0",
        "77 (a) S 1 77 77 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 x 0 98765",
        "77 (a) S 1 77 77 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 12 0 "}) {
    EXPECT_FALSE(parse_process_stat(line, &stat)) << line;
  }
}

}  // namespace
}  // namespace gpunode::share
