#include "base/host/filesystem_maker.h"

#include <fstream>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/host/fake_command_runner.h"
#include "base/host/host_tree.h"
#include "base/host/superblock_bytes.h"

namespace gpunode::host {
namespace {

using testing::HasSubstr;

FilesystemSuperblock parsed(const std::string& bytes) {
  auto super = parse_superblock(bytes);
  EXPECT_TRUE(super) << (super ? "" : super.error().message());
  return super ? *std::move(super) : FilesystemSuperblock();
}

TEST(FilesystemSuperblock, OfXfsTellsAllThatWasAskedFor) {
  EXPECT_EQ(parsed(xfs_superblock("ctrd")),
            (FilesystemSuperblock{.type = FilesystemType::kXfs,
                                  .uuid = kSampleUuid,
                                  .label = "ctrd",
                                  .size_bytes = std::uint64_t{1} << 30U,
                                  .block_bytes = 4096,
                                  .entry_types = true,
                                  .checksummed = true}));
  EXPECT_FALSE(parsed(xfs_superblock("", false)).entry_types);
}

TEST(FilesystemSuperblock, OfOldXfsHasNoChecksum) {
  std::string bytes = xfs_superblock();
  put_number(bytes, 100, 2, 0xb4a4, true);
  EXPECT_FALSE(parsed(bytes).entry_types);
  EXPECT_FALSE(parsed(bytes).checksummed);
  put_number(bytes, 200, 4, 0x28a, true);
  EXPECT_TRUE(parsed(bytes).entry_types);
}

TEST(FilesystemSuperblock, OfExt4TellsTheSame) {
  EXPECT_EQ(parsed(ext4_superblock("sixteen-letters.")),
            (FilesystemSuperblock{.type = FilesystemType::kExt4,
                                  .uuid = kSampleUuid,
                                  .label = "sixteen-letters.",
                                  .size_bytes = std::uint64_t{1} << 30U,
                                  .block_bytes = 4096,
                                  .entry_types = true,
                                  .checksummed = true}));
}

TEST(FilesystemSuperblock, OneWrongBitIsNoSuperblock) {
  for (const std::string& good : {xfs_superblock("a"), ext4_superblock("a")}) {
    for (const std::size_t at :
         {std::size_t{9}, std::size_t{40}, std::size_t{1024 + 7},
          std::size_t{1024 + 0x70}}) {
      std::string bad = good;
      bad[at] = static_cast<char>(bad[at] ^ 1);
      const bool covered = good.starts_with("XFSB") ? at < 512 : at >= 1024;
      const auto super = parse_superblock(bad);
      EXPECT_EQ(super.has_value(), !covered) << at;
      if (covered && !super) {
        EXPECT_EQ(super.error().code(), ErrorCode::kCorrupt);
      }
    }
  }
}

TEST(FilesystemSuperblock, OfAnXfsWhoseMkfsWasCutOffIsNone) {
  std::string bytes = xfs_superblock("ctrd");
  bytes[126] = 1;  // sb_inprogress
  const auto super = parse_superblock(bytes);
  ASSERT_FALSE(super);
  EXPECT_EQ(super.error().code(), ErrorCode::kCorrupt);
  EXPECT_THAT(super.error().message(), HasSubstr("cut off"));
}

TEST(FilesystemSuperblock, OfNeitherKindIsNotFound) {
  for (const std::string& bytes :
       {std::string(4096, '\0'), std::string("XFSB"), std::string()}) {
    const auto super = parse_superblock(bytes);
    ASSERT_FALSE(super);
    EXPECT_EQ(super.error().code(), ErrorCode::kNotFound);
  }
  std::string ext3 = ext4_superblock();
  put_number(ext3, 1024 + 0x60, 4, 0x2, false);
  EXPECT_EQ(parse_superblock(ext3).error().code(), ErrorCode::kNotFound);
}

/// A host with a mkfs and a disk that is a file.
class FilesystemMaker : public testing::Test {
 protected:
  FilesystemMaker() {
    for (const char* path : {"usr/sbin/mkfs.xfs", "sbin/mkfs.ext4"}) {
      host_.file(path, "");
      EXPECT_EQ(::chmod(host_.path(path).c_str(), 0755), 0);
    }
    fill(std::string(65536, '\0'));
  }

  void fill(const std::string& bytes) const { host_.file("disk", bytes); }

  DiskClaim claim() const {
    auto disk = DiskClaim::take(host_.root(), "/disk", {},
                                DiskClaim::Access::kReadWrite);
    EXPECT_TRUE(disk) << disk.error().message();
    return *std::move(disk);
  }

  HostTree host_;
  FilesystemWish wish_{.uuid = kSampleUuid, .label = "ctrd"};
};

/// A mkfs that writes what it is given over the start of its last argument.
class Mkfs final : public CommandRunner {
 public:
  explicit Mkfs(std::string superblock) : superblock_(std::move(superblock)) {}

  Result<Completed> run(const Command& command) override {
    ran = command_line(command);
    std::fstream disk(command.argv.back(),
                      std::ios::in | std::ios::out | std::ios::binary);
    disk.write(superblock_.data(),
               static_cast<std::streamsize>(superblock_.size()));
    return Completed{};
  }

  std::string ran;

 private:
  std::string superblock_;
};

TEST_F(FilesystemMaker, MakesWhatIsWishedForAndProvesIt) {
  Mkfs mkfs(xfs_superblock("ctrd"));
  DiskClaim disk = claim();
  const auto made = make_filesystem(host_.root(), mkfs, disk, wish_);
  ASSERT_TRUE(made) << made.error().message();
  EXPECT_EQ(made->uuid, kSampleUuid);
  EXPECT_EQ(mkfs.ran, "/usr/sbin/mkfs.xfs -q -K -n ftype=1 -m uuid=" +
                          std::string(kSampleUuid) + " -L ctrd " +
                          host_.path("disk"));
}

TEST_F(FilesystemMaker, ForcesNothingUnlessTold) {
  const auto line = [&](const FilesystemWish& wish) {
    const auto command = filesystem_command(host_.root(), wish, "/dev/x");
    return command ? command_line(*command) : command.error().message();
  };
  FilesystemWish ext4 = wish_;
  ext4.type = FilesystemType::kExt4;
  EXPECT_EQ(line(ext4),
            "/sbin/mkfs.ext4 -q -m 0 -E lazy_itable_init=0,nodiscard -O "
            "filetype -U " +
                std::string(kSampleUuid) + " -L ctrd /dev/x");
  EXPECT_THAT(line(wish_), testing::Not(HasSubstr(" -f")));
  FilesystemWish told = wish_;
  told.overwrite = true;
  told.discard = true;
  EXPECT_THAT(line(told), HasSubstr("-q -f -n ftype=1"));
  ext4.overwrite = true;
  EXPECT_THAT(line(ext4), HasSubstr("-q -F -m 0"));
}

TEST_F(FilesystemMaker, LooksOnceMoreBeforeItWrites) {
  std::string disk_bytes(65536, '\0');
  put_text(disk_bytes, 0, "LUKS\xba\xbe");
  fill(disk_bytes);
  FakeCommandRunner nothing_runs;
  DiskClaim disk = claim();
  const auto made = make_filesystem(host_.root(), nothing_runs, disk, wish_);
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code(), ErrorCode::kAlreadyExists);
  EXPECT_THAT(made.error().message(), HasSubstr("it holds LUKS"));
  FilesystemWish told = wish_;
  told.overwrite = true;
  Mkfs mkfs(xfs_superblock("ctrd"));
  EXPECT_TRUE(make_filesystem(host_.root(), mkfs, disk, told));
}

TEST_F(FilesystemMaker, DoesNotBelieveMkfs) {
  struct Case {
    std::string made;
    std::string words;
  };
  const std::vector<Case> cases = {
      {xfs_superblock("other"), "its label is \"other\" and not \"ctrd\""},
      {xfs_superblock("ctrd", false), "ftype=0"},
      {ext4_superblock("ctrd"), "its type is \"ext4\" and not \"xfs\""},
      {"", "neither xfs nor ext4"}};
  for (const Case& one : cases) {
    fill(std::string(65536, '\0'));
    Mkfs mkfs(one.made);
    DiskClaim disk = claim();
    const auto made = make_filesystem(host_.root(), mkfs, disk, wish_);
    ASSERT_FALSE(made) << one.words;
    EXPECT_THAT(made.error().message(), HasSubstr(one.words));
  }
  FilesystemWish other = wish_;
  other.uuid = "f1234567-89ab-cdef-0123-456789abcdef";
  EXPECT_THAT(difference(other, parsed(xfs_superblock("ctrd"))),
              HasSubstr("its UUID is"));
}

TEST_F(FilesystemMaker, TellsWhatMkfsSaid) {
  FakeCommandRunner runner;
  const auto command =
      filesystem_command(host_.root(), wish_, host_.path("disk"));
  ASSERT_TRUE(command);
  runner.script(command_line(*command),
                Completed{1, "", "mkfs.xfs: cannot open: busy\n"});
  DiskClaim disk = claim();
  const auto made = make_filesystem(host_.root(), runner, disk, wish_);
  ASSERT_FALSE(made);
  EXPECT_THAT(made.error().message(),
              HasSubstr("exit status 1: mkfs.xfs: cannot open: busy"));
  EXPECT_GE(disk.fd(), 0);
}

// A disk that was pulled, and another under its name.
TEST_F(FilesystemMaker, DoesNotWriteToAnotherDeviceOfTheName) {
  DiskClaim disk = claim();
  host_.remove("disk");
  fill(std::string(65536, '\0'));
  FakeCommandRunner nothing_runs;
  const auto made = make_filesystem(host_.root(), nothing_runs, disk, wish_);
  ASSERT_FALSE(made);
  EXPECT_THAT(made.error().message(), HasSubstr("another device now"));
}

TEST_F(FilesystemMaker, RefusesWhatMkfsWouldMisread) {
  for (const char* label :
       {"-f", "a b", "thirteen-char", "a/b", "a\nb", "a\"", "\xc3\xa4"}) {
    FilesystemWish wish = wish_;
    wish.label = label;
    const auto command = filesystem_command(host_.root(), wish, "/dev/x");
    ASSERT_FALSE(command) << label;
    EXPECT_EQ(command.error().code(), ErrorCode::kInvalidArgument);
  }
  for (const char* uuid :
       {"", "01234567-89AB-cdef-0123-456789abcdef",
        "01234567-89ab-cdef-0123-456789abcde",
        "00000000-0000-0000-0000-000000000000", "generate"}) {
    FilesystemWish wish = wish_;
    wish.uuid = uuid;
    EXPECT_FALSE(filesystem_command(host_.root(), wish, "/dev/x")) << uuid;
  }
}

TEST_F(FilesystemMaker, NamesThePackageThatIsMissing) {
  const HostTree bare;
  const auto command = filesystem_command(bare.root(), wish_, "/dev/x");
  ASSERT_FALSE(command);
  EXPECT_EQ(command.error().code(), ErrorCode::kNotFound);
  EXPECT_THAT(command.error().message(),
              HasSubstr("find mkfs.xfs: the host has none; install the package "
                        "xfsprogs"));
}

TEST(RandomUuid, IsNeverTheSame) {
  const auto a = random_uuid();
  const auto b = random_uuid();
  if (!a && a.error().code() == ErrorCode::kUnsupported) {
    GTEST_SKIP() << "a kernel before 3.17: " << a.error().message();
  }
  ASSERT_TRUE(a && b);
  EXPECT_TRUE(is_uuid(*a)) << *a;
  EXPECT_NE(*a, *b);
  EXPECT_EQ((*a)[14], '4');
}

}  // namespace
}  // namespace gpunode::host
