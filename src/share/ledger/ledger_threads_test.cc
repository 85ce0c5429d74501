// Many at once against one limit.
#include <atomic>
#include <barrier>
#include <random>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "share/ledger/ledger.h"
#include "share/ledger/shared_area.h"

namespace gpunode::share {
namespace {

Life nobody_ends(std::uint32_t /*pid*/, std::uint64_t /*start_time*/) {
  return Life::kRuns;
}

Life stopped_is_one(std::uint32_t pid, std::uint64_t /*start_time*/) {
  return pid == 1 ? Life::kStopped : Life::kRuns;
}

constexpr std::uint64_t kLimit = 1000;

/// Granted bytes as those who have them know it: never above the limit.
class Truth {
 public:
  void take(std::uint64_t bytes) {
    const std::uint64_t now = held_.fetch_add(bytes) + bytes;
    if (now > kLimit) exceeded_.store(true);
  }
  void give(std::uint64_t bytes) { held_.fetch_sub(bytes); }
  bool was_exceeded() const { return exceeded_.load(); }

 private:
  std::atomic<std::uint64_t> held_ = 0;
  std::atomic<bool> exceeded_ = false;
};

TEST(LedgerThreads, NeverExceedTheLimitByAByte) {
  constexpr std::uint32_t kProcesses = 8;
  constexpr int kThreadsOfEach = 4;
  SharedArea area(kLimit, 1, kProcesses);
  Truth truth;
  std::vector<Ledger> processes;
  for (std::uint32_t pid = 1; pid <= kProcesses; ++pid) {
    processes.push_back(area.view(nobody_ends));
    ASSERT_TRUE(processes.back().enroll({pid, 1, pid}));
  }
  std::vector<std::thread> threads;
  std::atomic<int> granted = 0;
  for (std::uint32_t number = 0; number < kProcesses * kThreadsOfEach;
       ++number) {
    threads.emplace_back([&, number] {
      Ledger& mine = processes[number % kProcesses];
      std::mt19937 random(number);
      auto kind = static_cast<MemoryKind>(number % kMemoryKinds);
      if (!is_of_sum(kind)) kind = MemoryKind::kData;
      for (int round = 0; round < 400; ++round) {
        const std::uint64_t bytes = 1 + random() % (kLimit / 3);
        if (mine.reserve(0, kind, bytes) != Verdict::kGranted) continue;
        truth.take(bytes);
        ++granted;
        if (random() % 2 == 0) std::this_thread::yield();
        truth.give(bytes);
        mine.release(0, kind, bytes);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_FALSE(truth.was_exceeded());
  EXPECT_GT(granted, 0);
  EXPECT_EQ(processes.front().held(0), 0u);
}

TEST(LedgerThreads, OfManyWhoAskForMoreThanHalfOneHasIt) {
  constexpr std::uint32_t kProcesses = 6;
  constexpr int kRounds = 300;
  SharedArea area(kLimit, 1, kProcesses);
  std::atomic<int> granted = 0;
  std::vector<int> of_round;
  std::barrier begun(kProcesses);
  std::barrier asked(
      kProcesses, [&]() noexcept { of_round.push_back(granted.exchange(0)); });
  std::vector<std::thread> threads;
  for (std::uint32_t pid = 1; pid <= kProcesses; ++pid) {
    threads.emplace_back([&, pid] {
      Ledger mine = area.view(nobody_ends);
      ASSERT_TRUE(mine.enroll({pid, 1, pid}));
      for (int round = 0; round < kRounds; ++round) {
        begun.arrive_and_wait();
        const bool has_it = mine.reserve(0, MemoryKind::kData,
                                         kLimit / 2 + pid) == Verdict::kGranted;
        if (has_it) ++granted;
        asked.arrive_and_wait();
        if (has_it) mine.release(0, MemoryKind::kData, kLimit / 2 + pid);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(of_round, std::vector<int>(kRounds, 1));
}

TEST(LedgerThreads, AllHaveWhatFits) {
  constexpr std::uint32_t kProcesses = 8;
  SharedArea area(kLimit, 1, kProcesses);
  std::atomic<int> refused = 0;
  std::vector<std::thread> threads;
  for (std::uint32_t pid = 1; pid <= kProcesses; ++pid) {
    threads.emplace_back([&, pid] {
      Ledger mine = area.view(nobody_ends);
      ASSERT_TRUE(mine.enroll({pid, 1, pid}));
      for (int round = 0; round < 500; ++round) {
        constexpr std::uint64_t kPart = kLimit / kProcesses;
        if (mine.reserve(0, MemoryKind::kData, kPart) == Verdict::kGranted) {
          mine.release(0, MemoryKind::kData, kPart);
        } else {
          ++refused;
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(refused, 0);
}

TEST(LedgerThreads, OfACrowdAsManyHaveItAsThereIsRoomFor) {
  constexpr std::uint32_t kProcesses = 64;
  constexpr int kRounds = 20;
  for (const std::uint32_t fitting : {1U, 31U, 63U}) {
    // One of them was stopped amid its asking, and holds what it asks for.
    SharedArea area((fitting + 1) * 10 + 9, 1, kProcesses + 1);
    Ledger stopped = area.view(stopped_is_one);
    ASSERT_TRUE(stopped.enroll({1, 1, 1}));
    auto* first = reinterpret_cast<SlotHead*>(
        area.ledger.data() + sizeof(LedgerHeader) + sizeof(DeviceTally));
    first->asks.fetch_add(1);
    reinterpret_cast<Cell*>(first + 1)->held[0] = 10;
    std::atomic<std::uint32_t> granted = 0;
    std::vector<std::uint32_t> of_round;
    std::barrier begun(kProcesses);
    std::barrier asked(kProcesses, [&]() noexcept {
      of_round.push_back(granted.exchange(0));
    });
    std::vector<std::thread> threads;
    for (std::uint32_t number = 0; number < kProcesses; ++number) {
      threads.emplace_back([&, pid = number + 2] {
        Ledger mine = area.view(stopped_is_one);
        ASSERT_TRUE(mine.enroll({pid, 1, pid}));
        for (int round = 0; round < kRounds; ++round) {
          begun.arrive_and_wait();
          const bool has_it =
              mine.reserve(0, MemoryKind::kData, 10) == Verdict::kGranted;
          if (has_it) ++granted;
          asked.arrive_and_wait();
          if (has_it) mine.release(0, MemoryKind::kData, 10);
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(of_round, std::vector<std::uint32_t>(kRounds, fitting));
  }
}

}  // namespace
}  // namespace gpunode::share
