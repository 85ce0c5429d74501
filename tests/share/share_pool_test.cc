// Stream-ordered memory: what pools hold is charged, in their steps of 32 MiB.
#include "tests/share/share_program.h"

namespace gpunode::share {
namespace {

constexpr std::uint64_t kLimit = 64 * kMiB;
constexpr std::uint64_t kUnsaid = ~std::uint64_t{0};

class SharePool : public ShareProgram {
 protected:
  /// With blocks of 8 MiB, eight of which the limit has room for.
  Answer with(const char* path, std::vector<std::string> deeds,
              const std::string& failure = {},
              const std::string& way = "proc_v2") const {
    lay(kLimit);
    deeds.insert(deeds.begin(),
                 {"path", path, "take", std::to_string(8 * kMiB)});
    return take(way, std::move(deeds), failure);
  }
  std::uint64_t held() const {
    return use().held[static_cast<std::size_t>(MemoryKind::kPool)];
  }
};

class ByEachPool : public SharePool,
                   public ::testing::WithParamInterface<const char*> {};

TEST_P(ByEachPool, TheLimitIsReachedAndNotPassed) {
  const Answer answer = with(GetParam(), {"info"});
  EXPECT_EQ(answer.number("blocks"), 8u) << answer.text;
  EXPECT_EQ(answer.number("result"), kOutOfMemory) << answer.text;
  EXPECT_EQ(answer.number("free"), 0u) << answer.text;
  EXPECT_EQ(held(), kLimit);
  EXPECT_EQ(use().peak, kLimit);
}

TEST_P(ByEachPool, ItIsOnTheThreadsOwnStreamToo) {
  const Answer answer = with(
      GetParam(), {"info", "free", "sync", "take", std::to_string(8 * kMiB)},
      {}, "proc_ptsz");
  EXPECT_EQ(answer.number("blocks"), 8u) << answer.text;
  EXPECT_EQ(answer.number("result"), kOutOfMemory) << answer.text;
  EXPECT_EQ(answer.number("free"), 0u) << answer.text;
  EXPECT_EQ(held(), kLimit);
  EXPECT_EQ(use().refusals, 2u);
}

TEST_P(ByEachPool, WhatIsFreedCanBeTakenAgain) {
  const Answer answer = with(
      GetParam(), {"free", "take", std::to_string(8 * kMiB), "free", "sync"});
  EXPECT_EQ(answer.number("blocks"), 8u) << answer.text;
  EXPECT_EQ(answer.number("free_result"), kUnsaid) << answer.text;
  EXPECT_EQ(held(), 0u);
}

INSTANTIATE_TEST_SUITE_P(Pools, ByEachPool,
                         ::testing::Values("async", "async_ptsz", "ownpool",
                                           "asyncfree", "ownpoolfree"),
                         [](const auto& test) { return test.param; });

TEST_F(SharePool, WhatIsFreedStaysInThePoolUntilSomebodyWaits) {
  EXPECT_EQ(with("async", {"free", "info"}).number("free"), 0u);
  EXPECT_EQ(held(), kLimit);
  EXPECT_EQ(with("async", {"free", "sync", "info"}).number("free"), kLimit);
  EXPECT_EQ(held(), 0u);
}

TEST_F(SharePool, WhatItKeepsIsTakenWhenThereIsNoOtherRoom) {
  const Answer answer =
      with("async", {"keep", "free", "sync", "info", "path", "data", "take",
                     std::to_string(8 * kMiB)});
  EXPECT_EQ(answer.number("free"), 0u) << answer.text;
  EXPECT_EQ(answer.number("blocks"), 8u) << answer.text;
  EXPECT_EQ(held(), 0u);
}

TEST_F(SharePool, WhatItKeepsIsTakenForContextsAndTheirLimits) {
  const std::string mib96 = std::to_string(96 * kMiB);
  const std::string mib100 = std::to_string(100 * kMiB);
  lay(500 * kMiB, 200 * kMiB);
  const Answer context =
      take("proc_v2", {"path", "async", "take", mib96, "free", "context"});
  EXPECT_EQ(context.number("blocks"), 3u) << context.text;
  EXPECT_EQ(context.number("context"), 0u) << context.text;
  lay(500 * kMiB, 200 * kMiB);
  const Answer heap =
      take("proc_v2", {"path", "async", "take", mib96, "free", "heap", mib100});
  EXPECT_EQ(heap.number("blocks"), 3u) << heap.text;
  EXPECT_EQ(heap.number("heap"), 0u) << heap.text;
}

TEST_F(SharePool, WhatItKeepsIsGivenBackWhenTrimmed) {
  const Answer answer = with("async", {"keep", "free", "sync", "trim", "info"});
  EXPECT_EQ(answer.number("free"), kLimit) << answer.text;
}

TEST_F(SharePool, WhatTheDriverRefusesIsNotCharged) {
  const Answer third = with("async", {"info"}, "cuMemAllocAsync:2@3");
  EXPECT_EQ(third.number("blocks"), 2u) << third.text;
  EXPECT_EQ(third.number("free"), 32 * kMiB) << "the step that two are in";
  const Answer first = with("ownpool", {"info"}, "cuMemAllocFromPoolAsync:2@1");
  EXPECT_EQ(first.number("blocks"), 0u) << first.text;
  EXPECT_EQ(first.number("free"), kLimit) << first.text;
  EXPECT_EQ(use().refusals, 0u);
}

TEST_F(SharePool, WhatTheDriverDoesNotFreeStaysCharged) {
  const Answer answer =
      with("ownpool", {"free", "sync", "info"}, "cuMemFreeAsync:1@1");
  EXPECT_EQ(answer.number("free_result"), 1u) << answer.text;
  EXPECT_EQ(answer.number("free"), 32 * kMiB) << "the step that it is in";
}

TEST_F(SharePool, GrowthThatNobodyAskedForIsTakenBack) {
  lay(kLimit);
  // Two blocks of 12 MiB a step leave 8 MiB in each: 16 MiB, and no 12.
  const Answer answer = take("proc_v2", {"path", "async", "keep", "take",
                                         std::to_string(12 * kMiB), "info"});
  EXPECT_EQ(answer.number("blocks"), 4u) << answer.text;
  EXPECT_EQ(answer.number("result"), kOutOfMemory) << answer.text;
  EXPECT_EQ(held(), kLimit);
}

TEST_F(SharePool, GrowthThatNobodyAskedForHasWhatOtherPoolsKeep) {
  lay(96 * kMiB);
  // As above, but a third step is there: another pool keeps it.
  const Answer answer =
      take("proc_v2",
           {"path", "ownpool", "some", std::to_string(20 * kMiB), "1", "free",
            "path", "async", "take", std::to_string(12 * kMiB), "info"});
  EXPECT_EQ(answer.number("blocks"), 6u) << answer.text;
  EXPECT_EQ(answer.number("free"), 0u) << answer.text;
  EXPECT_EQ(held(), 96 * kMiB);
}

TEST_F(SharePool, ThreadsThatWaitedForEachOtherHaveWhatIsKept) {
  lay(128 * kMiB);
  const Answer answer =
      take("proc_v2",
           {"path", "ownpool", "some", std::to_string(80 * kMiB), "1", "free",
            "path", "async", "threads", "16", std::to_string(8 * kMiB)});
  EXPECT_EQ(answer.number("blocks"), 16u) << answer.text;
}

TEST_F(SharePool, ACallbackAmidWhatTheLibraryAsksMayAskItself) {
  for (const std::string call :
       {"cuMemPoolGetAttribute", "cuMemPoolTrimTo", "cuMemUnmap",
        "cuDeviceGetGraphMemAttribute", "cuThreadExchangeStreamCaptureMode"}) {
    lay(kLimit);
    const std::string mib8 = std::to_string(8 * kMiB);
    const Answer answer = take(
        "proc_v2",
        {"amid",  call,      "path", "async",  "take",      mib8,    "free",
         "sync",  "trim",    "path", "data",   "take",      mib8,    "free",
         "path",  "virtual", "take", mib8,     "map",       "unmap", "free",
         "graph", mib8,      "1",    "launch", "graphtrim", "info"});
    EXPECT_EQ(answer.status, 0) << call << ": " << answer.text;
    EXPECT_GE(answer.number("amid"), 1u) << call;
    EXPECT_NE(answer.number("amid"), kUnsaid) << call << ": " << answer.text;
    EXPECT_EQ(answer.number("free"), kLimit) << call << ": " << answer.text;
  }
}

TEST_F(SharePool, ADestroyedPoolHoldsWhatIsInUse) {
  EXPECT_EQ(with("ownpool", {"destroy", "info"}).number("free"), 0u);
  EXPECT_EQ(with("ownpool", {"destroy", "odd", "info"}).number("free"), 0u);
  EXPECT_EQ(with("ownpool", {"destroy", "free", "info"}).number("free"),
            kLimit);
  EXPECT_EQ(with("ownpool", {"free", "destroy", "info"}).number("free"),
            kLimit);
  EXPECT_EQ(with("ownpool", {"destroy", "info"}, "cuMemPoolDestroy:1")
                .number("destroy_result"),
            1u);
}

TEST_F(SharePool, OrdinaryMemoryIsFreedInOrderToo) {
  EXPECT_EQ(with("dataasync", {"free", "info"}).number("free"), kLimit);
}

TEST_F(SharePool, WithoutLimitsNothingChanges) {
  const Answer answer =
      take("proc_v2", {"path", "async", "take", std::to_string(1024 * kMiB),
                       "free", "sync", "info"});
  EXPECT_EQ(answer.number("blocks"), 22u) << answer.text;
  EXPECT_EQ(answer.number("free"), answer.number("total")) << answer.text;
}

TEST_F(SharePool, ManyProcessesAndThreadsHaveTheLimitTogether) {
  lay(kLimit);
  const Answer answer = take(
      "dlsym", {"path", "async", "crowd", "4", "8", std::to_string(8 * kMiB)});
  EXPECT_EQ(answer.number("blocks"), 8u) << answer.text;
}

}  // namespace
}  // namespace gpunode::share
