// Memory nodes of graphs: what they take is charged when it is taken, at the
// first launch, in steps of 32 MiB.
#include "tests/share/share_program.h"

namespace gpunode::share {
namespace {

class ShareGraph : public ShareProgram {
 protected:
  Answer with(std::vector<std::string> deeds,
              const std::string& failure = {}) const {
    lay(96 * kMiB);
    return take("proc_v2", std::move(deeds), failure);
  }
  std::uint64_t held() const {
    return use().held[static_cast<std::size_t>(MemoryKind::kGraph)];
  }
  const std::string mib20 = std::to_string(20 * kMiB);
};

TEST_F(ShareGraph, IsChargedWhenItIsFirstLaunched) {
  EXPECT_EQ(with({"graph", mib20, "2", "info"}).number("free"), 96 * kMiB);
  EXPECT_EQ(held(), 0u);
  const Answer twice = with({"graph", mib20, "2", "launch", "launch", "info"});
  EXPECT_EQ(twice.number("launch"), 0u) << twice.text;
  EXPECT_EQ(twice.number("free"), 32 * kMiB) << twice.text;
  EXPECT_EQ(held(), 64 * kMiB);
  EXPECT_EQ(with({"graph", mib20, "2", "upload", "info"}).number("free"),
            32 * kMiB);
  EXPECT_EQ(with({"uploaded", mib20, "2", "info"}).number("free"), 32 * kMiB);
}

TEST_F(ShareGraph, IsRefusedWhereThereIsNoRoom) {
  const Answer launched = with({"graph", mib20, "4", "launch", "info"});
  EXPECT_EQ(launched.number("graph"), 0u) << launched.text;
  EXPECT_EQ(launched.number("launch"), kOutOfMemory) << launched.text;
  EXPECT_EQ(launched.number("free"), 96 * kMiB) << launched.text;
  EXPECT_EQ(use().refusals, 1u);
  EXPECT_EQ(with({"graph", mib20, "4", "upload"}).number("upload"),
            kOutOfMemory);
  EXPECT_EQ(with({"uploaded", mib20, "4"}).number("uploaded"), kOutOfMemory);
  EXPECT_EQ(with({"nested", mib20, "4", "launch"}).number("launch"),
            kOutOfMemory);
}

TEST_F(ShareGraph, OnTheThreadsOwnStreamItIsTheSame) {
  for (const char* deed : {"launch", "upload"}) {
    lay(96 * kMiB);
    const Answer there = take("proc_ptsz", {"graph", mib20, "2", deed, "info"});
    EXPECT_EQ(there.number("free"), 32 * kMiB) << there.text;
    lay(96 * kMiB);
    const Answer refused = take("proc_ptsz", {"graph", mib20, "4", deed});
    EXPECT_EQ(refused.number(deed), kOutOfMemory) << refused.text;
  }
  lay(96 * kMiB);
  EXPECT_EQ(take("proc_ptsz", {"uploaded", mib20, "4"}).number("uploaded"),
            kOutOfMemory);
}

TEST_F(ShareGraph, WhatIsTakenInTurnIsTakenOnce) {
  const Answer answer = with({"chain", mib20, "10", "launch", "info"});
  EXPECT_EQ(answer.number("launch"), 0u) << answer.text;
  EXPECT_EQ(answer.number("free"), 64 * kMiB) << answer.text;
}

TEST_F(ShareGraph, IsHeldUntilItIsTrimmed) {
  const Answer ended = with({"graph", mib20, "2", "launch", "end", "info"});
  EXPECT_EQ(ended.number("free"), 32 * kMiB) << ended.text;
  const Answer trimmed =
      with({"graph", mib20, "2", "launch", "graphtrim", "info"});
  EXPECT_EQ(trimmed.number("free"), 96 * kMiB) << trimmed.text;
  // What was trimmed is taken, and charged, anew.
  const Answer again =
      with({"graph", mib20, "2", "launch", "graphtrim", "launch", "info"});
  EXPECT_EQ(again.number("free"), 32 * kMiB) << again.text;
}

TEST_F(ShareGraph, WhatIsKeptIsReturnedWhenThereIsNoOtherRoom) {
  const std::vector<std::string> deeds = {
      "graph", mib20, "2", "launch", "take", std::to_string(32 * kMiB)};
  EXPECT_EQ(with(deeds).number("blocks"), 3u);
  EXPECT_EQ(held(), 0u);
  // And by another graph.
  const Answer other =
      with({"graph", mib20, "2", "launch", "graph", mib20, "3", "launch"});
  EXPECT_EQ(other.number("launch"), 0u) << other.text;
  EXPECT_EQ(held(), 96 * kMiB);
  // Of graphs for pools, too.
  const Answer pool = with({"graph", mib20, "2", "launch", "path", "async",
                            "take", std::to_string(32 * kMiB)});
  EXPECT_EQ(pool.number("blocks"), 3u) << pool.text;
}

TEST_F(ShareGraph, OneThatKeptItsMemoryIsLaunchedThoughThereIsNoRoom) {
  // As of one that is running: the trim returns nothing.
  const std::string mib64 = std::to_string(64 * kMiB);
  const Answer kept =
      with({"graph", mib20, "2", "launch", "take", mib64, "launch", "info"},
           "cuDeviceGraphMemTrim:1");
  EXPECT_EQ(kept.number("blocks"), 0u) << kept.text;
  EXPECT_EQ(kept.number("launch"), 0u) << kept.text;
  EXPECT_EQ(kept.number("free"), 32 * kMiB) << kept.text;
  const Answer asked =
      with({"graph", mib20, "2", "launch", "graphtrim", "launch", "info"},
           "cuDeviceGraphMemTrim:1");
  EXPECT_EQ(asked.number("graphtrim"), 1u) << asked.text;
  EXPECT_EQ(asked.number("launch"), 0u) << asked.text;
  EXPECT_EQ(asked.number("free"), 32 * kMiB) << asked.text;
}

TEST_F(ShareGraph, WhatTheDriverRefusesIsNotCharged) {
  const Answer answer = with({"graph", mib20, "2", "launch", "info", "launch"},
                             "cuGraphLaunch:CUDA_ERROR_OUT_OF_MEMORY@1");
  EXPECT_EQ(answer.number("free"), 96 * kMiB) << answer.text;
  EXPECT_EQ(answer.number("launch"), 0u) << answer.text;
  EXPECT_EQ(use().refusals, 0u);
  EXPECT_EQ(held(), 64 * kMiB);
}

TEST_F(ShareGraph, OneMadeWhileTheLimitsCouldNotBeReadIsHeldToThem) {
  const Answer refused =
      with({"unread", "graph", mib20, "4", "files", "launch", "info"});
  EXPECT_EQ(refused.number("graph"), 0u) << refused.text;
  EXPECT_EQ(refused.number("launch"), kOutOfMemory) << refused.text;
  EXPECT_EQ(refused.number("free"), 96 * kMiB) << refused.text;
  const Answer granted = with(
      {"unread", "graph", mib20, "2", "files", "launch", "launch", "info"});
  EXPECT_EQ(granted.number("launch"), 0u) << granted.text;
  EXPECT_EQ(granted.number("free"), 32 * kMiB) << granted.text;
  EXPECT_EQ(held(), 64 * kMiB);
  // Until they can be read, nothing is granted.
  const Answer early = with({"unread", "graph", mib20, "1", "launch"});
  EXPECT_EQ(early.number("launch"), kOutOfMemory) << early.text;
}

TEST_F(ShareGraph, OneThatCouldNotBeDestroyedIsStillKnown) {
  const Answer answer = with({"graph", mib20, "4", "end", "launch"},
                             "cuGraphExecDestroy:CUDA_ERROR_UNKNOWN@1");
  EXPECT_EQ(answer.number("end"), 999u) << answer.text;
  EXPECT_EQ(answer.number("launch"), kOutOfMemory) << answer.text;
}

}  // namespace
}  // namespace gpunode::share
