#include "node/provision/steps/storage/storage.h"

#include <algorithm>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "node/provision/layout_identity.h"
#include "node/provision/steps/trial_host.h"
#include "node/provision/storage_choice.h"

namespace gpunode::provision {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

constexpr const char* kInstanceStore = "Amazon EC2 NVMe Instance Storage";
constexpr std::uint64_t kSize = 600'000'000'000;

facts::DiskFacts disk(const std::string& name, const std::string& model,
                      const std::string& serial) {
  facts::DiskFacts disk;
  disk.device.name = name;
  disk.device.path = "/dev/" + name;
  disk.device.subsystem = host::BlockSubsystem::kNvme;
  disk.device.model = model;
  disk.device.serial = serial;
  disk.device.size_bytes = kSize;
  return disk;
}

StorageSpec entry() {
  StorageSpec entry;
  entry.id = "containerd";
  entry.label = "gn-container";
  entry.select.cloud_ephemeral = true;
  entry.path = "/var/lib/containerd";
  entry.users = {"containerd.service", "kubelet.service"};
  return entry;
}

/// A g5.4xlarge: the root volume and one blank instance store.
TrialHost g5() {
  TrialHost host;
  host.spec.storage = {entry()};
  host.facts.files["/etc/machine-id"].content = "aabb\n";
  host.facts.storage.root_is_known = true;
  for (const std::string& unit : entry().users) {
    host.facts.units[unit] = {"not-found", "inactive", ""};
  }
  facts::DiskFacts root = disk("nvme0n1", "Amazon Elastic Block Store", "vol1");
  root.is_system = true;
  root.in_use = "is in use: mounted at /";
  facts::DiskFacts store = disk("nvme1n1", kInstanceStore, "AWS1");
  store.was_proved = true;
  store.is_blank = true;
  store.finding = "blank: no signature";
  store.digest = "digest-of-AWS1";
  host.facts.storage.disks = {root, store};
  return host;
}

StepPlan plan_disk(const TrialHost& host) {
  return host.plan(*make_storage_disk(host.spec.storage.front()));
}

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

TEST(StorageMount, TwoLinesOfFstabBothStay) {
  TrialHost host = g5();
  StorageSpec second = entry();
  second.id = "logs";
  second.path = "/var/log/pods";
  host.spec.storage.front().via = MountVia::kFstab;
  second.via = MountVia::kFstab;
  host.spec.storage.push_back(second);
  host.facts.files["/etc/fstab"].content = "UUID=1 / xfs defaults 0 0\n";
  const StepPlan plan = host.plan(*make_storage_mount(second));
  const auto& fstab = std::get<WriteFile>(plan.actions.at(1)).content;
  EXPECT_THAT(fstab, HasSubstr(" /var/lib/containerd "));
  EXPECT_THAT(fstab, HasSubstr(" /var/log/pods "));
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

std::vector<std::string> words(const StepPlan& plan) {
  std::vector<std::string> words;
  for (const Action& action : plan.actions) words.push_back(describe(action));
  return words;
}

StepPlan plan_mount(const TrialHost& host) {
  return host.plan(*make_storage_mount(host.spec.storage.front()));
}

TEST(StorageMount, AUnitByUuidThatABootDoesNotWaitFor) {
  TrialHost host = g5();
  const StepPlan plan = plan_mount(host);
  EXPECT_THAT(words(plan),
              ElementsAre("write /etc/systemd/system/var-lib-containerd.mount",
                          "enable var-lib-containerd.mount",
                          "start var-lib-containerd.mount"));
  const auto& unit = std::get<WriteFile>(plan.actions.at(0)).content;
  EXPECT_THAT(unit, HasSubstr("What=/dev/disk/by-uuid/" +
                              storage_uuid("aabb\n", "containerd")));
  EXPECT_THAT(unit, HasSubstr("WantedBy=local-fs.target"));
  EXPECT_THAT(unit, HasSubstr("AssertPathExists=!/var/lib/gpunode/"));
  EXPECT_THAT(unit, HasSubstr("Options=noatime\n"));
}

TEST(StorageMount, ThroughASymbolicLinkNothingIsMounted) {
  TrialHost host = g5();
  host.facts.trees["/var/lib/containerd"].link = "/var/lib/containerd";
  const StepPlan plan = plan_mount(host);
  EXPECT_EQ(plan.state, StepState::kBlocked);
  EXPECT_THAT(plan.actions, IsEmpty());
  EXPECT_THAT(plan.why, HasSubstr("/var/lib/containerd is a symbolic link"));
  EXPECT_THAT(plan.fix, HasSubstr("realpath"));
}

TEST(StorageMount, ALinkThatLeadsNowhereIsNotWrittenOver) {
  TrialHost host = g5();
  host.facts.files["/etc/systemd/system/var-lib-containerd.mount"].link_target =
      "/gone.mount";
  const StepPlan plan = plan_mount(host);
  EXPECT_EQ(plan.state, StepState::kBlocked);
  EXPECT_THAT(plan.actions, IsEmpty());
  EXPECT_THAT(plan.why, HasSubstr("a symbolic link to /gone.mount"));
}

TEST(StorageMount, NothingHidesWhatABootNeedsOfOurs) {
  TrialHost host = g5();
  host.spec.storage.front().path = "/opt/gpunode";
  host.spec.program = "/opt/gpunode-1.0/bin/gpunode";
  EXPECT_EQ(plan_mount(host).state, StepState::kChange);
  host.spec.program = "/opt/gpunode/bin/gpunode";
  EXPECT_EQ(plan_mount(host).state, StepState::kBlocked);
  EXPECT_THAT(plan_mount(host).why, HasSubstr("/opt/gpunode/bin/gpunode"));
  host.spec.program.clear();
  host.spec.path = "/opt/gpunode/node.yaml";
  EXPECT_THAT(plan_mount(host).why, HasSubstr("/opt/gpunode/node.yaml"));
}

TEST(StorageMount, AnFstabLineIsNofailPassZeroAndChecked) {
  TrialHost host = g5();
  host.spec.storage.front().via = MountVia::kFstab;
  host.facts.files["/etc/fstab"].content = "UUID=1 / xfs defaults 0 0\n";
  const StepPlan plan = plan_mount(host);
  EXPECT_THAT(std::get<WriteFile>(plan.actions.at(0)).content,
              HasSubstr("[Unit]\nRequiresMountsFor=/var/lib/gpunode\n"
                        "AssertPathExists=!/var/lib/gpunode/"));
  const auto& fstab = std::get<WriteFile>(plan.actions.at(1));
  EXPECT_THAT(fstab.content,
              testing::StartsWith("UUID=1 / xfs defaults 0 0\n"));
  EXPECT_THAT(fstab.content,
              testing::EndsWith(" /var/lib/containerd xfs noatime,nofail,"
                                "x-systemd.device-timeout=90s 0 0\n"));
  EXPECT_THAT(fstab.check,
              ElementsAre("/usr/bin/findmnt", "--verify", "--tab-file", "@"));
  EXPECT_THAT(words(plan), ElementsAre("write /etc/systemd/system/var-lib-"
                                       "containerd.mount.d/10-gpunode.conf",
                                       "write /etc/fstab",
                                       "start var-lib-containerd.mount"));
}

TEST(StorageMount, TheMountPointOfAnFstabLineIsMadeBeforeTheLineIsChecked) {
  TrialHost host = g5();
  host.spec.storage.front().via = MountVia::kFstab;
  host.facts.files["/etc/fstab"].content = "";
  host.facts.trees["/var/lib/containerd"] = {.exists = false};
  EXPECT_THAT(
      words(plan_mount(host)),
      ElementsAre(
          "write "
          "/etc/systemd/system/var-lib-containerd.mount.d/10-gpunode.conf",
          "make the directory /var/lib/containerd", "write /etc/fstab",
          "start var-lib-containerd.mount"));
}

TEST(StorageMount, SomebodyElsesLineForThePathBlocks) {
  TrialHost host = g5();
  host.spec.storage.front().via = MountVia::kFstab;
  host.facts.files["/etc/fstab"].content =
      "UUID=2 /var/lib/containerd ext4 defaults 0 0\n";
  const StepPlan plan = plan_mount(host);
  EXPECT_EQ(plan.state, StepState::kBlocked);
  EXPECT_THAT(plan.why, HasSubstr("line 1"));
  EXPECT_THAT(plan.actions, IsEmpty());
}

TEST(StorageMount, WhatIsThereAlreadyMovesWhileItsUsersAreStopped) {
  TrialHost host = g5();
  host.spec.storage.front().existing_data = ExistingData::kMigrate;
  host.facts.trees["/var/lib/containerd"] = {true, true, false, 12, ""};
  host.facts.units["containerd.service"] = {"loaded", "active", "enabled"};
  host.facts.units["kubelet.service"] = {"loaded", "active", "enabled"};
  const StepPlan plan = plan_mount(host);
  const std::string uuid = storage_uuid("aabb\n", "containerd");
  EXPECT_THAT(words(plan),
              ElementsAre("prove that xfs " + uuid +
                              " can be mounted with "
                              "noatime",
                          "stop kubelet.service", "stop containerd.service",
                          "write /var/lib/gpunode/moving-var-lib-containerd"
                          ".mount",
                          "write /etc/systemd/system/var-lib-containerd.mount",
                          "enable var-lib-containerd.mount",
                          "migrate /var/lib/containerd",
                          "start var-lib-containerd.mount",
                          "start containerd.service", "start kubelet.service"));
}

constexpr const char* kRelabel =
    "run /usr/bin/find /var/lib/containerd -xdev -not -type c -not -type b "
    "-exec /sbin/restorecon -i {} +";

TEST(StorageMount, OptionsAreTriedBeforeAnythingIsStopped) {
  TrialHost host = g5();
  host.facts.units["containerd.service"] = {"loaded", "active", "enabled"};
  host.spec.storage.front().options = {"noatime", "logbsize=256k"};
  const StepPlan plan = plan_mount(host);
  const auto* trial = std::get_if<ProveMount>(&plan.actions.at(0));
  ASSERT_NE(trial, nullptr);
  EXPECT_EQ(trial->uuid, storage_uuid("aabb\n", "containerd"));
  EXPECT_THAT(trial->options, ElementsAre("noatime", "logbsize=256k"));
  EXPECT_EQ(describe(plan.actions.at(1)), "stop containerd.service");
}

TEST(StorageBoot, AllOfADiskIsReadWithoutALimit) {
  TrialHost host = g5();
  StorageSpec reformat = entry();
  reformat.on_boot_blank = OnBootBlank::kReformat;
  reformat.select.full_proof = true;
  const StepPlan plan = host.plan(*make_storage_boot(reformat));
  EXPECT_THAT(std::get<WriteFile>(plan.actions.at(0)).content,
              HasSubstr("TimeoutStartSec=infinity"));
}

TEST(StorageMount, WhatMovedIsLabelledBeforeItsUsersRunAgain) {
  TrialHost host = g5();
  host.spec.storage.front().existing_data = ExistingData::kMigrate;
  host.facts.machine.selinux = true;
  host.facts.trees["/var/lib/containerd"] = {true, true, false, 12, ""};
  host.facts.units["containerd.service"] = {"loaded", "active", "enabled"};
  const auto actions = words(plan_mount(host));
  ASSERT_GE(actions.size(), 4U);
  EXPECT_THAT(std::vector(actions.end() - 4, actions.end()),
              ElementsAre("migrate /var/lib/containerd",
                          "start var-lib-containerd.mount", kRelabel,
                          "start containerd.service"));
}

// A boot between any two of these mounts nothing before the data is there, and
// finds the mount once it has gone from its old place.
TEST(StorageMount, CutOffAmidAMigrationNoBootLosesSightOfTheData) {
  for (const MountVia via : {MountVia::kUnit, MountVia::kFstab}) {
    TrialHost host = g5();
    host.spec.storage.front().via = via;
    host.spec.storage.front().existing_data = ExistingData::kMigrate;
    host.facts.trees["/var/lib/containerd"] = {true, true, false, 12, ""};
    const std::vector<Action> actions = plan_mount(host).actions;
    bool is_marked = false;
    bool is_conditional = false;
    bool is_mountable = false;
    bool has_moved = false;
    for (const Action& action : actions) {
      if (const auto* file = std::get_if<WriteFile>(&action)) {
        if (file->path.starts_with("/var/lib/gpunode/moving-")) {
          is_marked = true;
          EXPECT_FALSE(is_mountable);
        }
        is_conditional |= file->content.find("=!/var/lib/gpunode/moving-") !=
                              std::string::npos &&
                          file->content.find("=!/var/lib/gpunode/copying-") !=
                              std::string::npos;
        is_mountable |= file->path == "/etc/fstab";
      }
      const auto* unit = std::get_if<SetUnit>(&action);
      is_mountable |= unit != nullptr && unit->enabled == Wish::kYes;
      has_moved |= std::holds_alternative<MigrateTree>(action);
      EXPECT_TRUE(!is_mountable || (is_conditional && is_marked));
      EXPECT_TRUE(!has_moved || is_mountable);
    }
    EXPECT_TRUE(has_moved);
  }
}

TEST(StorageMount, AMarkOfAMigrationThatIsNotWantedAnyMoreGoes) {
  TrialHost host = g5();
  host.facts.files["/var/lib/gpunode/moving-var-lib-containerd.mount"].content =
      "/var/lib/containerd\n";
  const StepPlan plan = plan_mount(host);
  EXPECT_EQ(words(plan).front(),
            "remove /var/lib/gpunode/moving-var-lib-containerd.mount");
}

TEST(StorageMount, WhatIsThereAlreadyBlocksUnlessTold) {
  TrialHost host = g5();
  host.facts.trees["/var/lib/containerd"] = {true, true, false, 12, ""};
  StepPlan plan = plan_mount(host);
  EXPECT_EQ(plan.state, StepState::kBlocked);
  EXPECT_THAT(plan.fix, HasSubstr("migrate"));
  host.spec.storage.front().existing_data = ExistingData::kMigrate;
  host::Mount layer;
  layer.mount_point = "/var/lib/containerd/overlay/1";
  host.facts.storage.mounts = {layer};
  plan = plan_mount(host);
  EXPECT_EQ(plan.state, StepState::kBlocked);
  EXPECT_THAT(plan.fix, HasSubstr("kubectl drain"));
}

// containerd stopped, its shims not: what they run has its layers in the tree.
TEST(StorageMount, ContainersThatOutliveTheirRuntimeBlock) {
  for (const ExistingData what :
       {ExistingData::kMigrate, ExistingData::kDiscard}) {
    TrialHost host = g5();
    host.facts.trees["/var/lib/containerd"] = {true, true, false, 12, ""};
    host.spec.storage.front().existing_data = what;
    host::Mount rootfs;
    rootfs.type = "overlay";
    rootfs.mount_point = "/run/containerd/k8s.io/a/rootfs";
    rootfs.super_options =
        "rw,lowerdir=/var/lib/containerd/s/1/fs,upperdir=/u,workdir=/w";
    host.facts.storage.mounts = {rootfs};
    const StepPlan plan = plan_mount(host);
    EXPECT_EQ(plan.state, StepState::kBlocked);
    EXPECT_THAT(plan.why, HasSubstr(rootfs.mount_point));
    EXPECT_THAT(plan.fix, HasSubstr("crictl stopp"));
    EXPECT_THAT(plan.actions, IsEmpty());
  }
}

TEST(StorageMount, MountedAsItShouldBeThereIsNothingToDo) {
  TrialHost host = g5();
  host.carry_out(plan_disk(host));
  host.carry_out(plan_mount(host));
  host::Mount mount;
  mount.mount_point = "/var/lib/containerd";
  mount.device = {259, 1};
  host.facts.storage.disks[1].device.number = {259, 1};
  host.facts.storage.mounts = {mount};
  EXPECT_EQ(plan_mount(host).state, StepState::kOk) << plan_mount(host).why;
  // Another disk is there.
  host.facts.storage.mounts.front().device = {259, 9};
  EXPECT_EQ(plan_mount(host).state, StepState::kBlocked);
}

/// The store of g5() is mounted where it belongs.
void mount_store(TrialHost& host) {
  host::Mount mount;
  mount.mount_point = "/var/lib/containerd";
  mount.device = {259, 1};
  host.facts.storage.disks[1].device.number = {259, 1};
  host.facts.storage.mounts = {mount};
}

// Stopped, killed or failed between a stop and the start that belongs to it.
TEST(StorageMount, WhatARunStoppedAndDidNotStartAgainIsStarted) {
  TrialHost host = g5();
  host.carry_out(plan_disk(host));
  host.spec.storage.front().existing_data = ExistingData::kMigrate;
  host.facts.trees["/var/lib/containerd"] = {true, true, false, 12, ""};
  host.history.stopped = {{"containerd.service", "storage.containerd.mount"},
                          {"kubelet.service", "storage.containerd.mount"}};
  const StepPlan plan = plan_mount(host);
  EXPECT_THAT(words(plan), Contains("stop containerd.service"));
  EXPECT_EQ(words(plan).back(), "start kubelet.service");
  host.carry_out(plan);
  host.facts.units["containerd.service"].active_state = "inactive";
  host.facts.units["kubelet.service"].active_state = "inactive";
  mount_store(host);
  host.facts.files["/var/lib/gpunode/moving-var-lib-containerd.mount"] = {};
  const StepPlan rest = plan_mount(host);
  EXPECT_EQ(rest.state, StepState::kChange);
  EXPECT_THAT(rest.why, HasSubstr("containerd.service was stopped"));
  EXPECT_THAT(words(rest),
              ElementsAre("start containerd.service", "start kubelet.service"));
  host.carry_out(rest);
  EXPECT_EQ(plan_mount(host).state, StepState::kOk) << plan_mount(host).why;
  // Another entry's Step stopped it, and starts it when its own data is there.
  host.facts.units["containerd.service"].active_state = "inactive";
  host.history.stopped = {{"containerd.service", "storage.other.mount"}};
  EXPECT_EQ(plan_mount(host).state, StepState::kOk);
}

TEST(StorageMount, WithoutKnowingWhoUsesItNothingMoves) {
  TrialHost host = g5();
  host.carry_out(plan_disk(host));
  host.facts.units.clear();
  const StepPlan plan = plan_mount(host);
  EXPECT_EQ(plan.state, StepState::kBlocked);
  EXPECT_THAT(plan.why, HasSubstr("whether containerd.service runs"));
  EXPECT_THAT(plan.fix, HasSubstr("`systemctl show -- containerd.service`"));
  mount_store(host);
  EXPECT_NE(plan_mount(host).state, StepState::kBlocked);
}

TEST(StorageMount, WhatStartsAUserIsStoppedBeforeItAndStartedAfterIt) {
  TrialHost host = g5();
  host.spec.storage.front().users = {"docker.service"};
  host.facts.units["docker.service"] = {
      "loaded", "active", "enabled", {"docker.socket"}};
  const auto step = make_storage_mount(host.spec.storage.front());
  EXPECT_THAT(step->wants(host.spec).units, Contains("docker.socket"));
  // Without knowing of it, a client would start docker amid the move.
  EXPECT_EQ(plan_mount(host).state, StepState::kBlocked);
  host.facts.units["docker.socket"] = {"loaded", "active", "enabled"};
  const auto all = words(plan_mount(host));
  ASSERT_GE(all.size(), 5U);
  EXPECT_EQ(all[1], "stop docker.socket");
  EXPECT_EQ(all[2], "stop docker.service");
  EXPECT_EQ(all[all.size() - 2], "start docker.service");
  EXPECT_EQ(all[all.size() - 1], "start docker.socket");
  // A socket that is not active stays so.
  host.facts.units["docker.socket"].active_state = "inactive";
  EXPECT_EQ(words(plan_mount(host)).at(1), "stop docker.service");
  EXPECT_EQ(words(plan_mount(host)).back(), "start docker.service");
}

TEST(StorageMount, WhoIsOnItsWayUpOrDownIsStoppedToo) {
  for (const char* state :
       {"activating", "deactivating", "reloading", "active"}) {
    TrialHost host = g5();
    host.facts.units["containerd.service"].active_state = state;
    EXPECT_EQ(words(plan_mount(host)).at(1), "stop containerd.service");
  }
}

TEST(StorageUsers, DoNotStartWithoutTheMount) {
  TrialHost host = g5();
  const StepPlan plan = host.plan(*make_storage_users(entry()));
  EXPECT_THAT(words(plan),
              ElementsAre("write /etc/systemd/system/containerd.service.d/"
                          "10-gpunode-containerd.conf",
                          "write /etc/systemd/system/kubelet.service.d/"
                          "10-gpunode-containerd.conf"));
  EXPECT_THAT(std::get<WriteFile>(plan.actions.at(0)).content,
              HasSubstr("RequiresMountsFor=/var/lib/containerd\n"));
  host.carry_out(plan);
  EXPECT_EQ(host.plan(*make_storage_users(entry())).state, StepState::kOk);
}

TEST(StorageBoot, MakesABlankDiskAnewBeforeItsMount) {
  TrialHost host = g5();
  EXPECT_EQ(host.plan(*make_storage_boot(entry())).state,
            StepState::kNotWanted);
  StorageSpec reformat = entry();
  reformat.on_boot_blank = OnBootBlank::kReformat;
  const StepPlan plan = host.plan(*make_storage_boot(reformat));
  const auto& unit = std::get<WriteFile>(plan.actions.at(0)).content;
  EXPECT_THAT(unit, HasSubstr("Before=var-lib-containerd.mount"));
  EXPECT_THAT(unit, HasSubstr("--blank-only --run-wait=600 "
                              "--ignore-preflight=all "
                              "--only=storage.containerd.disk "
                              "/etc/gpunode/node.yaml\n"));
  // A oneshot has none of its own, and a disk may not answer.
  EXPECT_THAT(unit, HasSubstr("\nTimeoutStartSec=15min\n"));
  host.spec.program.clear();
  EXPECT_EQ(host.plan(*make_storage_boot(reformat)).state, StepState::kBlocked);
}

TEST(StorageBoot, ThoseOfSeveralEntriesRunOneAfterTheOther) {
  TrialHost host = g5();
  StorageSpec first = entry();
  first.on_boot_blank = OnBootBlank::kReformat;
  StorageSpec other = first;
  other.id = "logs";
  other.on_boot_blank = OnBootBlank::kFail;
  StorageSpec last = first;
  last.id = "scratch";
  host.spec.storage = {first, other, last};
  const auto unit_of = [&](const StorageSpec& one) {
    const StepPlan plan = host.plan(*make_storage_boot(one));
    return std::get<WriteFile>(plan.actions.at(0)).content;
  };
  EXPECT_THAT(unit_of(first), HasSubstr("After=systemd-udev-settle.service "
                                        "systemd-remount-fs.service\n"));
  EXPECT_THAT(unit_of(last), HasSubstr("After=systemd-udev-settle.service "
                                       "systemd-remount-fs.service "
                                       "gpunode-storage-containerd.service\n"));
}

TEST(StorageBoot, TheFilesPathIsOneWordOfTheUnit) {
  TrialHost host = g5();
  host.spec.path = "/etc/gpunode/50% of it.yaml";
  StorageSpec reformat = entry();
  reformat.on_boot_blank = OnBootBlank::kReformat;
  const StepPlan plan = host.plan(*make_storage_boot(reformat));
  EXPECT_THAT(std::get<WriteFile>(plan.actions.at(0)).content,
              HasSubstr(" \"/etc/gpunode/50%% of it.yaml\"\n"));
}

TEST(StorageLabel, IsWhatThePolicySaysWhoeverMadeIt) {
  TrialHost host = g5();
  host.facts.machine.selinux = true;
  facts::TreeFacts& tree = host.facts.trees["/var/lib/containerd"];
  tree = {true,
          true,
          true,
          0,
          "system_u:object_r:var_lib_t:s0",
          "system_u:object_r:container_var_lib_t:s0"};
  const StepPlan plan = host.plan(*make_storage_label(entry()));
  EXPECT_THAT(words(plan), ElementsAre(kRelabel));
  EXPECT_THAT(plan.why, HasSubstr("container_var_lib_t"));
  tree.selinux_label = "unconfined_u:object_r:container_var_lib_t:s0";
  EXPECT_EQ(host.plan(*make_storage_label(entry())).state, StepState::kOk);
}

TEST(StorageLabel, OfADiskMadeAnewAtBootIsThereBeforeItsUsers) {
  TrialHost host = g5();
  host.facts.machine.selinux = true;
  StorageSpec reformat = entry();
  reformat.on_boot_blank = OnBootBlank::kReformat;
  const StepPlan plan = host.plan(*make_storage_label(reformat));
  ASSERT_THAT(words(plan),
              ElementsAre("write /etc/systemd/system/"
                          "gpunode-label-containerd.service",
                          "enable gpunode-label-containerd.service"));
  const auto& unit = std::get<WriteFile>(plan.actions.at(0)).content;
  EXPECT_THAT(unit, HasSubstr("\nAfter=var-lib-containerd.mount\n"
                              "Before=containerd.service"));
  EXPECT_THAT(unit, HasSubstr("WantedBy=var-lib-containerd.mount\n"));
  EXPECT_THAT(unit, HasSubstr("/sbin/restorecon /var/lib/containerd\n"));
  EXPECT_THAT(unit, HasSubstr("\nTimeoutStartSec=5min\n"));
  host.carry_out(plan);
  EXPECT_EQ(host.plan(*make_storage_label(reformat)).state, StepState::kOk);
}

TEST(StorageLabel, IsAskedForWhereAPolicyIsLoadedThoughItOnlyWarns) {
  TrialHost host = g5();
  EXPECT_EQ(host.plan(*make_storage_label(entry())).state,
            StepState::kNotWanted);
  host.facts.machine.selinux = true;
  // Not mounted yet: storage.containerd.mount labels what it mounts.
  EXPECT_EQ(host.plan(*make_storage_label(entry())).state, StepState::kOk);
  host.facts.trees["/var/lib/containerd"] = {true, true, true, 0,
                                             "system_u:object_r:unlabeled_t"};
  EXPECT_THAT(words(host.plan(*make_storage_label(entry()))),
              ElementsAre(kRelabel));
  host.facts.trees["/var/lib/containerd"].selinux_label =
      "system_u:object_r:container_var_lib_t:s0";
  EXPECT_EQ(host.plan(*make_storage_label(entry())).state, StepState::kOk);
}

}  // namespace
}  // namespace gpunode::provision
