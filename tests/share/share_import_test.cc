// Memory that others made: recorded, and no part of what a container is held
// to.
#include <string>
#include <vector>

#include "tests/share/share_program.h"

namespace gpunode::share {
namespace {

const std::string kBytes = std::to_string(100 * kMiB);

class ShareImport : public ShareProgram {
 protected:
  void SetUp() override {
    ShareProgram::SetUp();
    lay(64 * kMiB);
  }
  /// What is recorded at the program's end; all of its deeds succeed.
  std::uint64_t imported_after(std::vector<std::string> deeds,
                               const std::string& failure = {}) const {
    lay(64 * kMiB);
    const Answer answer = import(std::move(deeds), failure);
    EXPECT_EQ(answer.status, 0) << answer.text;
    return use().imported();
  }
  Answer import(std::vector<std::string> deeds,
                const std::string& failure = {}) const {
    deeds.insert(deeds.begin(), GPUNODE_IMPORTER);
    return run(deeds, true, failure);
  }
};

struct Way {
  const char* name;
  const char* open;
  std::vector<std::string> close;
  const char* closing;  ///< The driver's name for the last of it.
};

class ByEachImport : public ShareImport,
                     public ::testing::WithParamInterface<Way> {};

TEST_P(ByEachImport, IsRecordedAndTakesNothingOfTheLimit) {
  const Answer answer =
      import({GetParam().open, kBytes, "info", "take", "info"});
  EXPECT_EQ(answer.number(GetParam().open), 0u) << answer.text;
  EXPECT_EQ(answer.number("take"), 0u) << answer.text;
  EXPECT_EQ(answer.number("free_bytes"), 62 * kMiB) << answer.text;
  EXPECT_EQ(use().imported(), 100 * kMiB);
  EXPECT_EQ(use().total, kBlock);
  EXPECT_EQ(use().peak, kBlock);
}

TEST_P(ByEachImport, IsRecordedNoMoreOnceItIsClosed) {
  std::vector<std::string> deeds = {GetParam().open, kBytes};
  deeds.insert(deeds.end(), GetParam().close.begin(), GetParam().close.end());
  EXPECT_EQ(imported_after(deeds), 0u);
}

TEST_P(ByEachImport, WhatTheDriverDoesNotCloseStaysRecorded) {
  std::vector<std::string> deeds = {GetParam().open, kBytes};
  deeds.insert(deeds.end(), GetParam().close.begin(), GetParam().close.end());
  EXPECT_EQ(imported_after(deeds, GetParam().closing +
                                      std::string(":CUDA_ERROR_UNKNOWN@1")),
            100 * kMiB);
}

INSTANTIATE_TEST_SUITE_P(
    Ways, ByEachImport,
    ::testing::Values(
        Way{"ipc", "ipc", {"close"}, "cuIpcCloseMemHandle"},
        Way{"ipc_old", "ipc_old", {"close"}, "cuIpcCloseMemHandle"},
        Way{"external", "external", {"destroy"}, "cuDestroyExternalMemory"},
        Way{"handle", "handle", {"release", "unmap"}, "cuMemUnmap"},
        Way{"pointer", "pointer", {"free"}, "cuMemFree_v2"},
        Way{"pointer_async", "pointer", {"free_async"}, "cuMemFreeAsync"}),
    [](const auto& test) { return std::string(test.param.name); });

TEST_F(ShareImport, OpenedTwiceIsRecordedOnceUntilItIsClosedTwice) {
  EXPECT_EQ(imported_after({"ipc", kBytes, "ipc", kBytes}), 100 * kMiB);
  EXPECT_EQ(imported_after({"ipc", kBytes, "ipc_old", kBytes, "close"}),
            100 * kMiB);
  EXPECT_EQ(imported_after({"ipc", kBytes, "ipc", kBytes, "close", "close"}),
            0u);
  EXPECT_EQ(
      imported_after({"ipc", kBytes, "ipc", kBytes, "close", "close", "close"},
                     "cuIpcCloseMemHandle:CUDA_ERROR_UNKNOWN@1"),
      0u);
}

TEST_F(ShareImport, GoesWithTheContextThatItWasOpenedIn) {
  EXPECT_EQ(imported_after({"ipc", kBytes, "external", kBytes, "end"}), 0u);
}

TEST_F(ShareImport, WhatTheDriverRefusesIsNotRecorded) {
  EXPECT_EQ(imported_after({"ipc", kBytes, "external", kBytes},
                           "cuIpcOpenMemHandle_v2:CUDA_ERROR_UNKNOWN,"
                           "cuImportExternalMemory:CUDA_ERROR_UNKNOWN"),
            0u);
}

TEST_F(ShareImport, AHandleIsRecordedWhileItIsMapped) {
  EXPECT_EQ(imported_after({"handle", kBytes, "unmap"}), 0u);
  EXPECT_EQ(imported_after({"handle", kBytes, "release"}), 100 * kMiB);
}

TEST_F(ShareImport, WhatThisProcessMadeIsItsOwn) {
  const std::string bytes = std::to_string(32 * kMiB);
  EXPECT_EQ(imported_after({"own", bytes}), 0u);
  EXPECT_EQ(use().held[static_cast<std::size_t>(MemoryKind::kVirtual)],
            32 * kMiB);
}

TEST_F(ShareImport, WithoutLimitsNothingChanges) {
  fs::remove(directory / "limits");
  const std::vector<std::string> deeds = {"ipc",      kBytes, "close",
                                          "external", kBytes, "destroy",
                                          "handle",   kBytes, "info"};
  std::vector<std::string> argv = {GPUNODE_IMPORTER};
  argv.insert(argv.end(), deeds.begin(), deeds.end());
  EXPECT_EQ(run(argv).text, run(argv, false).text);
}

}  // namespace
}  // namespace gpunode::share
