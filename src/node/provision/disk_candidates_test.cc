// What `gpunode init` says of recorded hosts' disks. Their trees have no
// devices to look into: what a look finds is put in here.
#include "node/provision/disk_candidates.h"

#include <algorithm>
#include <sstream>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/host/fake_command_runner.h"
#include "node/facts/observe.h"
#include "node/provision/first_spec.h"
#include "node/provision/spec_file.h"
#include "node/provision/storage_choice.h"

namespace gpunode::provision {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

/// Facts of a recorded host whose free disks are all blank.
facts::HostFacts host_of(const std::string& name) {
  host::FakeCommandRunner runner;
  auto facts = facts::observe(
      host::HostRoot(std::string(DISTRIBUTION_FIXTURES) + "/../hosts/" + name),
      runner, {});
  EXPECT_TRUE(facts) << (facts ? "" : facts.error().message());
  for (facts::DiskFacts& disk : facts->storage.disks) {
    disk.was_proved = disk.is_blank = disk.in_use.empty();
    disk.finding = "blank: no signature";
  }
  return *std::move(facts);
}

facts::DiskFacts& disk_of(facts::HostFacts& facts, const std::string& name) {
  return *std::ranges::find_if(
      facts.storage.disks,
      [&](const facts::DiskFacts& disk) { return disk.device.name == name; });
}

/// The commented entry of `storage`, as a file that asks for it.
SpecReading uncommented(const std::string& spec) {
  std::string text;
  std::string line;
  bool is_entry = false;
  std::istringstream lines(spec);
  while (std::getline(lines, line)) {
    const bool is_first = line.starts_with("  # storage:");
    const bool is_more = is_first || (is_entry && line.starts_with("  #   "));
    is_entry = is_more;
    text += (is_more ? "  " + line.substr(4) : line) + "\n";
  }
  return read_spec({{.file_name = "node.yaml", .text = text}});
}

/// What init writes chooses what it named, and nothing speaks against it.
void expect_chooses(const facts::HostFacts& facts, std::size_t disks) {
  const std::string spec = first_spec(facts);
  EXPECT_THAT(read_spec({{.file_name = "node.yaml", .text = spec}}).problems,
              IsEmpty());
  const SpecReading reading = uncommented(spec);
  ASSERT_THAT(reading.problems, IsEmpty()) << spec;
  ASSERT_THAT(reading.spec.storage, SizeIs(1)) << spec;
  const StorageChoice choice =
      choose_disks(reading.spec.storage.front(), facts.storage, "uuid", {}, {});
  EXPECT_EQ(choice.fate, DiskFate::kMake) << choice.why << spec;
  EXPECT_THAT(choice.disks, SizeIs(disks)) << spec;
}

TEST(DiskCandidates, AnInstanceStoreIsTakenAndTheRootDiskIsNot) {
  const facts::HostFacts facts = host_of("g5-rocky8");
  const std::string text = storage_comment(facts.storage);
  EXPECT_THAT(
      text, AllOf(HasSubstr("Blank at a first look, so these can be taken:\n"
                            "  #   Amazon EC2 NVMe Instance Storage, serial "),
                  HasSubstr("These can't:\n  #   Amazon Elastic Block Store"),
                  HasSubstr("): is a disk of the running system: "),
                  HasSubstr("select: {class: cloud-ephemeral, count: 1}"),
                  Not(HasSubstr("layout:"))));
  expect_chooses(facts, 1);
}

TEST(DiskCandidates, SeveralBecomeOne) {
  const facts::HostFacts facts = host_of("p4d-ubuntu2204");
  EXPECT_THAT(storage_comment(facts.storage),
              AllOf(HasSubstr("select: {class: cloud-ephemeral, count: 8}"),
                    HasSubstr("layout: raid0")));
  expect_chooses(facts, 8);
}

// One of eight has data: the class would fit it too, and refuse.
TEST(DiskCandidates, WhereOneOfAClassHasDataTheOthersAreNamed) {
  facts::HostFacts facts = host_of("p4d-ubuntu2204");
  facts::DiskFacts& used = disk_of(facts, "nvme3n1");
  used.is_blank = false;
  used.finding = "is not blank: holds a GPT partition table (at byte 512)";
  const std::string text = storage_comment(facts.storage);
  EXPECT_THAT(text, HasSubstr("(/dev/nvme3n1): is not blank: holds a GPT"));
  EXPECT_THAT(text, Not(HasSubstr("class:")));
  expect_chooses(facts, 7);
}

TEST(DiskCandidates, DisksInOthersUseAreToldWithTheirUse) {
  const facts::HostFacts facts = host_of("dgx-h100");
  EXPECT_THAT(storage_comment(facts.storage),
              AllOf(HasSubstr("None of this host's can be taken as it is:\n"),
                    HasSubstr("(/dev/nvme2n1): is in use: mounted at /raid"),
                    HasSubstr("(/dev/nvme0n1): is a disk of the running"),
                    Not(HasSubstr("(/dev/md"))));
}

TEST(DiskCandidates, WithoutRootItSaysThatNothingWasLookedAt) {
  facts::HostFacts facts = host_of("g5-rocky8");
  facts::DiskFacts& store = disk_of(facts, "nvme1n1");
  store.was_proved = store.is_blank = false;
  store.error = "open /dev/nvme1n1: permission denied";
  store.needs_root = true;
  EXPECT_THAT(storage_comment(facts.storage),
              AllOf(HasSubstr("None of this host's can be taken as it is:"),
                    HasSubstr("which only root may: run this as root")));
}

TEST(DiskCandidates, EachReasonIsTold) {
  const facts::HostFacts host = host_of("g5-rocky8");
  const auto told = [&](const auto& change) {
    facts::HostFacts facts = host;
    change(facts, disk_of(facts, "nvme1n1"));
    const auto all = disk_candidates(facts.storage);
    const auto found = std::ranges::find_if(all, [](const auto& one) {
      return one.disk->device.name == "nvme1n1";
    });
    return found == all.end() ? "absent" : found->why_not;
  };
  using Facts = facts::HostFacts;
  using Disk = facts::DiskFacts;
  EXPECT_EQ(told([](Facts&, Disk&) {}), "");
  EXPECT_EQ(told([](Facts&, Disk& disk) { disk.device.read_only = true; }),
            "is read-only");
  EXPECT_EQ(told([](Facts&, Disk& disk) { disk.was_proved = false; }),
            "was not looked at");
  EXPECT_EQ(told([](Facts&, Disk& disk) { disk.in_use = "is in use: swap"; }),
            "is in use: swap");
  EXPECT_EQ(told([](Facts&, Disk& disk) { disk.error = "read: I/O error"; }),
            "could not be looked at: read: I/O error");
  EXPECT_THAT(
      told([](Facts& facts, Disk&) { facts.storage.root_is_known = false; }),
      HasSubstr("the disk of / was not found"));
  EXPECT_THAT(told([](Facts& facts, Disk& disk) {
                Disk twin = disk;
                twin.device.name = "nvme9n1";
                facts.storage.disks.push_back(twin);
              }),
              HasSubstr("says the same of itself as another"));
  EXPECT_EQ(told([](Facts&, Disk& disk) { disk.device.size_bytes = 0; }),
            "absent");
}

TEST(DiskCandidates, OfAHostWithoutDisksNoneIsSaid) {
  facts::StorageFacts storage;
  EXPECT_THAT(storage_comment(storage),
              HasSubstr("Which disks this host has is not known."));
  storage.is_known = true;
  EXPECT_THAT(storage_comment(storage),
              HasSubstr("can be taken as it is: it has none."));
}

// A disk's firmware says its own name, into a file that people uncomment.
TEST(DiskCandidates, AHostileNameStaysAComment) {
  facts::HostFacts facts = host_of("g5-rocky8");
  facts::DiskFacts& store = disk_of(facts, "nvme1n1");
  store.device.model = "Model \"}]: # x";
  store.device.serial = "A\"B\\C";
  const std::string text = storage_comment(facts.storage);
  EXPECT_THAT(text, HasSubstr(R"(serials: ["A\"B\\C"])"));
  expect_chooses(facts, 1);
}

TEST(DiskCandidates, AHostileMountPointStaysInItsLine) {
  facts::HostFacts facts = host_of("g5-rocky8");
  facts::DiskFacts& store = disk_of(facts, "nvme1n1");
  store.in_use = "is in use: mounted at /a\n  proxy: {}\n";
  const std::string text = storage_comment(facts.storage);
  EXPECT_THAT(text, HasSubstr("mounted at /a"));
  EXPECT_THAT(text, Not(HasSubstr("\n  proxy")));
}

}  // namespace
}  // namespace gpunode::provision
