// Every way to device memory: it is charged, refused at the limit, given back,
// and not charged where the driver refuses.
#include "tests/share/share_program.h"

namespace gpunode::share {
namespace {

struct PathCase {
  const char* path;
  MemoryKind kind;
  const char* take;  ///< The driver's name for it.
  const char* give;
};

class ByEachPath : public ShareProgram,
                   public ::testing::WithParamInterface<PathCase> {
 protected:
  Answer deeds(std::vector<std::string> deeds,
               const std::string& failure = {}) const {
    deeds.insert(deeds.begin(), {"path", GetParam().path});
    return take("proc_v2", std::move(deeds), failure);
  }
  const std::string block = std::to_string(kBlock);
};

TEST_P(ByEachPath, TheLimitIsReachedAndNotPassed) {
  for (const char* way : {"linked", "dlsym", "proc_v2"}) {
    lay(64 * kMiB);
    const Answer answer =
        take(way, {"path", GetParam().path, "take", block, "info"});
    EXPECT_EQ(answer.number("blocks"), 32u) << answer.text;
    EXPECT_EQ(answer.number("result"), kOutOfMemory) << answer.text;
    EXPECT_EQ(answer.number("free"), 0u) << answer.text;
    // It ended with all of it.
    EXPECT_EQ(use().held[static_cast<std::size_t>(GetParam().kind)], 64 * kMiB);
    EXPECT_EQ(use().refusals, 1u);
    EXPECT_EQ(use().peak, 64 * kMiB);
  }
}

TEST_P(ByEachPath, WhatIsFreedCanBeTakenAgain) {
  lay(64 * kMiB);
  const Answer answer = deeds({"take", block, "free", "info", "take", block});
  EXPECT_EQ(answer.number("free"), 64 * kMiB) << answer.text;
  EXPECT_EQ(answer.number("blocks"), 32u) << answer.text;
  EXPECT_EQ(answer.number("free_result"), ~std::uint64_t{0}) << answer.text;
}

TEST_P(ByEachPath, WhatTheDriverRefusesIsNotCharged) {
  lay(64 * kMiB);
  const Answer answer =
      deeds({"take", block, "info"},
            GetParam().take + std::string(":CUDA_ERROR_OUT_OF_MEMORY@3"));
  EXPECT_EQ(answer.number("blocks"), 2u) << answer.text;
  EXPECT_EQ(answer.number("result"), kOutOfMemory) << answer.text;
  EXPECT_EQ(answer.number("free"), 60 * kMiB) << answer.text;
  EXPECT_EQ(use().refusals, 0u) << "the limit did not refuse it";
}

TEST_P(ByEachPath, WhatTheDriverDoesNotFreeStaysCharged) {
  lay(64 * kMiB);
  const Answer answer =
      deeds({"take", block, "free", "info"},
            GetParam().give + std::string(":CUDA_ERROR_INVALID_VALUE@1"));
  EXPECT_EQ(answer.number("free_result"), 1u) << answer.text;
  EXPECT_EQ(answer.number("free"), 62 * kMiB) << answer.text;
}

TEST_P(ByEachPath, WithoutLimitsNothingChanges) {
  const Answer answer =
      deeds({"take", std::to_string(1024 * kMiB), "free", "info"});
  // As many as an A10G has room for.
  EXPECT_EQ(answer.number("blocks"), 22u) << answer.text;
  EXPECT_EQ(answer.number("free"), answer.number("total")) << answer.text;
}

INSTANTIATE_TEST_SUITE_P(
    Paths, ByEachPath,
    ::testing::Values(
        PathCase{"data", MemoryKind::kData, "cuMemAlloc_v2", "cuMemFree_v2"},
        PathCase{"managed", MemoryKind::kData, "cuMemAllocManaged",
                 "cuMemFree_v2"},
        PathCase{"virtual", MemoryKind::kVirtual, "cuMemCreate",
                 "cuMemRelease"},
        PathCase{"array", MemoryKind::kArray, "cuArrayCreate_v2",
                 "cuArrayDestroy"},
        PathCase{"array3d", MemoryKind::kArray, "cuArray3DCreate_v2",
                 "cuArrayDestroy"},
        PathCase{"mipmap", MemoryKind::kArray, "cuMipmappedArrayCreate",
                 "cuMipmappedArrayDestroy"}),
    [](const auto& test) { return std::string(test.param.path); });

TEST_F(ShareProgram, AnArrayThatIsMappedLaterTakesNothing) {
  lay(64 * kMiB);
  const Answer answer =
      take("dlsym", {"path", "sparse", "take", std::to_string(kBlock), "info"});
  EXPECT_EQ(answer.number("blocks"), 100u) << answer.text;
  EXPECT_EQ(answer.number("free"), 64 * kMiB) << answer.text;
}

/// Deeds with virtual memory, and what is then free of 64 MiB.
class VirtualMemory : public ShareProgram {
 protected:
  std::uint64_t free_after(std::vector<std::string> deeds) const {
    lay(64 * kMiB);
    deeds.insert(deeds.begin(),
                 {"path", "virtual", "take", std::to_string(8 * kMiB)});
    deeds.push_back("info");
    const Answer answer = take("proc_v2", std::move(deeds));
    EXPECT_EQ(answer.number("blocks"), 8u) << answer.text;
    EXPECT_THAT(answer.text, ::testing::Not(::testing::HasSubstr("_result")));
    return answer.number("free");
  }
};

TEST_F(VirtualMemory, IsHeldByItsMappingsAfterItsHandlesAreReleased) {
  EXPECT_EQ(free_after({"map", "release"}), 0u);
  EXPECT_EQ(free_after({"map", "release", "unmap"}), 64 * kMiB);
}

TEST_F(VirtualMemory, IsHeldByItsHandlesAfterItIsUnmapped) {
  EXPECT_EQ(free_after({"map", "unmap"}), 0u);
  EXPECT_EQ(free_after({"map", "unmap", "release"}), 64 * kMiB);
}

TEST_F(VirtualMemory, EachRetainedHandleHoldsIt) {
  EXPECT_EQ(free_after({"map", "retain", "unmap", "release"}), 0u);
  EXPECT_EQ(free_after({"map", "retain", "unmap", "release", "release"}),
            64 * kMiB);
}

TEST_F(VirtualMemory, WhatIsImportedIsNotChargedTwice) {
  EXPECT_EQ(free_after({"import", "release"}), 0u);
  EXPECT_EQ(free_after({"import", "release", "release"}), 64 * kMiB);
}

TEST_F(VirtualMemory, AMappingThatFailsHoldsNothing) {
  lay(64 * kMiB);
  const Answer answer =
      take("dlsym",
           {"path", "virtual", "take", std::to_string(8 * kMiB), "map",
            "release", "info"},
           "cuMemMap:CUDA_ERROR_INVALID_VALUE@1");
  EXPECT_EQ(answer.number("map_result"), 1u) << answer.text;
  EXPECT_EQ(answer.number("free"), 8 * kMiB) << answer.text;
}

}  // namespace
}  // namespace gpunode::share
