#include "node/provision/disk_proof.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/core/unique_fd.h"
#include "base/host/blank_proof.h"
#include "base/host/first_look.h"
#include "node/provision/storage_choice.h"

namespace gpunode::provision {
namespace {

using host::BlankDepth;
using testing::HasSubstr;

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20U;
constexpr std::uint64_t kGiB = kMiB << 10U;

/// A sparse file that stands for a disk, as a plan and as what is done see it.
class Disk {
 public:
  explicit Disk(std::uint64_t size = 64 * kGiB)
      : identity{"Model", "S1", size, ""} {
    std::string path = testing::TempDir() + "gpunode-proof-XXXXXX";
    fd_ = UniqueFd(::mkostemp(path.data(), O_CLOEXEC));
    ::unlink(path.c_str());
    EXPECT_EQ(::ftruncate(fd_.get(), static_cast<off_t>(size)), 0);
  }

  void write(std::uint64_t offset, const std::string& bytes) const {
    EXPECT_EQ(::pwrite(fd_.get(), bytes.data(), bytes.size(),
                       static_cast<off_t>(offset)),
              static_cast<ssize_t>(bytes.size()));
  }

  std::string looked(BlankDepth promised = BlankDepth::kSampled) const {
    const auto look = host::look_first(fd_.get(), identity, promised);
    EXPECT_TRUE(look);
    return look ? look->digest() : "";
  }
  std::string proved() const {
    const auto proof = host::prove_blank(fd_.get(), identity, {});
    EXPECT_TRUE(proof);
    return proof ? proof->digest() : "";
  }

  /// The words of the refusal, "" if there is none.
  std::string refusal(const std::string& planned, bool may_hold_data = false,
                      const ProofProgress& progress = nullptr) const {
    const auto outcome =
        prove_as_planned(fd_.get(), identity, planned, may_hold_data, progress);
    return outcome ? "" : outcome.error().message();
  }

  DiskIdentity identity;

 private:
  UniqueFd fd_;
};

TEST(DiskProof, WhatLookedBlankAndIsMayBeWrittenTo) {
  const Disk disk;
  EXPECT_EQ(disk.refusal(disk.looked()), "");
  EXPECT_EQ(disk.refusal(disk.proved()), "");
}

// The promise of the plan: 16 MiB that a first look passes over are met before
// anything is written, whatever may be erased of other disks of the layout.
TEST(DiskProof, DataThatTheFirstLookPassesOverIsMet) {
  const Disk disk;
  disk.write(20 * kGiB + kMiB, std::string(16 * kMiB, 'd'));
  const std::string planned = disk.looked();
  ASSERT_EQ(planned, Disk().looked());
  for (const bool may_hold_data : {false, true}) {
    const std::string refusal = disk.refusal(planned, may_hold_data);
    EXPECT_THAT(refusal, HasSubstr("disk S1 is not blank: it holds data in the "
                                   "middle, at 20.0 GiB"));
    EXPECT_THAT(refusal, HasSubstr("nothing was written to it"));
    EXPECT_THAT(refusal, HasSubstr("--confirm-wipe=S1"));
  }
}

TEST(DiskProof, AsDeepAsWasPromised) {
  const Disk disk(128 * kMiB);
  // Between all samples.
  disk.write(100 * kMiB + kMiB / 2, std::string(4096, 'd'));
  EXPECT_EQ(disk.refusal(disk.looked(BlankDepth::kSampled)), "");
  EXPECT_THAT(disk.refusal(disk.looked(BlankDepth::kFull)),
              HasSubstr("is not blank: it holds data in the middle"));
}

TEST(DiskProof, WhatCameSinceThePlanIsMet) {
  for (const std::uint64_t at : {std::uint64_t{0}, 64 * kGiB - 1}) {
    const Disk disk;
    const std::string looked = disk.looked();
    const std::string proved = disk.proved();
    disk.write(at, "x");
    EXPECT_THAT(disk.refusal(looked), HasSubstr("is no longer blank: it"));
    EXPECT_THAT(disk.refusal(looked, true), HasSubstr("is no longer blank"));
    EXPECT_THAT(disk.refusal(proved), HasSubstr("is no longer blank: it"));
    EXPECT_THAT(disk.refusal(proved, true),
                HasSubstr("is not as the plan saw it"));
  }
}

TEST(DiskProof, WhatIsErasedIsWhatThePlanTold) {
  const Disk disk;
  disk.write(0, "what its owner gave up");
  const std::string planned = disk.looked();
  EXPECT_THAT(disk.refusal(planned), HasSubstr("is no longer blank"));
  EXPECT_EQ(disk.refusal(planned, true), "");
  disk.write(0, "what another put there");
  EXPECT_THAT(disk.refusal(planned, true),
              HasSubstr("is not as the plan saw it"));
}

TEST(DiskProof, OfAnotherDiskIsNone) {
  Disk disk;
  const std::string looked = disk.looked();
  const std::string proved = disk.proved();
  disk.identity.serial = "S2";
  EXPECT_THAT(disk.refusal(looked), HasSubstr("is not as the plan saw it"));
  EXPECT_THAT(disk.refusal(proved), HasSubstr("is not as the plan saw it"));
  EXPECT_THAT(disk.refusal(""), HasSubstr("is not as the plan saw it"));
}

/// Remembers what it is told of.
class Watch final : public WorkWatch {
 public:
  void copy_started(std::uint64_t total,
                    std::function<std::uint64_t()> copied) override {
    total_bytes = total;
    done = std::move(copied);
  }
  void copy_ended() override { ended = true; }
  void tick() override {}
  void started(const host::Command& /*command*/) override {}
  void printed(host::OutputStream /*stream*/,
               std::string_view /*bytes*/) override {}

  std::uint64_t total_bytes = 0;
  std::function<std::uint64_t()> done;
  bool ended = false;
};

TEST(DiskProof, TellsHowFarAllOfThemAreTogether) {
  const Disk one(128 * kMiB);
  const Disk two(128 * kMiB);
  Watch watch;
  {
    const ProofTeller teller(&watch, 256 * kMiB);
    EXPECT_EQ(watch.total_bytes, 256 * kMiB);
    EXPECT_EQ(watch.done(), 0U);
    EXPECT_EQ(one.refusal(one.looked(BlankDepth::kFull), false, teller.part()),
              "");
    EXPECT_EQ(watch.done(), 127 * kMiB);
    EXPECT_EQ(two.refusal(two.looked(BlankDepth::kFull), false, teller.part()),
              "");
    EXPECT_EQ(watch.done(), 254 * kMiB);
    EXPECT_FALSE(watch.ended);
  }
  EXPECT_TRUE(watch.ended);
  const ProofTeller silent(nullptr, 1);
  EXPECT_TRUE(silent.part()({1, 1}));
}

// What a first look did not meet must be there to be told, and to be erased,
// once a run was refused for it or a person says so.
TEST(DiskProof, AfterARefusalAPlanLooksCloser) {
  EXPECT_EQ(look_for_plan({}, {}), facts::DiskLook::kFirst);
  EXPECT_EQ(look_for_plan({}, {"S1"}), facts::DiskLook::kProof);
  History history;
  history.attempted["uuid"] = {"S1"};
  EXPECT_EQ(look_for_plan(history, {}), facts::DiskLook::kProof);
}

}  // namespace
}  // namespace gpunode::provision
