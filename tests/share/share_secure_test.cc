// A program with other rights than its user's (setuid, file capabilities): for
// it the C library takes no LD_PRELOAD with a path, but /etc/ld.so.preload as
// ever.
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <system_error>

#include <gtest/gtest.h>

#include "tests/share/laid_container.h"

namespace gpunode::share {
namespace {

namespace fs = std::filesystem;

constexpr uid_t kOther = 54321;  // Nobody's.

class ShareSecure : public ::testing::Test {
 protected:
  void SetUp() override {
    if (geteuid() != 0) GTEST_SKIP() << "needs root";
    container.set("GPUNODE_FAKE_NVML", GPUNODE_PROFILES "/a10g-x1.json");
    container.lay(64 * kMiB);
    const fs::path& there = container.directory();
    fs::permissions(there, fs::perms(0755));
    fs::permissions(there / "ledger", fs::perms(0666));
    fs::create_directory(there / "etc");
    fs::create_directory(there / "dev");
    for (const char* node :
         {"dev/nvidiactl", "dev/nvidia-uvm", "dev/nvidia0"}) {
      container.write(node, "");
      fs::permissions(there / node, fs::perms(0666));
    }
    container.set("GPUNODE_FAKE_DEV", (there / "dev").string());
    std::error_code absent;
    fs::copy_file("/etc/ld.so.cache", there / "etc/ld.so.cache", absent);
    program = (there / "setuid").string();
    fs::copy_file(GPUNODE_TAKER, program);
    ASSERT_EQ(chown(program.c_str(), kOther, kOther), 0);
    ASSERT_EQ(chmod(program.c_str(), 04755), 0);
  }
  Answer run(bool is_preloaded) const {
    return container.run(
        {GPUNODE_SECURE_RUNNER, (container.directory() / "etc").string(),
         program, "dlsym", "rights", "take", "2097152", "info"},
        is_preloaded);
  }
  void name_in_etc() const {
    container.write("etc/ld.so.preload",
                    (container.directory() / "libgpunode-cuda.so").string());
  }

  LaidContainer container;
  std::string program;
};

TEST_F(ShareSecure, ASetuidProgramIsHeldByTheFileThatNamesTheLibrary) {
  name_in_etc();
  const Answer answer = run(false);
  if (answer.status == 77) GTEST_SKIP() << answer.text;
  ASSERT_EQ(answer.status, 0) << answer.text;
  if (answer.number("secure") == 0) GTEST_SKIP() << "mounted nosuid";
  EXPECT_EQ(answer.number("blocks"), 32u) << answer.text;
  EXPECT_EQ(answer.number("total"), 64 * kMiB) << answer.text;
}

// So the variable alone would be a way around.
TEST_F(ShareSecure, ItIsNotHeldByAVariable) {
  const Answer answer = run(true);
  if (answer.status == 77) GTEST_SKIP() << answer.text;
  ASSERT_EQ(answer.status, 0) << answer.text;
  if (answer.number("secure") == 0) GTEST_SKIP() << "mounted nosuid";
  EXPECT_GT(answer.number("blocks"), 32u) << answer.text;
}

}  // namespace
}  // namespace gpunode::share
