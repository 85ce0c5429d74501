// Work that is not to go yet is held by the Device, and the program goes on.
#include <sstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "share/ledger/lane.h"
#include "tests/share/turning_container.h"

namespace gpunode::share {
namespace {

class ShareGates : public TurningContainer {
 protected:
  ShareGates() : TurningContainer(Gates::kToBeHad) {}
  Answer run(const Deeds& deeds) const {
    return TurningContainer::run(and_then({"stop_clock"}, deeds));
  }
};

TEST_F(ShareGates, ThreadsGoOnWhileTheirWorkIsHeld) {
  const Answer answer =
      run({"retain", "watch", "word", word(kShut), "launch", "2", "rung",
           "hold", "0", "lane", "gates", "let_in", "hold", "0", "gates"});
  ASSERT_EQ(answer.status, 0) << answer.text;
  EXPECT_EQ(answer.number("launch"), 0u) << answer.text;
  EXPECT_EQ(answer.number("launches"), 2u) << answer.text;
  EXPECT_EQ(answer.number("waits"), 0u) << answer.text;
  EXPECT_EQ(answer.number("rung"), 1u) << "the node is told" << answer.text;
  EXPECT_EQ(answer.number("busy"), 1u) << answer.text;
  EXPECT_EQ(answer.number("asked"), 2u) << answer.text;
  EXPECT_TRUE(answer.has("held 1")) << answer.text;
  EXPECT_TRUE(answer.has("done 0")) << answer.text;
  EXPECT_EQ(answer.number("until"), 1u) << answer.text;
  EXPECT_EQ(answer.number("gated"), 0u) << "nothing went before";
  // When it is let in.
  EXPECT_EQ(answer.number("held"), 0u) << answer.text;
  EXPECT_EQ(answer.number("done"), 2u) << answer.text;
  EXPECT_EQ(answer.number("gates"), 1u) << answer.text;
}

TEST_F(ShareGates, WhatWentBeforeIsToldFromWhatIsHeld) {
  const Answer answer =
      run({"retain", "word", word(kIn), "launch", "1", "hold", "1", "launch",
           "1", "word", word(kShut), "launch", "1", "hold", "0", "gates"});
  ASSERT_EQ(answer.status, 0) << answer.text;
  EXPECT_EQ(answer.number("gated"), 2u) << answer.text;
  EXPECT_EQ(answer.number("done"), 2u) << answer.text;
  EXPECT_EQ(answer.number("held"), 1u) << answer.text;
}

/// All numbers that a line of this word had.
std::vector<std::string> all_of(const Answer& answer, const std::string& word) {
  std::vector<std::string> numbers;
  std::istringstream lines(answer.text);
  for (std::string line; std::getline(lines, line);) {
    if (line.rfind(word + " ", 0) == 0) {
      numbers.push_back(line.substr(word.size() + 1));
    }
  }
  return numbers;
}

// Streams may wait for each other: what stands behind another's gate would tell
// of held work as if the Device had it.
TEST_F(ShareGates, NoFenceComesToStandBehindAnothers) {
  const Answer answer =
      run({"retain",    "streams", "1",    "on",     "3",    "word", word(kIn),
           "launch",    "2000",    "sync", "launch", "1",    "lane", "word",
           word(kShut), "on",      "0",    "launch", "1",    "on",   "3",
           "launch",    "1",       "lane", "let_in", "hold", "0",    "lane"});
  ASSERT_EQ(answer.status, 0) << answer.text;
  const std::vector<std::string> asked = all_of(answer, "asked");
  ASSERT_GE(asked.size(), 2u) << answer.text;
  EXPECT_EQ(asked[0], asked[1]) << answer.text;
  EXPECT_EQ(answer.number("busy"), 0u) << answer.text;
}

TEST_F(ShareGates, EachClosingHasOneForEachStream) {
  const Deeds closing = {"word",   word(kShut), "each", "2",    "gates",
                         "let_in", "hold",      "0",    "gates"};
  Deeds deeds = {"retain", "streams", "3"};
  for (int turn = 0; turn < 2; ++turn) deeds = and_then(deeds, closing);
  const Answer answer = run(and_then(deeds, {"lane"}));
  ASSERT_EQ(answer.status, 0) << answer.text;
  EXPECT_TRUE(answer.has("held 3")) << answer.text;
  EXPECT_TRUE(answer.has("gates 3")) << answer.text;
  EXPECT_EQ(answer.number("gates"), 6u) << answer.text;
  EXPECT_LE(answer.number("until"), answer.number("opened")) << answer.text;
  EXPECT_EQ(answer.number("held"), 0u) << answer.text;
  EXPECT_EQ(answer.number("launches"), 12u) << answer.text;
  EXPECT_EQ(answer.number("waits"), 0u) << answer.text;
  EXPECT_EQ(answer.number("busy"), 0u) << answer.text;
}

// The driver may answer for another's stream: what is held stays no longer.
TEST_F(ShareGates, AFailureThatWasAnothersHoldsNothingForEver) {
  refuse("cuMemFree_v2:700");
  const Answer answer =
      run({"retain", "word", word(kShut), "launch", "1", "gates", "find_out",
           "free", "gates", "hold", "0", "lane"});
  ASSERT_EQ(answer.status, 0) << answer.text;
  EXPECT_EQ(answer.number("found_out"), 700u) << answer.text;
  EXPECT_TRUE(answer.has("held 1")) << answer.text;
  EXPECT_EQ(answer.number("held"), 0u) << answer.text;
  EXPECT_EQ(answer.number("opened"), 1u) << "and the Device goes on";
}

TEST_F(ShareGates, ManyStreamsWorkIsFencedTogether) {
  // Each has fewer launches than would have a fence of their own.
  const Answer answer =
      run({"stop_clock", "retain", "word", word(kIn), "launch", "2000", "sync",
           "streams", "8", "lane", "word", word(kShut), "each", "10", "lane",
           "gates", "let_in"});
  ASSERT_EQ(answer.status, 0) << answer.text;
  const std::vector<std::string> asked = all_of(answer, "asked");
  ASSERT_EQ(asked.size(), 2u) << answer.text;
  EXPECT_EQ(answer.number("held"), 8u) << answer.text;
  // 32 launches are a piece.
  EXPECT_GE(std::stoul(asked[1]) - std::stoul(asked[0]), 2u) << answer.text;
}

TEST_F(ShareGates, EachThreadsOwnStreamHasOne) {
  const Answer answer = run({"retain", "word", word(kShut), "own", "3", "2",
                             "gates", "lane", "let_in", "hold", "0", "lane"});
  ASSERT_EQ(answer.status, 0) << answer.text;
  EXPECT_EQ(answer.number("held"), 3u) << answer.text;
  EXPECT_EQ(answer.number("gates"), 3u) << answer.text;
  EXPECT_EQ(answer.number("waits"), 0u) << answer.text;
  EXPECT_EQ(answer.number("busy"), 0u) << answer.text;
}

TEST_F(ShareGates, ClosedAgainWorkIsHeldAgain) {
  const Answer answer =
      run({"retain", "word", word(kShut), "launch", "1", "let_in", "launch",
           "1", "word", word(kShut), "launch", "1", "hold", "0", "gates"});
  ASSERT_EQ(answer.status, 0) << answer.text;
  EXPECT_EQ(answer.number("opened"), 1u) << answer.text;
  EXPECT_EQ(answer.number("until"), 2u) << answer.text;
  EXPECT_EQ(answer.number("held"), 1u) << answer.text;
  EXPECT_EQ(answer.number("gates"), 2u) << answer.text;
  EXPECT_EQ(answer.number("done"), answer.number("gated")) << answer.text;
}

TEST_F(ShareGates, NotMoreIsHeldThanIsSoonDone) {
  // Two pieces, of which nothing is known yet; seat_test.cc has the others.
  const Answer answer =
      run({"retain", "word",   word(kIn), "launch", "1",    "word", word(kShut),
           "async",  "20",     "waiting", "1",      "hold", "0",    "lane",
           "gates",  "let_in", "join",    "hold",   "0",    "lane", "gates"});
  ASSERT_EQ(answer.status, 0) << answer.text;
  EXPECT_TRUE(answer.has("launches 3")) << answer.text;
  EXPECT_TRUE(answer.has("asked 3")) << answer.text;
  EXPECT_TRUE(answer.has("done 1")) << answer.text;
  EXPECT_TRUE(answer.has("held 1")) << answer.text;
  EXPECT_EQ(answer.number("launches"), 21u) << answer.text;
  EXPECT_EQ(answer.number("waits"), 1u) << answer.text;
  EXPECT_EQ(answer.number("gates"), 1u) << answer.text;
  EXPECT_EQ(answer.number("busy"), 0u) << answer.text;
}

// Without fences nobody knows how much that is: so many launches, in any case.
TEST_F(ShareGates, NoMoreLaunchesAreHeldThanStandBehindOneFence) {
  refuse("cuStreamWriteValue32_v2:801");
  const Answer answer =
      run({"retain", "word", word(kShut), "async", "100", "waiting", "1",
           "lane", "gates", "let_in", "join", "lane"});
  ASSERT_EQ(answer.status, 0) << answer.text;
  EXPECT_TRUE(answer.has("launches 32")) << answer.text;
  EXPECT_TRUE(answer.has("held 1")) << answer.text;
  EXPECT_EQ(answer.number("launches"), 100u) << answer.text;
  EXPECT_EQ(answer.number("waits"), 1u) << answer.text;
}

// Of quick work as many launches stand behind a fence, and fifteen of these.
TEST_F(ShareGates, OfQuickWorkMoreLaunchesAreHeldThoughNotMoreFences) {
  const Answer answer =
      run({"stop_clock", "retain", "word", word(kIn), "launch", "2000", "sync",
           "lane", "word", word(kShut), "async", "1000", "waiting", "1", "lane",
           "let_in", "join", "lane"});
  ASSERT_EQ(answer.status, 0) << answer.text;
  const std::vector<std::string> launches = all_of(answer, "launches");
  const std::vector<std::string> asked = all_of(answer, "asked");
  ASSERT_EQ(launches.size(), 3u) << answer.text;
  ASSERT_EQ(asked.size(), 3u) << answer.text;
  EXPECT_EQ(std::stoul(asked[1]) - std::stoul(asked[0]), 15u) << answer.text;
  // The first fence may be of some that went before, too.
  EXPECT_NEAR(std::stod(launches[1]) - std::stod(launches[0]), 14.5 * 32, 16)
      << answer.text;
  EXPECT_EQ(launches[2], "3000") << answer.text;
}

TEST_F(ShareGates, OfLongPiecesOneIsHeld) {
  const Answer answer =
      run({"retain", "word", word(kShut | TurnWord::kOneByOne), "async", "3",
           "waiting", "1", "gates", "lane", "let_in", "join", "lane"});
  ASSERT_EQ(answer.status, 0) << answer.text;
  EXPECT_TRUE(answer.has("launches 1")) << answer.text;
  EXPECT_EQ(answer.number("launches"), 3u) << answer.text;
}

TEST_F(ShareGates, WhoWaitsForAStreamWaitsUntilItIsLetIn) {
  const Answer answer = run(
      {"retain", "word", word(kShut), "launch", "1", "sync_let_in", "lane"});
  ASSERT_EQ(answer.status, 0) << answer.text;
  EXPECT_EQ(answer.number("sync"), 0u) << answer.text;
  EXPECT_EQ(answer.number("let_in_by_then"), 1u) << answer.text;
  EXPECT_EQ(answer.number("busy"), 0u) << answer.text;
  EXPECT_EQ(answer.number("tails"), 0u) << answer.text;
}

TEST_F(ShareGates, WhoComesTooLateToLetItInSaysSo) {
  const Answer answer =
      run({"retain", "word", word(kShut), "launch", "1", "lane", "watch",
           "too_late", "till_rung", "gates", "let_in", "sync", "lane"});
  ASSERT_EQ(answer.status, 0) << answer.text;
  EXPECT_TRUE(answer.has("missed 0")) << answer.text;
  EXPECT_TRUE(answer.has("held 1")) << answer.text;
  EXPECT_EQ(answer.number("sync"), 0u) << answer.text;
  EXPECT_EQ(answer.number("busy"), 0u) << answer.text;
}

// Either side may be the first to see the other.
TEST_F(ShareGates, AnOpeningWhileOneIsBeingShutIsNotMissed) {
  for (const std::string node : {"let_in_amid", "open_amid"}) {
    container.lay(1024 * kMiB);
    const Answer answer =
        run({"retain", "word", word(kShut), node, "cuStreamWaitValue32_v2",
             "launch", "1", "hold", "0", "gates", "lane"});
    ASSERT_EQ(answer.status, 0) << node << answer.text;
    EXPECT_EQ(answer.number("opened"), 1u) << node << answer.text;
    EXPECT_EQ(answer.number("held"), 0u) << node << answer.text;
    EXPECT_EQ(answer.number("busy"), 0u) << node << answer.text;
    EXPECT_EQ(answer.number("waits"), 0u) << node << answer.text;
  }
}

// What a tool launches then is not held: the gate is not shut yet.
TEST_F(ShareGates, WhatToolsLaunchAmidItWaitsForATurn) {
  const Answer answer =
      run({"retain", "word", word(kShut), "amid", "cuStreamWaitValue32_v2",
           "open_when_waiting", "launch", "1", "hold", "0", "gates", "lane"});
  ASSERT_EQ(answer.status, 0) << answer.text;
  EXPECT_EQ(answer.number("amid"), 0u) << answer.text;
  EXPECT_EQ(answer.number("launch"), 0u) << answer.text;
  EXPECT_EQ(answer.number("waits"), 1u) << answer.text;
  EXPECT_EQ(answer.number("held"), 0u) << answer.text;
  EXPECT_EQ(answer.number("busy"), 0u) << answer.text;
}

TEST_F(ShareGates, WhatIsCapturedHasNone) {
  const Answer answer =
      run({"retain", "streams", "1", "on", "3", "word", word(kIn), "launch",
           "1", "capture", "word", word(kShut), "launch", "5", "end_capture",
           "gates", "lane"});
  ASSERT_EQ(answer.status, 0) << answer.text;
  EXPECT_EQ(answer.number("launch"), 0u) << answer.text;
  EXPECT_EQ(answer.number("gates"), 0u) << answer.text;
  EXPECT_EQ(answer.number("held"), 0u) << answer.text;
  EXPECT_EQ(answer.number("waits"), 0u) << answer.text;
}

TEST_F(ShareGates, ThreadsWaitWhereTheDriverHoldsNothing) {
  for (const std::string refused :
       {"cuStreamWaitValue32_v2:801", "cuStreamWriteValue32_v2:801",
        "cuMemHostRegister_v2:2"}) {
    refuse(refused);
    container.lay(1024 * kMiB);
    const Answer answer =
        run({"retain",    "word",   word(kIn),   "launch",  "1",    "word",
             word(kShut), "async",  "1",         "waiting", "1",    "let_in",
             "join",      "word",   word(kShut), "async",   "1",    "waiting",
             "1",         "let_in", "join",      "lane",    "gates"});
    ASSERT_EQ(answer.status, 0) << refused << answer.text;
    EXPECT_EQ(answer.number("launch"), 0u) << refused << answer.text;
    EXPECT_EQ(answer.number("waits"), 2u) << refused << answer.text;
    EXPECT_EQ(answer.number("held"), 0u) << refused << answer.text;
    EXPECT_LE(answer.number("gates"), 1u) << "it isn't asked again" << refused;
  }
}

TEST_F(ShareGates, ThreadsWaitWhereNoneCanBeMadeToWatch) {
  const Answer answer =
      run({"retain", "word", word(kShut), "open_when_waiting", "no_room",
           "launch", "1", "threads", "lane", "gates"});
  ASSERT_EQ(answer.status, 0) << answer.text;
  EXPECT_EQ(answer.number("launch"), 0u) << answer.text;
  EXPECT_EQ(answer.number("waits"), 1u) << answer.text;
  EXPECT_EQ(answer.number("gates"), 0u) << answer.text;
  EXPECT_EQ(answer.number("held"), 0u) << answer.text;
}

TEST_F(ShareGates, ContextsHaveTheirOwn) {
  const Answer answer =
      run({"retain", "word", word(kShut), "launch", "1", "create", "launch",
           "1", "gates", "let_in", "hold", "0", "lane", "gates"});
  ASSERT_EQ(answer.status, 0) << answer.text;
  EXPECT_TRUE(answer.has("held 2")) << answer.text;
  EXPECT_EQ(answer.number("gates"), 2u) << answer.text;
  EXPECT_EQ(answer.number("done"), 2u) << answer.text;
  EXPECT_EQ(answer.number("busy"), 0u) << answer.text;
}

TEST_F(ShareGates, ContextsEndWhileTheirWorkIsHeld) {
  for (const Deeds& way :
       std::vector<Deeds>{{"create", "launch", "2", "destroy"},
                          {"launch", "2", "release", "retain"},
                          {"launch", "2", "reset", "retain"}}) {
    container.lay(1024 * kMiB);
    Deeds deeds = {"retain", "word", word(kShut)};
    for (int turn = 0; turn < 3; ++turn) deeds = and_then(deeds, way);
    const Answer answer = run(and_then(
        deeds, {"lane", "launch", "1", "let_in", "sync", "lane", "gates"}));
    ASSERT_EQ(answer.status, 0) << way[0] << answer.text;
    EXPECT_TRUE(answer.has("busy 0")) << way[0] << answer.text;
    EXPECT_EQ(answer.number("launches"), 7u) << way[0] << answer.text;
    EXPECT_EQ(answer.number("launch"), 0u) << way[0] << answer.text;
    EXPECT_EQ(answer.number("gates"), 4u) << way[0] << answer.text;
    EXPECT_EQ(answer.number("held"), 0u) << way[0] << answer.text;
    EXPECT_EQ(answer.number("busy"), 0u) << way[0] << answer.text;
    EXPECT_EQ(answer.number("tails"), 0u) << way[0] << answer.text;
  }
}

TEST_F(ShareGates, NothingIsHeldForAContextThatHasFailed) {
  const Answer answer =
      run({"retain", "word", word(kShut), "launch", "2", "fault", "gates",
           "find_out", "stream", "gates", "lane"});
  ASSERT_EQ(answer.status, 0) << answer.text;
  EXPECT_TRUE(answer.has("held 1")) << answer.text;
  EXPECT_EQ(answer.number("found_out"), 700u) << answer.text;
  EXPECT_EQ(answer.number("held"), 0u) << answer.text;
  EXPECT_EQ(answer.number("busy"), 0u) << answer.text;
}

TEST_F(ShareGates, AStreamOfAHandleWhoseLastOneIsHeldHasItsOwn) {
  const Answer answer =
      run({"retain", "streams", "1", "on", "3", "word", word(kShut), "launch",
           "1", "drop", "again", "launch", "1", "gates", "let_in", "hold", "0",
           "lane", "gates"});
  ASSERT_EQ(answer.status, 0) << answer.text;
  EXPECT_EQ(answer.number("drop"), 0u) << answer.text;
  EXPECT_TRUE(answer.has("held 2")) << answer.text;
  EXPECT_EQ(answer.number("gates"), 2u) << answer.text;
  EXPECT_EQ(answer.number("done"), 2u) << answer.text;
  EXPECT_EQ(answer.number("busy"), 0u) << answer.text;
}

TEST_F(ShareGates, MoreStreamsThanCanBeToldApartWait) {
  const std::string all = std::to_string(kLaneStreams);
  const Answer answer = run({"retain", "streams", all, "word", word(kShut),
                             "each", "1", "on", "0", "async", "1", "waiting",
                             "1", "gates", "lane", "let_in", "join", "lane"});
  ASSERT_EQ(answer.status, 0) << answer.text;
  EXPECT_EQ(answer.number("held"), kLaneStreams) << answer.text;
  EXPECT_EQ(answer.number("launches"), kLaneStreams + 1) << answer.text;
  EXPECT_EQ(answer.number("waits"), 1u) << answer.text;
}

TEST_F(ShareGates, WhoWatchesThemTakesNoSignals) {
  const Answer answer = TurningContainer::run(
      {"retain", "threads", "word", word(kShut), "launch", "1", "threads"});
  ASSERT_EQ(answer.status, 0) << "it ends with its program" << answer.text;
  EXPECT_TRUE(answer.has("threads 1")) << answer.text;
  EXPECT_EQ(answer.number("threads"), 2u) << answer.text;
  EXPECT_EQ(answer.number("alert"), 1u) << answer.text;
}

TEST_F(ShareGates, AChildHasItsOwn) {
  const Answer answer = run({"retain", "word", word(kShut), "launch", "1",
                             "fork_gated", "gates", "let_in", "sync", "lane"});
  ASSERT_EQ(answer.status, 0) << answer.text;
  EXPECT_EQ(answer.number("child"), 0u) << answer.text;
  EXPECT_EQ(answer.number("child_held"), 1u) << answer.text;
  EXPECT_EQ(answer.number("child_waits"), 0u) << answer.text;
  EXPECT_EQ(answer.number("held"), 1u) << answer.text;
  EXPECT_EQ(answer.number("gates"), 1u) << answer.text;
  EXPECT_EQ(answer.number("busy"), 0u) << answer.text;
}

// Nobody counts an opening in these two. A quarter of a second, or two.
TEST_F(ShareGates, WhereNoTurnsAreTakenAnyMoreWorkIsLetIn) {
  const Answer answer =
      run({"retain",    "word", word(kShut), "launch", "1",     "word",
           "0",         "sync", "gates",     "lane",   "rests", "word",
           word(kShut), "beat", "launch",    "1",      "gates", "word",
           "0",         "sync", "gates",     "lane"});
  ASSERT_EQ(answer.status, 0) << answer.text;
  EXPECT_EQ(answer.number("sync"), 0u) << answer.text;
  EXPECT_TRUE(answer.has("held 1")) << answer.text;
  EXPECT_EQ(answer.number("opened"), 2u) << answer.text;
  EXPECT_EQ(answer.number("held"), 0u) << answer.text;
  EXPECT_EQ(answer.number("busy"), 0u) << answer.text;
}

// The driver may take long, while there is nothing yet to be watched.
TEST_F(ShareGates, WhoWatchesThemIsThereWhenOneIsShutAtLast) {
  const Answer answer =
      run({"retain", "rests_amid", "cuStreamWaitValue32_v2", "word",
           word(kShut), "launch", "1", "gates", "word", "0", "sync", "lane"});
  ASSERT_EQ(answer.status, 0) << answer.text;
  EXPECT_EQ(answer.number("held"), 1u) << answer.text;
  EXPECT_EQ(answer.number("sync"), 0u) << answer.text;
  EXPECT_EQ(answer.number("busy"), 0u) << answer.text;
}

// Threads that all are the first.
TEST_F(ShareGates, ThreadsThatShutTheFirstOnesTogetherGoOn) {
  for (int turn = 0; turn < 10; ++turn) {
    container.lay(1024 * kMiB);
    const Answer answer =
        run({"retain", "word", word(kShut), "own", "8", "1", "gates", "lane"});
    ASSERT_EQ(answer.status, 0) << answer.text;
    EXPECT_EQ(answer.number("held"), 8u) << answer.text;
    EXPECT_EQ(answer.number("waits"), 0u) << answer.text;
  }
}

TEST_F(ShareGates, WhereTheNodeGivesNoTurnsForASecondWorkIsLetIn) {
  // Who watches has seen the last beat before.
  const Answer answer =
      run({"retain", "word",   word(kShut), "launch", "1",    "later", "0",
           "later",  "990",    "later",     "0",      "lane", "gates", "later",
           "20",     "sync",   "gates",     "launch", "5",    "gates", "lane",
           "beat",   "launch", "1",         "gates"});
  ASSERT_EQ(answer.status, 0) << answer.text;
  EXPECT_TRUE(answer.has("held 1\nuntil 1\ngated 0\ndone 0"))
      << "not sooner" << answer.text;
  EXPECT_EQ(answer.number("sync"), 0u) << answer.text;
  EXPECT_TRUE(answer.has("held 0")) << answer.text;
  EXPECT_EQ(answer.number("launches"), 6u) << answer.text;
  EXPECT_EQ(answer.number("waits"), 0u) << answer.text;
  EXPECT_EQ(answer.number("opened"), 1u) << answer.text;
  // As soon as it gives turns again, they are taken.
  EXPECT_EQ(answer.number("held"), 1u) << answer.text;
  EXPECT_EQ(answer.number("gates"), 2u) << answer.text;
}

// Beats that come are those of a node that knows others.
TEST_F(ShareGates, WhomTheNodeDoesNotKnowIsLetInAfterHalfAMinute) {
  Deeds deeds = {"retain", "word", word(kShut), "launch", "1"};
  for (int second = 0; second < 30; ++second) {
    deeds = and_then(deeds, {"beat", "later", second == 0 ? "990" : "999"});
  }
  deeds = and_then(deeds, {"gates", "beat", "later", "100", "sync", "gates"});
  const Answer answer = run(deeds);
  ASSERT_EQ(answer.status, 0) << answer.text;
  EXPECT_TRUE(answer.has("held 1")) << answer.text;
  EXPECT_EQ(answer.number("sync"), 0u) << answer.text;
  EXPECT_EQ(answer.number("held"), 0u) << answer.text;
}

}  // namespace
}  // namespace gpunode::share
