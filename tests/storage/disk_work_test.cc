// Claims, file systems and lineage on real devices: loops, mounts, the host's
// own mkfs.
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/swap.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <utility>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/host/blank_proof.h"
#include "base/host/disk_claim.h"
#include "base/host/disk_lineage.h"
#include "base/host/filesystem_maker.h"
#include "tests/storage/test_disk.h"

namespace gpunode::storage_test {
namespace {

using host::DiskClaim;
using host::FilesystemType;
using host::FilesystemWish;
using testing::HasSubstr;

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20U;
constexpr std::uint64_t kDiskBytes = 320 * kMiB;

/// A blank disk; skips the test where there can't be one.
class DiskWork : public testing::Test {
 protected:
  void SetUp() override {
    std::string reason;
    loop_ = LoopDevice::over(image_, reason);
    if (!loop_) GTEST_SKIP() << reason;
    uuid_ = *host::random_uuid();
  }

  Result<DiskClaim> claim() const {
    return DiskClaim::take(host_, loop_->path(), loop_->number(),
                           DiskClaim::Access::kReadWrite);
  }

  Result<host::FilesystemSuperblock> make(FilesystemType type,
                                          bool overwrite = false) {
    TRY(DiskClaim disk, claim());
    FilesystemWish wish{.type = type, .uuid = uuid_, .label = "gpunode-ctrd"};
    wish.overwrite = overwrite;
    return host::make_filesystem(host_, runner_, disk, wish);
  }

  std::string mount_point() const {
    const std::string path = image_.beside("mnt");
    std::filesystem::create_directory(path);
    return path;
  }

  void expect_refused() const {
    const auto refused = claim();
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code(), ErrorCode::kUnavailable);
    EXPECT_THAT(refused.error().message(), HasSubstr("in use"));
  }

  host::HostRoot host_;
  host::SystemCommandRunner runner_;
  ImageFile image_{kDiskBytes};
  std::optional<LoopDevice> loop_;
  std::string uuid_;
};

/// Unmounts when it goes.
class Mounted {
 public:
  Mounted(const std::string& device, std::string point, const char* type)
      : point_(std::move(point)) {
    error_ =
        ::mount(device.c_str(), point_.c_str(), type, MS_NOATIME, nullptr) == 0
            ? 0
            : errno;
  }
  ~Mounted() {
    if (error_ == 0) ::umount2(point_.c_str(), MNT_DETACH);
  }
  Mounted(const Mounted&) = delete;
  Mounted& operator=(const Mounted&) = delete;
  int error() const { return error_; }
  const std::string& point() const { return point_; }

 private:
  std::string point_;
  int error_ = 0;
};

TEST_F(DiskWork, XfsIsMadeAsItWasPlanned) {
  const auto made = make(FilesystemType::kXfs);
  ASSERT_TRUE(made) << made.error().message();
  EXPECT_EQ(made->uuid, uuid_);
  EXPECT_EQ(made->label, "gpunode-ctrd");
  EXPECT_EQ(made->size_bytes, kDiskBytes);
  EXPECT_TRUE(made->entry_types);
  EXPECT_TRUE(made->checksummed);
  // A second time it is somebody's disk, if our own.
  const auto again = make(FilesystemType::kXfs);
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code(), ErrorCode::kAlreadyExists);
  EXPECT_THAT(again.error().message(),
              HasSubstr("xfs file system \"gpunode-ctrd\", UUID " + uuid_));
  EXPECT_TRUE(make(FilesystemType::kXfs, true));
}

TEST_F(DiskWork, Ext4IsMadeAsItWasPlanned) {
  const auto made = make(FilesystemType::kExt4);
  ASSERT_TRUE(made) << made.error().message();
  EXPECT_EQ(made->type, FilesystemType::kExt4);
  EXPECT_EQ(made->uuid, uuid_);
  EXPECT_TRUE(made->entry_types);
  EXPECT_TRUE(made->checksummed);
  const Mounted mounted(loop_->path(), mount_point(), "ext4");
  EXPECT_EQ(mounted.error(), 0);
}

// Without a terminal mkfs.ext4 asks nobody: what protects an xfs is our look.
TEST_F(DiskWork, Ext4IsNotMadeOverXfs) {
  ASSERT_TRUE(make(FilesystemType::kXfs));
  const auto over = make(FilesystemType::kExt4);
  ASSERT_FALSE(over);
  EXPECT_EQ(over.error().code(), ErrorCode::kAlreadyExists);
  const auto disk = claim();
  ASSERT_TRUE(disk);
  const auto there = host::read_superblock(disk->fd());
  ASSERT_TRUE(there) << there.error().message();
  EXPECT_EQ(there->type, FilesystemType::kXfs);
}

TEST_F(DiskWork, XfsCarriesAnOverlay) {
  ASSERT_TRUE(make(FilesystemType::kXfs));
  const Mounted mounted(loop_->path(), mount_point(), "xfs");
  if (mounted.error() != 0) GTEST_SKIP() << "no xfs in this kernel";
  for (const char* name : {"lower", "upper", "work", "merged"}) {
    std::filesystem::create_directory(mounted.point() + "/" + name);
  }
  const std::string at = mounted.point();
  const std::string options = "lowerdir=" + at + "/lower,upperdir=" + at +
                              "/upper,workdir=" + at + "/work";
  ASSERT_EQ(::mount("overlay", (at + "/merged").c_str(), "overlay", 0,
                    options.c_str()),
            0);
  EXPECT_EQ(::umount2((at + "/merged").c_str(), MNT_DETACH), 0);
}

TEST_F(DiskWork, AMountedDiskCannotBeClaimed) {
  ASSERT_TRUE(make(FilesystemType::kExt4));
  {
    const Mounted mounted(loop_->path(), mount_point(), "ext4");
    ASSERT_EQ(mounted.error(), 0);
    expect_refused();
    const auto view = host::read_storage(host_);
    ASSERT_TRUE(view) << view.error().message();
    const auto lineages = host::disk_lineages(*view);
    const auto ours =
        std::ranges::find_if(lineages, [&](const host::DiskLineage& lineage) {
          return lineage.device->number == loop_->number();
        });
    ASSERT_NE(ours, lineages.end());
    EXPECT_THAT(ours->refusal(),
                HasSubstr("mounted at " + mounted.point() + " (ext4)"));
    EXPECT_EQ(ours->device->backing_file, image_.path());
  }
  EXPECT_TRUE(claim());
}

// A mount in another namespace, as a container has it, is in no table of ours.
TEST_F(DiskWork, ADiskMountedElsewhereCannotBeClaimed) {
  ASSERT_TRUE(make(FilesystemType::kExt4));
  const std::string point = mount_point();
  int ready[2];
  int done[2];
  ASSERT_EQ(::pipe2(ready, O_CLOEXEC), 0);
  ASSERT_EQ(::pipe2(done, O_CLOEXEC), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    ::close(done[1]);
    const bool mounted =
        ::unshare(CLONE_NEWNS) == 0 &&
        ::mount("", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
        ::mount(loop_->path().c_str(), point.c_str(), "ext4", 0, nullptr) == 0;
    const char told = mounted ? 'y' : 'n';
    char wait = 0;
    if (::write(ready[1], &told, 1) != 1) ::_exit(1);
    // Ends when the parent closes its side.
    static_cast<void>(::read(done[0], &wait, 1));
    ::_exit(0);
  }
  ASSERT_GT(child, 0);
  char told = 0;
  ASSERT_EQ(::read(ready[0], &told, 1), 1);
  EXPECT_EQ(told, 'y');
  expect_refused();
  for (const int fd : {ready[0], ready[1], done[0], done[1]}) ::close(fd);
  ::waitpid(child, nullptr, 0);
}

TEST_F(DiskWork, ActiveSwapCannotBeClaimed) {
  ASSERT_EQ(run_program({"mkswap", loop_->path()}), "");
  if (::swapon(loop_->path().c_str(), 0) != 0) {
    GTEST_SKIP() << "no swap on this machine";
  }
  const auto view = host::read_storage(host_);
  const auto refused = claim();
  ASSERT_EQ(::swapoff(loop_->path().c_str()), 0);
  ASSERT_FALSE(refused);
  ASSERT_TRUE(view);
  for (const host::DiskLineage& lineage : host::disk_lineages(*view)) {
    if (lineage.device->number != loop_->number()) continue;
    EXPECT_EQ(lineage.refusal(), "is in use: active swap");
  }
}

TEST_F(DiskWork, AClaimKeepsOthersOut) {
  const auto first = claim();
  ASSERT_TRUE(first) << first.error().message();
  expect_refused();
  EXPECT_THAT(run_program({"mkfs.xfs", "-q", loop_->path()}),
              HasSubstr("busy"));
  EXPECT_THAT(run_program({"mkfs.ext4", "-q", loop_->path()}),
              HasSubstr("apparently in use"));
  const auto proof = host::prove_blank(first->fd(), {"", "", kDiskBytes}, {});
  ASSERT_TRUE(proof) << proof.error().message();
  EXPECT_TRUE(proof->is_blank()) << proof->refusal();
}

TEST_F(DiskWork, TheClaimIsBackAfterMkfs) {
  auto disk = claim();
  ASSERT_TRUE(disk);
  const FilesystemWish wish{.uuid = uuid_, .label = ""};
  ASSERT_TRUE(host::make_filesystem(host_, runner_, *disk, wish));
  expect_refused();
}

TEST_F(DiskWork, ADiskOfAnotherNumberIsRefused) {
  const auto other =
      DiskClaim::take(host_, loop_->path(), host::DeviceNumber{259, 77},
                      DiskClaim::Access::kRead);
  ASSERT_FALSE(other);
  EXPECT_THAT(other.error().message(), HasSubstr("renumbered"));
}

}  // namespace
}  // namespace gpunode::storage_test
