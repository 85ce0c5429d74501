// storage.<id>.disk: which disk is taken, and which never.

#include <algorithm>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "node/provision/layout_identity.h"
#include "node/provision/steps/storage/storage_host.h"
#include "node/provision/storage_choice.h"

namespace gpunode::provision {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

TEST(StorageDisk, TheBlankInstanceStoreIsTakenWhateverItsName) {
  TrialHost host = g5();
  // The seed's machine: enumeration was the other way round.
  std::swap(host.facts.storage.disks[0].device.name,
            host.facts.storage.disks[1].device.name);
  const StepPlan plan = plan_disk(host);
  EXPECT_EQ(plan.state, StepState::kChange);
  ASSERT_THAT(plan.actions, SizeIs(1));
  const auto& make = std::get<MakeFilesystem>(plan.actions.front());
  ASSERT_THAT(make.disks, SizeIs(1));
  EXPECT_EQ(make.disks.front().serial, "AWS1");
  EXPECT_EQ(make.type, "xfs");
  EXPECT_FALSE(make.wipe);
  EXPECT_EQ(make.proof, "digest-of-AWS1\n");
  EXPECT_THAT(plan.destroys, ElementsAre(HasSubstr("AWS1")));
  host.carry_out(plan);
  EXPECT_EQ(plan_disk(host).state, StepState::kOk);
}

TEST(StorageDisk, OnceMadeAnotherDiskThatFitsIsNoMatter) {
  TrialHost host = g5();
  host.carry_out(plan_disk(host));
  host.facts.storage.disks.push_back(disk("nvme2n1", kInstanceStore, "AWS2"));
  EXPECT_EQ(plan_disk(host).state, StepState::kOk);
}

TEST(StorageDisk, OfSeveralDisksTheArrayTellsThatItIsMade) {
  TrialHost host = g5();
  host.facts.storage.disks.push_back(disk("nvme2n1", kInstanceStore, "AWS2"));
  host.facts.storage.disks.back().is_blank = true;
  host.spec.storage.front().layout = "raid0";
  host.spec.storage.front().count = 2;
  const StepPlan plan = plan_disk(host);
  ASSERT_EQ(plan.state, StepState::kChange);
  EXPECT_THAT(std::get<MakeFilesystem>(plan.actions.at(0)).disks, SizeIs(2));
  for (std::size_t i : {1U, 2U}) {
    host.facts.storage.disks[i].in_use = "is in use: member of md127";
    host.facts.storage.disks[i].is_blank = false;
  }
  EXPECT_EQ(plan_disk(host).state, StepState::kRefused);
  facts::DiskFacts array = disk("md127", "", "");
  array.device.subsystem = host::BlockSubsystem::kMd;
  array.device.slaves = {"nvme1n1", "nvme0n1"};
  array.filesystem = "xfs";
  array.label = "gn-container";
  array.uuid = storage_uuid("aabb\n", "containerd");
  array.entry_types = true;
  host.facts.storage.disks.push_back(array);
  // The root volume is no disk of the entry, whatever says that it is ours.
  EXPECT_EQ(plan_disk(host).state, StepState::kRefused);
  host.facts.storage.disks.back().device.slaves = {"nvme1n1", "nvme2n1"};
  EXPECT_EQ(plan_disk(host).state, StepState::kOk);
}

TEST(StorageDisk, TheRootDiskIsNeverTakenWhateverIsConfirmed) {
  TrialHost host = g5();
  host.spec.storage.front().select = {};
  host.spec.storage.front().select.serials = {"vol1"};
  host.spec.storage.front().wipe_serials = {"vol1"};
  host.confirmed = {"vol1"};
  const StepPlan plan = plan_disk(host);
  EXPECT_EQ(plan.state, StepState::kRefused);
  EXPECT_THAT(plan.actions, IsEmpty());
  EXPECT_THAT(plan.why, HasSubstr("never used"));
}

TEST(StorageDisk, ADiskInUseIsRefusedEvenIfConfirmed) {
  TrialHost host = g5();
  host.facts.storage.disks[1].in_use = "is in use: member of md0";
  host.confirmed = {"AWS1"};
  const StepPlan plan = plan_disk(host);
  EXPECT_EQ(plan.state, StepState::kRefused);
  EXPECT_THAT(plan.why, HasSubstr("md0"));
}

TEST(StorageDisk, OneThatIsNotBlankNeedsItsSerial) {
  TrialHost host = g5();
  facts::DiskFacts& store = host.facts.storage.disks[1];
  store.is_blank = false;
  store.finding = "holds a backup GPT at its end";
  StepPlan plan = plan_disk(host);
  EXPECT_EQ(plan.state, StepState::kRefused);
  EXPECT_THAT(plan.why, HasSubstr("backup GPT"));
  EXPECT_THAT(plan.fix, HasSubstr("--confirm-wipe=AWS1"));
  host.confirmed = {"AWS2"};
  EXPECT_EQ(plan_disk(host).state, StepState::kRefused);
  host.confirmed = {"AWS1"};
  plan = plan_disk(host);
  EXPECT_EQ(plan.state, StepState::kChange);
  EXPECT_TRUE(std::get<MakeFilesystem>(plan.actions.at(0)).wipe);
}

// A file lies on every host of a kind, and is there for years.
TEST(StorageDisk, TheFileAloneErasesNothing) {
  TrialHost host = g5();
  facts::DiskFacts& store = host.facts.storage.disks[1];
  store.is_blank = false;
  store.finding = "holds data";
  host.spec.storage.front().wipe_serials = {"AWS1"};
  const StepPlan plan = plan_disk(host);
  EXPECT_EQ(plan.state, StepState::kRefused);
  EXPECT_THAT(plan.actions, IsEmpty());
  EXPECT_THAT(plan.fix, HasSubstr("add --confirm-wipe=AWS1"));
  host.confirmed = {"AWS1"};
  EXPECT_EQ(plan_disk(host).state, StepState::kChange);
}

TEST(StorageDisk, OneThatTheFilesListDoesNotHaveIsNotErased) {
  TrialHost host = g5();
  facts::DiskFacts& store = host.facts.storage.disks[1];
  store.is_blank = false;
  store.finding = "holds data";
  host.spec.storage.front().wipe_serials = {"AWS2", "AWS3"};
  host.confirmed = {"AWS1"};
  const StepPlan plan = plan_disk(host);
  EXPECT_EQ(plan.state, StepState::kRefused);
  EXPECT_THAT(plan.fix, HasSubstr("wipe.confirm names other disks"));
  // A blank one is taken all the same: nothing is erased.
  store.is_blank = true;
  EXPECT_EQ(plan_disk(host).state, StepState::kChange);
}

TEST(StorageDisk, WhatIsOnItIsSaidOnce) {
  TrialHost host = g5();
  facts::DiskFacts& store = host.facts.storage.disks[1];
  store.is_blank = false;
  store.finding = "is not blank: holds a GPT";
  EXPECT_THAT(plan_disk(host).why, HasSubstr("is not blank: it holds a GPT"));
  store.device.serial.clear();
  EXPECT_THAT(plan_disk(host).why, HasSubstr("erasure by: it holds a GPT"));
}

TEST(StorageDisk, WhatOnlyRootMaySeeIsSaidToBeThat) {
  TrialHost host = g5();
  host.facts.storage.disks[1].error = "open /dev/nvme1n1: Permission denied";
  EXPECT_THAT(plan_disk(host).fix, Not(HasSubstr("root")));
  host.facts.storage.disks[1].needs_root = true;
  EXPECT_THAT(plan_disk(host).fix, HasSubstr("run this as root"));
}

TEST(StorageDisk, TwoEntriesNeverHaveOne) {
  TrialHost host = g5();
  StorageSpec other = entry();
  other.id = "logs";
  other.label = "gn-logs";
  other.select = {};
  other.select.serials = {"AWS1"};
  host.spec.storage.push_back(other);
  for (const StorageSpec& one : host.spec.storage) {
    const StepPlan plan = host.plan(*make_storage_disk(one));
    EXPECT_EQ(plan.state, StepState::kRefused);
    EXPECT_THAT(plan.why, HasSubstr("\"containerd\""));
    EXPECT_THAT(plan.why, HasSubstr("\"logs\""));
    EXPECT_THAT(plan.why, HasSubstr("AWS1"));
  }
  // What is made is its own; the other is told whose it is, not to erase it.
  host.spec.storage.pop_back();
  host.carry_out(plan_disk(host));
  host.spec.storage.push_back(other);
  host.confirmed = {"AWS1"};
  EXPECT_EQ(plan_disk(host).state, StepState::kOk);
  const StepPlan second = host.plan(*make_storage_disk(other));
  EXPECT_EQ(second.state, StepState::kRefused);
  EXPECT_THAT(second.why, HasSubstr("both choose"));
  EXPECT_THAT(second.fix, Not(HasSubstr("wipe")));
}

TEST(StorageDisk, WhatWeMadeUnderAnotherMachineIdIsNotToBeErased) {
  TrialHost host = g5();
  host.carry_out(plan_disk(host));
  host.history.made = {storage_uuid("aabb\n", "containerd")};
  host.facts.storage.disks[1].finding = "is not blank: holds xfs";
  host.facts.files["/etc/machine-id"].content = "ccdd\n";
  const StepPlan plan = plan_disk(host);
  EXPECT_EQ(plan.state, StepState::kRefused);
  EXPECT_THAT(plan.why, HasSubstr("that gpunode made on this host"));
  EXPECT_THAT(plan.fix, HasSubstr("/etc/machine-id"));
  EXPECT_THAT(plan.fix, Not(HasSubstr("wipe")));
  // Mounted, it is the same; and so with a label that the file changed.
  host.facts.storage.disks[1].in_use = "is in use: mounted";
  EXPECT_THAT(plan_disk(host).fix, HasSubstr("/etc/machine-id"));
  host.facts.storage.disks[1].in_use.clear();
  host.facts.files["/etc/machine-id"].content = "aabb\n";
  host.spec.storage.front().label = "another";
  EXPECT_THAT(plan_disk(host).fix, HasSubstr("label"));
  // Who says its serial means it.
  host.confirmed = {"AWS1"};
  EXPECT_EQ(plan_disk(host).state, StepState::kChange);
}

TEST(StorageDisk, WithoutASerialItIsTakenOnlyBlank) {
  TrialHost host = g5();
  facts::DiskFacts& store = host.facts.storage.disks[1];
  store.device.serial.clear();
  EXPECT_EQ(plan_disk(host).state, StepState::kChange);
  store.is_blank = false;
  host.confirmed = {"", "/dev/nvme1n1"};
  EXPECT_EQ(plan_disk(host).state, StepState::kRefused);
}

TEST(StorageDisk, MoreOrFewerThanAskedForAreNotGuessedAt) {
  TrialHost host = g5();
  host.facts.storage.disks.push_back(disk("nvme2n1", kInstanceStore, "AWS2"));
  StepPlan plan = plan_disk(host);
  EXPECT_EQ(plan.state, StepState::kRefused);
  EXPECT_THAT(plan.why, HasSubstr("2 disks fit and 1 is asked for"));
  EXPECT_THAT(plan.why, HasSubstr("AWS2"));
  host.facts.storage.disks.resize(1);
  plan = plan_disk(host);
  EXPECT_THAT(plan.why, HasSubstr("0 disks fit"));
}

TEST(StorageDisk, WhatNobodyMeansIsNotAmongTheDisksThatTheHostHas) {
  TrialHost host = g5();
  host.facts.storage.disks.resize(1);
  facts::DiskFacts snap = disk("loop3", "", "");
  snap.device.subsystem = host::BlockSubsystem::kLoop;
  facts::DiskFacts reader = disk("sdz", "Card Reader", "");
  reader.device.size_bytes = 0;
  host.facts.storage.disks.push_back(snap);
  host.facts.storage.disks.push_back(reader);
  EXPECT_THAT(plan_disk(host).why, Not(HasSubstr("loop3")));
  EXPECT_THAT(plan_disk(host).why, Not(HasSubstr("Card Reader")));
  host.spec.storage.front().select = {};
  host.spec.storage.front().select.path = "/dev/loop4";
  EXPECT_THAT(plan_disk(host).why, HasSubstr("loop3"));
}

TEST(StorageDisk, WithoutKnowingTheRootDiskNoneIsFree) {
  TrialHost host = g5();
  host.facts.storage.root_is_known = false;
  EXPECT_EQ(plan_disk(host).state, StepState::kRefused);
}

TEST(StorageDisk, WithoutKnowingTheRootDiskALoopDeviceMustBeAnUnusedFile) {
  TrialHost host = g5();
  facts::DiskFacts& loop = host.facts.storage.disks[1];
  loop.device.subsystem = host::BlockSubsystem::kLoop;
  loop.device.path = "/dev/loop0";
  loop.device.serial.clear();
  loop.device.backing_file = "/trial.img";
  host.spec.storage.front().select = {};
  host.spec.storage.front().select.path = "/dev/loop0";
  EXPECT_EQ(plan_disk(host).state, StepState::kChange);
  host.facts.storage.root_is_known = false;
  EXPECT_EQ(plan_disk(host).state, StepState::kChange);
  loop.device.backing_file.clear();
  EXPECT_EQ(plan_disk(host).state, StepState::kRefused);
  loop.device.backing_file = "/live/root.squashfs";
  loop.was_proved = false;
  EXPECT_EQ(plan_disk(host).state, StepState::kRefused);
}

TEST(StorageDisk, OneThatCannotBeReadIsRefused) {
  TrialHost host = g5();
  host.facts.storage.disks[1].is_blank = false;
  host.facts.storage.disks[1].error = "read /dev/nvme1n1: input/output error";
  const StepPlan plan = plan_disk(host);
  EXPECT_EQ(plan.state, StepState::kRefused);
  EXPECT_THAT(plan.why, HasSubstr("input/output error"));
}

TEST(StorageDisk, HalfMadeByUsItIsMadeAgainAndOnlyThen) {
  TrialHost host = g5();
  facts::DiskFacts& store = host.facts.storage.disks[1];
  store.is_blank = false;
  store.finding = "holds data at the start";
  const std::string uuid = storage_uuid("aabb\n", "containerd");
  host.history.half_made[uuid] = {"AWS1"};
  // Data that nobody signed may be anybody's, whatever we began.
  EXPECT_EQ(plan_disk(host).state, StepState::kRefused);
  EXPECT_THAT(plan_disk(host).fix, HasSubstr("--confirm-wipe=AWS1"));
  host::DiskSignature half;
  half.type = "xfs";
  half.uuid = uuid;
  store.signatures = {half};
  const StepPlan plan = plan_disk(host);
  ASSERT_EQ(plan.state, StepState::kChange);
  EXPECT_TRUE(std::get<MakeFilesystem>(plan.actions.at(0)).wipe);
  // Somebody else's came since: a LUKS that no superblock reader knows.
  host::DiskSignature luks;
  luks.type = "crypto_LUKS";
  luks.uuid = "11111111-2222-3333-4444-555555555555";
  store.signatures = {half, luks};
  EXPECT_EQ(plan_disk(host).state, StepState::kRefused);
  store.signatures = {half};
  host.history.half_made[uuid] = {"AWS7"};
  EXPECT_EQ(plan_disk(host).state, StepState::kRefused);
}

TEST(StorageDisk, MadeOnceAndCutOffWhenMadeAnewItIsNoStranger) {
  TrialHost host = g5();
  facts::DiskFacts& store = host.facts.storage.disks[1];
  const std::string uuid = storage_uuid("aabb\n", "containerd");
  host.history.made = {uuid};
  host.history.half_made[uuid] = {"AWS1"};
  host.history.attempted[uuid] = {"AWS1"};
  store.is_blank = false;
  store.uuid = uuid;
  store.signatures.emplace_back().uuid = uuid;
  EXPECT_EQ(plan_disk(host).state, StepState::kChange);
}

TEST(StorageDisk, WhatIsLeftOfAnArrayMayBeErasedBySerial) {
  TrialHost host = g5();
  host.spec.storage.front().layout = "raid0";
  host.spec.storage.front().count = 2;
  host.facts.storage.disks.push_back(disk("nvme2n1", kInstanceStore, "AWS2"));
  host.facts.storage.disks.back().is_blank = true;
  facts::DiskFacts& store = host.facts.storage.disks[1];
  const std::string uuid = storage_uuid("aabb\n", "containerd");
  host.history.made = {uuid};
  store.is_blank = false;
  store.signatures.emplace_back().type = "linux_raid_member";
  store.signatures.back().uuid = array_uuid(uuid);
  EXPECT_THAT(plan_disk(host).fix, HasSubstr("--confirm-wipe=AWS1"));
  // Another entry's, or this one's by another machine-id: not for the asking.
  host.facts.files["/etc/machine-id"].content = "ccdd\n";
  EXPECT_THAT(plan_disk(host).fix, HasSubstr("/etc/machine-id"));
}

TEST(StorageDisk, HalfMadeWithoutASuperblockItIsKnownByTheBlocksOfXfs) {
  TrialHost host = g5();
  facts::DiskFacts& store = host.facts.storage.disks[1];
  store.is_blank = false;
  store.finding = "holds data in the middle";
  const std::string uuid = storage_uuid("aabb\n", "containerd");
  store.xfs_uuid = uuid;
  // Nobody began: a disk with a file system of ours, moved from elsewhere.
  EXPECT_EQ(plan_disk(host).state, StepState::kRefused);
  host.history.half_made[uuid] = {"AWS1"};
  EXPECT_EQ(plan_disk(host).state, StepState::kChange);
  store.xfs_uuid = "11111111-2222-3333-4444-555555555555";
  EXPECT_EQ(plan_disk(host).state, StepState::kRefused);
}

/// Two local SSDs of Google's: namespaces of one controller.
TrialHost two_namespaces() {
  TrialHost host = g5();
  facts::DiskFacts& first = host.facts.storage.disks[1];
  first.device.model = first.device.serial = "nvme_card";
  first.device.wwid = "nvme.1ae0-6e-6e-00000001";
  first.is_blank = false;
  first.finding = "holds data";
  facts::DiskFacts second = first;
  second.device.name = "nvme1n2";
  second.device.path = "/dev/nvme1n2";
  second.device.wwid = "nvme.1ae0-6e-6e-00000002";
  host.facts.storage.disks.push_back(second);
  StorageSpec& spec = host.spec.storage.front();
  spec.layout = "raid0";
  spec.count = 2;
  return host;
}

TEST(StorageDisk, OfSeveralWithOneSerialEachIsConfirmedByItsWwid) {
  TrialHost host = two_namespaces();
  host.confirmed = {"nvme_card"};
  EXPECT_EQ(plan_disk(host).state, StepState::kRefused);
  EXPECT_THAT(plan_disk(host).fix,
              HasSubstr("--confirm-wipe=nvme.1ae0-6e-6e-00000001"));
  host.confirmed = {"nvme.1ae0-6e-6e-00000001"};
  EXPECT_THAT(plan_disk(host).fix,
              HasSubstr("--confirm-wipe=nvme.1ae0-6e-6e-00000002"));
  host.confirmed.push_back("nvme.1ae0-6e-6e-00000002");
  const StepPlan plan = plan_disk(host);
  ASSERT_EQ(plan.state, StepState::kChange) << plan.why;
  const auto& disks = std::get<MakeFilesystem>(plan.actions.at(0)).disks;
  ASSERT_THAT(disks, SizeIs(2));
  EXPECT_NE(disks[0].wwid, disks[1].wwid);
}

TEST(StorageDisk, TwoThatSayTheSameOfThemselvesAreRefusedInWords) {
  TrialHost host = two_namespaces();
  host.facts.storage.disks[2].device.wwid =
      host.facts.storage.disks[1].device.wwid;
  EXPECT_EQ(plan_disk(host).state, StepState::kRefused);
  EXPECT_THAT(
      plan_disk(host).why,
      testing::AllOf(HasSubstr("/dev/nvme1n1"), HasSubstr("/dev/nvme1n2"),
                     HasSubstr("say the same of themselves")));
}

TEST(StorageDisk, AFileSystemWithoutEntryTypesIsNotOurs) {
  TrialHost host = g5();
  host.carry_out(plan_disk(host));
  host.facts.storage.disks[1].entry_types = false;
  EXPECT_EQ(plan_disk(host).state, StepState::kRefused);
}

TEST(StorageUuid, IsTheSameForTheSameAndAnotherForAnother) {
  const std::string uuid = storage_uuid("m", "a");
  EXPECT_EQ(uuid, storage_uuid("m", "a"));
  EXPECT_NE(uuid, storage_uuid("m", "b"));
  EXPECT_NE(uuid, storage_uuid("n", "a"));
  EXPECT_NE(storage_uuid("ab", "c"), storage_uuid("a", "bc"));
  EXPECT_THAT(uuid, testing::MatchesRegex(
                        "[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]"
                        "{3}-[0-9a-f]{12}"));
}

}  // namespace
}  // namespace gpunode::provision
