#include "base/host/blank_proof.h"

#include <fcntl.h>

#include <cstdlib>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/core/unique_fd.h"
#include "base/host/disk_image.h"
#include "base/host/superblock_bytes.h"

namespace gpunode::host {
namespace {

using testing::HasSubstr;

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20U;
constexpr std::uint64_t kGiB = kMiB << 10U;

TEST(BlankProof, ZerosAreBlank) {
  const BlankProof proof = DiskImage(64 * kGiB).proof();
  EXPECT_TRUE(proof.is_blank());
  EXPECT_EQ(proof.refusal(), "");
  EXPECT_EQ(proof.fill, 0);
  EXPECT_EQ(proof.summary(),
            "blank: no signature, first and last 4.0 MiB all zero, and so are "
            "samples that data of 8.0 MiB or more anywhere would meet");
  EXPECT_LT(proof.reads, 11000U);
}

TEST(BlankProof, IsBoundedWhateverTheSize) {
  const BlankProof proof = DiskImage(7000 * kGiB).proof();
  EXPECT_TRUE(proof.is_blank());
  EXPECT_LT(proof.reads, 53000U);
  EXPECT_LT(proof.read_bytes, 220 * kMiB);
  EXPECT_LT(proof.longest_missed_bytes, 150 * kMiB);
}

TEST(BlankProof, OneBitAtEitherEndIsData) {
  DiskImage start(kGiB);
  start.write(3 * kMiB + 17, "\x01");
  const BlankProof at_start = start.proof();
  ASSERT_TRUE(at_start.data);
  EXPECT_EQ(at_start.data->offset_bytes, 3 * kMiB + 17);
  EXPECT_THAT(at_start.refusal(),
              testing::StartsWith("is not blank: holds data at the start, at "
                                  "3.0 MiB (byte 3145745): 01 00 "));
  DiskImage end(kGiB);
  end.write(kGiB - 1, "x");
  const BlankProof at_end = end.proof();
  ASSERT_TRUE(at_end.data);
  EXPECT_EQ(at_end.data->offset_bytes, kGiB - 1);
  EXPECT_EQ(at_end.data->words,
            "data at the end, at 1.0 GiB (byte 1073741823): 78 \"x\"");
}

/// Blocks of 4 KiB each with one byte in it, `run` bytes long from `offset`.
void write_run(DiskImage& image, std::uint64_t offset, std::uint64_t run) {
  const std::string block(4096, 'd');
  for (std::uint64_t at = offset; at < offset + run; at += block.size()) {
    image.write(at, block);
  }
}

// The promise: a run of the stated length is found wherever it starts.
TEST(BlankProof, ARunOfTheStatedLengthIsAlwaysFound) {
  constexpr std::uint64_t kSize = 64 * kGiB;
  const std::uint64_t run = DiskImage(kSize).proof().longest_missed_bytes;
  ASSERT_LE(run, 9 * kMiB);
  std::uint64_t step = 0;
  for (const std::uint64_t start :
       {4 * kMiB + 512, kGiB - 7 * kMiB + 1, kGiB + 1, 20 * kGiB + 4095,
        31 * kGiB + 5 * kMiB, kSize - 2 * kGiB - 3, kSize - kGiB - 9 * kMiB,
        kSize - kGiB + 1}) {
    DiskImage image(kSize);
    write_run(image, start + 513 * ++step, run);
    const BlankProof proof = image.proof();
    ASSERT_TRUE(proof.data) << start;
    EXPECT_GE(proof.data->offset_bytes, start) << start;
  }
}

// 30 MiB of a disk of 600 GiB once passed as blank.
TEST(BlankProof, AFewMebibytesOfALargeDiskAreFound) {
  DiskImage image(600 * kGiB);
  write_run(image, 300 * kGiB + 12345, 30 * kMiB);
  const BlankProof proof = image.proof();
  ASSERT_TRUE(proof.data);
  EXPECT_LE(DiskImage(600 * kGiB).proof().longest_missed_bytes, 14 * kMiB);
}

TEST(BlankProof, WhatIsHeldIsSaidWithAndWithoutTheVerdict) {
  DiskImage image(64 * kMiB);
  EXPECT_EQ(image.proof().held(), "");
  image.write(20, "x");
  const BlankProof proof = image.proof();
  EXPECT_THAT(proof.held(), testing::StartsWith("holds data at the start"));
  EXPECT_EQ(proof.refusal(), "is not blank: " + proof.held());
}

TEST(BlankProof, ItsDigestSaysHowDeepItWas) {
  const DiskImage image(64 * kMiB);
  EXPECT_EQ(depth_of(image.proof().digest()), BlankDepth::kSampled);
  EXPECT_EQ(depth_of(image.proof({.depth = BlankDepth::kFull}).digest()),
            BlankDepth::kFull);
}

TEST(BlankProof, DataThatStartsInTheMiddleIsFound) {
  DiskImage image(8 * kGiB);
  write_run(image, 4 * kGiB, 32 * kMiB);
  EXPECT_THAT(image.proof().refusal(),
              HasSubstr("holds data in the middle, at 4.0 GiB (byte 42949"));
}

TEST(BlankProof, OneSectorIsFoundWhereEverythingIsRead) {
  constexpr std::uint64_t kSize = 128 * kMiB;
  DiskImage image(kSize);
  image.write(100 * kMiB + 4096 + 512, std::string(512, 'p'));
  EXPECT_TRUE(image.proof().is_blank());  // What sampling cannot promise.
  const BlankProof proof = image.proof({.depth = BlankDepth::kFull});
  ASSERT_TRUE(proof.data);
  EXPECT_EQ(proof.data->offset_bytes, 100 * kMiB + 4096 + 512);
  const BlankProof blank = DiskImage(kSize).proof({.depth = BlankDepth::kFull});
  EXPECT_TRUE(blank.is_blank());
  EXPECT_EQ(blank.read_bytes, kSize + 1);
  EXPECT_EQ(blank.summary(), "blank: no signature, every byte is zero");
}

TEST(BlankProof, AllOnesNeedAWord) {
  DiskImage image(2 * kMiB);
  image.write(0, std::string(2 * kMiB, '\xff'));
  EXPECT_THAT(image.proof().refusal(), HasSubstr("0xff in every byte"));
  EXPECT_TRUE(image.proof({.accept_ones = true}).is_blank());
  EXPECT_EQ(image.proof({.accept_ones = true}).summary(),
            "blank: no signature, every byte is 0xff");
  image.write(kMiB, std::string(1, '\0'));
  EXPECT_FALSE(image.proof({.accept_ones = true}).is_blank());
  DiskImage mixed(2 * kMiB);
  mixed.write(kMiB, "\xff");
  EXPECT_FALSE(mixed.proof({.accept_ones = true}).is_blank());
}

TEST(BlankProof, OddAndTinySizesAreReadWhole) {
  for (const std::uint64_t size : {std::uint64_t{1}, std::uint64_t{511},
                                   4097 * std::uint64_t{3}, 9 * kMiB + 1}) {
    EXPECT_TRUE(DiskImage(size).proof().is_blank()) << size;
    DiskImage image(size);
    image.write(size - 1, "x");
    EXPECT_FALSE(image.proof().is_blank()) << size;
  }
}

TEST(BlankProof, AnotherSizeIsAnotherDisk) {
  const DiskImage image(kMiB);
  DiskIdentity other = image.identity();
  other.size_bytes += 512;
  const auto proof = prove_blank(image.fd(), other, {});
  ASSERT_FALSE(proof);
  EXPECT_EQ(proof.error().code(), ErrorCode::kUnavailable);
  EXPECT_THAT(proof.error().message(), HasSubstr("another disk"));
  EXPECT_FALSE(prove_blank(DiskImage(0).fd(), {"M", "S", 0}, {}));
}

TEST(BlankProof, WhatCannotBeReadIsNoProof) {
  const UniqueFd write_only(
      ::open("/proc/self/mem", O_RDONLY | O_CLOEXEC));  // Reads at 0: EIO.
  ASSERT_TRUE(write_only);
  EXPECT_FALSE(prove_blank(write_only.get(), {"M", "S", kMiB}, {}));
  std::string path = testing::TempDir() + "gpunode-blank-XXXXXX";
  UniqueFd made(::mkostemp(path.data(), O_CLOEXEC));
  ASSERT_EQ(::ftruncate(made.get(), kMiB), 0);
  const UniqueFd blind(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  ::unlink(path.c_str());
  const auto proof = prove_blank(blind.get(), {"M", "S", kMiB}, {});
  ASSERT_FALSE(proof);
  EXPECT_THAT(proof.error().message(), HasSubstr("prove that the disk is"));
}

TEST(BlankProof, TellsHowFarItIsAndCanBeGivenUp) {
  std::uint64_t calls = 0;
  std::uint64_t last = 0;
  constexpr std::uint64_t kSize = 200 * kMiB;
  const DiskImage image(kSize);
  BlankOptions options{.depth = BlankDepth::kFull};
  options.progress = [&](const BlankProgress& progress) {
    EXPECT_GT(progress.done_bytes, last);
    EXPECT_EQ(progress.total_bytes, kSize);
    last = progress.done_bytes;
    ++calls;
    return true;
  };
  EXPECT_TRUE(image.proof(options).is_blank());
  EXPECT_GE(calls, 3U);
  options.progress = [](const BlankProgress&) { return false; };
  const auto proof = prove_blank(image.fd(), image.identity(), options);
  ASSERT_FALSE(proof);
  EXPECT_THAT(proof.error().message(), HasSubstr("given up at"));
}

TEST(BlankProof, OfTwoNamespacesOfOneControllerIsNotTheSame) {
  const DiskImage image(kMiB);
  DiskIdentity first = image.identity();
  first.wwid = "nvme.1";
  DiskIdentity second = image.identity();
  second.wwid = "nvme.2";
  const auto digest = [&](const DiskIdentity& identity) {
    return prove_blank(image.fd(), identity, {})->digest();
  };
  EXPECT_NE(digest(first), digest(second));
  EXPECT_NE(digest(first), digest(image.identity()));
  EXPECT_EQ(digest(first), digest(first));
}

TEST(BlankProof, SaysOfWhichXfsTheDataIs) {
  DiskImage image(kMiB);
  std::string header(512, '\0');
  put_text(header, 0, "XAGF");
  put_text(header, 64, sample_uuid_bytes());
  image.write(kMiB / 2, header);
  const BlankProof proof = image.proof();
  ASSERT_TRUE(proof.data);
  EXPECT_EQ(proof.data->xfs_uuid, kSampleUuid);
  EXPECT_EQ(DiskImage(kMiB).write(kMiB / 2, "data").proof().data->xfs_uuid, "");
}

TEST(BlankProof, DigestIsOfTheDiskAndItsState) {
  DiskImage image(64 * kMiB);
  const std::string blank = image.proof().digest();
  EXPECT_EQ(blank, image.proof().digest());
  EXPECT_NE(blank, image.proof({.depth = BlankDepth::kFull}).digest());
  EXPECT_EQ(blank,
            "blank-proof/1 model=5:Model serial=6:SERIAL size=67108864 "
            "edge=4194304 missed=1056768 fill=00 blank");
  const auto of = [&](const std::string& model, const std::string& serial) {
    auto proof = prove_blank(image.fd(), {model, serial, 64 * kMiB}, {});
    return proof ? proof->digest() : proof.error().message();
  };
  EXPECT_NE(of("Model", "OTHER"), blank);
  EXPECT_NE(of("A serial=1:B", "C"), of("A", "B serial=1:C"));
  image.write(0, "x");
  EXPECT_NE(image.proof().digest(), blank);
  EXPECT_EQ(image.proof().digest().find('\n'), std::string::npos);
}

}  // namespace
}  // namespace gpunode::host
