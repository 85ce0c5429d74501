// What contexts take and what goes with them.
#include <gtest/gtest.h>

#include "tests/share/laid_container.h"

namespace gpunode::share {
namespace {

constexpr std::uint64_t kOutOfMemory = 2;
constexpr std::uint64_t kContext = 300 * kMiB;
constexpr std::uint64_t kMostThreads = 80 * 1536;  // Of the double's A10G.

/// A program that leaves its ledger as it was at its end: the slot stays until
/// somebody looks for the dead.
class ShareContext : public ::testing::Test {
 protected:
  void SetUp() override {
    container.set("GPUNODE_FAKE_NVML", GPUNODE_PROFILES "/a10g-x1.json");
    container.lay(1024 * kMiB);
    measure(kContext);
  }
  void measure(std::uint64_t bytes) { container.set_context_bytes(bytes); }

  Answer run(std::vector<std::string> deeds) const {
    deeds.insert(deeds.begin(), GPUNODE_CONTEXT_USER);
    return container.run(deeds);
  }
  std::uint64_t held(MemoryKind kind) const {
    return container.use().held[static_cast<std::size_t>(kind)];
  }

  LaidContainer container;
};

TEST_F(ShareContext, APrimaryContextIsChargedOnceHoweverOftenRetained) {
  const Answer answer = run({"retain", "retain", "info"});
  EXPECT_EQ(answer.number("retain"), 0u) << answer.text;
  EXPECT_EQ(answer.number("free_bytes"), 1024 * kMiB - kContext) << answer.text;
  EXPECT_EQ(held(MemoryKind::kContext), kContext);
}

TEST_F(ShareContext, ItsLastReleaseGivesBackAllThatWasTakenInIt) {
  const std::vector<std::string> taking = {"retain",    "retain", "take",
                                           "100000000", "take",   "5000"};
  for (const std::string release : {"release", "release_old"}) {
    container.lay(1024 * kMiB);
    measure(kContext);
    auto once = taking;
    once.push_back(release);
    EXPECT_EQ(run(once).number("release"), 0u);
    EXPECT_EQ(held(MemoryKind::kContext), kContext) << release;
    EXPECT_EQ(held(MemoryKind::kData), 96 * kMiB + 5120) << release;
    container.lay(1024 * kMiB);
    measure(kContext);
    once.push_back(release);
    EXPECT_EQ(run(once).number("release"), 0u);
    EXPECT_EQ(container.use().total, 0u) << release;
  }
}

TEST_F(ShareContext, AResetGivesBackAllAndTheNextIsChargedAnew) {
  for (const std::string reset : {"reset", "reset_old"}) {
    container.lay(1024 * kMiB);
    measure(kContext);
    run({"retain", "take", "100000000", "limit", "2", "5000000", reset});
    EXPECT_EQ(container.use().total, 0u) << reset;
    container.lay(1024 * kMiB);
    measure(kContext);
    run({"retain", "take", "100000000", reset, "retain", "take", "5000"});
    EXPECT_EQ(held(MemoryKind::kContext), kContext) << reset;
    EXPECT_EQ(held(MemoryKind::kData), 5120u) << reset;
  }
}

TEST_F(ShareContext, AFurtherContextTakesAndGivesItsOwn) {
  for (const std::string create : {"create", "create_v3", "create_v4"}) {
    container.lay(1024 * kMiB);
    measure(kContext);
    const Answer answer =
        run({"retain", "take", "5000", create, "take", "100000000", "info",
             "destroy", "retain", "info", "free", "free"});
    EXPECT_EQ(answer.number("create"), 0u) << answer.text;
    EXPECT_EQ(answer.number("destroy"), 0u) << answer.text;
    EXPECT_NE(answer.text.find("free_bytes " +
                               std::to_string(1024 * kMiB - 2 * kContext -
                                              96 * kMiB - 5120)),
              std::string::npos)
        << answer.text;
    EXPECT_EQ(answer.number("free_bytes"), 1024 * kMiB - kContext - 5120)
        << answer.text;
    EXPECT_EQ(held(MemoryKind::kContext), kContext);
    EXPECT_EQ(held(MemoryKind::kData), 0u);
  }
}

TEST_F(ShareContext, OneEndedAsBeforeCuda4GivesBackAllOfIt) {
  run({"create", "take", "100000000", "destroy_old"});
  EXPECT_EQ(container.use().total, 0u);
  run({"create", "attach", "take", "100000000", "destroy_old"});
  EXPECT_EQ(held(MemoryKind::kContext), kContext) << "another uses it";
  EXPECT_EQ(held(MemoryKind::kData), 96 * kMiB);
  run({"create", "attach", "take", "100000000", "detach"});
  EXPECT_EQ(held(MemoryKind::kContext), kContext);
  EXPECT_EQ(held(MemoryKind::kData), 96 * kMiB);
  const Answer answer =
      run({"create", "attach", "take", "100000000", "detach", "detach"});
  EXPECT_EQ(answer.number("detach"), 0u) << answer.text;
  EXPECT_EQ(container.use().total, 0u);
}

TEST_F(ShareContext, OneThatHasNoRoomIsRefusedAndNothingIsKept) {
  measure(1100 * kMiB);
  EXPECT_EQ(run({"retain"}).number("retain"), kOutOfMemory);
  EXPECT_EQ(run({"create"}).number("create"), kOutOfMemory);
  measure(600 * kMiB);
  const Answer answer = run({"retain", "create", "info"});
  EXPECT_EQ(answer.number("create"), kOutOfMemory) << answer.text;
  EXPECT_EQ(answer.number("free_bytes"), 424 * kMiB) << answer.text;
}

TEST_F(ShareContext, WhatTheDriverRefusesIsNotCharged) {
  container.set("GPUNODE_FAKE_CUDA_FAIL",
                "cuDevicePrimaryCtxRetain:999@1,cuCtxCreate_v2:999@1,"
                "cuCtxDestroy_v2:999@1,cuDevicePrimaryCtxRelease_v2:999@1,"
                "cuDevicePrimaryCtxReset_v2:999@1");
  EXPECT_EQ(run({"retain"}).number("retain"), 999u);
  EXPECT_EQ(held(MemoryKind::kContext), 0u);
  EXPECT_EQ(run({"create"}).number("create"), 999u);
  EXPECT_EQ(held(MemoryKind::kContext), 0u);
  run({"create", "create", "take", "5000", "destroy"});
  EXPECT_EQ(held(MemoryKind::kContext), kContext);
  EXPECT_EQ(held(MemoryKind::kData), 5120u);
  run({"retain", "retain", "take", "5000", "release"});
  EXPECT_EQ(held(MemoryKind::kContext), kContext);
  EXPECT_EQ(held(MemoryKind::kData), 5120u);
  run({"retain", "retain", "take", "5000", "reset"});
  EXPECT_EQ(held(MemoryKind::kContext), kContext);
  EXPECT_EQ(held(MemoryKind::kData), 5120u);
}

TEST_F(ShareContext, WhatNobodyMeasuredIsNotCharged) {
  measure(0);
  run({"retain", "create"});
  EXPECT_EQ(container.use().total, 0u);
  EXPECT_EQ(container.used_slots(), 1u) << "but its process is known";
}

TEST_F(ShareContext, AnH200sIsKnown) {
  container.set("GPUNODE_FAKE_NVML", GPUNODE_PROFILES "/h200-x1.json");
  container.lay(1024 * kMiB, "GPU-f3559b58-f38a-5e07-8eda-978924ea8ce1");
  EXPECT_EQ(run({"retain", "info"}).number("free_bytes"), 498 * kMiB);
}

TEST_F(ShareContext, StacksAreChargedForEveryThreadAtOnce) {
  measure(0);
  const std::uint64_t bytes = kMostThreads * 3072;  // 360 MiB.
  const Answer answer = run(
      {"retain", "limit", "0", "4096", "info", "limit", "0", "2048", "info"});
  EXPECT_EQ(answer.number("limit"), 0u) << answer.text;
  EXPECT_NE(
      answer.text.find("free_bytes " + std::to_string(1024 * kMiB - bytes)),
      std::string::npos)
      << answer.text;
  EXPECT_EQ(answer.number("free_bytes"), 1024 * kMiB - kMostThreads * 1024)
      << answer.text;
  EXPECT_EQ(held(MemoryKind::kLocal), kMostThreads * 1024);
}

TEST_F(ShareContext, StacksWithoutRoomAreRefusedAndTheLimitStays) {
  measure(0);
  const Answer answer =
      run({"retain", "limit", "0", "32768", "info", "limit", "0", "4096",
           "limit", "0", "32768", "limit", "0", "1024", "info"});
  EXPECT_NE(answer.text.find("limit 2\n"), std::string::npos) << answer.text;
  EXPECT_EQ(answer.number("limit"), 0u) << answer.text;
  EXPECT_EQ(answer.number("free_bytes"), 1024 * kMiB) << answer.text;
  EXPECT_EQ(container.use().refusals, 2u);
  // More than there is of numbers.
  EXPECT_EQ(
      run({"retain", "limit", "0", "18446744073709551615"}).number("limit"),
      kOutOfMemory);
}

TEST_F(ShareContext, HeapsAreChargedWhenTheyAreAskedFor) {
  measure(0);
  run({"retain", "limit", "1", "5000000", "limit", "2", "100000000", "limit",
       "2", "50000000"});
  EXPECT_EQ(held(MemoryKind::kLocal), 6 * kMiB + 48 * kMiB);
}

TEST_F(ShareContext, LimitsThatTheDriverRefusesAreNotCharged) {
  measure(0);
  container.set("GPUNODE_FAKE_CUDA_FAIL", "cuCtxSetLimit:1@2");
  const Answer answer = run({"retain", "limit", "2", "5000000", "limit", "2",
                             "50000000", "limit", "9", "1"});
  EXPECT_EQ(answer.number("limit"), 215u) << answer.text;
  EXPECT_EQ(held(MemoryKind::kLocal), 6 * kMiB);
}

TEST_F(ShareContext, LimitsSetByManyThreadsAreChargedAsTheLastIs) {
  measure(0);
  for (const std::string limit : {"0", "2"}) {
    container.lay(64 * 1024 * kMiB);
    const std::string value = limit == "0" ? "2048" : "5000000";
    run({"retain", "limits", limit, value, "limit", limit, value});
    EXPECT_EQ(held(MemoryKind::kLocal),
              limit == "0" ? kMostThreads * 1024 : 6 * kMiB);
  }
}

TEST_F(ShareContext, LimitsGoWithTheirContext) {
  measure(0);
  run({"create", "limit", "0", "4096", "limit", "2", "5000000", "destroy"});
  EXPECT_EQ(container.use().total, 0u);
}

TEST_F(ShareContext, AChildOfARawCloneIsItsOwn) {
  measure(0);
  const Answer answer =
      run({"create", "take", "100000000", "raw", "50000000", "info"});
  EXPECT_EQ(answer.number("child_free"), 0u) << answer.text;
  // What the child held is not the parent's, nor did it free the parent's.
  EXPECT_EQ(answer.number("free_bytes"), (1024 - 96) * kMiB - 48 * kMiB)
      << "the child has ended, but nobody has looked for the dead";
  EXPECT_EQ(container.used_slots(), 2u);
}

TEST_F(ShareContext, FilesThatCannotBeOpenedNowAreTriedAgain) {
  const Answer answer = run({"nofiles", "retain", "files", "retain", "info"});
  EXPECT_NE(answer.text.find("retain 2\nretain 0\n"), std::string::npos)
      << answer.text;
  EXPECT_EQ(answer.number("free_bytes"), 1024 * kMiB - kContext) << answer.text;
}

TEST_F(ShareContext, WhileLimitsCannotBeReadPoolsGiveNothing) {
  const Answer answer = run(
      {"unseen", "nofiles", "pool", "20000000", "files", "pool", "20000000"});
  EXPECT_NE(answer.text.find("pool 2\npool 0\n"), std::string::npos)
      << answer.text;
  EXPECT_EQ(held(MemoryKind::kPool), 32 * kMiB);
}

TEST_F(ShareContext, AbsentLimitsSayNothingWhereTheLibraryIsAbsentToo) {
  const std::string there = container.directory().string();
  const std::string elsewhere = there + "-elsewhere";
  const Answer answer = run({"move", there, elsewhere, "retain", "move",
                             elsewhere, there, "retain", "info"});
  EXPECT_EQ(answer.text.rfind("move 0\nretain 2\nmove 0\nretain 0\n", 0), 0u)
      << answer.text;
  EXPECT_EQ(answer.number("free_bytes"), 1024 * kMiB - kContext) << answer.text;
  const std::string limits = there + "/limits";
  const Answer free = run({"move", limits, limits + "-", "retain", "info"});
  EXPECT_EQ(free.number("retain"), 0u) << free.text;
  EXPECT_EQ(free.number("total"), 23028 * kMiB) << free.text;
}

TEST_F(ShareContext, ACallbackAmidACallMayMakeTheSameCall) {
  for (const std::string call :
       {"cuDevicePrimaryCtxRetain", "cuDevicePrimaryCtxRelease_v2",
        "cuDevicePrimaryCtxReset_v2", "cuDevicePrimaryCtxGetState",
        "cuCtxSetLimit", "cuCtxGetLimit", "cuMemPoolGetAttribute"}) {
    container.lay(1024 * kMiB);
    measure(kContext);
    const Answer answer =
        run({"amid", call, "retain", "retain", "limit", "2", "9000000", "pool",
             "4096", "release", "reset", "retain", "release", "release"});
    EXPECT_EQ(answer.status, 0) << call << ": " << answer.text;
    EXPECT_GE(answer.number("amid"), 1u) << call;
    EXPECT_NE(answer.number("amid"), ~std::uint64_t{0})
        << call << ": " << answer.text;
    EXPECT_EQ(held(MemoryKind::kContext), 0u) << call << ": " << answer.text;
    EXPECT_EQ(held(MemoryKind::kLocal), 0u) << call << ": " << answer.text;
  }
}

TEST_F(ShareContext, ADeviceWithoutALimitIsLookedUpOnce) {
  container.lay(1024 * kMiB, "GPU-f3559b58-f38a-5e07-8eda-978924ea8ce1");
  const Answer answer = run({"create", "take", "100000000", "take", "5000",
                             "info", "calls", "cuDeviceGetUuid_v2"});
  EXPECT_EQ(answer.number("take"), 0u) << answer.text;
  EXPECT_EQ(answer.number("calls"), 1u) << answer.text;
}

TEST_F(ShareContext, ErrnoIsTheProgramsOwn) {
  // Its child has ended, which one that is refused finds out.
  const Answer answer =
      run({"create", "take", "5000", "raw", "5000", "take", "1000000000"});
  EXPECT_EQ(answer.number("take"), kOutOfMemory) << answer.text;
  EXPECT_EQ(answer.number("errno"), ~std::uint64_t{0}) << answer.text;
  const Answer unread =
      run({"unseen", "nofiles", "take", "5000", "files", "take", "5000"});
  EXPECT_EQ(unread.text, "create 0\ntake 2\ntake 0\n");
}

TEST_F(ShareContext, AProcessThatFoundNoSlotGetsOneWhenThereIsOne) {
  for (std::uint32_t slot = 0; slot < LaidContainer::kSlots; ++slot) {
    ASSERT_TRUE(container.map().enroll({1, 0, 0}));  // Of whom nobody can tell.
  }
  const std::size_t offset =
      sizeof(LimitsHeader) + sizeof(DeviceLimit) + 3 * sizeof(GoneWord);
  const Answer answer =
      run({"retain", "write32", (container.directory() / "limits").string(),
           std::to_string(offset), std::to_string(kGone), "retain", "info"});
  EXPECT_NE(answer.text.find("retain 2\nwrite32 4\nretain 0\n"),
            std::string::npos)
      << answer.text;
  EXPECT_EQ(answer.number("free_bytes"), 1024 * kMiB - kContext) << answer.text;
}

TEST_F(ShareContext, ADriverThatWasLoadedAgainIsEnteredToo) {
  measure(0);
  const Answer answer = container.run({GPUNODE_RELOADER});
  ASSERT_EQ(answer.status, 0) << answer.text;
  EXPECT_EQ(answer.number("blocks"), 512u) << answer.text;
  EXPECT_EQ(answer.number("result"), kOutOfMemory) << answer.text;
}

TEST_F(ShareContext, AProgramThatShowsItsOwnObjectsRunsAndIsLimited) {
  measure(0);
  const Answer answer = container.run({GPUNODE_FREEZER});
  ASSERT_EQ(answer.status, 0) << answer.text;
  EXPECT_EQ(answer.number("blocks"), 512u) << answer.text;
  EXPECT_EQ(answer.number("result"), kOutOfMemory) << answer.text;
}

}  // namespace
}  // namespace gpunode::share
