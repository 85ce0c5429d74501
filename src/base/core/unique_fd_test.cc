#include "base/core/unique_fd.h"

#include <fcntl.h>

#include <utility>

#include <gtest/gtest.h>

namespace gpunode {
namespace {

bool is_open(int fd) {
  return ::fcntl(fd, F_GETFD) != -1;
}

TEST(UniqueFd, ClosesWhatItHeldWhenAssignedOver) {
  UniqueFd held(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  const int first = held.get();
  ASSERT_TRUE(is_open(first));
  held = UniqueFd(::open("/dev/zero", O_RDONLY | O_CLOEXEC));
  EXPECT_FALSE(is_open(first));
  EXPECT_TRUE(is_open(held.get()));
}

TEST(UniqueFd, SurvivesBeingMovedOntoItself) {
  UniqueFd held(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  UniqueFd& same = held;
  held = std::move(same);
  EXPECT_TRUE(is_open(held.get()));
}

TEST(UniqueFd, ReleasedDescriptorsStayOpen) {
  int raw = -1;
  {
    UniqueFd held(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    raw = held.release();
  }
  EXPECT_TRUE(is_open(raw));
  ::close(raw);
}

}  // namespace
}  // namespace gpunode
