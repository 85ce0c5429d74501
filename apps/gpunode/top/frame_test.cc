#include "apps/gpunode/top/frame.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gpunode::top {
namespace {

using testing::HasSubstr;

constexpr std::uint64_t kGiB = std::uint64_t{1} << 30U;

HolderRow holder(const std::string& pod, std::uint64_t parts,
                 std::uint64_t used) {
  HolderRow row;
  row.space = "team-a";
  row.pod = pod;
  row.container = "main";
  row.resource = "nvidia.com/gpu";
  row.device = "GPU-0";
  row.gpu = "0";
  row.replicas = parts;
  row.of = 20;
  row.is_limited = true;
  row.limit_bytes = parts * 7 * kGiB;
  row.used_bytes = used;
  row.by_kind[0] = used;
  row.peak_bytes = used + kGiB;
  row.processes = 1;
  row.pids = {4711};
  return row;
}

Snapshot node() {
  Snapshot snapshot;
  snapshot.host = "node-1";
  snapshot.time = "2026-11-30T07:00:00Z";
  snapshot.driver_version = "580.65.06";
  snapshot.gpus = {{0, "GPU-0", "NVIDIA H200", 140 * kGiB, 41 * kGiB, 87, 61,
                    512000, 700000, false, "", true},
                   {1,
                    "GPU-1",
                    "NVIDIA H200",
                    {},
                    {},
                    {},
                    {},
                    {},
                    {},
                    true,
                    "XID 79: GPU has fallen off the bus",
                    true}};
  snapshot.holders = {holder("train-0", 5, 34 * kGiB),
                      holder("notebook-with-a-long-name-7d4b9", 1, 512 << 20U)};
  snapshot.holders[0].refusals = 12;
  snapshot.holders[0].sm_percent = 80;
  snapshot.holders[1].unaccounted_bytes = 100 << 20U;
  HolderRow whole;
  whole.space = "team-b";
  whole.pod = "serve-0";
  whole.gpu = "1:0";
  whole.device = "MIG-1";
  whole.replicas = 1;
  snapshot.holders.push_back(whole);
  snapshot.strangers = {{1, "Xorg", "0", "", 5 << 20U, {}, false},
                        {99, "static", "0", "uid-z", 2 * kGiB, 3, true}};
  return snapshot;
}

std::string text_of(const std::vector<Line>& lines) {
  std::string text;
  for (const Line& line : lines) text += line.text + "\n";
  return text;
}

/// The frame is that of the file; with GPUNODE_UPDATE_GOLDEN it becomes it.
void expect_frame(const std::string& name, const std::vector<Line>& lines) {
  const std::string path = std::string(TOP_FRAMES) + "/" + name + ".txt";
  const std::string text = text_of(lines);
  // NOLINTNEXTLINE(concurrency-mt-unsafe): one thread.
  if (std::getenv("GPUNODE_UPDATE_GOLDEN") != nullptr) {
    std::filesystem::create_directories(TOP_FRAMES);
    std::ofstream(path) << text;
  }
  std::ifstream in(path);
  EXPECT_EQ(text, (std::string{std::istreambuf_iterator<char>(in), {}}))
      << path;
}

TEST(Frame, IsAsItWasOnAWideScreenAndANarrowOne) {
  expect_frame("wide", draw(node(), {}, {140, 24}));
  expect_frame("usual", draw(node(), {}, {80, 24}));
  expect_frame("narrow", draw(node(), {}, {40, 16}));
  expect_frame("plain", draw(node(), {}, {}));
  expect_frame("history", draw_history(node(), {}, 0));
}

Snapshot node_in_turns() {
  Snapshot snapshot = node();
  TurnsOfHolder turns;
  turns.part = 250;
  turns.policy = "fair";
  turns.is_counted = true;
  turns.gpu_seconds = 12.34;
  turns.throttled_seconds = 4.5;
  turns.turns = 70;
  turns.launches = 99;
  turns.lately = 975;
  turns.throttled_lately = 20;
  turns.observed_seconds = 7300;
  turns.mean = 123;
  turns.peak = 990;
  snapshot.holders[0].turns = turns;
  turns.part = 50;
  turns.policy = "hard";
  turns.is_persistent = true;
  turns.lately = 10;
  turns.peak = 21;
  turns.mean = 4;
  turns.observed_seconds = 59;
  snapshot.holders[1].turns = turns;
  return snapshot;
}

TEST(Frame, HasColumnsOfTurnsWhereSomebodyTakesThem) {
  expect_frame("turns_wide", draw(node_in_turns(), {}, {160, 24}));
  expect_frame("turns_usual", draw(node_in_turns(), {}, {80, 24}));
  expect_frame("turns_history", draw_history(node_in_turns(), {}, 0));
}

TEST(Frame, OfTurnsThatNoAgentCountsThePartIsKnown) {
  Snapshot snapshot = node_in_turns();
  snapshot.holders.resize(1);
  snapshot.holders[0].turns = TurnsOfHolder{};
  snapshot.holders[0].turns->part = 125;
  snapshot.holders[0].turns->policy = "fair";
  const std::string text = text_of(draw(snapshot, {}, {160, 24}));
  EXPECT_THAT(text, HasSubstr("  12.5%     -      -  "));
  EXPECT_THAT(text, HasSubstr("the agent does not tell what it had"));
  EXPECT_THAT(text_of(draw_history(snapshot, {}, 0)),
              HasSubstr("  12.5%     -        -     -  "));
}

TEST(Frame, WhoHadMoreTimeThanItsPartNeedsAllOfIt) {
  Snapshot snapshot = node_in_turns();
  snapshot.holders.resize(1);
  HolderRow& row = snapshot.holders[0];
  row.peak_bytes = kGiB;
  const auto last_row = [&snapshot] {
    const auto lines = draw_history(snapshot, {}, 0);
    return lines.at(3).text;
  };
  EXPECT_THAT(last_row(), testing::EndsWith("      5"));
  row.turns->peak = 60;  // Of 250 for five.
  EXPECT_THAT(last_row(), testing::EndsWith("      2"));
  row.turns->peak = 1;
  EXPECT_THAT(last_row(), testing::EndsWith("      1"));
}

TEST(Frame, FitsEveryScreen) {
  Snapshot snapshot = node();
  for (int i = 0; i < 60; ++i) {
    snapshot.holders.push_back(holder("pod-" + std::to_string(i), 2, kGiB));
    snapshot.holders.back().turns = node_in_turns().holders[1].turns;
    snapshot.gpus.push_back(snapshot.gpus[0]);
  }
  for (const std::size_t width : {20U, 33U, 80U, 200U}) {
    for (const std::size_t height : {1U, 2U, 5U, 9U, 24U, 50U}) {
      View view;
      view.cursor = 40;
      for (view.shows_help = false;; view.shows_help = true) {
        const auto lines = draw(snapshot, view, {width, height});
        EXPECT_LE(lines.size(), height);
        for (const Line& line : lines) EXPECT_LE(line.text.size(), width);
        if (view.shows_help) break;
      }
    }
  }
}

TEST(Frame, HelpIsSeenToItsEndOnTheUsualScreen) {
  View view;
  view.shows_help = true;
  const auto lines = draw(node(), view, {80, 24});
  EXPECT_EQ(lines.back().text, "Any key goes back.");
  for (const Line& line : lines) EXPECT_FALSE(line.text.ends_with('~'));
}

TEST(Frame, ScrollsToTheCursor) {
  Snapshot snapshot = node();
  snapshot.holders.clear();
  for (int i = 100; i < 160; ++i) {
    snapshot.holders.push_back(holder("pod-" + std::to_string(i), 2, kGiB));
  }
  for (const std::size_t cursor : {0U, 1U, 30U, 59U, 500U}) {
    View view;
    view.cursor = cursor;
    EXPECT_THAT(
        text_of(draw(snapshot, view, {100, 24})),
        HasSubstr("> team-a/pod-" +
                  std::to_string(100 + std::min<std::size_t>(cursor, 59))));
  }
}

TEST(Frame, SaysWhoDoesNotAnswer) {
  Snapshot snapshot;
  snapshot.driver_problem = "there is no driver\x1b[2J";
  snapshot.agent_problem = "no such socket";
  const std::string text = text_of(draw(snapshot, {}, {}));
  EXPECT_THAT(text, HasSubstr("driver: there is no driver?[2J"));
  EXPECT_THAT(text, HasSubstr("agent: no such socket"));
  EXPECT_THAT(text, HasSubstr("No container is known to hold a GPU."));
}

TEST(Frame, SaysWhoIsYetToAnswer) {
  Snapshot snapshot;
  snapshot.awaited = {"driver", "shares"};
  const std::string text = text_of(draw(snapshot, {}, {}));
  EXPECT_THAT(text, HasSubstr("\ndriver: ...\nshares: ...\n"));
  EXPECT_EQ(text.find("No container"), std::string::npos) << "nobody knows";
}

TEST(Frame, CallsNoGpuHealthyOfWhichNobodyTells) {
  Snapshot snapshot = node();
  snapshot.gpus.resize(1);
  EXPECT_THAT(text_of(draw(snapshot, {}, {})), HasSubstr("512/700 W  ok\n"));
  snapshot.gpus[0].is_health_known = false;
  EXPECT_THAT(text_of(draw(snapshot, {}, {})), HasSubstr("W  unknown\n"));
}

TEST(Frame, ShowsWhoRunsWithoutALimit) {
  Snapshot snapshot = node();
  snapshot.holders.resize(1);
  snapshot.holders[0].why_unlimited = "/bin/app is a static program";
  expect_frame("unlimited", draw(snapshot, {}, {100, 20}));
  EXPECT_THAT(text_of(draw(snapshot, {}, {})), HasSubstr("  NONE  "));
  EXPECT_THAT(text_of(draw_history(snapshot, {}, 0)), HasSubstr("  NONE  "));
}

TEST(Frame, ShowsTheFilterWhileItIsTyped) {
  View view;
  view.filter = "train";
  view.is_typing = true;
  EXPECT_EQ(draw(node(), view, {80, 24}).back().text, "/train_");
  view.is_typing = false;
  EXPECT_THAT(draw(node(), view, {80, 24}).back().text,
              HasSubstr("'train': 1 of 3 containers"));
}

}  // namespace
}  // namespace gpunode::top
