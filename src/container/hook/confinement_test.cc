#include "container/hook/confinement.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <cstdlib>
#include <string>

#include <gtest/gtest.h>

#include "base/host/host_root.h"
#include "container/hook/own_mounts_test.h"

namespace gpunode::hook {
namespace {

/// The effective capabilities of this process.
std::uint64_t capabilities() {
  const auto status = host::HostRoot().read_file("/proc/self/status");
  if (!status) return ~std::uint64_t{0};
  const std::string name = "CapEff:\t";
  const std::size_t at = status->find(name);
  if (at == std::string::npos) return ~std::uint64_t{0};
  return std::stoull(status->substr(at + name.size(), 16), nullptr, 16);
}

constexpr std::uint64_t bit(unsigned capability) {
  return std::uint64_t{1} << capability;
}

TEST(Confinement, LeavesNothingThatWasInherited) {
  IN_OWN_MOUNTS([] {
    // NOLINTNEXTLINE(concurrency-mt-unsafe): a child with one thread.
    ::setenv("LD_PRELOAD", "/evil.so", 1);
    ASSERT_EQ(::chdir("/proc"), 0);
    const int inherited = ::open("/", O_RDONLY | O_DIRECTORY);
    const auto confined = confine_process();
    ASSERT_TRUE(confined) << confined.error().message();
    EXPECT_TRUE(environ == nullptr || *environ == nullptr);
    std::array<char, 16> directory{};
    EXPECT_STREQ(::getcwd(directory.data(), directory.size()), "/");
    EXPECT_EQ(::prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 1);
    EXPECT_EQ(::prctl(PR_GET_DUMPABLE, 0, 0, 0, 0), 0);
    ASSERT_TRUE(give_up_mounting());
    EXPECT_EQ(::prctl(PR_GET_DUMPABLE, 0, 0, 0, 0), 0);
    EXPECT_EQ(::umask(0), static_cast<mode_t>(S_IWGRP | S_IWOTH));
    EXPECT_NE(::alarm(0), 0U);
    // A kernel before 5.9 cannot close them all at once; nothing is executed
    // that could use one.
    const long closing = ::syscall(SYS_close_range, 1000000U, 1000000U, 0U);
    if (closing == 0) {
      EXPECT_EQ(::fcntl(inherited, F_GETFD), -1);
    }
  });
}

TEST(Confinement, KeepsThreeCapabilitiesThenTwo) {
  IN_OWN_MOUNTS([] {
    ASSERT_TRUE(confine_process());
    const std::uint64_t files = bit(CAP_DAC_OVERRIDE) | bit(CAP_FOWNER);
    EXPECT_EQ(capabilities() & ~(files | bit(CAP_SYS_ADMIN)), 0U);
    ASSERT_TRUE(give_up_mounting());
    EXPECT_EQ(capabilities() & ~files, 0U);
    EXPECT_NE(::mount("none", "/proc", "tmpfs", 0, nullptr), 0);
  });
}

}  // namespace
}  // namespace gpunode::hook
