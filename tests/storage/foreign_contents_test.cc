// Every content of somebody else's is refused by its name, on a loop device and
// as a file; and a disk without one is not.
#include "tests/storage/foreign_contents.h"

#include <string>
#include <utility>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/host/blank_proof.h"
#include "base/host/disk_claim.h"

namespace gpunode::storage_test {
namespace {

using host::BlankProof;
using host::DiskClaim;
using testing::HasSubstr;

Result<BlankProof> proof_of(const std::string& path, std::uint64_t size,
                            host::BlankDepth depth) {
  TRY(const DiskClaim claim, DiskClaim::take(host::HostRoot(), path, {},
                                             DiskClaim::Access::kReadWrite));
  host::BlankOptions options;
  options.depth = depth;
  return host::prove_blank(claim.fd(), {"Model", "S", size}, options);
}

class ForeignContents : public testing::TestWithParam<ForeignContent> {
 protected:
  void SetUp() override {
    const ForeignContent& content = GetParam();
    if (!content.program.empty() && find_program(content.program).empty()) {
      GTEST_SKIP() << content.program
                   << " is not installed: tools/setup storage";
    }
  }

  void check(const std::string& path) const {
    const ForeignContent& content = GetParam();
    const auto proof = proof_of(path, content.size_bytes, content.depth);
    ASSERT_TRUE(proof) << proof.error().message();
    EXPECT_FALSE(proof->is_blank());
    EXPECT_THAT(proof->refusal(), HasSubstr(content.words));
    EXPECT_THAT(proof->digest(), HasSubstr(" holds "));
    EXPECT_EQ(proof->refusal().find('\n'), std::string::npos);
  }
};

TEST_P(ForeignContents, AreRefusedOnADevice) {
  const ForeignContent& content = GetParam();
  const ImageFile image(content.size_bytes);
  std::string reason;
  const auto loop = LoopDevice::over(image, reason);
  if (!loop) GTEST_SKIP() << reason;
  ASSERT_EQ(content.make(image, loop->path()), "");
  check(loop->path());
}

TEST_P(ForeignContents, AreRefusedInAFile) {
  const ForeignContent& content = GetParam();
  if (content.wants_device) return;  // Said by the other test.
  const ImageFile image(content.size_bytes);
  ASSERT_EQ(content.make(image, image.path()), "");
  check(image.path());
}

INSTANTIATE_TEST_SUITE_P(All, ForeignContents,
                         testing::ValuesIn(foreign_contents()),
                         [](const auto& test) { return test.param.name; });

TEST(BlankDisk, IsAcceptedOnADeviceAtEitherDepth) {
  for (const std::uint64_t size :
       {std::uint64_t{1} << 20U, std::uint64_t{64} << 20U,
        std::uint64_t{3} << 30U}) {
    const ImageFile image(size);
    std::string reason;
    const auto loop = LoopDevice::over(image, reason);
    if (!loop) GTEST_SKIP() << reason;
    const auto sampled =
        proof_of(loop->path(), size, host::BlankDepth::kSampled);
    ASSERT_TRUE(sampled) << sampled.error().message();
    EXPECT_TRUE(sampled->is_blank()) << sampled->refusal();
    if (size > std::uint64_t{1} << 30U) continue;  // Minutes, on slow machines.
    const auto full = proof_of(loop->path(), size, host::BlankDepth::kFull);
    ASSERT_TRUE(full) << full.error().message();
    EXPECT_TRUE(full->is_blank()) << full->refusal();
  }
}

// mkfs.xfs and the others leave a device as they found it when they refuse; so
// do we when we look.
TEST(BlankDisk, IsNotChangedByLooking) {
  const ImageFile image(std::uint64_t{64} << 20U);
  std::string reason;
  const auto loop = LoopDevice::over(image, reason);
  if (!loop) GTEST_SKIP() << reason;
  const auto before =
      proof_of(loop->path(), image.size_bytes(), host::BlankDepth::kSampled);
  const auto after =
      proof_of(loop->path(), image.size_bytes(), host::BlankDepth::kSampled);
  ASSERT_TRUE(before && after);
  EXPECT_EQ(before->digest(), after->digest());
  ASSERT_EQ(run_program({"mkswap", loop->path()}), "");
  const auto changed =
      proof_of(loop->path(), image.size_bytes(), host::BlankDepth::kSampled);
  ASSERT_TRUE(changed);
  EXPECT_NE(changed->digest(), before->digest());
}

}  // namespace
}  // namespace gpunode::storage_test
