// Work waits for its turn, and leaves word of how far the Device has come.
#include <sstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "share/ledger/lane.h"
#include "tests/share/turning_container.h"

namespace gpunode::share {
namespace {

using ShareTurns = TurningContainer;

const std::vector<std::string> kFences = {"lane", "calls",
                                          "cuStreamWriteValue32_v2"};

TEST_F(ShareTurns, WhereNoneAreTakenNothingIsCountedOrAskedFor) {
  const Answer answer = run(and_then({"retain", "launch", "100"}, kFences));
  ASSERT_EQ(answer.status, 0) << answer.text;
  EXPECT_EQ(answer.number("launch"), 0u) << answer.text;
  EXPECT_EQ(answer.number("launches"), 0u) << answer.text;
  EXPECT_EQ(answer.number("calls"), 0u) << answer.text;
}

TEST_F(ShareTurns, OpenWorkIsCountedAndFollowedByFences) {
  const Answer one =
      run(and_then({"retain", "word", word(kIn), "launch", "1"}, kFences));
  EXPECT_EQ(one.number("launches"), 1u) << one.text;
  EXPECT_EQ(one.number("calls"), 1u) << one.text;
  EXPECT_EQ(one.number("asked"), 1u) << one.text;
  EXPECT_EQ(one.number("busy"), 0u) << one.text;
  EXPECT_EQ(one.number("tails"), 0u) << one.text;
  EXPECT_EQ(one.number("waits"), 0u) << one.text;
}

/// Lines "form ..." of the answer that do not end so are failures; how many
/// there are.
std::size_t count_forms(const Answer& answer, const std::string& end) {
  EXPECT_EQ(answer.status, 0) << answer.text;
  EXPECT_EQ(answer.number("prepared"), 1u) << answer.text;
  std::size_t forms = 0;
  std::istringstream lines(answer.text);
  for (std::string line; std::getline(lines, line);) {
    if (line.rfind("form ", 0) != 0) continue;
    ++forms;
    EXPECT_NE(line.find(end), std::string::npos) << line;
  }
  return forms;
}

TEST_F(ShareTurns, EachFormOfWorkWaits) {
  const Answer answer = run({"retain", "forms", "lane"});
  const std::size_t forms = count_forms(answer, " 0 waited");
  EXPECT_EQ(forms, 78u);
  EXPECT_EQ(answer.number("waits"), forms) << answer.text;
  EXPECT_EQ(answer.number("launches"), forms) << answer.text;
  EXPECT_EQ(answer.number("waiting"), 0u) << answer.text;
}

TEST_F(ShareTurns, CopiesOfTheHostsAndOfOtherDevicesDoNot) {
  container.show_four_devices();
  container.lay(1024 * kMiB, kFourGpus[0]);
  const Answer answer = run({"retain", "copies", "lane"});
  EXPECT_EQ(count_forms(answer, " 0 went"), 12u);
  EXPECT_EQ(answer.number("waits"), 0u) << answer.text;
  EXPECT_EQ(answer.number("launches"), 0u) << answer.text;
}

// The GPU, and another instance of it, are other Devices.
TEST_F(ShareTurns, AnInstanceTakesTurnsOfItsOwn) {
  const std::string mine = "MIG-03d56acb-bddb-53a3-beef-598184529a63";
  container.show_four_devices("a100-x8-mig-mixed");
  container.set("CUDA_VISIBLE_DEVICES", mine);
  container.lay(1024 * kMiB, mine);
  const Answer answer =
      run({"retain", "word", word(kShut), "async", "2", "waiting", "1", "word",
           word(kIn), "join", "lane"});
  ASSERT_EQ(answer.status, 0) << answer.text;
  EXPECT_EQ(answer.number("launches"), 2u) << answer.text;
  EXPECT_EQ(answer.number("waits"), 1u) << answer.text;
  for (const std::string other : {"MIG-be1a9ef4-8d3a-50e1-a20b-01b8a883f83e",
                                  "GPU-301a4737-dab3-50f8-bba9-733e12c9902a"}) {
    container.lay(1024 * kMiB, other);
    const Answer beside =
        run({"retain", "word", word(kShut), "launch", "2", "lane"});
    ASSERT_EQ(beside.status, 0) << other << beside.text;
    EXPECT_EQ(beside.number("launch"), 0u) << other << beside.text;
    EXPECT_EQ(beside.number("launches"), 0u) << other << beside.text;
  }
}

TEST_F(ShareTurns, WhoWaitsRingsAndHasLeftWordOfItsWork) {
  // So many that fences come seldom; then one without.
  const Answer before = run({"retain", "word", word(kIn), "launch", "2000",
                             "sync", "launch", "1", "lane"});
  EXPECT_EQ(before.number("tails"), 1u) << before.text;
  EXPECT_LT(before.number("asked"), 500u) << before.text;
  container.lay(1024 * kMiB);
  const Answer answer =
      run({"retain",    "word",  word(kIn), "launch",  "2000",    "sync",
           "launch",    "1",     "watch",   "hold",    "1",       "word",
           word(kShut), "async", "1",       "waiting", "1",       "till_rung",
           "lane",      "hold",  "0",       "word",    word(kIn), "join"});
  ASSERT_EQ(answer.status, 0) << answer.text;
  EXPECT_EQ(answer.number("tails"), 0u) << answer.text;
  EXPECT_EQ(answer.number("busy"), 1u) << answer.text;
  EXPECT_EQ(answer.number("launches"), 2001u) << answer.text;
}

TEST_F(ShareTurns, NobodyIsRungForWhoGoes) {
  const Answer answer = run({"retain", "word", word(kIn), "launch", "1",
                             "watch", "launch", "100", "rung"});
  EXPECT_EQ(answer.number("rung"), 0u) << answer.text;
}

TEST_F(ShareTurns, AllThreadsThatWaitGoAtOnce) {
  const Answer answer =
      run({"retain", "word", word(kShut), "async", "3", "async", "3", "async",
           "3", "waiting", "3", "word", word(kIn), "join", "lane"});
  ASSERT_EQ(answer.status, 0) << answer.text;
  EXPECT_EQ(answer.number("launches"), 9u) << answer.text;
  EXPECT_EQ(answer.number("waits"), 3u) << answer.text;
}

// It has a CPU now; when it was woken it had none.
TEST_F(ShareTurns, WhoComesTooLateForItsTurnSaysSo) {
  const Answer answer = run({"retain", "stop_clock", "word", word(kShut),
                             "async", "1", "waiting", "1", "watch", "too_late",
                             "till_rung", "word", word(kIn), "join", "lane"});
  ASSERT_EQ(answer.status, 0) << answer.text;
  EXPECT_EQ(answer.number("launches"), 1u) << answer.text;
  container.lay(1024 * kMiB);
  const Answer other =
      run({"retain", "alarms", "200", "word", word(kShut), "async", "3",
           "waiting", "1", "word", word(kIn), "join", "lane"});
  EXPECT_EQ(other.number("missed"), 0u) << "in time" << other.text;
}

TEST_F(ShareTurns, WhatIsCapturedNeitherWaitsNorGetsAFence) {
  const Answer answer = run(and_then(
      {"retain", "streams", "1", "on", "3", "word", word(kIn), "launch", "1",
       "capture", "word", word(kShut), "launch", "5", "end_capture"},
      kFences));
  ASSERT_EQ(answer.status, 0) << answer.text;
  EXPECT_EQ(answer.number("launch"), 0u) << answer.text;
  EXPECT_EQ(answer.number("end_capture"), 0u) << answer.text;
  EXPECT_EQ(answer.number("launches"), 1u) << answer.text;
  EXPECT_EQ(answer.number("waits"), 0u) << answer.text;
  EXPECT_EQ(answer.number("calls"), 1u) << answer.text;
}

// Who then waited would keep what others, and itself, wait for.
TEST_F(ShareTurns, WhatIsLaunchedAmidACallOfOursGoes) {
  const Answer answer = run({"retain", "word", word(kShut), "amid",
                             "cuMemPoolGetAttribute", "pool", "lane"});
  ASSERT_EQ(answer.status, 0) << answer.text;
  EXPECT_EQ(answer.number("amid"), 0u) << answer.text;
  EXPECT_EQ(answer.number("waits"), 0u) << answer.text;
}

TEST_F(ShareTurns, AToolMayLaunchAmidTheCallsThatMakeAContextKnown) {
  for (const std::string call :
       {"cuMemHostRegister_v2", "cuMemHostGetDevicePointer_v2",
        "cuStreamWriteValue32_v2", "cuThreadExchangeStreamCaptureMode"}) {
    container.lay(1024 * kMiB);
    const Answer answer =
        run({"retain", "word", word(kIn), "amid", call, "launch", "1"});
    EXPECT_EQ(answer.status, 0) << call << answer.text;
    EXPECT_EQ(answer.number("amid"), 0u) << call << answer.text;
    EXPECT_EQ(answer.number("launch"), 0u) << call << answer.text;
  }
}

TEST_F(ShareTurns, WhereOthersWantTheDeviceNotMuchIsUnderWay) {
  struct Bound {
    std::string piece;  // 0: not known yet.
    std::string fences;
  };
  for (const Bound& bound : std::vector<Bound>{{"0", "4"},
                                               {"500", "4"},
                                               {"5000", "2"},
                                               {"1", "8"},
                                               {"4294967295", "2"}}) {
    container.lay(1024 * kMiB);
    const Answer answer =
        run({"retain", "stop_clock", "word",  word(kTight), "hold",
             "1",      "launch",     "1",     "piece",      bound.piece,
             "async",  "20",         "asked", bound.fences, "naps",
             "lane",   "hold",       "0",     "join",       "lane"});
    ASSERT_EQ(answer.status, 0) << bound.piece << answer.text;
    EXPECT_EQ(answer.number("naps"), 1u) << bound.piece << answer.text;
    EXPECT_TRUE(answer.has("launches " + bound.fences))
        << bound.piece << answer.text;
    EXPECT_EQ(answer.number("launches"), 21u) << bound.piece << answer.text;
    EXPECT_EQ(answer.number("busy"), 0u) << bound.piece << answer.text;
  }
}

TEST_F(ShareTurns, OfLongKernelsOneIsUnderWay) {
  // The second call waits for the first one's; of others some are.
  constexpr std::uint32_t kOneByOne = kTight | TurnWord::kOneByOne;
  for (const auto& [bits, launched] :
       std::vector<std::pair<std::uint32_t, std::string>>{{kOneByOne, "1"},
                                                          {kTight, "4"}}) {
    container.lay(1024 * kMiB);
    const Answer answer =
        run({"retain", "stop_clock", "word", word(bits), "hold", "1", "launch",
             "1", "async", "5", "asked", launched, "naps", "lane", "hold", "0",
             "join", "lane"});
    ASSERT_EQ(answer.status, 0) << answer.text;
    EXPECT_EQ(answer.number("naps"), 1u) << answer.text;
    EXPECT_TRUE(answer.has("launches " + launched)) << answer.text;
    EXPECT_EQ(answer.number("launches"), 6u) << answer.text;
  }
}

TEST_F(ShareTurns, LongWorkThatIsWaitedForEachTimeHasFences) {
  // Quick work at first: many launches are a piece then.
  Deeds deeds = {"stop_clock", "retain", "word", word(kIn),
                 "launch",     "3000",   "sync", "lane"};
  for (int turn = 0; turn < 3; ++turn) {
    deeds = and_then(deeds, {"launch", "1", "sync_after", "10"});
  }
  const Answer answer = run(and_then(deeds, {"lane"}));
  ASSERT_EQ(answer.status, 0) << answer.text;
  const auto first =
      Answer({0, answer.text.substr(
                     0, answer.text.find("sync", answer.text.find("asked")))});
  EXPECT_GE(answer.number("asked"), first.number("asked") + 2) << answer.text;
}

TEST_F(ShareTurns, WhenNobodyElseWantsItAnyMoreItGoesOn) {
  const Answer answer =
      run({"retain", "word", word(kTight), "hold", "1", "async", "10", "asked",
           "4", "word", word(kIn), "join", "lane"});
  ASSERT_EQ(answer.status, 0) << answer.text;
  EXPECT_EQ(answer.number("launches"), 10u) << answer.text;
  // But no more fences than may be under way at all.
  EXPECT_EQ(answer.number("asked"), 8u) << answer.text;
}

TEST_F(ShareTurns, WhatDoesNotMoveIsWaitedForFor100Milliseconds) {
  const Answer answer = run(
      {"retain", "stop_clock", "word",  word(kTight), "hold",  "1",   "async",
       "100",    "asked",      "4",     "naps",       "later", "90",  "later",
       "0",      "lane",       "later", "20",         "join",  "lane"});
  ASSERT_EQ(answer.status, 0) << answer.text;
  EXPECT_TRUE(answer.has("launches 4")) << "not sooner" << answer.text;
  EXPECT_EQ(answer.number("launches"), 100u) << answer.text;
  EXPECT_EQ(answer.number("busy"), 1u) << answer.text;
}

/// Without fences all work is tails.
class ShareTurnTails : public ShareTurns {
 protected:
  void SetUp() override {
    ShareTurns::SetUp();
    refuse("cuStreamWriteValue32_v2:1");
  }
};

TEST_F(ShareTurnTails, WaitingForAStreamTakesItsOwnAway) {
  const Answer answer = run({"retain", "word", word(kIn), "streams", "2",
                             "each", "1", "on", "3", "sync", "lane"});
  EXPECT_EQ(answer.number("tails"), 2u) << answer.text;
}

TEST_F(ShareTurnTails, WaitingForTheContextTakesAllAway) {
  const Answer answer = run({"retain", "word", word(kIn), "streams", "2",
                             "each", "1", "sync_all", "lane"});
  EXPECT_EQ(answer.number("tails"), 0u) << answer.text;
  const Answer other = run({"retain", "word", word(kIn), "streams", "2", "each",
                            "1", "create", "sync_all", "lane"});
  EXPECT_EQ(other.number("tails"), 3u) << "another's" << other.text;
}

TEST_F(ShareTurnTails, WhatWasLaunchedMeanwhileStays) {
  for (const std::string call : {"sync", "sync_all"}) {
    container.lay(1024 * kMiB);
    const Answer answer =
        run({"retain", "word", word(kIn), "launch", "1", "amid",
             call == "sync" ? "cuStreamSynchronize" : "cuCtxSynchronize", call,
             "lane"});
    EXPECT_EQ(answer.number("amid"), 0u) << answer.text;
    EXPECT_EQ(answer.number("tails"), 1u) << call << answer.text;
  }
}

TEST_F(ShareTurnTails, TheNullStreamHasTwoNames) {
  const Answer answer = run({"retain", "word", word(kIn), "on", "1", "launch",
                             "1", "on", "0", "sync", "lane"});
  EXPECT_EQ(answer.number("tails"), 0u) << answer.text;
}

TEST_F(ShareTurnTails, WorkWaitsWhereTheDriverWritesNoWords) {
  const Answer answer = run(
      and_then({"retain", "word", word(kIn), "launch", "5", "word", word(kShut),
                "async", "5", "waiting", "1", "word", word(kTight), "join"},
               kFences));
  ASSERT_EQ(answer.status, 0) << answer.text;
  EXPECT_EQ(answer.number("launch"), 0u) << answer.text;
  EXPECT_EQ(answer.number("launches"), 10u) << answer.text;
  EXPECT_EQ(answer.number("waits"), 1u) << answer.text;
  EXPECT_EQ(answer.number("calls"), 1u) << "it isn't asked again";
  EXPECT_EQ(answer.number("busy"), 0u) << answer.text;
}

TEST_F(ShareTurns, WorkWaitsWhereThePageCannotBeMadeKnown) {
  for (const std::string call :
       {"cuMemHostRegister_v2", "cuMemHostGetDevicePointer_v2"}) {
    refuse(call + ":2");
    container.lay(1024 * kMiB);
    const Answer answer = run(and_then(
        {"retain", "word", word(kIn), "launch", "5", "word", word(kShut),
         "async", "5", "waiting", "1", "word", word(kTight), "join"},
        kFences));
    ASSERT_EQ(answer.status, 0) << answer.text;
    EXPECT_EQ(answer.number("launch"), 0u) << answer.text;
    EXPECT_EQ(answer.number("launches"), 10u) << answer.text;
    EXPECT_EQ(answer.number("waits"), 1u) << answer.text;
    EXPECT_EQ(answer.number("calls"), 0u) << answer.text;
  }
}

}  // namespace
}  // namespace gpunode::share
