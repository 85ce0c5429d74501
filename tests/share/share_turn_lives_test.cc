// Turns over the lives of streams, contexts, processes and nodes.
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "share/ledger/lane.h"
#include "tests/share/turning_container.h"

namespace gpunode::share {
namespace {

using ShareTurnLives = TurningContainer;

TEST_F(ShareTurnLives, MoreStreamsThanCanBeToldApart) {
  const Deeds many = {"retain",  "word", word(kIn), "hold", "1",
                      "streams", "40",   "each",    "32",   "lane"};
  const Answer answer = run(many);
  ASSERT_EQ(answer.status, 0) << answer.text;
  EXPECT_EQ(answer.number("each"), 0u) << answer.text;
  EXPECT_EQ(answer.number("launches"), 40 * 32u) << answer.text;
  EXPECT_EQ(answer.number("places"), kLaneStreams) << answer.text;
  EXPECT_NE(answer.number("unfenced"), 0u) << answer.text;
  container.lay(1024 * kMiB);
  const Answer then =
      run(and_then(many, {"hold", "0", "sync_all", "each", "32", "lane"}));
  EXPECT_EQ(then.number("launches"), 80 * 32u) << then.text;
  const std::string first = then.text.substr(0, then.text.find("sync "));
  EXPECT_EQ(then.number("unfenced"), Answer({0, first}).number("unfenced"))
      << "places are free again";
}

// A stream a request, waited for by an event or not at all, would have all
// places soon.
TEST_F(ShareTurnLives, WorkWithoutAFenceKeepsNoPlaceFromOthers) {
  const Answer answer =
      run({"retain", "word", word(kIn), "launch", "2000", "sync", "lane",
           "streams", "100", "each", "10", "lane"});
  ASSERT_EQ(answer.status, 0) << answer.text;
  EXPECT_EQ(answer.number("unfenced"), 0u) << answer.text;
  EXPECT_EQ(answer.number("launches"), 3000u) << answer.text;
  // By the pace that they have, whoever's the place was.
  const std::uint64_t before =
      std::stoul(answer.text.substr(answer.text.find("asked ") + 6));
  EXPECT_GE(answer.number("asked"), before + 1000 / 32 - 32) << answer.text;
}

TEST_F(ShareTurnLives, AStreamsWorkIsToldFromThatOfTheNextOfItsHandle) {
  const Answer answer = run({"retain", "word", word(kIn), "streams", "1", "on",
                             "3", "hold", "1", "launch", "2", "drop", "again",
                             "launch", "2", "lane", "hold", "0", "lane"});
  ASSERT_EQ(answer.status, 0) << answer.text;
  EXPECT_EQ(answer.number("launch"), 0u) << answer.text;
  EXPECT_EQ(answer.number("launches"), 4u) << answer.text;
  EXPECT_EQ(answer.number("places"), 2u) << answer.text;
  EXPECT_NE(answer.text.find("busy 1"), std::string::npos) << answer.text;
  EXPECT_EQ(answer.number("busy"), 0u) << answer.text;
}

TEST_F(ShareTurnLives, StreamsThatAreGoneLeaveTheirPlacesToOthers) {
  Deeds deeds = {"retain", "word", word(kIn), "streams", "1", "on", "3"};
  constexpr std::uint32_t kStreams = 2 * kLaneStreams + 1;
  for (std::uint32_t at = 0; at < kStreams; ++at) {
    deeds = and_then(deeds, {"launch", "1", "drop", "again"});
  }
  const Answer answer = run(and_then(deeds, {"lane"}));
  ASSERT_EQ(answer.status, 0) << answer.text;
  EXPECT_EQ(answer.number("launches"), kStreams) << answer.text;
  EXPECT_EQ(answer.number("asked"), kStreams) << "each with its end";
  EXPECT_EQ(answer.number("places"), kLaneStreams) << answer.text;
  EXPECT_EQ(answer.number("unfenced"), 0u) << answer.text;
  EXPECT_EQ(answer.number("busy"), 0u) << answer.text;
  EXPECT_EQ(answer.number("tails"), 0u) << answer.text;
}

TEST_F(ShareTurnLives, EachThreadHasAStreamOfItsOwn) {
  const Answer answer = run({"retain", "word", word(kIn), "hold", "1", "own",
                             "2", "3", "lane", "hold", "0", "lane"});
  EXPECT_EQ(answer.number("own"), 0u) << answer.text;
  EXPECT_EQ(answer.number("places"), 2u) << answer.text;
  EXPECT_EQ(answer.number("launches"), 6u) << answer.text;
  EXPECT_EQ(answer.number("busy"), 0u) << answer.text;
}

TEST_F(ShareTurnLives, ContextsOfOneDeviceShareALane) {
  const Answer answer =
      run({"retain", "word", word(kIn), "launch", "2", "create", "launch", "3",
           "lane", "calls", "cuMemHostRegister_v2", "destroy", "launch", "4",
           "lane"});
  ASSERT_EQ(answer.status, 0) << answer.text;
  EXPECT_EQ(answer.number("calls"), 2u) << answer.text;
  EXPECT_EQ(answer.number("launch"), 0u) << answer.text;
  EXPECT_EQ(answer.number("launches"), 9u) << answer.text;
  EXPECT_EQ(answer.number("busy"), 0u) << answer.text;
}

TEST_F(ShareTurnLives, OneThatEndsWithWorkUnderWayIsDoneWithIt) {
  for (const std::vector<std::string>& ways :
       std::vector<std::vector<std::string>>{
           {"create", "hold", "1", "launch", "3", "destroy"},
           {"hold", "1", "launch", "3", "release", "retain"},
           {"hold", "1", "launch", "3", "reset", "retain"}}) {
    container.lay(1024 * kMiB);
    std::vector<std::string> deeds = {"retain", "word", word(kIn)};
    for (int turn = 0; turn < 3; ++turn) deeds = and_then(deeds, ways);
    deeds = and_then(deeds, {"lane", "hold", "0", "launch", "3", "sync", "lane",
                             "calls", "cuStreamWriteValue32_v2"});
    const Answer answer = run(deeds);
    ASSERT_EQ(answer.status, 0) << answer.text;
    EXPECT_EQ(answer.text.find("launch 7"), std::string::npos) << answer.text;
    EXPECT_EQ(answer.number("launch"), 0u) << answer.text;
    EXPECT_EQ(answer.number("launches"), 12u) << answer.text;
    EXPECT_EQ(answer.number("asked"), answer.number("calls")) << answer.text;
    EXPECT_EQ(answer.number("busy"), 0u) << answer.text;
    EXPECT_EQ(answer.number("tails"), 0u) << answer.text;
  }
}

// Nothing of it ever comes to its end: it would look like a kernel that runs on
// and on.
TEST_F(ShareTurnLives, OneThatHasFailedIsDoneWithItsWork) {
  for (const std::string call :
       {"launch", "stream", "context", "copy", "free", "take"}) {
    container.lay(1024 * kMiB);
    const Answer answer =
        run({"retain", "streams", "1",        "word",   word(kIn), "launch",
             "2000",   "sync",    "launch",   "1",      "hold",    "1",
             "on",     "3",       "launch",   "100",    "fault",   "hold",
             "0",      "lane",    "find_out", call,     "lane",    "reset",
             "retain", "on",      "0",        "launch", "80",      "lane"});
    ASSERT_EQ(answer.status, 0) << call << answer.text;
    EXPECT_EQ(answer.number("found_out"), 700u) << call << answer.text;
    const std::string found =
        answer.text.substr(0, answer.text.find("found_out"));
    const std::string after = answer.text.substr(
        found.size(), answer.text.find("reset") - found.size());
    EXPECT_EQ(Answer({0, found}).number("busy"), 1u) << call << found;
    EXPECT_EQ(Answer({0, found}).number("tails"), 3u) << call << found;
    EXPECT_EQ(Answer({0, after}).number("busy"), 0u) << call << after;
    EXPECT_EQ(Answer({0, after}).number("tails"), 0u) << call << after;
    // Its Device is as before for the next one.
    EXPECT_EQ(answer.number("launches"), 2181u) << call << answer.text;
    EXPECT_EQ(answer.number("launch"), 0u) << call << answer.text;
    EXPECT_EQ(answer.number("busy"), 0u) << call << answer.text;
    EXPECT_GT(answer.number("asked"), Answer({0, after}).number("asked"))
        << call << answer.text;
  }
}

TEST_F(ShareTurnLives, OneThatHasFailedWaitsForNoTurn) {
  const Answer answer =
      run({"retain", "word", word(kIn), "launch", "1", "fault", "find_out",
           "stream", "word", word(kShut), "launch", "3", "lane"});
  ASSERT_EQ(answer.status, 0) << answer.text;
  EXPECT_EQ(answer.number("launch"), 700u) << answer.text;
  EXPECT_EQ(answer.number("waits"), 0u) << answer.text;
}

TEST_F(ShareTurnLives, OneThatLivesBesideOneThatHasFailedGoesOn) {
  const Answer answer = run(
      {"retain",  "word",   word(kIn), "hold",  "1",        "launch", "2",
       "create",  "launch", "2",       "fault", "find_out", "stream", "lane",
       "destroy", "launch", "2",       "lane",  "hold",     "0",      "lane"});
  ASSERT_EQ(answer.status, 0) << answer.text;
  EXPECT_TRUE(answer.has("busy 1")) << answer.text;
  EXPECT_EQ(answer.number("launch"), 0u) << answer.text;
  EXPECT_EQ(answer.number("launches"), 6u) << answer.text;
  EXPECT_EQ(answer.number("busy"), 0u) << answer.text;
}

// The driver may answer for another's stream or event.
TEST_F(ShareTurnLives, OneThatHasNotFailedAfterAllTakesTurnsAgain) {
  refuse("cuStreamSynchronize:700");
  const Answer answer =
      run({"retain", "word", word(kIn), "launch", "1", "sync", "launch", "65",
           "lane", "word", word(kShut), "async", "1", "waiting", "1", "word",
           word(kIn), "join", "lane"});
  ASSERT_EQ(answer.status, 0) << answer.text;
  EXPECT_EQ(answer.number("sync"), 700u) << answer.text;
  EXPECT_TRUE(answer.has("launches 65")) << "but for one" << answer.text;
  EXPECT_GT(answer.number("asked"), 2u) << answer.text;
  EXPECT_EQ(answer.number("waits"), 1u) << answer.text;
}

// Those of a higher priority may leave it nothing.
TEST_F(ShareTurnLives, WhoHasWaitedForHalfAMinuteGoesBesideANodeThatLives) {
  Deeds deeds = {"retain", "stop_clock", "word",    word(kShut),
                 "async",  "1",          "waiting", "1"};
  for (int second = 0; second < 30; ++second) {
    deeds = and_then(deeds, {"beat", "later", "990"});
  }
  deeds = and_then(deeds, {"lane", "beat", "later", "400", "join", "lane"});
  const Answer answer = run(deeds);
  ASSERT_EQ(answer.status, 0) << answer.text;
  EXPECT_TRUE(answer.has("launches 0")) << answer.text;
  EXPECT_EQ(answer.number("launches"), 1u) << answer.text;
  EXPECT_EQ(answer.number("waits"), 1u) << answer.text;
}

TEST_F(ShareTurnLives, OneThatLivesOnHasItsFences) {
  const Answer answer =
      run({"retain", "retain", "word", word(kIn), "hold", "1", "launch", "2",
           "release", "launch", "2", "lane", "hold", "0", "lane"});
  ASSERT_EQ(answer.status, 0) << answer.text;
  EXPECT_EQ(answer.number("asked"), 4u) << answer.text;
  EXPECT_EQ(answer.number("busy"), 0u) << answer.text;
}

TEST_F(ShareTurnLives, AChildWaitsForItself) {
  const Answer answer =
      run({"retain", "word", word(kIn), "launch", "3", "word", word(kShut),
           "async", "1", "waiting", "1", "fork_waiting", "join", "lane"});
  ASSERT_EQ(answer.status, 0) << answer.text;
  EXPECT_EQ(answer.number("child"), 0u) << answer.text;
  EXPECT_EQ(answer.number("child_launches"), 5u) << answer.text;
  EXPECT_EQ(answer.number("launches"), 4u) << answer.text;
  EXPECT_EQ(answer.number("waiting"), 0u) << answer.text;
}

TEST_F(ShareTurnLives, ProcessesWithoutALaneWaitForNobody) {
  container.lay({{kUuid, 1024 * kMiB}}, 128);
  const Answer answer = run({"crowd", "70"});
  ASSERT_EQ(answer.status, 0) << answer.text;
  EXPECT_EQ(answer.number("crowd"), 64u) << answer.text;
  std::size_t ended = 0;
  for (std::size_t at = 0;
       (at = answer.text.find("child 0\n", at)) != std::string::npos; ++at) {
    ++ended;
  }
  EXPECT_EQ(ended, 70u) << answer.text;
}

TEST_F(ShareTurnLives, WhoTakesTheSlotOfADeadOneBeginsAnew) {
  container.lay({{kUuid, 1024 * kMiB}}, 1);
  const Answer answer =
      run({"die_waiting", "retain", "word", word(kIn), "launch", "1", "lane",
           "word", word(kShut), "async", "2", "waiting", "1", "word", word(kIn),
           "join", "lane"});
  ASSERT_EQ(answer.status, 0) << answer.text;
  EXPECT_EQ(answer.number("launches"), 3u) << answer.text;
  EXPECT_EQ(answer.number("waits"), 1u) << answer.text;
  EXPECT_EQ(answer.number("waiting"), 0u) << answer.text;
}

TEST_F(ShareTurnLives, SignalsNeitherEndAWaitNorAreSeenInErrno) {
  const Answer answer =
      run({"retain", "alarms",  "200",   "word", word(kShut),  "async",
           "3",      "waiting", "1",     "word", word(kTight), "join",
           "hold",   "1",       "async", "20",   "asked",      "6",
           "hold",   "0",       "join",  "lane"});
  ASSERT_EQ(answer.status, 0) << answer.text;
  EXPECT_EQ(answer.number("errno"), ~std::uint64_t{0}) << answer.text;
  EXPECT_EQ(answer.number("launches"), 23u) << answer.text;
  EXPECT_EQ(answer.number("waits"), 1u) << answer.text;
}

// Interrupted all the while.
TEST_F(ShareTurnLives, ANodeThatGivesNoTurnsIsNotWaitedForUntilItDoes) {
  const Answer answer =
      run({"retain",  "stop_clock", "alarms",  "200",     "word",  word(kShut),
           "async",   "1",          "waiting", "1",       "later", "990",
           "later",   "0",          "lane",    "later",   "20",    "join",
           "launch",  "5",          "lane",    "beat",    "async", "1",
           "waiting", "1",          "word",    word(kIn), "join",  "lane"});
  ASSERT_EQ(answer.status, 0) << answer.text;
  EXPECT_TRUE(answer.has("waiting 1")) << "not sooner" << answer.text;
  EXPECT_TRUE(answer.has("launches 6")) << answer.text;
  EXPECT_EQ(answer.number("launches"), 7u) << answer.text;
  EXPECT_EQ(answer.number("waits"), 2u) << answer.text;
}

TEST_F(ShareTurnLives, ALedgerOfBeforeLanesIsOneWithoutTurns) {
  container.cut_lanes();
  const Answer answer = run({"retain", "word", word(kShut), "launch", "5",
                             "calls", "cuStreamWriteValue32_v2"});
  ASSERT_EQ(answer.status, 0) << answer.text;
  EXPECT_EQ(answer.number("launch"), 0u) << answer.text;
  EXPECT_EQ(answer.number("calls"), 0u) << answer.text;
}

}  // namespace
}  // namespace gpunode::share
