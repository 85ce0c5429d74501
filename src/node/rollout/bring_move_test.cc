#include "node/rollout/bring_move.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gpunode::rollout {
namespace {

using testing::HasSubstr;
using Kind = BringMove::Kind;
using State = BringStamp::State;

const BringWish kWish{"d1", "pod-1", false};

BringLook look(std::optional<BringStamp> stamp, const std::string& active,
               int exit_code = 0, bool has_ended_well = false) {
  return {std::move(stamp), {active, exit_code}, has_ended_well};
}

BringStamp stamp(State state, const std::string& digest = "d1",
                 const std::string& attempt = "pod-1") {
  return {state, digest, attempt, state == State::kFailed ? "why" : ""};
}

Kind kind(const BringLook& seen, const BringWish& wish = kWish) {
  return next_move(seen, wish).kind;
}

TEST(BringMove, BeginsWhereNobodyWas) {
  EXPECT_EQ(kind(look({}, "inactive")), Kind::kPrepare);
  // What a first boot did, or another file's run, was not this one.
  EXPECT_EQ(kind(look({}, "active", 0, true)), Kind::kPrepare);
  EXPECT_EQ(kind(look(stamp(State::kDone, "d0"), "active", 0, true)),
            Kind::kPrepare);
  EXPECT_EQ(kind(look(stamp(State::kStarted, "d0"), "failed", 1)),
            Kind::kPrepare);
}

TEST(BringMove, DisturbsNoRunOfAnotherFile) {
  for (const char* active : {"activating", "deactivating", "reloading"}) {
    EXPECT_EQ(kind(look({}, active)), Kind::kWaitForOther);
    EXPECT_EQ(kind(look(stamp(State::kStarted, "d0"), active)),
              Kind::kWaitForOther);
  }
}

TEST(BringMove, GoesOnWhereItWasKilled) {
  // Before the start, in the middle, and after the end.
  EXPECT_EQ(kind(look(stamp(State::kStarted), "inactive")), Kind::kStart);
  EXPECT_EQ(kind(look(stamp(State::kStarted), "activating")), Kind::kFollow);
  EXPECT_EQ(kind(look(stamp(State::kStarted), "active", 0, true)), Kind::kDone);
  EXPECT_EQ(kind(look(stamp(State::kStarted), "inactive", 0, true)),
            Kind::kDone);
  EXPECT_EQ(kind(look(stamp(State::kDone), "inactive")), Kind::kDone);
}

TEST(BringMove, OfAnotherPodGoesOnWithTheSameRun) {
  const BringWish other{"d1", "pod-2", false};
  EXPECT_EQ(kind(look(stamp(State::kStarted), "activating"), other),
            Kind::kFollow);
  EXPECT_EQ(kind(look(stamp(State::kStarted), "inactive"), other),
            Kind::kStart);
  EXPECT_EQ(kind(look(stamp(State::kStarted), "active", 0, true), other),
            Kind::kDone);
}

TEST(BringMove, FailsOnceAPod) {
  const BringLook failed = look(stamp(State::kStarted), "failed", 3);
  EXPECT_THAT(next_move(failed, kWish).words, HasSubstr("for safety"));
  const BringLook told = look(stamp(State::kFailed), "failed", 3);
  EXPECT_EQ(kind(told), Kind::kFailed);
  EXPECT_EQ(next_move(told, kWish).words, "why");
  const BringWish other{"d1", "pod-2", false};
  EXPECT_EQ(kind(failed, other), Kind::kPrepare);
  EXPECT_EQ(kind(told, other), Kind::kPrepare);
}

TEST(BringMove, BelievesAPersonWhoStartedTheRunAgain) {
  EXPECT_EQ(kind(look(stamp(State::kFailed), "activating")), Kind::kFollow);
  EXPECT_EQ(kind(look(stamp(State::kFailed), "active", 0, true)), Kind::kDone);
}

TEST(BringMove, WaitsForAReBootThatComesByItself) {
  const BringLook reboots = look(stamp(State::kStarted), "failed", 4);
  EXPECT_EQ(kind(reboots, {"d1", "pod-1", true}), Kind::kFollow);
  const BringMove move = next_move(reboots, kWish);
  EXPECT_EQ(move.kind, Kind::kFailed);
  EXPECT_THAT(move.words, HasSubstr("next: reboot it"));
}

TEST(BringMove, SaysWhatEachExitCodeMeans) {
  for (const auto& [code, words] :
       {std::pair(5, "a person must act"), std::pair(6, "another gpunode"),
        std::pair(1, "ended with 1"), std::pair(7, "ended with 7")}) {
    EXPECT_THAT(
        next_move(look(stamp(State::kStarted), "failed", code), kWish).words,
        HasSubstr(words));
  }
}

TEST(BringStamp, IsReadAsItWasWritten) {
  for (const State state : {State::kStarted, State::kDone, State::kFailed}) {
    EXPECT_EQ(read_stamp(stamp_text(stamp(state))), stamp(state));
  }
  for (const char* text :
       {"", "{", "[]", "{}", R"({"digest":"d","state":"gone"})",
        R"({"digest":7,"state":"done"})", R"({"state":"done"})"}) {
    EXPECT_FALSE(read_stamp(text)) << text;
  }
}

TEST(FirstUnit, IsReadOutOfSystemctl) {
  const auto unit =
      read_first_unit("ExecMainStatus=4\nActiveState=failed\nX=y\n");
  ASSERT_TRUE(unit) << unit.error().message();
  EXPECT_EQ(unit->active, "failed");
  EXPECT_EQ(unit->exit_code, 4);
  EXPECT_FALSE(unit->is_running());
  EXPECT_FALSE(read_first_unit(""));
  EXPECT_FALSE(read_first_unit("ExecMainStatus=4\n"));
}

TEST(Versions, AreComparedByNumbers) {
  EXPECT_LT(compare_versions("0.9.0", "0.10.0"), 0);
  EXPECT_GT(compare_versions("1.0", "0.99.99"), 0);
  EXPECT_EQ(compare_versions("1.2", "1.2.0"), 0);
  EXPECT_EQ(compare_versions("", "0"), 0);
}

TEST(ProgramChoice, NeverPutsAnOlderOneInPlace) {
  const auto choose = [](const char* package, const char* brought) {
    const ProgramChoice choice = choose_program("0.2.0", package, brought);
    return choice.directory + (choice.is_brought ? " ours" : "");
  };
  EXPECT_EQ(choose("", ""), "/usr/local/bin ours");
  EXPECT_EQ(choose("0.2.0", ""), "/usr/bin");
  EXPECT_EQ(choose("0.3.0", "0.1.0"), "/usr/bin");
  EXPECT_EQ(choose("0.1.0", ""), "/usr/local/bin ours");
  EXPECT_EQ(choose("0.1.0", "0.3.0"), "/usr/local/bin");
  EXPECT_EQ(choose("", "0.2.0"), "/usr/local/bin ours");
}

}  // namespace
}  // namespace gpunode::rollout
