#include "node/facts/tar.h"

#include <string>
#include <string_view>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gpunode::facts {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr std::size_t kBlock = 512;

std::string archive_of(const std::vector<TarMember>& members) {
  auto archive = write_tar(members);
  EXPECT_TRUE(archive) << archive.error().message();
  return *std::move(archive);
}

/// Puts `text` into the first header and makes its checksum right.
std::string altered(std::string archive, std::size_t at,
                    std::string_view text) {
  archive.replace(at, text.size(), text);
  archive.replace(148, 8, "        ");
  unsigned sum = 0;
  for (std::size_t i = 0; i < kBlock; ++i) {
    sum += static_cast<unsigned char>(archive[i]);
  }
  for (std::size_t i = 6; i > 0; --i) {
    archive[148 + i - 1] = static_cast<char>('0' + sum % 8);
    sum /= 8;
  }
  archive[154] = '\0';
  return archive;
}

std::string complaint_about(std::string_view archive) {
  const auto members = read_tar(archive);
  EXPECT_FALSE(members);
  if (members) return "";
  EXPECT_EQ(members.error().code(), ErrorCode::kCorrupt);
  return members.error().message();
}

TEST(Tar, IsReadAsItWasWritten) {
  const std::vector<TarMember> members = {
      {"a", ""},
      {"root/etc/fstab", "x"},
      {"root/blocks", std::string(kBlock, 'b')},
      {"root/binary", std::string("\0\xff\n", 3)},
      {std::string(100, 'n'), "short enough"},
      {std::string(150, 'p') + "/" + std::string(99, 'n'), "in two parts"}};
  const std::string archive = archive_of(members);
  EXPECT_EQ(archive.size() % kBlock, 0U);
  const auto read = read_tar(archive);
  ASSERT_TRUE(read) << read.error().message();
  EXPECT_EQ(*read, members);
  EXPECT_EQ(archive, archive_of(members));
}

TEST(Tar, WithoutMembersHasAnEndAlone) {
  EXPECT_EQ(archive_of({}), std::string(2 * kBlock, '\0'));
  EXPECT_THAT(*read_tar(std::string(kBlock, '\0')), IsEmpty());
}

TEST(Tar, NamesLeadNowhereElse) {
  for (const char* name : {"/etc/passwd", "../x", "a/../b", "a/..", ".", "./a",
                           "a//b", "a/", "", "a\nb", "a\x7f"}) {
    EXPECT_FALSE(is_tar_name(name)) << name;
    EXPECT_EQ(write_tar({{name, ""}}).error().code(),
              ErrorCode::kInvalidArgument);
  }
  for (const char* name : {"a", "a/b", "..a", "a..", "a b", "\xc3\xa4"}) {
    EXPECT_TRUE(is_tar_name(name)) << name;
  }
  EXPECT_FALSE(is_tar_name(std::string(101, 'n')));
  EXPECT_FALSE(
      is_tar_name(std::string(156, 'p') + "/n" + std::string(100, 'n')));
}

TEST(Tar, WritesNoNameTwice) {
  EXPECT_FALSE(write_tar({{"a", ""}, {"a", "x"}}));
}

TEST(Tar, FromStrangersIsPlainFilesOrNothing) {
  const std::string good = archive_of({{"file", "content"}});
  for (const char type : {'1', '2', '3', '4', '5', '6', 'L', 'K', 'x', 'g'}) {
    EXPECT_THAT(complaint_about(altered(good, 156, {&type, 1})),
                HasSubstr("file is no plain file"));
  }
  EXPECT_THAT(complaint_about(altered(good, 157, "target")),
              HasSubstr("no plain file"));
  EXPECT_THAT(complaint_about(altered(good, 0, "/etc")),
              HasSubstr("/etc is no name"));
  EXPECT_THAT(complaint_about(altered(good, 0, "../e")), HasSubstr("no name"));
  EXPECT_THAT(complaint_about(altered(good, 345, "..")), HasSubstr("no name"));
  EXPECT_THAT(complaint_about(altered(good, 0, "a\x1b[1")),
              HasSubstr("a\\x1b[1 is no name"));
}

TEST(Tar, FromStrangersIsWholeOrNothing) {
  const std::string good = archive_of({{"file", "content"}});
  EXPECT_THAT(complaint_about(""), HasSubstr("cut off"));
  EXPECT_THAT(complaint_about(good.substr(0, kBlock - 1)),
              HasSubstr("cut off"));
  EXPECT_THAT(complaint_about(good.substr(0, kBlock + 100)),
              HasSubstr("file is cut off"));
  EXPECT_THAT(complaint_about(good.substr(0, 2 * kBlock)),
              HasSubstr("at byte 1024: it is cut off"));
  std::string damaged = good;
  damaged[0] = 'F';
  EXPECT_THAT(complaint_about(damaged), HasSubstr("checksum"));
  EXPECT_THAT(complaint_about(altered(good, 257, "USTAR")),
              HasSubstr("not of the form ustar"));
  EXPECT_THAT(complaint_about(altered(good, 124, "77777777777")),
              HasSubstr("file is cut off"));
  EXPECT_THAT(complaint_about(altered(good, 124, "0000000000x")),
              HasSubstr("a size that is no number"));
  // GNU's form for sizes beyond 8 GiB.
  EXPECT_THAT(complaint_about(altered(good, 124, "\x80")),
              HasSubstr("a size that is no number"));
  EXPECT_THAT(complaint_about(good.substr(0, 2 * kBlock) + good),
              HasSubstr("file is there twice"));
}

}  // namespace
}  // namespace gpunode::facts
