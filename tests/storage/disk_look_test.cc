// What a plan's first look promises, on real devices: looked at as facts are,
// made as apply makes them.
#include "node/facts/disk_look.h"

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/host/filesystem_maker.h"
#include "base/host/first_look.h"
#include "base/host/storage_view.h"
#include "node/provision/disk_actions.h"
#include "tests/storage/test_disk.h"

namespace gpunode::storage_test {
namespace {

using facts::DiskLook;
using testing::AllOf;
using testing::HasSubstr;

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20U;
constexpr std::uint64_t kDiskBytes = 320 * kMiB;

/// Blank disks; skips the test where there can't be any.
class DiskLooks : public testing::Test {
 protected:
  static constexpr std::size_t kDisks = 3;

  void SetUp() override {
    while (loops_.size() < kDisks) {
      images_.push_back(std::make_unique<ImageFile>(kDiskBytes));
      std::string reason;
      auto loop = LoopDevice::over(*images_.back(), reason);
      if (!loop) GTEST_SKIP() << reason;
      loops_.push_back(*std::move(loop));
    }
    uuid_ = *host::random_uuid();
  }

  std::vector<facts::DiskFilter> filters() const {
    std::vector<facts::DiskFilter> filters(loops_.size());
    for (std::size_t i = 0; i < loops_.size(); ++i) {
      filters[i].path = loops_[i].path();
    }
    return filters;
  }

  /// The facts of our disks, in the order of loops_.
  std::vector<facts::DiskFacts> look(DiskLook closely) const {
    auto view = host::read_storage(host_);
    EXPECT_TRUE(view);
    const auto storage =
        facts::observe_disks(host_, *std::move(view), filters(), closely);
    std::vector<facts::DiskFacts> disks;
    for (const LoopDevice& loop : loops_) {
      const auto found = std::ranges::find_if(
          storage.disks, [&](const facts::DiskFacts& disk) {
            return disk.device.path == loop.path();
          });
      EXPECT_NE(found, storage.disks.end());
      disks.push_back(*found);
    }
    return disks;
  }

  Result<void> make(const facts::DiskFacts& disk, bool wipe = false) {
    provision::MakeFilesystem action;
    action.disks = {{disk.device.model, disk.device.path,
                     disk.device.size_bytes, disk.device.wwid}};
    action.type = "ext4";
    action.label = "gn-test";
    action.uuid = uuid_;
    action.proof = disk.digest + "\n";
    action.wipe = wipe;
    return provision::DiskActions(host_, runner_).perform(action);
  }

  std::string blkid(const LoopDevice& loop) {
    host::Command command;
    command.argv = {find_program("blkid"), "-p", loop.path()};
    const auto said = runner_.run(command);
    return said ? said->out : said.error().message();
  }

  host::HostRoot host_;
  host::SystemCommandRunner runner_;
  std::vector<std::unique_ptr<ImageFile>> images_;
  std::vector<LoopDevice> loops_;
  std::string uuid_;
};

TEST_F(DiskLooks, EachOfSeveralIsToldAsItIs) {
  images_[1]->write(100 * kMiB, std::string(8 * kMiB, 'd'));
  for (const DiskLook closely : {DiskLook::kFirst, DiskLook::kProof}) {
    const auto disks = look(closely);
    EXPECT_TRUE(disks[0].is_blank);
    EXPECT_FALSE(disks[1].is_blank);
    EXPECT_THAT(disks[1].finding, HasSubstr("holds data"));
    EXPECT_TRUE(disks[2].is_blank);
  }
}

// A run that is gone on with compares what it sees with what its plan saw,
// which looked less closely.
TEST_F(DiskLooks, ABlankDiskReadsTheSameHoweverCloselyItIsLookedAt) {
  const std::string first = look(DiskLook::kFirst)[0].digest;
  EXPECT_TRUE(host::promised_by(first));
  EXPECT_EQ(look(DiskLook::kProof)[0].digest, first);
}

TEST_F(DiskLooks, WhatLookedBlankIsMadeOnceItIsProved) {
  const auto disks = look(DiskLook::kFirst);
  const auto made = make(disks[0]);
  ASSERT_TRUE(made) << made.error().message();
  EXPECT_THAT(blkid(loops_[0]), HasSubstr("gn-test"));
}

// 2 MiB where a first look has no block: the plan says blank, mkfs never runs,
// and a plan that looks closer tells what is there and may erase it.
TEST_F(DiskLooks, DataThatTheLookPassesOverIsNeverWrittenOver) {
  const std::string data(2 * kMiB, 'd');
  images_[0]->write(99 * kMiB, data);
  const auto looked = look(DiskLook::kFirst);
  ASSERT_TRUE(looked[0].is_blank) << looked[0].finding;
  for (const bool wipe : {false, true}) {
    const auto refused = make(looked[0], wipe);
    ASSERT_FALSE(refused);
    EXPECT_THAT(refused.error().message(),
                AllOf(HasSubstr("is not blank: it holds data in the middle"),
                      HasSubstr("nothing was written to it"),
                      HasSubstr("--confirm-wipe=")));
    EXPECT_EQ(blkid(loops_[0]), "");
  }
  const auto proved = look(DiskLook::kProof);
  ASSERT_FALSE(proved[0].is_blank);
  EXPECT_FALSE(make(proved[0]));
  const auto made = make(proved[0], true);
  ASSERT_TRUE(made) << made.error().message();
  EXPECT_THAT(blkid(loops_[0]), HasSubstr("gn-test"));
}

}  // namespace
}  // namespace gpunode::storage_test
