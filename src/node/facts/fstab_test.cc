#include "node/facts/fstab.h"

#include <fstream>
#include <iterator>
#include <string>
#include <string_view>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gpunode::facts {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

std::vector<FstabLine> shipped(const std::string& name) {
  std::ifstream in(std::string(FSTAB_TEXTS) + "/" + name, std::ios::binary);
  EXPECT_TRUE(in) << name;
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  return parse_fstab(text);
}

TEST(Fstab, OfRockyIsRead) {
  EXPECT_THAT(
      shipped("rocky-8"),
      ElementsAre(
          FstabLine{"UUID=1f8c8c54-6e3c-4c0f-9c1e-2f62e0d5f0a1", "/", "xfs",
                    "defaults", 0, 12},
          FstabLine{"UUID=8B2E-0F3A", "/boot/efi", "vfat",
                    "defaults,uid=0,gid=0,umask=077,shortname=winnt", 2, 13},
          FstabLine{"/dev/mapper/rl-swap", "none", "swap", "defaults", 0, 14}));
}

TEST(Fstab, OfUbuntuOnAzureIsRead) {
  const std::vector<FstabLine> lines = shipped("ubuntu-22.04");
  ASSERT_THAT(lines, SizeIs(4));
  EXPECT_EQ(lines[0], (FstabLine{"LABEL=cloudimg-rootfs", "/", "ext4",
                                 "discard,errors=remount-ro", 1, 8}));
  EXPECT_EQ(lines[2].source, "/dev/disk/cloud/azure_resource-part1");
  EXPECT_EQ(lines[2].pass, 2);
  EXPECT_EQ(lines[3], (FstabLine{"/swap.img", "none", "swap", "sw", 0, 11}));
}

TEST(Fstab, OfFurtherDistributionsIsRead) {
  EXPECT_THAT(shipped("debian-12"), SizeIs(3));
  EXPECT_THAT(shipped("sles-15"), SizeIs(4));
  EXPECT_THAT(shipped("amazon-2"), SizeIs(1));
  EXPECT_EQ(shipped("the-seed").at(0).pass, 2);
}

TEST(Fstab, ResolvesEscapes) {
  EXPECT_THAT(
      parse_fstab("/dev/sda1 /mnt/my\\040disk ext4\n"
                  "//srv/a\\011b /c\\134d cifs ro\\012 0 0\n"),
      ElementsAre(
          FstabLine{"/dev/sda1", "/mnt/my disk", "ext4", "defaults", 0, 1},
          FstabLine{"//srv/a\tb", "/c\\d", "cifs", "ro\n", 0, 2}));
}

TEST(Fstab, KeepsWhatOnlyLooksLikeAnEscape) {
  EXPECT_THAT(
      parse_fstab("\\00 /\\777 x\\04\n"),
      ElementsAre(FstabLine{"\\00", "/\\777", "x\\04", "defaults", 0, 1}));
}

TEST(Fstab, SkipsCommentsAndLinesWithoutAType) {
  EXPECT_THAT(parse_fstab("a b\n#x y z\n  # x y z\n\t\n\n"), IsEmpty());
  EXPECT_THAT(parse_fstab(""), IsEmpty());
}

TEST(Fstab, TakesAPassThatIsNoNumberForNone) {
  EXPECT_THAT(
      parse_fstab("a /a x o 0 two\nb /b x o\nc /c x o 1 2\t# end\r\nd /d x"),
      ElementsAre(FstabLine{"a", "/a", "x", "o", 0, 1},
                  FstabLine{"b", "/b", "x", "o", 0, 2},
                  FstabLine{"c", "/c", "x", "o", 2, 3},
                  FstabLine{"d", "/d", "x", "defaults", 0, 4}));
}

TEST(Fstab, SurvivesNumbersAndBytesThatNobodyWrites) {
  EXPECT_EQ(
      parse_fstab("/dev/a /b c d 99999999999999 -99999999999999").at(0).pass,
      0);
  using std::string_view_literals::operator""sv;
  EXPECT_THAT(parse_fstab("\0\0\0\0"sv), IsEmpty());
}

}  // namespace
}  // namespace gpunode::facts
