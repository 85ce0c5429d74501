#include "node/diagnose/tool_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gpunode::diagnose {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

constexpr const char* kHead =
    "DKMS make.log for nvidia-580.65.06 for kernel 4.18.0-513.el8.x86_64 "
    "(x86_64)\nSat Nov 28 22:00:01 UTC 2026\n";

TEST(BuildLog, OfABuildThatWentWellSaysNothing) {
  const BuildVerdict verdict = read_build_log(
      std::string(kHead) +
      "warning: the compiler differs from the one used to build the kernel\n"
      "  CC [M]  nvidia/nv.o\n  LD [M]  nvidia.ko\n");
  EXPECT_EQ(verdict.fault, BuildFault::kNone);
  EXPECT_EQ(verdict.kernel, "4.18.0-513.el8.x86_64");
}

TEST(BuildLog, NamesTheCauseAndNotWhatFollowsFromIt) {
  const std::string head = kHead;
  const BuildVerdict headers = read_build_log(
      head +
      "make: *** /lib/modules/4.18.0-513.el8.x86_64/build: No such file or "
      "directory.  Stop.\n");
  EXPECT_EQ(headers.fault, BuildFault::kNoHeaders);
  EXPECT_EQ(headers.kernel, "4.18.0-513.el8.x86_64");

  const BuildVerdict compiler = read_build_log(
      head +
      "make[1]: *** [Makefile:9: x.o] Error 1\n"
      "gcc: error: unrecognized command-line option '-fmin-function-align'\n");
  EXPECT_EQ(compiler.fault, BuildFault::kCompiler);
  EXPECT_THAT(compiler.line, HasSubstr("-fmin-function-align"));

  EXPECT_EQ(read_build_log(head + "ld: No space left on device\n").fault,
            BuildFault::kNoSpace);
}

TEST(BuildLog, QuotesTheFirstErrorOfWhichItKnowsNoCause) {
  const BuildVerdict verdict = read_build_log(
      std::string(kHead) + "nv-mmap.c:312: error: too few arguments\n" +
      "make[2]: *** [nv-mmap.o] Error 1\nmake: *** [modules] Error 2\n");
  EXPECT_EQ(verdict.fault, BuildFault::kError);
  EXPECT_EQ(verdict.line, "nv-mmap.c:312: error: too few arguments");
}

TEST(PackageLog, TellsWhatKeptTheLastRunFromItsWork) {
  const auto marks = read_package_log(
      "--- logging initialized ---\nGPG check FAILED\n"
      "--- logging initialized ---\n"
      "ERROR Error: Failed to download metadata for repo 'cuda': x\n"
      "ERROR Error: Failed to download metadata for repo 'cuda': y\n"
      "nothing provides kernel-devel = 4.18.0-513 needed by x\n");
  ASSERT_THAT(marks, SizeIs(2));
  EXPECT_EQ(marks[0].fault, PackageFault::kGone);
  EXPECT_THAT(marks[0].line, HasSubstr(": x"));
  EXPECT_EQ(marks[1].fault, PackageFault::kNoDevel);
}

TEST(PackageLog, ForgetsARunThatAnotherFollowed) {
  EXPECT_THAT(
      read_package_log("--- logging initialized ---\nGPG check FAILED\n"
                       "--- logging initialized ---\nDDEBUG Cleaning up.\n"),
      IsEmpty());
  EXPECT_THAT(read_package_log("Log started: 2026-11-27  10:00:00\n"
                               "Hash Sum mismatch\nLog ended: x\n"
                               "Log started: 2026-11-28  10:00:00\nfine\n"),
              IsEmpty());
  EXPECT_THAT(read_package_log(""), IsEmpty());
}

}  // namespace
}  // namespace gpunode::diagnose
