// Arrays and volume groups, cut off at every point and gone on with.
#include "node/provision/disk_layout.h"

#include <algorithm>
#include <string>
#include <tuple>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/host/filesystem_superblock.h"
#include "base/host/storage_view.h"
#include "node/facts/disks.h"
#include "node/provision/disk_actions.h"
#include "node/provision/journal.h"
#include "node/provision/layout_host.h"
#include "node/provision/layout_identity.h"
#include "node/provision/steps/storage/storage.h"
#include "node/provision/storage_choice.h"

namespace gpunode::provision {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using Starter = LayoutHost::Starter;

constexpr const char* kMachine = "aabb\n";

StorageSpec entry(const std::string& layout) {
  StorageSpec entry;
  entry.id = "containerd";
  entry.label = "gn-container";
  entry.layout = layout;
  entry.count = 2;
  entry.select.serials = {"A1", "A2"};
  return entry;
}

std::string uuid() {
  return storage_uuid(kMachine, "containerd");
}

/// A node whose storage step is planned and carried out as `gpunode apply` does
/// it, with its journal.
struct Node {
  explicit Node(const std::string& layout)
      : host({"A1", "A2", "OTHER"}), spec{entry(layout)} {}

  StepPlan plan() const {
    facts::HostFacts facts;
    facts.files["/etc/machine-id"].content = kMachine;
    auto view = host::read_storage(host.root());
    EXPECT_TRUE(view);
    facts.storage =
        facts::observe_disks(host.root(), *std::move(view), {spec.select});
    const NodeSpec node;
    const std::vector<std::string> confirmed;
    return make_storage_disk(spec)->plan(
        {facts, node, history_of(lines), confirmed});
  }

  void note(JournalEvent event, std::uint64_t of) {
    lines.push_back({.seq = lines.size() + 1, .event = event, .of = of});
  }

  Result<void> perform(const Action& action) {
    if (const auto* program = std::get_if<RunProgram>(&action)) {
      host::Command command;
      command.argv = program->argv;
      TRY_VOID(host.output(command));
      return {};
    }
    const DiskActions actions(host.root(), host);
    if (const auto* wipe = std::get_if<WipeFilesystem>(&action)) {
      return actions.perform(*wipe);
    }
    return actions.perform(std::get<MakeFilesystem>(action));
  }

  /// Like the executor: each action journalled before and after.
  Result<void> apply() {
    const StepPlan planned = plan();
    if (planned.state == StepState::kRefused) {
      return Error(ErrorCode::kUnavailable, planned.why);
    }
    for (const Action& action : planned.actions) {
      note(JournalEvent::kBegin, 0);
      lines.back().action = action;
      const std::uint64_t seq = lines.size();
      const auto outcome = perform(action);
      note(outcome ? JournalEvent::kDone : JournalEvent::kFailed, seq);
      if (!outcome) return outcome;
    }
    return {};
  }

  /// False if the power was cut.
  bool apply_until_cut(int things) {
    host.cut_after(things);
    try {
      const auto outcome = apply();
      EXPECT_TRUE(outcome) << outcome.error().message();
      return true;
    } catch (const PowerCut&) {
      return false;
    }
  }

  void expect_made() const {
    const StepPlan planned = plan();
    EXPECT_EQ(planned.state, StepState::kOk) << planned.why;
    const auto view = host::read_storage(host.root());
    const auto volume = std::ranges::find_if(view->devices, [](const auto&
                                                                   device) {
      return device.slaves == std::vector<std::string>{"nvme0n1", "nvme1n1"};
    });
    ASSERT_NE(volume, view->devices.end());
    const auto fd = host.root().open(volume->path, 0);
    const auto block = host::read_superblock(fd->get());
    ASSERT_TRUE(block) << block.error().message();
    EXPECT_EQ(block->uuid, uuid());
    EXPECT_EQ(host.bytes("/dev/nvme2n1"),
              std::string(LayoutHost::kDiskBytes, '\0'));
  }

  LayoutHost host;
  StorageSpec spec;
  std::vector<JournalLine> lines;
};

class Layouts
    : public testing::TestWithParam<std::tuple<std::string, Starter>> {
 protected:
  static const std::string& layout() { return std::get<0>(GetParam()); }
  static Starter starter() { return std::get<1>(GetParam()); }
};

INSTANTIATE_TEST_SUITE_P(
    All, Layouts,
    testing::Values(std::make_tuple("raid0", Starter::kNobody),
                    std::make_tuple("raid0", Starter::kWhole),
                    std::make_tuple("raid0", Starter::kIncomplete),
                    std::make_tuple("lvm", Starter::kNobody),
                    std::make_tuple("lvm", Starter::kWhole)));

/// What does not differ by who starts what is on the disks.
class LayoutsOnce : public testing::TestWithParam<std::string> {
 protected:
  static const std::string& layout() { return GetParam(); }
  static Starter starter() { return Starter::kWhole; }
};

INSTANTIATE_TEST_SUITE_P(All, LayoutsOnce, testing::Values("raid0", "lvm"));

TEST_P(Layouts, CutOffAnywhereASecondRunEndsTheSame) {
  int cuts = 0;
  for (int first = 1;; ++first) {
    SCOPED_TRACE(testing::Message() << "cut after " << first);
    Node node(layout());
    if (node.apply_until_cut(first)) break;
    node.host.boot(starter());
    ASSERT_TRUE(node.apply_until_cut(-1));
    node.expect_made();
    ++cuts;
  }
  EXPECT_GE(cuts, layout() == "raid0" ? 6 : 12);
}

TEST_P(LayoutsOnce, CutOffTwiceAThirdRunEndsTheSame) {
  for (int first = 1;; ++first) {
    if (Node(layout()).apply_until_cut(first)) break;
    for (int second = 1 + first % 5;; second += 5) {
      SCOPED_TRACE(testing::Message() << first << " then " << second);
      Node node(layout());
      node.apply_until_cut(first);
      node.host.boot(starter());
      if (node.apply_until_cut(second)) break;
      node.host.boot(starter());
      ASSERT_TRUE(node.apply_until_cut(-1));
      node.expect_made();
    }
  }
}

TEST_P(LayoutsOnce, WhereAToolFailsALaterRunGoesOnWithoutABoot) {
  for (int first = 1;; ++first) {
    SCOPED_TRACE(testing::Message() << "failed after " << first);
    Node node(layout());
    node.host.fail_after(first);
    const auto outcome = node.apply();
    if (!node.host.has_failed()) break;
    EXPECT_FALSE(outcome);
    node.host.fail_after(-1);
    const auto again = node.apply();
    // mkfs that failed may have left a file system half made on the array, and
    // that is still ours by the array's UUID.
    ASSERT_TRUE(again) << again.error().message();
    node.expect_made();
  }
}

TEST_P(Layouts, WhatWasMadeIsStartedAndNeverMadeAnew) {
  Node node(layout());
  ASSERT_TRUE(node.apply_until_cut(-1));
  const std::string volume = layout() == "raid0" ? "/dev/md127" : "/dev/dm-0";
  node.host.put(volume, 100 << 10, "an image layer");
  const std::string was = node.host.bytes(volume);
  node.host.boot(starter());
  ASSERT_TRUE(node.apply_until_cut(-1));
  node.expect_made();
  EXPECT_EQ(node.host.bytes(volume), was);
}

TEST_P(LayoutsOnce, BlankAfterAStopTheyAreMadeAnewAndAgainIfCutOff) {
  for (int first = 1;; ++first) {
    SCOPED_TRACE(testing::Message() << "cut after " << first);
    Node node(layout());
    ASSERT_TRUE(node.apply_until_cut(-1));
    node.host.boot(Starter::kNobody);
    const std::string blank(LayoutHost::kDiskBytes, '\0');
    for (const char* disk : {"/dev/nvme0n1", "/dev/nvme1n1"}) {
      node.host.put(disk, 0, blank);
    }
    if (node.apply_until_cut(first)) break;
    node.host.boot(starter());
    ASSERT_TRUE(node.apply_until_cut(-1));
    node.expect_made();
  }
}

TEST_P(LayoutsOnce, RollbackWipesWhatIsOursWhereverItWasCutOff) {
  const std::string blank(LayoutHost::kDiskBytes, '\0');
  for (int first = 1;; ++first) {
    SCOPED_TRACE(testing::Message() << "cut after " << first);
    Node node(layout());
    const bool whole = node.apply_until_cut(first);
    node.host.boot(starter());
    // What the journal has as the inverse.
    const auto& make = std::get<MakeFilesystem>(*node.lines.front().action);
    const auto inverse = DiskActions::prepare(make);
    ASSERT_TRUE(inverse);
    const auto wiped = node.perform(inverse->actions.front());
    ASSERT_TRUE(wiped) << wiped.error().message();
    EXPECT_EQ(node.host.bytes("/dev/nvme0n1"), blank);
    EXPECT_EQ(node.host.bytes("/dev/nvme1n1"), blank);
    if (whole) break;
  }
}

// --- What is somebody else's -------------------------------------------------

struct Snapshot {
  explicit Snapshot(const LayoutHost& host)
      : one(host.bytes("/dev/nvme0n1")), two(host.bytes("/dev/nvme1n1")) {}
  bool operator==(const Snapshot&) const = default;
  std::string one;
  std::string two;
};

constexpr const char* kForeign = "00112233445566778899aabbccddeeff";

/// The journal of an attempt on these disks that was cut off.
void begin_attempt(Node& node) {
  EXPECT_FALSE(node.apply_until_cut(1));
  node.host.boot(Starter::kNobody);
}

void expect_refused(Node& node, const std::string& why) {
  const Snapshot was(node.host);
  const std::size_t lines = node.host.lines().size();
  const auto outcome = node.apply();
  ASSERT_FALSE(outcome);
  EXPECT_THAT(outcome.error().message(), HasSubstr(why));
  EXPECT_EQ(Snapshot(node.host), was);
  EXPECT_EQ(node.host.lines().size(), lines);
}

TEST(ForeignLayouts, AnArrayOfTheSameNameIsNotOurs) {
  Node node("raid0");
  begin_attempt(node);
  node.host.make_foreign_array("md127", {"/dev/nvme0n1", "/dev/nvme1n1"},
                               kForeign);
  // However it is called below /dev/md.
  expect_refused(node, "is in use");
}

TEST(ForeignLayouts, AnArrayOfOursWithADiskOfOthersIsLeft) {
  Node node("raid0");
  begin_attempt(node);
  std::string ours = array_uuid(uuid());
  std::erase(ours, '-');
  node.host.make_foreign_array(
      "md127", {"/dev/nvme0n1", "/dev/nvme1n1", "/dev/nvme2n1"}, ours);
  expect_refused(node, "is in use");
}

TEST(ForeignLayouts, AnArrayOfOursThatIsMountedIsLeft) {
  Node node("raid0");
  ASSERT_FALSE(node.apply_until_cut(5));
  node.host.boot(Starter::kWhole);
  ASSERT_TRUE(node.host.has_volume());
  node.host.mount("9:127", "/dev/md127", "/srv");
  // The kernel's number, which a file cannot have.
  const host::HostRoot root = node.host.root();
  std::string number = root.outside("/sys/block/md127/dev");
  std::FILE* file = std::fopen(number.c_str(), "w");
  std::fputs("9:127\n", file);
  std::fclose(file);
  expect_refused(node, "mounted at /srv");
}

TEST(ForeignLayouts, WhatOthersPutOnAnArrayOfOursIsLeft) {
  Node node("raid0");
  ASSERT_FALSE(node.apply_until_cut(4));
  node.host.boot(Starter::kWhole);
  ASSERT_TRUE(node.host.has_volume());
  node.host.put("/dev/md127", 512, "LABELONE");
  expect_refused(node, "is in use");
}

TEST(ForeignLayouts, AVolumeOfOthersOnADiskOfTheAttemptIsLeft) {
  Node node("lvm");
  begin_attempt(node);
  const std::string label =
      std::string("LABELONE") + '\1' + std::string(11, '\0') + '\x20' +
      std::string(3, '\0') + "LVM2 001" + std::string(32, 'x');
  node.host.put("/dev/nvme0n1", 512, label);
  expect_refused(node, "LVM physical volume");
}

// A name in a plan is not believed either: everything is looked at again.
TEST(ForeignLayouts, WhatCameBetweenPlanAndApplyIsLeft) {
  for (const char* layout : {"raid0", "lvm"}) {
    Node node(layout);
    begin_attempt(node);
    const auto make = std::get<MakeFilesystem>(node.plan().actions.front());
    node.host.make_foreign_array("md126", {"/dev/nvme1n1"}, kForeign);
    const Snapshot was(node.host);
    const auto outcome = node.perform(make);
    ASSERT_FALSE(outcome);
    EXPECT_THAT(outcome.error().message(), HasSubstr("in use"));
    MakeFilesystem claims = make;
    claims.wipe = true;
    claims.proof =
        unfinished_proof(uuid()) + "\n" + unfinished_proof(uuid()) + "\n";
    const auto by_proof = node.perform(claims);
    ASSERT_FALSE(by_proof);
    EXPECT_THAT(by_proof.error().message(),
                HasSubstr("was not put together by gpunode"));
    EXPECT_EQ(Snapshot(node.host), was);
  }
}

TEST(ForeignLayouts, RollbackDoesNotTouchThem) {
  for (const char* layout : {"raid0", "lvm"}) {
    Node node(layout);
    ASSERT_TRUE(node.apply_until_cut(-1));
    const auto& make = std::get<MakeFilesystem>(*node.lines.front().action);
    const auto inverse = DiskActions::prepare(make);
    node.host.boot(Starter::kNobody);
    node.host.make_foreign_array("md126", {"/dev/nvme0n1"}, kForeign);
    const Snapshot was(node.host);
    EXPECT_FALSE(node.perform(inverse->actions.front()));
    EXPECT_EQ(Snapshot(node.host), was);
  }
}

// A member's UUID says who made it, not what was put on it since.
TEST(ForeignLayouts, WhatOthersPutOnWhatIsNotStartedIsLookedAtAndLeft) {
  for (const char* layout : {"raid0", "lvm"}) {
    SCOPED_TRACE(layout);
    Node node(layout);
    ASSERT_TRUE(node.apply_until_cut(-1));
    const auto& make = std::get<MakeFilesystem>(*node.lines.front().action);
    const auto inverse = DiskActions::prepare(make);
    const char* volume =
        layout == std::string("raid0") ? "/dev/md127" : "/dev/dm-0";
    node.host.put(volume, 0, std::string(4096, '\0'));
    node.host.put(volume, 512, "LABELONE");
    node.host.boot(Starter::kNobody);
    ASSERT_FALSE(node.host.has_volume());
    const Snapshot was(node.host);
    const auto wiped = node.perform(inverse->actions.front());
    ASSERT_FALSE(wiped);
    EXPECT_THAT(wiped.error().message(), HasSubstr("left as it is"));
    EXPECT_EQ(Snapshot(node.host), was);
    // Nor by a plan that took them for what a cut left.
    node.host.boot(Starter::kNobody);
    MakeFilesystem again = make;
    again.wipe = true;
    again.proof =
        unfinished_proof(uuid()) + "\n" + unfinished_proof(uuid()) + "\n";
    EXPECT_FALSE(node.perform(again));
    EXPECT_EQ(Snapshot(node.host), was);
  }
}

TEST(Layouts, LvmStartsNoListOfDevicesAndKeepsTheOneThatIsThere) {
  for (const bool has_list : {false, true}) {
    Node node("lvm");
    if (has_list) node.host.file("etc/lvm/devices/system.devices", "# \n");
    ASSERT_TRUE(node.apply_until_cut(-1));
    int written = 0;
    for (const std::string& line : node.host.lines()) {
      if (line.find("create ") == std::string::npos) continue;
      ++written;
      EXPECT_EQ(line.find("use_devicesfile=0") == std::string::npos, has_list)
          << line;
    }
    EXPECT_EQ(written, 4);  // Two volumes, the group, the logical volume.
  }
}

TEST(ForeignLayouts, NothingIsToldToForceAnything) {
  for (const char* layout : {"raid0", "lvm"}) {
    Node node(layout);
    ASSERT_TRUE(node.apply_until_cut(-1));
    for (const std::string& line : node.host.lines()) {
      EXPECT_THAT(line, testing::Not(HasSubstr("--force")));
      EXPECT_THAT(line, testing::Not(HasSubstr("--yes")));
      EXPECT_THAT(line, testing::Not(HasSubstr(" -f")));
    }
  }
}

}  // namespace
}  // namespace gpunode::provision
