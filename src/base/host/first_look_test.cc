#include "base/host/first_look.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/core/unique_fd.h"
#include "base/host/disk_image.h"

namespace gpunode::host {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20U;
constexpr std::uint64_t kGiB = kMiB << 10U;

TEST(FirstLook, ABlankDiskOfAnySizeTakesFewReads) {
  for (const std::uint64_t size : {600 * kGiB, 7680 * kGiB}) {
    const FirstLook look = DiskImage(size).look();
    EXPECT_TRUE(look.proof.is_blank());
    EXPECT_FALSE(look.is_proof);
    EXPECT_LE(look.proof.reads, 80U);
    EXPECT_LE(look.proof.read_bytes, 2 * kMiB + 64 * 4096);
  }
}

TEST(FirstLook, SaysThatItIsNoProofAndWhatWasPromised) {
  const DiskImage image(64 * kGiB);
  EXPECT_EQ(
      image.look().summary(),
      "blank: no signature, first and last 1.0 MiB all zero, and so are "
      "samples that data of 1008.2 MiB or more anywhere would meet; before "
      "it is written to, more of it is looked at");
  EXPECT_THAT(image.look(BlankDepth::kFull).summary(),
              EndsWith("every byte of it is looked at"));
  EXPECT_EQ(promised_by(image.look().digest()), BlankDepth::kSampled);
  EXPECT_EQ(promised_by(image.look(BlankDepth::kFull).digest()),
            BlankDepth::kFull);
  EXPECT_EQ(promised_by(image.proof().digest()), std::nullopt);
}

// No look may be taken for a proof, nor one promise for another.
TEST(FirstLook, ItsDigestIsNoProofs) {
  const DiskImage image(64 * kGiB);
  EXPECT_EQ(image.look().digest(), image.look().digest());
  EXPECT_NE(image.look().digest(), image.proof().digest());
  EXPECT_NE(image.look().digest(), image.look(BlankDepth::kFull).digest());
  const DiskImage small(kMiB);
  EXPECT_NE(small.look().digest(), small.proof().digest());
}

// What is there is told in the words and the digest of a proof: a plan that
// erases it is compared with one.
TEST(FirstLook, WhatIsNotBlankIsToldAsAProofTellsIt) {
  for (const std::uint64_t at : {std::uint64_t{0}, kMiB - 1, 64 * kGiB - 1}) {
    DiskImage image(64 * kGiB);
    image.write(at, "x");
    const FirstLook look = image.look();
    EXPECT_TRUE(look.is_proof) << at;
    EXPECT_FALSE(look.proof.is_blank()) << at;
    EXPECT_EQ(look.digest(), image.proof().digest()) << at;
    EXPECT_EQ(look.summary(), image.proof().refusal()) << at;
  }
}

// Beyond the ends, and without a byte that a sample meets.
TEST(FirstLook, ASignatureAnywhereIsFound) {
  DiskImage image(64 * kGiB);
  image.write(64 * kMiB + 64, "_BHRfS_M");
  const FirstLook look = image.look();
  ASSERT_TRUE(look.is_proof);
  EXPECT_THAT(look.summary(), HasSubstr("copy of a btrfs superblock"));
}

TEST(FirstLook, ARunOfTheStatedLengthIsAlwaysFound) {
  constexpr std::uint64_t kSize = 64 * kMiB;
  const std::uint64_t run = DiskImage(kSize).look().proof.longest_missed_bytes;
  ASSERT_LT(run, 2 * kMiB);
  for (std::uint64_t start = 0; start + run <= kSize; start += 999'983) {
    DiskImage image(kSize);
    image.write(start, std::string(run, 'd'));
    EXPECT_FALSE(image.look().proof.is_blank()) << start;
  }
}

// The samples of a proof lie elsewhere: what the look met stays told, with one
// digest, however closely is looked afterwards.
TEST(FirstLook, WhatItMeetsNoProofPassesOver) {
  DiskImage image(64 * kGiB);
  const std::uint64_t stride = (64 * kGiB - 2 * kMiB) / 65;
  image.write((kMiB + 20 * stride) / 4096 * 4096 + 5, "data");
  ASSERT_TRUE(image.proof().is_blank());
  const FirstLook look = image.look();
  EXPECT_THAT(look.summary(), StartsWith("is not blank: holds data at 19.7"));
  const auto proof =
      prove_looking(image.fd(), image.identity(), BlankDepth::kSampled);
  ASSERT_TRUE(proof);
  EXPECT_FALSE(proof->is_blank());
  EXPECT_EQ(proof->digest(), look.digest());
}

TEST(FirstLook, AProofWithItFindsWhatAProofFinds) {
  DiskImage image(64 * kGiB);
  image.write(2 * kMiB, "data");
  ASSERT_FALSE(image.look().is_proof);
  const auto proof =
      prove_looking(image.fd(), image.identity(), BlankDepth::kSampled);
  ASSERT_TRUE(proof);
  EXPECT_EQ(proof->digest(), image.proof().digest());
}

TEST(FirstLook, SmallDisksAreReadWhole) {
  for (const std::uint64_t size :
       {std::uint64_t{1}, std::uint64_t{511}, kMiB + 1, 2 * kMiB + 4097}) {
    EXPECT_TRUE(DiskImage(size).look().proof.is_blank()) << size;
    DiskImage image(size);
    image.write(size / 2, "x");
    EXPECT_FALSE(image.look().proof.is_blank()) << size;
  }
}

TEST(FirstLook, OnesAndOtherSizesAreAsInAProof) {
  DiskImage ones(2 * kMiB);
  ones.write(0, std::string(2 * kMiB, '\xff'));
  EXPECT_THAT(ones.look().summary(), HasSubstr("0xff in every byte"));
  DiskIdentity other = ones.identity();
  other.size_bytes += 512;
  const auto look = look_first(ones.fd(), other, BlankDepth::kSampled);
  ASSERT_FALSE(look);
  EXPECT_THAT(look.error().message(), HasSubstr("another disk"));
}

TEST(FirstLook, WhatCannotBeReadIsNotBlank) {
  std::string path = testing::TempDir() + "gpunode-look-XXXXXX";
  const UniqueFd made(::mkostemp(path.data(), O_CLOEXEC));
  ASSERT_EQ(::ftruncate(made.get(), kMiB), 0);
  const UniqueFd blind(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  ::unlink(path.c_str());
  const auto look = look_first(blind.get(), {"M", "S", kMiB}, {});
  ASSERT_FALSE(look);
  EXPECT_THAT(look.error().message(), StartsWith("look at the disk: "));
}

}  // namespace
}  // namespace gpunode::host
