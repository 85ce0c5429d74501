#include "base/core/error.h"

#include <cerrno>

#include <gtest/gtest.h>

namespace gpunode {
namespace {

TEST(Error, NamesTheAttemptBeforeTheCause) {
  const Error error = Error::from_errno("open /dev/nvidia0", EACCES);
  EXPECT_EQ(error.message(), "open /dev/nvidia0: permission denied");
  EXPECT_EQ(error.code(), ErrorCode::kPermissionDenied);
}

TEST(Error, TellsWhatIsMissingFromWhatMayComeBack) {
  EXPECT_EQ(Error::from_errno("x", ENOENT).code(), ErrorCode::kNotFound);
  EXPECT_EQ(Error::from_errno("x", ECONNREFUSED).code(),
            ErrorCode::kUnavailable);
  EXPECT_EQ(Error::from_errno("x", ENOSYS).code(), ErrorCode::kUnsupported);
  EXPECT_EQ(Error::from_errno("x", ENOMEM).code(), ErrorCode::kInternal);
}

TEST(Error, ContextKeepsTheCode) {
  const Error error =
      Error(ErrorCode::kCorrupt, "bad magic").with_context("read ledger");
  EXPECT_EQ(error.message(), "read ledger: bad magic");
  EXPECT_EQ(error.code(), ErrorCode::kCorrupt);
}

TEST(Error, LowersOnlyTheFirstLetterOfASentence) {
  EXPECT_EQ(errno_text(ENOTUNIQ), "name not unique on network");
  EXPECT_EQ(errno_text(ENOSR), "out of streams resources");
  EXPECT_EQ(errno_text(EL2HLT), "level 2 halted");
  EXPECT_EQ(errno_text(ENOENT), "no such file or directory");
}

}  // namespace
}  // namespace gpunode
