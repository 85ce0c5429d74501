#include "share/turns/grant_lanes.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <optional>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "share/turns/lane_side.h"

namespace gpunode::share {
namespace {

namespace fs = std::filesystem;
using std::chrono::microseconds;
using std::chrono::nanoseconds;

constexpr const char* kId = "0a-1";
constexpr std::uint32_t kOpen = TurnWord::kInTurns;
constexpr std::uint32_t kShut = TurnWord::kInTurns | TurnWord::kClosed;

class LanesOfAGrant : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = ::testing::TempDir() + "lanes-XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    root = pattern;
    files.emplace(root.string());
    renew();
  }
  void renew() const {
    ASSERT_TRUE(files->renew({kId, {{"GPU-a", 1 << 20, {250}}}}));
  }
  void TearDown() override { fs::remove_all(root); }

  GrantLanes open() {
    auto lanes = GrantLanes::open(*files, kId);
    EXPECT_TRUE(lanes) << lanes.error().message();
    return std::move(*lanes);
  }
  std::string ledger() const { return file_in(files->ledger_path(kId)); }

  fs::path root;
  std::optional<GrantFiles> files;
};

TEST_F(LanesOfAGrant, SayNothingBeforeAnybodyWorks) {
  GrantLanes lanes = open();
  EXPECT_EQ(lanes.devices(), 1u);
  EXPECT_EQ(lanes.uuid(0), "GPU-a");
  EXPECT_EQ(lanes.time(0).thousandths, 250u);
  lanes.find_processes();
  EXPECT_EQ(lanes.look(0), TurnLook{});
}

TEST_F(LanesOfAGrant, SayWhatItsProcessesDo) {
  const LaneSide one(*files, kId);
  const LaneSide other(*files, kId);
  ASSERT_NE(one.slot(), other.slot());
  GrantLanes lanes = open();
  lanes.find_processes();
  one.lane().launches = 3;
  other.lane().launches = 4;
  other.lane().waits = 2;
  other.lane().waited = 7000;
  EXPECT_EQ(lanes.look(0).launches, 7u);
  EXPECT_EQ(lanes.sums(0).waits, 2u);
  EXPECT_EQ(lanes.sums(0).waited, nanoseconds(7000));

  one.lane().missed = 5;
  other.lane().missed = 6;
  EXPECT_EQ(lanes.look(0).missed, 11u);

  other.lane().waiting = 1;
  EXPECT_TRUE(lanes.look(0).wants);
  other.lane().waiting = 0;
  EXPECT_FALSE(lanes.look(0).wants);

  one.lane().asked[15] = 2;
  EXPECT_TRUE(lanes.look(0).is_busy);
  EXPECT_EQ(lanes.look(0).passed, 0u);
  one.lane().done[15] = 2;
  EXPECT_FALSE(lanes.look(0).is_busy);
  EXPECT_EQ(lanes.look(0).passed, 2u);

  one.lane().tails = 1;
  one.lane().piece = 300;
  EXPECT_TRUE(lanes.look(0).has_tail);
  EXPECT_EQ(lanes.look(0).tail, microseconds(300));
  one.lane().piece = ~std::uint32_t{0};
  EXPECT_EQ(lanes.look(0).tail, microseconds(500)) << "it can say anything";
}

TEST_F(LanesOfAGrant, AreOfThoseWhoLive) {
  const LaneSide one(*files, kId);
  const LaneSide other(*files, kId);
  one.lane().waiting = 1;
  one.lane().launches = 5;
  one.lane().waits = 3;
  other.lane().launches = 6;
  GrantLanes lanes = open();
  lanes.find_processes();
  ASSERT_TRUE(lanes.look(0).wants);
  const auto look = files->look(kId);
  ASSERT_TRUE(look);
  for (const SlotHeld& slot : look->slots) {
    if (slot.slot != one.slot()) continue;
    ASSERT_TRUE(files->mark_gone(kId, {slot}));
  }
  lanes.find_processes();
  EXPECT_FALSE(lanes.look(0).wants);
  // What it had stays counted.
  EXPECT_EQ(lanes.look(0).launches, 11u);
  EXPECT_EQ(lanes.sums(0).waits, 3u);
  EXPECT_EQ(lanes.look(0).launches, 11u) << "once";
}

TEST_F(LanesOfAGrant, ALaneIsItsOwnersAlone) {
  const LaneSide one(*files, kId);
  one.lane().waiting = 1;
  one.lane().launches = 5;
  GrantLanes lanes = open();
  lanes.find_processes();
  EXPECT_TRUE(lanes.look(0).wants);
  // Another took the slot, and nobody was told yet.
  one.lane().owner = one.lane().owner.load() + 1;
  EXPECT_FALSE(lanes.look(0).wants);
  lanes.find_processes();
  EXPECT_FALSE(lanes.look(0).wants) << "the ledger knows no such owner";
}

TEST_F(LanesOfAGrant, WordsWakeWhoWaitsWhenTheyOpen) {
  GrantLanes lanes = open();
  const LaneSide one(*files, kId);
  lanes.say(0, TurnWord::kInTurns | TurnWord::kClosed);
  std::thread waiter([&] { one.wait_for_turn(); });
  await([&] { return one.lane().waiting == 1; });
  lanes.say(0, TurnWord::kInTurns | TurnWord::kClosed | TurnWord::kContended);
  EXPECT_EQ(one.lane().waiting, 1u);
  lanes.say(0, TurnWord::kInTurns);
  waiter.join();
  const std::uint32_t before = one.limit().beat;
  lanes.beat();
  EXPECT_EQ(one.limit().beat, before + 1);
}

TEST_F(LanesOfAGrant, WhatIsHeldIsWantedAndNoWorkOfTheDevicesYet) {
  const LaneSide one(*files, kId);
  GrantLanes lanes = open();
  lanes.find_processes();
  Lane& lane = one.lane();
  lane.launches = lane.asked[3] = lane.done[3] = 4;
  ASSERT_EQ(lanes.look(0).launches, 4u);
  lanes.say(0, kShut);
  one.hold_work(3);
  one.hold_work(3);
  lane.tails = 1 << 3;
  TurnLook look = lanes.look(0);
  EXPECT_TRUE(look.wants);
  EXPECT_FALSE(look.is_busy);
  EXPECT_FALSE(look.has_tail);
  EXPECT_EQ(look.passed, 4u);
  EXPECT_EQ(look.launches, 4u) << "it has given the Device nothing to do";
  EXPECT_EQ(lanes.look(0).launches, 4u) << "however often it is asked";
  EXPECT_EQ(lanes.sums(0).launches, 6u);
  EXPECT_EQ(lane.opened, 0u);
  // What went before is.
  lane.done[3] = 3;
  EXPECT_TRUE(lanes.look(0).is_busy);
  lane.done[3] = 4;
  lanes.say(0, kOpen);
  EXPECT_TRUE(one.holds(3)) << "the node writes nothing there";
  one.let_in();
  look = lanes.look(0);
  EXPECT_FALSE(look.wants);
  EXPECT_TRUE(look.is_busy);
  EXPECT_TRUE(look.has_tail);
  EXPECT_EQ(look.launches, 6u);
  lane.done[3] = 6;
  EXPECT_FALSE(lanes.look(0).is_busy);
}

TEST_F(LanesOfAGrant, LaunchesWithoutAFenceLookLikeATailOnce) {
  const LaneSide one(*files, kId);
  GrantLanes lanes = open();
  lanes.find_processes();
  EXPECT_FALSE(lanes.look(0).has_tail);
  one.lane().unfenced = 3;
  EXPECT_TRUE(lanes.look(0).has_tail);
  EXPECT_FALSE(lanes.look(0).has_tail);
}

TEST_F(LanesOfAGrant, OneStreamsHeldWorkHidesNoOthers) {
  const LaneSide one(*files, kId);
  GrantLanes lanes = open();
  lanes.find_processes();
  lanes.say(0, kShut);
  one.hold_work(0);
  EXPECT_FALSE(lanes.look(0).is_busy);
  one.lane().asked[15] = 1;
  EXPECT_TRUE(lanes.look(0).is_busy);
  one.lane().done[15] = 1;
  one.lane().tails = 1 << 15;
  EXPECT_TRUE(lanes.look(0).has_tail);
}

TEST_F(LanesOfAGrant, OpeningsAreCountedOverTheHighestNumber) {
  const LaneSide one(*files, kId);
  GrantLanes lanes = open();
  lanes.find_processes();
  one.lane().opened = ~std::uint32_t{0};
  lanes.say(0, kShut);
  one.hold_work(0);
  EXPECT_TRUE(lanes.look(0).wants);
  lanes.say(0, kOpen);
  one.let_in();
  EXPECT_EQ(one.lane().opened, 0u);
  EXPECT_FALSE(lanes.look(0).wants);
}

TEST_F(LanesOfAGrant, NothingIsSeenInAFileThatWasCutNorWrittenToIt) {
  const std::size_t place = lane_place(1, kUsualSlots, 0, 0);
  const std::size_t opened = place + offsetof(Lane, opened);
  for (const std::size_t size :
       {opened + 2, opened, opened - 100, place + 30, place, std::size_t{0}}) {
    renew();
    const LaneSide one(*files, kId);
    ASSERT_EQ(one.slot(), 0u);
    one.lane().waiting = 1;
    one.lane().asked[0] = 1;
    GrantLanes lanes = open();
    lanes.find_processes();
    EXPECT_TRUE(lanes.look(0).wants) << "before it is cut";
    lanes.say(0, kShut);
    fs::resize_file(ledger(), size);
    lanes.say(0, kOpen);
    EXPECT_EQ(lanes.look(0), TurnLook{}) << size;
    lanes.find_processes();
    EXPECT_EQ(lanes.look(0), TurnLook{}) << size;
    EXPECT_EQ(fs::file_size(ledger()), size);
  }
}

TEST_F(LanesOfAGrant, GarbageIsNoMoreThanNumbers) {
  const LaneSide one(*files, kId);
  GrantLanes lanes = open();
  lanes.find_processes();
  one.header().used_slots = ~std::uint32_t{0};
  Lane& lane = one.lane();
  lane.launches = ~std::uint64_t{0};
  lane.waited = ~std::uint64_t{0};
  lane.waits = ~std::uint64_t{0};
  lane.waiting = ~std::uint32_t{0};
  lane.tails = ~std::uint32_t{0};
  for (std::uint32_t at = 0; at < kLaneStreams; ++at) {
    lane.asked[at] = at;
    lane.done[at] = ~std::uint32_t{0};
    lane.gated[at] = ~at;
    lane.until[at] = at << 28;
  }
  for (int turn = 0; turn < 3; ++turn) {
    lanes.find_processes();
    EXPECT_TRUE(lanes.look(0).wants);
    EXPECT_GE(lanes.sums(0).waited, nanoseconds(0));
  }
  one.header().used_slots = 0;
  lanes.find_processes();
  EXPECT_FALSE(lanes.look(0).wants);
}

// A process may come and go as often as it likes: each time with what it
// says that it waited.
TEST_F(LanesOfAGrant, SumsOfWhatWasWaitedNeverRunOver) {
  const LaneSide one(*files, kId);
  GrantLanes lanes = open();
  one.lane().waited = ~std::uint64_t{0};
  const std::uint32_t owner = one.lane().owner;
  for (int turn = 0; turn < 40; ++turn) {
    one.lane().owner = owner;
    lanes.find_processes();
    (void)lanes.look(0);
    one.lane().owner = 0;
    (void)lanes.look(0);
    EXPECT_GE(lanes.sums(0).waited, nanoseconds(0)) << turn;
  }
}

TEST_F(LanesOfAGrant, AFileThatIsMadeShorterSaysNothing) {
  const LaneSide one(*files, kId);
  one.lane().waiting = 1;
  GrantLanes lanes = open();
  lanes.find_processes();
  ASSERT_TRUE(lanes.look(0).wants);
  fs::resize_file(ledger(), lane_place(1, kUsualSlots, one.slot(), 0) + 8);
  EXPECT_FALSE(lanes.look(0).wants);
  fs::resize_file(ledger(), 100);
  lanes.find_processes();
  EXPECT_EQ(lanes.look(0).wants, false);
  EXPECT_FALSE(GrantLanes::open(*files, kId));
}

TEST_F(LanesOfAGrant, WhatIsNoFileIsNotOpened) {
  fs::remove(ledger());
  ASSERT_EQ(::mkfifo(ledger().c_str(), 0666), 0);
  EXPECT_FALSE(GrantLanes::open(*files, kId));
  fs::remove(ledger());
  fs::create_symlink("/dev/zero", ledger());
  EXPECT_FALSE(GrantLanes::open(*files, kId));
}

TEST_F(LanesOfAGrant, OneOfBeforeLanesHasNone) {
  fs::resize_file(ledger(), ledger_size(1, kUsualSlots));
  const auto lanes = GrantLanes::open(*files, kId);
  ASSERT_FALSE(lanes);
  EXPECT_EQ(lanes.error().code(), ErrorCode::kNotFound);
}

}  // namespace
}  // namespace gpunode::share
