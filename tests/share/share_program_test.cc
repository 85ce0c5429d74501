// libgpunode-cuda.so in programs of every way to the driver.
#include "tests/share/share_program.h"

namespace gpunode::share {
namespace {

class ByEachWay : public ShareProgram,
                  public ::testing::WithParamInterface<const char*> {};

TEST_P(ByEachWay, TheLimitIsReachedAndNotPassed) {
  lay(64 * kMiB);
  const std::string block = std::to_string(kBlock);
  const Answer answer =
      take(GetParam(), {"info", "take", block, "free", "take", block});
  ASSERT_EQ(answer.status, 0) << answer.text;
  EXPECT_EQ(answer.number("blocks"), 32u) << answer.text;
  EXPECT_EQ(answer.number("result"), kOutOfMemory) << answer.text;
  EXPECT_EQ(answer.number("total"), 64 * kMiB) << answer.text;
  EXPECT_EQ(answer.number("device_total"), 64 * kMiB) << answer.text;
  EXPECT_EQ(answer.number("free"), 64 * kMiB) << answer.text;
  EXPECT_EQ(use().refusals, 2u);
  EXPECT_EQ(use().peak, 64 * kMiB);
}

INSTANTIATE_TEST_SUITE_P(Ways, ByEachWay,
                         ::testing::Values("linked", "dlsym", "default",
                                           "dlvsym", "proc", "proc_v2",
                                           "proc_ptsz", "table_linked",
                                           "table_dlsym", "table_proc"),
                         [](const auto& test) { return test.param; });

TEST_F(ShareProgram, WhatIsHeldIsMissingFromTheView) {
  lay(64 * kMiB);
  const Answer answer = take("proc_v2", {"take", "50000000", "info"});
  // 48 MiB each: the second is refused.
  EXPECT_EQ(answer.number("blocks"), 1u) << answer.text;
  EXPECT_EQ(answer.number("free"), 16 * kMiB) << answer.text;
}

TEST_F(ShareProgram, WhatTheDriverRefusesIsNotCharged) {
  lay(64 * kMiB);
  const Answer answer = take("dlsym", {"take", std::to_string(kBlock), "info"},
                             "cuMemAlloc_v2:CUDA_ERROR_OUT_OF_MEMORY@3");
  EXPECT_EQ(answer.number("blocks"), 2u) << answer.text;
  EXPECT_EQ(answer.number("free"), 60 * kMiB) << answer.text;
  EXPECT_EQ(use().refusals, 0u) << "the limit did not refuse it";
}

TEST_F(ShareProgram, WhatTheDriverDoesNotFreeStaysCharged) {
  lay(64 * kMiB);
  const Answer answer =
      take("dlsym", {"take", std::to_string(kBlock), "free", "info"},
           "cuMemFree_v2:CUDA_ERROR_INVALID_VALUE@1");
  EXPECT_EQ(answer.number("free_result"), 1u) << answer.text;
  EXPECT_EQ(answer.number("free"), 62 * kMiB) << answer.text;
}

TEST_F(ShareProgram, AnEndedProcessOwesNothing) {
  lay(64 * kMiB);
  const std::vector<std::string> deeds = {"take", std::to_string(kBlock)};
  EXPECT_EQ(take("linked", deeds).number("blocks"), 32u);
  EXPECT_EQ(take("linked", deeds).number("blocks"), 32u);
  EXPECT_EQ(take("dlsym", {"info"}).number("free"), 64 * kMiB);
}

TEST_F(ShareProgram, ManyProcessesAndThreadsHaveTheLimitTogether) {
  lay(64 * kMiB);
  const Answer answer =
      take("dlsym", {"crowd", "4", "8", std::to_string(kBlock)});
  EXPECT_EQ(answer.number("blocks"), 32u) << answer.text;
}

TEST_F(ShareProgram, WhatAChildOfAForkHeldGoesWithIt) {
  lay(64 * kMiB);
  // The parent has opened its account before.
  const Answer answer =
      take("dlsym", {"early", "fork", std::to_string(kBlock)});
  EXPECT_NE(answer.number("early"), 0u) << answer.text;
  EXPECT_EQ(answer.number("child"), 32u) << answer.text;
  EXPECT_EQ(answer.number("parent"), 32u) << answer.text;
}

TEST_F(ShareProgram, WithoutLimitsNothingChanges) {
  const Answer bare = run({GPUNODE_TAKER, "proc_v2", "info"}, false);
  const Answer loaded = take("proc_v2", {"info"});
  EXPECT_EQ(loaded.status, 0);
  EXPECT_EQ(loaded.text, bare.text);
}

TEST_F(ShareProgram, LimitsWithoutALedgerGiveNothing) {
  lay(64 * kMiB);
  fs::resize_file(directory / "ledger", 100);
  const Answer answer = take("linked", {"take", std::to_string(kBlock)});
  EXPECT_EQ(answer.number("context"), kOutOfMemory) << answer.text;
}

TEST_F(ShareProgram, DirectoriesInPlaceOfFilesGiveNothingUntilTheyHaveThem) {
  lay(64 * kMiB);
  for (const char* name : {"limits", "ledger"}) {
    fs::rename(directory / name, directory / "kept");
    fs::create_directory(directory / name);
    fs::rename(directory / "kept",
               directory / name / (std::string(name) + "-"));
  }
  const std::vector<std::string> take_all = {"take", std::to_string(kBlock)};
  EXPECT_EQ(take("linked", take_all).number("context"), kOutOfMemory);
  for (const std::string name : {"limits", "ledger"}) {
    fs::rename(directory / name / (name + "-"), directory / name / name);
  }
  EXPECT_EQ(take("linked", take_all).number("blocks"), 32u);
}

TEST_F(ShareProgram, SpoiltLimitsGiveNothing) {
  lay(64 * kMiB);
  write("limits", "nonsense", 8);
  const Answer answer = take("linked", {"take", std::to_string(kBlock)});
  EXPECT_EQ(answer.number("context"), kOutOfMemory) << answer.text;
}

TEST_F(ShareProgram, ProgramsWithoutADriverDoNotNoticeIt) {
  lay(64 * kMiB);
  const Answer answer = run({"/bin/echo", "hello"});
  EXPECT_EQ(answer.status, 0);
  EXPECT_EQ(answer.text, "hello\n");
  EXPECT_EQ(run({GPUNODE_NEXT_PROGRAM}, false).status, 3);
}

TEST_F(ShareProgram, WhoAsksForTheNextGetsHisOwnNext) {
  EXPECT_EQ(run({GPUNODE_NEXT_PROGRAM}).status, 3);
}

}  // namespace
}  // namespace gpunode::share
