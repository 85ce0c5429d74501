#include "base/host/disk_signature.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/core/unique_fd.h"
#include "base/host/disk_claim.h"
#include "base/host/filesystem_superblock.h"
#include "base/host/host_tree.h"
#include "base/host/superblock_bytes.h"

namespace gpunode::host {
namespace {

constexpr std::size_t kMiB = std::size_t{1} << 20U;

std::vector<DiskSignature> found_in(const std::string& bytes) {
  std::string path = testing::TempDir() + "gpunode-signature-XXXXXX";
  const UniqueFd fd(::mkostemp(path.data(), O_CLOEXEC));
  ::unlink(path.c_str());
  EXPECT_EQ(::write(fd.get(), bytes.data(), bytes.size()),
            static_cast<ssize_t>(bytes.size()));
  auto found = find_disk_signatures(fd.get(), bytes.size());
  EXPECT_TRUE(found) << (found ? "" : found.error().message());
  return found ? *std::move(found) : std::vector<DiskSignature>();
}

std::string with(std::string disk, std::size_t offset,
                 const std::string& bytes) {
  return disk.replace(offset, bytes.size(), bytes);
}

const std::string& blank() {
  static const std::string kBlank(4 * kMiB, '\0');
  return kBlank;
}

TEST(DiskSignature, NoneOnABlankDisk) {
  EXPECT_TRUE(found_in(blank()).empty());
  EXPECT_TRUE(found_in(std::string(512, '\0')).empty());
  EXPECT_TRUE(found_in(std::string(1, '\0')).empty());
}

/// A swap area of version 1 for pages of 4 KiB, with a label.
std::string swap_area(const std::string& label) {
  std::string disk = with(blank(), 4086, "SWAPSPACE2");
  disk = with(disk, 1024, std::string("\1\0\0\0\xff\1\0\0", 8));
  return with(disk, 1052, label);
}

TEST(DiskSignature, IsLibblkidsWithItsIdentity) {
  const auto found = found_in(swap_area("mine"));
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].type, "swap");
  EXPECT_EQ(found[0].label, "mine");
  EXPECT_EQ(found[0].offset_bytes, 4086U);
  EXPECT_EQ(found[0].words.substr(0, 16), "swap area \"mine\"");
}

TEST(DiskSignature, LabelsAreHarmless) {
  const auto found = found_in(swap_area("a\x1b[2Jb"));
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].label, "a\\x1b[2Jb");
}

// libblkid alone calls this ambivalent and answers nothing.
TEST(DiskSignature, SeveralAreAllTold) {
  std::string disk = swap_area("");
  disk = with(disk, 0, "LUKS\xba\xbe" + std::string("\0\2", 2));
  const auto found = found_in(disk);
  std::vector<std::string> types;
  for (const DiskSignature& signature : found) types.push_back(signature.type);
  EXPECT_EQ(types, (std::vector<std::string>{"crypto_LUKS", "swap"}))
      << testing::PrintToString(types);
}

TEST(DiskSignature, WhatLibblkidDoesNotTellIsTold) {
  struct Case {
    std::size_t offset;
    std::string bytes;
    std::string type;
  };
  const std::vector<Case> cases = {
      {blank().size() - 512, "EFI PART", "gpt_backup"},
      {blank().size() - 4096, "EFI PART", "gpt_backup"},
      {512, "EFI PART", "gpt_header"},
      {4096, "EFI PART", "gpt_header"},
      {blank().size() - 509, "NTFS    ", "ntfs_backup"},
      {0, "XFSB", "xfs_superblock"},
      {257, "ustar", "tar"},
      {65600, "_BHRfS_M", "btrfs"},
  };
  for (const Case& one : cases) {
    const auto found = found_in(with(blank(), one.offset, one.bytes));
    ASSERT_FALSE(found.empty()) << one.type;
    EXPECT_TRUE(found[0].type.starts_with(one.type)) << found[0].type;
    EXPECT_FALSE(found[0].words.empty());
  }
}

// mkfs.ext4 writes the copies first: cut off in between, they say whose it was.
TEST(DiskSignature, ACopyOfASuperblockTellsItsUuid) {
  const std::string super = ext4_superblock("ctrd").substr(1024);
  std::string disk(std::size_t{9} << 20U, '\0');
  disk.replace(std::size_t{8193} * 1024, super.size(), super);
  const auto found = found_in(disk);
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].type, "ext_backup");
  EXPECT_EQ(found[0].uuid, uuid_text(sample_uuid_bytes()));
}

TEST(DiskSignature, WhatCannotBeReadIsAnError) {
  const UniqueFd none(::open("/", O_RDONLY | O_CLOEXEC));
  EXPECT_FALSE(find_disk_signatures(none.get(), 4096));
}

TEST(DataKind, GuessesForMessages) {
  EXPECT_EQ(data_kind("SQLite format 3"), "SQLite database");
  EXPECT_EQ(data_kind("\x1f\x8b rest"), "gzip data");
  EXPECT_EQ(data_kind(std::string(257, 'a') + "ustar"), "tar archive");
  EXPECT_EQ(data_kind("words"), "");
  EXPECT_EQ(data_kind(""), "");
}

TEST(DiskClaim, KeepsASecondOneOut) {
  const HostTree host{{"disk", "x"}};
  auto first =
      DiskClaim::take(host.root(), "/disk", {}, DiskClaim::Access::kReadWrite);
  ASSERT_TRUE(first) << first.error().message();
  EXPECT_GE(first->fd(), 0);
  const auto second =
      DiskClaim::take(host.root(), "/disk", {}, DiskClaim::Access::kRead);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code(), ErrorCode::kUnavailable);
  EXPECT_TRUE(first->lend([](int fd) {
    EXPECT_GE(fd, 0);
    return Result<void>();
  }));
  EXPECT_GE(first->fd(), 0);
  const auto failed = first->lend([](int) -> Result<void> {
    return Error(ErrorCode::kInternal, "mkfs failed");
  });
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().message(), "mkfs failed");
  EXPECT_GE(first->fd(), 0);
}

TEST(DiskClaim, RefusesAnotherDeviceUnderTheName) {
  const HostTree host{{"disk", "x"}};
  const auto claim = DiskClaim::take(host.root(), "/disk", DeviceNumber{259, 1},
                                     DiskClaim::Access::kRead);
  ASSERT_FALSE(claim);
  EXPECT_NE(claim.error().message().find("renumbered"), std::string::npos);
}

TEST(DiskClaim, NoticesThatItsNameIsAnothersNow) {
  const HostTree host{{"disk", "x"}};
  const auto claim =
      DiskClaim::take(host.root(), "/disk", {}, DiskClaim::Access::kRead);
  ASSERT_TRUE(claim) << claim.error().message();
  EXPECT_TRUE(claim->check_name());
  host.remove("disk");
  EXPECT_FALSE(claim->check_name());
  host.file("disk", "y");
  const auto other = claim->check_name();
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().code(), ErrorCode::kUnavailable);
}

TEST(DiskClaim, TakesDisksAndFilesAlone) {
  const HostTree host;
  host.directory("disk");
  for (const char* path : {"/disk", "/none"}) {
    EXPECT_FALSE(
        DiskClaim::take(host.root(), path, {}, DiskClaim::Access::kRead));
  }
  EXPECT_FALSE(
      DiskClaim::take(HostRoot(), "/dev/zero", {}, DiskClaim::Access::kRead));
}

}  // namespace
}  // namespace gpunode::host
