// A process may be killed at any instruction. Each is tried: a process is
// stepped through what it does with a ledger, and after every step somebody
// else meets a copy of what it had written until then.
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include "share/ledger/ledger.h"
#include "share/ledger/shared_area.h"

namespace gpunode::share {
namespace {

constexpr std::uint64_t kLimit = 1000;
constexpr std::uint32_t kDying = 10;
constexpr std::uint32_t kSurvivor = 20;
constexpr std::uint32_t kNewcomer = 30;

Life dying_has_ended(std::uint32_t pid, std::uint64_t /*start_time*/) {
  return pid == kDying ? Life::kEnded : Life::kRuns;
}
Life nobody_ends(std::uint32_t /*pid*/, std::uint64_t /*start_time*/) {
  return Life::kRuns;
}
Life dying_is_stopped(std::uint32_t pid, std::uint64_t /*start_time*/) {
  return pid == kDying ? Life::kStopped : Life::kRuns;
}

/// Runs `work` in a child, and `look` after each of its instructions.
/// Returns how many there were.
template <typename Work, typename Look>
int step_through(Work work, Look look) {
  const pid_t child = fork();
  if (child == 0) {
    ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
    raise(SIGSTOP);
    work();
    _exit(0);
  }
  int status = 0;
  int steps = 0;
  waitpid(child, &status, 0);
  while (WIFSTOPPED(status)) {
    ++steps;
    if (!look()) break;
    // Its own end is a step like any other.
    ptrace(PTRACE_SINGLESTEP, child, nullptr, nullptr);
    waitpid(child, &status, 0);
  }
  if (WIFSTOPPED(status)) {
    kill(child, SIGKILL);
    waitpid(child, &status, 0);
  } else {
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  }
  return steps;
}

/// What others find if the process is killed now. `expected` is what the
/// survivor in it holds.
bool others_go_on(const SharedArea& area, std::uint64_t expected) {
  SharedArea copy(kLimit, 1, 4);
  std::memcpy(copy.ledger.data(), area.ledger.data(), area.ledger.size());
  Ledger newcomer = copy.view(dying_has_ended);
  if (!newcomer.enroll({kNewcomer, 1, 300})) return false;
  newcomer.reap();
  const std::uint64_t left = kLimit - expected;
  return newcomer.held(0) == expected &&
         newcomer.reserve(0, MemoryKind::kData, left + 1) ==
             Verdict::kRefused &&
         newcomer.reserve(0, MemoryKind::kData, left) == Verdict::kGranted &&
         newcomer.held(0) == kLimit;
}

/// What others find if it is stopped now, and goes on later: at no moment more
/// is granted than the limit.
bool others_stay_within(const SharedArea& area) {
  SharedArea copy(kLimit, 1, 4);
  std::memcpy(copy.ledger.data(), area.ledger.data(), area.ledger.size());
  Ledger newcomer = copy.view(dying_is_stopped);
  if (!newcomer.enroll({kNewcomer, 1, 300})) return false;
  const std::uint64_t before = newcomer.held(0);
  if (before > kLimit) return true;  // Asked for, and about to be taken back.
  return newcomer.reserve(0, MemoryKind::kData, kLimit - before + 1) ==
         Verdict::kRefused;
}

TEST(LedgerCuts, NothingIsLostAtAnyInstructionOfALife) {
  SharedArea area(kLimit, 1, 4);
  Ledger survivor = area.view(nobody_ends);
  ASSERT_TRUE(survivor.enroll({kSurvivor, 1, 200}));
  ASSERT_EQ(survivor.reserve(0, MemoryKind::kPool, 300), Verdict::kGranted);
  Ledger dying = area.view(nobody_ends);
  int at = 0;
  const int steps = step_through(
      [&] {
        if (!dying.enroll({kDying, 1, 100}) ||
            dying.reserve(0, MemoryKind::kData, 500) != Verdict::kGranted ||
            dying.reserve(0, MemoryKind::kArray, 201) != Verdict::kRefused ||
            dying.reserve(0, MemoryKind::kArray, 200) != Verdict::kGranted ||
            !dying.charge(0, MemoryKind::kContext, 50)) {
          _exit(1);
        }
        dying.release(0, MemoryKind::kData, 500);
        dying.leave();
      },
      [&] {
        ++at;
        EXPECT_TRUE(others_go_on(area, 300)) << "killed at step " << at;
        EXPECT_TRUE(others_stay_within(area)) << "stopped at step " << at;
        return !::testing::Test::HasFailure();
      });
  EXPECT_GT(steps, 500) << "it did not do all that";
}

TEST(LedgerCuts, NothingIsLostAtAnyInstructionOfAReaper) {
  SharedArea area(kLimit, 1, 4);
  Ledger survivor = area.view(nobody_ends);
  ASSERT_TRUE(survivor.enroll({kSurvivor, 1, 200}));
  ASSERT_EQ(survivor.reserve(0, MemoryKind::kPool, 300), Verdict::kGranted);
  constexpr std::uint32_t kDead = 40;
  Ledger dead = area.view(nobody_ends);
  ASSERT_TRUE(dead.enroll({kDead, 1, 400}));
  ASSERT_EQ(dead.reserve(0, MemoryKind::kData, 700), Verdict::kGranted);
  Ledger dying = area.view([](std::uint32_t pid, std::uint64_t) {
    return pid == kDead ? Life::kEnded : Life::kRuns;
  });
  int at = 0;
  const int steps = step_through(
      [&] {
        if (!dying.enroll({kDying, 1, 100}) ||
            dying.reserve(0, MemoryKind::kData, 600) != Verdict::kGranted) {
          _exit(1);
        }
      },
      [&] {
        ++at;
        SharedArea copy(kLimit, 1, 4);
        std::memcpy(copy.ledger.data(), area.ledger.data(), area.ledger.size());
        Ledger next = copy.view([](std::uint32_t pid, std::uint64_t) {
          const bool is_gone = pid == kDead || pid == kDying;
          return is_gone ? Life::kEnded : Life::kRuns;
        });
        EXPECT_TRUE(next.enroll({kNewcomer, 1, 300})) << at;
        EXPECT_EQ(next.reserve(0, MemoryKind::kData, 700), Verdict::kGranted)
            << "killed at step " << at;
        EXPECT_EQ(next.held(0), kLimit) << "killed at step " << at;
        return !::testing::Test::HasFailure();
      });
  EXPECT_GT(steps, 200) << "it did not do all that";
}

TEST(LedgerCuts, AThousandKillsLeaveNothing) {
  constexpr int kAtOnce = 4;
  // One who empties a slot may be kept from going on while another comes.
  SharedArea area(kLimit, 1, kAtOnce + 2);
  Limits limits;
  ASSERT_TRUE(Limits::view(area.limits.data(), area.limits.size(), &limits));
  std::mt19937 random(1000);
  const auto begin = [&] {
    const auto seed = static_cast<std::uint32_t>(random());
    const pid_t pid = fork();
    if (pid != 0) return pid;
    Ledger mine;
    if (!Ledger::attach(area.ledger.data(), area.ledger.size(), limits,
                        &mine) ||
        !mine.enroll(identity_of_this_process())) {
      _exit(1);
    }
    std::minstd_rand sizes(seed);
    // Not for ever: those that are not yet killed would take the machine from
    // the rest.
    for (int round = 0; round < 100; ++round) {
      const std::uint64_t bytes = 1 + sizes() % (kLimit / 2);
      if (mine.reserve(0, MemoryKind::kData, bytes) == Verdict::kGranted &&
          sizes() % 4 != 0) {
        mine.release(0, MemoryKind::kData, bytes);
      }
    }
    for (;;) pause();
  };
  std::vector<pid_t> living;
  for (int number = 0; number < kAtOnce; ++number) living.push_back(begin());
  bool found_a_slot = true;
  for (int kills = 0; found_a_slot && kills < 1000; ++kills) {
    pid_t& victim = living[random() % kAtOnce];
    // Long enough to be in the midst of anything, of no other meaning.
    for (auto turns = random() % 8; turns > 0; --turns) sched_yield();
    kill(victim, SIGKILL);
    int status = 0;
    waitpid(victim, &status, 0);
    found_a_slot = WIFSIGNALED(status);
    victim = begin();
  }
  for (const pid_t pid : living) {
    kill(pid, SIGKILL);
    waitpid(pid, nullptr, 0);
  }
  EXPECT_TRUE(found_a_slot);
  Ledger last;
  ASSERT_TRUE(
      Ledger::attach(area.ledger.data(), area.ledger.size(), limits, &last));
  ASSERT_TRUE(last.enroll(identity_of_this_process()));
  last.reap();
  EXPECT_EQ(last.held(0), 0u);
  EXPECT_EQ(last.reserve(0, MemoryKind::kData, kLimit), Verdict::kGranted);
}

}  // namespace
}  // namespace gpunode::share
