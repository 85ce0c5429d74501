#include "share/turns/referee.h"

#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "share/turns/lane_side.h"

namespace gpunode::share {
namespace {

namespace fs = std::filesystem;

class RefereeOnDisk : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = ::testing::TempDir() + "referee-XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    root = pattern;
    files.emplace(root.string());
  }
  void TearDown() override { fs::remove_all(root); }

  void grant(const std::string& id, const std::string& uuid = "GPU-a") const {
    ASSERT_TRUE(files->renew({id, {{uuid, 1 << 20, {500}}}}));
  }

  fs::path root;
  std::optional<GrantFiles> files;
};

TEST_F(RefereeOnDisk, WhoWaitsIsGivenATurn) {
  grant("1");
  const LaneSide one(*files, "1");
  const Referee referee(*files);
  await([&] { return one.word() != 0; });
  for (int turn = 0; turn < 20; ++turn) {
    one.wait_for_turn();
    one.lane().launches.fetch_add(1);
  }
  EXPECT_EQ(referee.problem(), "");
  await([&] {
    const auto uses = referee.uses();
    const auto use = uses.find({"1", "GPU-a"});
    return use != uses.end() && use->second.turns > 0 &&
           use->second.sums.launches == 20;
  });
}

TEST_F(RefereeOnDisk, OneThatWaitedBeforeItBeganIsFound) {
  grant("1");
  const LaneSide one(*files, "1");
  std::atomic<bool> is_over = false;
  one.lane().waiting.fetch_add(1);
  const Referee referee(*files);
  std::thread waiter([&] {
    await([&] { return one.word() != 0 && one.is_open(); });
    is_over = true;
  });
  waiter.join();
  EXPECT_TRUE(is_over);
}

TEST_F(RefereeOnDisk, NoTwoAreOpenAtOnceWhileBothWant) {
  grant("1");
  grant("2");
  const LaneSide one(*files, "1");
  const LaneSide other(*files, "2");
  // Both always want.
  one.lane().waiting.fetch_add(1);
  other.lane().waiting.fetch_add(1);
  const Referee referee(*files);
  await([&] { return one.word() != 0 && other.word() != 0; });
  bool was_mine = false;
  int changes = 0;
  int together = 0;
  while (changes < 30) {
    const bool is_one = one.is_open();
    const bool is_other = other.is_open();
    if (is_one && is_other && one.is_open()) ++together;
    if (is_one == is_other) continue;
    if (is_one) one.lane().launches.fetch_add(1);
    if (is_other) other.lane().launches.fetch_add(1);
    if (is_one == was_mine) continue;
    was_mine = is_one;
    ++changes;
  }
  EXPECT_EQ(together, 0);
}

// The ids may have been given to another container since.
TEST_F(RefereeOnDisk, CountsSayOfWhichFilesTheyAre) {
  grant("1");
  const std::uint64_t file = files->look("1")->file;
  Referee referee(*files);
  const auto counted = [&] {
    const auto uses = referee.uses();
    const auto use = uses.find({"1", "GPU-a"});
    return use == uses.end() ? 0 : use->second.file;
  };
  await([&] { return counted() != 0; });
  EXPECT_EQ(counted(), file);
  grant("1");
  EXPECT_EQ(counted(), file) << "nobody has told it";
  referee.refresh();
  await([&] { return counted() != file && counted() != 0; });
  EXPECT_EQ(counted(), files->look("1")->file);
}

// Instances of one GPU are Devices of their own: who shares the one has turns,
// and waits for nobody of the other.
TEST_F(RefereeOnDisk, WhoIsAloneOnAnInstanceIsNotClosedForThoseOfAnother) {
  grant("1", "MIG-a");
  grant("2", "MIG-a");
  grant("3", "MIG-b");
  const LaneSide one(*files, "1");
  const LaneSide other(*files, "2");
  const LaneSide alone(*files, "3");
  for (const LaneSide* side : {&one, &other, &alone}) {
    side->lane().waiting.fetch_add(1);
  }
  const Referee referee(*files);
  await([&] { return one.word() != 0 && other.word() != 0; });
  await([&] { return alone.word() != 0 && alone.is_open(); });
  bool was_mine = false;
  for (int changes = 0; changes < 10;) {
    ASSERT_TRUE(alone.is_open()) << changes;
    alone.lane().launches.fetch_add(1);
    const bool is_one = one.is_open();
    const bool is_other = other.is_open();
    if (is_one == is_other) continue;
    (is_one ? one : other).lane().launches.fetch_add(1);
    if (is_one == was_mine) continue;
    was_mine = is_one;
    ++changes;
  }
  const auto uses = referee.uses();
  EXPECT_EQ(uses.count({"1", "MIG-a"}), 1u);
  EXPECT_EQ(uses.count({"3", "MIG-b"}), 1u);
  EXPECT_EQ(uses.at({"3", "MIG-b"}).waited, Duration{});
}

// Both have no more to do with it than that: nobody opens for them.
TEST_F(RefereeOnDisk, WhoseWorkIsLongIsToldSo) {
  grant("1");
  const LaneSide one(*files, "1");
  const Referee referee(*files);
  await([&] { return one.word() != 0; });
  EXPECT_EQ(one.word() & TurnWord::kOneByOne, 0u);
  ++one.lane().asked[0];
  ++one.lane().launches;
  one.ring();
  await([&] { return (one.word() & TurnWord::kOneByOne) != 0; });
}

TEST_F(RefereeOnDisk, WhoHaveWorkHeldAreLetInInTurn) {
  grant("1");
  grant("2");
  const LaneSide one(*files, "1");
  const LaneSide other(*files, "2");
  const Referee referee(*files);
  await([&] { return one.word() != 0 && other.word() != 0; });
  const auto work = [](const LaneSide& side) {
    for (int piece = 0; piece < 20; ++piece) {
      side.hold_work(0);
      await([&] { return side.is_open(); });
      side.let_in();
      side.lane().done[0] = side.lane().asked[0].load();
    }
  };
  std::thread beside([&] { work(other); });
  work(one);
  beside.join();
  EXPECT_EQ(referee.problem(), "");
  for (const char* id : {"1", "2"}) {
    await([&] {
      const auto uses = referee.uses();
      const auto use = uses.find({id, "GPU-a"});
      return use != uses.end() && use->second.turns > 0 &&
             use->second.sums.launches == 20;
    });
  }
}

TEST_F(RefereeOnDisk, WorkHeldSinceBeforeItBeganIsLetIn) {
  grant("1");
  const LaneSide one(*files, "1");
  one.hold_work(5);
  const Referee referee(*files);
  await([&] { return one.word() != 0 && one.is_open(); });
}

TEST_F(RefereeOnDisk, WhenItEndsEveryWordIsOpen) {
  grant("1");
  grant("2");
  const LaneSide one(*files, "1");
  const LaneSide other(*files, "2");
  {
    const Referee referee(*files);
    await([&] { return one.word() != 0 && other.word() != 0; });
    // One has the Device for as long as it is busy.
    one.lane().asked[1] = 1;
    one.lane().launches = 1;
    one.ring();
    other.lane().waiting = 1;
    other.ring();
    await([&] { return !one.is_open() || !other.is_open(); });
    const LaneSide& closed = one.is_open() ? other : one;
    closed.hold_work(0);
  }
  EXPECT_EQ(one.word(), 0u);
  EXPECT_EQ(other.word(), 0u);
}

TEST_F(RefereeOnDisk, TheWordsOfAGrantThatWasRenewedAreLeftOpen) {
  grant("1");
  grant("2");
  const LaneSide before(*files, "1");
  const LaneSide removed(*files, "2");
  Referee referee(*files);
  await([&] { return before.word() != 0 && removed.word() != 0; });
  grant("1");
  ASSERT_TRUE(files->remove("2"));
  referee.refresh();
  await([&] { return before.word() == 0 && removed.word() == 0; });
  const LaneSide after(*files, "1");
  await([&] { return after.word() != 0; });
  after.wait_for_turn();
}

TEST_F(RefereeOnDisk, APartCanBeTakenAwayAndGivenBack) {
  grant("1");
  const LaneSide one(*files, "1");
  Referee referee(*files);
  await([&] { return one.word() != 0; });
  ASSERT_TRUE(files->set_time("1", "GPU-a", {0}));
  referee.refresh();
  await([&] { return one.word() == 0; });
  EXPECT_TRUE(referee.uses().empty());
  ASSERT_TRUE(files->set_time("1", "GPU-a", {700, TurnPolicy::kHard}));
  referee.refresh();
  await([&] { return one.word() != 0; });
  one.wait_for_turn();
}

TEST_F(RefereeOnDisk, WhoHasAHigherPriorityIsFirstAlsoIfItIsGivenThatLater) {
  grant("1");
  grant("2");
  const LaneSide one(*files, "1");
  const LaneSide other(*files, "2");
  const auto prefer = [&](const std::string& id, std::int32_t value) {
    ASSERT_TRUE(
        files->set_priority(id, "GPU-a", {value, PrioritySource::kHand}));
  };
  prefer("2", 1);
  // Both always want, and are at work: who has no CPU is not taken for dead.
  for (const LaneSide* side : {&one, &other}) {
    side->lane().waiting.fetch_add(1);
    side->lane().asked[0].fetch_add(1);
  }
  Referee referee(*files);
  await([&] { return one.word() != 0 && other.word() != 0; });
  const auto use_of = [&](const std::string& id) {
    return referee.uses()[{id, "GPU-a"}];
  };
  const auto work_until_it_had_much = [&](const LaneSide& side,
                                          const std::string& id) {
    const Duration before = use_of(id).used;
    while (use_of(id).used - before < std::chrono::milliseconds(50)) {
      if (side.is_open()) side.lane().launches.fetch_add(1);
      ::sched_yield();
    }
  };
  work_until_it_had_much(other, "2");
  EXPECT_LE(use_of("1").turns, 1u) << "before the other one was found";
  prefer("1", 2);
  referee.refresh();
  await([&] { return one.is_open(); });
  const std::uint64_t turns = use_of("2").turns;
  work_until_it_had_much(one, "1");
  EXPECT_LE(use_of("2").turns, turns);
}

TEST_F(RefereeOnDisk, WhenItEndsNobodyWaits) {
  grant("1");
  grant("2");
  const LaneSide one(*files, "1");
  const LaneSide other(*files, "2");
  {
    const Referee referee(*files);
    await([&] { return one.word() != 0 && other.word() != 0; });
  }
  EXPECT_EQ(one.word(), 0u);
  EXPECT_EQ(other.word(), 0u);
  one.wait_for_turn();
}

TEST_F(RefereeOnDisk, AGrantOfSeveralDevicesTakesNoTurns) {
  ASSERT_TRUE(files->renew(
      {"1", {{"GPU-a", 1 << 20, {500}}, {"GPU-b", 1 << 20, {500}}}}));
  grant("2");
  const LaneSide both(*files, "1");
  const LaneSide one(*files, "2");
  const Referee referee(*files);
  one.wait_for_turn();
  await([&] { return one.word() != 0; });
  EXPECT_EQ(both.word(0), 0u);
  EXPECT_EQ(both.word(1), 0u);
}

// An agent that begins anew finds programs that went on without it.
TEST_F(RefereeOnDisk, ItLetsAllKnowThatItIsThere) {
  grant("1");
  const LaneSide one(*files, "1");
  const std::uint32_t before = one.limit().beat;
  const Referee referee(*files);
  await([&] { return one.limit().beat != before; });
}

TEST_F(RefereeOnDisk, BeatsWhileSomebodyWorksWithoutAsking) {
  grant("1");
  const LaneSide one(*files, "1");
  const Referee referee(*files);
  await([&] { return one.word() != 0; });
  one.lane().asked[0] = 1;
  one.ring();
  const std::uint32_t before = one.limit().beat;
  await([&] { return one.limit().beat >= before + 3; });
}

/// Beside one that writes what it likes.
class RefereeBesideAHostileOne : public RefereeOnDisk {
 protected:
  void SetUp() override {
    RefereeOnDisk::SetUp();
    grant("1");
    grant("2");
    one = std::make_unique<LaneSide>(*files, "1");
    hostile = std::make_unique<LaneSide>(*files, "2");
  }
  void take_turns(const Referee& referee) const {
    for (int turn = 0; turn < 20; ++turn) {
      one->wait_for_turn();
      one->lane().launches.fetch_add(1);
    }
    EXPECT_EQ(referee.problem(), "");
  }
  std::string ledger() const { return file_in(files->ledger_path("2")); }

  std::unique_ptr<LaneSide> one;
  std::unique_ptr<LaneSide> hostile;
};

TEST_F(RefereeBesideAHostileOne, WhoAlwaysWantsAndNeverEndsIsWaitedForBriefly) {
  Referee referee(*files);
  await([&] { return one->word() != 0; });
  hostile->header().used_slots = ~std::uint32_t{0};
  hostile->lane().waiting = ~std::uint32_t{0};
  hostile->lane().asked[3] = 7;
  hostile->lane().tails = ~std::uint32_t{0};
  hostile->lane().piece = ~std::uint32_t{0};
  hostile->ring();
  take_turns(referee);
}

TEST_F(RefereeBesideAHostileOne, OneThatMakesItsFileShorterHarmsNobody) {
  Referee referee(*files);
  await([&] { return one->word() != 0; });
  fs::resize_file(ledger(), 0);
  referee.refresh();
  take_turns(referee);
  std::ofstream(ledger()) << "GNODLAN1";
  referee.refresh();
  take_turns(referee);
}

TEST_F(RefereeBesideAHostileOne, OneThatRingsAllTheTimeHarmsNobody) {
  Referee referee(*files);
  await([&] { return one->word() != 0; });
  std::atomic<bool> is_over = false;
  std::vector<std::thread> ringers;
  for (int at = 0; at < 3; ++at) {
    ringers.emplace_back([&] {
      while (!is_over) hostile->ring();
    });
  }
  take_turns(referee);
  is_over = true;
  for (std::thread& ringer : ringers) ringer.join();
}

}  // namespace
}  // namespace gpunode::share
