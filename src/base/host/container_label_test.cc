#include "base/host/container_label.h"

#include <fcntl.h>
#include <sys/xattr.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <string>

#include <gtest/gtest.h>

#include "base/core/unique_fd.h"

namespace gpunode::host {
namespace {

constexpr const char* kAttribute = "security.selinux";

std::string label_of(int fd) {
  std::array<char, 256> label = {};
  const ssize_t size =
      ::fgetxattr(fd, kAttribute, label.data(), label.size() - 1);
  return size < 0 ? "none" : label.data();
}

UniqueFd a_file() {
  return UniqueFd(::open("/var/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
}

TEST(ContainerLabel, IsGivenToFilesThatHaveOne) {
  const UniqueFd fd = a_file();
  ASSERT_TRUE(fd);
  constexpr const char* kAnother = "system_u:object_r:var_run_t:s0";
  if (::fsetxattr(fd.get(), kAttribute, kAnother, std::strlen(kAnother) + 1,
                  0) != 0) {
    GTEST_SKIP() << "no such attributes here: " << std::strerror(errno);
  }
  label_for_containers(fd.get());
  EXPECT_EQ(label_of(fd.get()), "system_u:object_r:container_file_t:s0");
}

TEST(ContainerLabel, IsNotGivenToOthers) {
  const UniqueFd fd = a_file();
  ASSERT_TRUE(fd);
  if (label_of(fd.get()) != "none") GTEST_SKIP() << "the kernel labels files";
  label_for_containers(fd.get());
  EXPECT_EQ(label_of(fd.get()), "none");
}

}  // namespace
}  // namespace gpunode::host
