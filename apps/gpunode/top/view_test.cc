#include "apps/gpunode/top/view.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gpunode::top {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

HolderRow holder(const std::string& pod, const std::string& gpu,
                 std::uint64_t used, std::uint64_t limit,
                 std::uint64_t refusals) {
  HolderRow row;
  row.space = "team";
  row.pod = pod;
  row.container = "main";
  row.gpu = gpu;
  row.is_limited = true;
  row.used_bytes = used;
  row.limit_bytes = limit;
  row.refusals = refusals;
  return row;
}

Snapshot three() {
  Snapshot snapshot;
  snapshot.holders = {holder("b", "10", 3, 30, 0), holder("a", "2", 1, 20, 7),
                      holder("c", "2:1", 2, 40, 1)};
  return snapshot;
}

std::vector<std::string> pods(const View& view) {
  static const Snapshot kSnapshot = three();
  std::vector<std::string> names;
  for (const HolderRow* row : choose(kSnapshot, view))
    names.push_back(row->pod);
  return names;
}

void press(View& view, const std::string& bytes, std::size_t rows = 3) {
  KeyReader reader;
  for (const Key& key : reader.take(bytes)) view.press(key, rows);
  for (const Key& key : reader.flush()) view.press(key, rows);
}

TEST(View, SortsByAKeyAndTheOtherWayRoundByTheSameOnce) {
  View view;
  EXPECT_THAT(pods(view), ElementsAre("a", "c", "b"));
  press(view, "m");
  EXPECT_THAT(pods(view), ElementsAre("b", "c", "a"));
  press(view, "m");
  EXPECT_THAT(pods(view), ElementsAre("a", "c", "b"));
  press(view, "l");
  EXPECT_THAT(pods(view), ElementsAre("c", "b", "a"));
  press(view, "r");
  EXPECT_THAT(pods(view), ElementsAre("a", "c", "b"));
  press(view, "p");
  EXPECT_THAT(pods(view), ElementsAre("a", "b", "c"));
  press(view, "p");
  EXPECT_THAT(pods(view), ElementsAre("c", "b", "a"));
  press(view, "g");
  EXPECT_THAT(pods(view), ElementsAre("a", "c", "b"));
}

TEST(View, FiltersWhileOneTypes) {
  View view;
  press(view, "/TEAM/Bq");
  EXPECT_TRUE(view.is_typing);
  EXPECT_FALSE(view.is_over);
  EXPECT_THAT(pods(view), IsEmpty());
  press(view, "\x7f");
  EXPECT_THAT(pods(view), ElementsAre("b"));
  press(view, "\r");
  EXPECT_FALSE(view.is_typing);
  EXPECT_THAT(pods(view), ElementsAre("b"));
  press(view, "\x1b");
  EXPECT_EQ(view.filter, "");
  press(view, "/x\x1b");
  EXPECT_FALSE(view.is_typing);
  EXPECT_EQ(view.filter, "");
  EXPECT_FALSE(view.is_over);
}

TEST(View, SortsAndFiltersByTurns) {
  Snapshot snapshot;
  for (const char* pod : {"x", "y", "z"}) {
    snapshot.holders.emplace_back().pod = pod;
  }
  snapshot.holders[1].turns.emplace().policy = "hard";
  snapshot.holders[1].turns->lately = 10;
  snapshot.holders[1].turns->throttled_lately = 900;
  snapshot.holders[2].turns.emplace().policy = "fair";
  snapshot.holders[2].turns->lately = 700;
  snapshot.holders[2].turns->is_persistent = true;
  const auto shown = [&snapshot](const View& view) {
    std::string pods;
    for (const HolderRow* row : choose(snapshot, view)) pods += row->pod;
    return pods;
  };
  View view;
  press(view, "t");
  EXPECT_EQ(shown(view), "zyx");
  press(view, "w");
  EXPECT_EQ(shown(view), "yxz");
  EXPECT_STREQ(name_of(view.sort), "waits");
  view.filter = "Hard";
  EXPECT_EQ(shown(view), "y");
  view.filter = "persistent";
  EXPECT_EQ(shown(view), "z");
}

TEST(View, MovesWithinWhatIsThere) {
  View view;
  press(view, "j");
  EXPECT_EQ(view.cursor, 1U);
  press(view, "\x1b[B\x1bOB\x1b[B");
  EXPECT_EQ(view.cursor, 2U);
  press(view, "\x1b[A");
  EXPECT_EQ(view.cursor, 1U);
  press(view, "kk");
  EXPECT_EQ(view.cursor, 0U);
  press(view, "\x1b[F");
  EXPECT_EQ(view.cursor, 2U);
  press(view, "\x1b[5~");
  EXPECT_EQ(view.cursor, 0U);
  press(view, "\x1b[6~", 0);
  EXPECT_EQ(view.cursor, 0U);
  // Some have gone since.
  view.cursor = 9;
  press(view, "k", 2);
  EXPECT_EQ(view.cursor, 0U);
}

TEST(View, EndsByQAndShowsHelp) {
  View view;
  press(view, "?");
  EXPECT_TRUE(view.shows_help);
  press(view, "m");
  EXPECT_FALSE(view.shows_help);
  EXPECT_EQ(view.sort, Sort::kGpu);
  press(view, "zZ\t\x01");
  EXPECT_FALSE(view.is_over);
  press(view, "q");
  EXPECT_TRUE(view.is_over);
}

TEST(KeyReader, TakesSequencesInPieces) {
  KeyReader reader;
  EXPECT_THAT(reader.take("\x1b"), IsEmpty());
  EXPECT_TRUE(reader.is_waiting());
  EXPECT_THAT(reader.take("["), IsEmpty());
  EXPECT_THAT(reader.take("A"), ElementsAre(Key{Key::Kind::kUp}));
  EXPECT_FALSE(reader.is_waiting());
  EXPECT_THAT(reader.take("\x1b"), IsEmpty());
  EXPECT_THAT(reader.flush(), ElementsAre(Key{Key::Kind::kEscape}));
  // An Escape and then a letter; a sequence that nobody knows; a paste that
  // never ends one.
  EXPECT_THAT(
      reader.take("\x1bq"),
      ElementsAre(Key{Key::Kind::kEscape}, Key{Key::Kind::kCharacter, 'q'}));
  EXPECT_THAT(reader.take("\x1b[1;5Dq"),
              ElementsAre(Key{Key::Kind::kCharacter, 'q'}));
  EXPECT_THAT(reader.take("\x1b[" + std::string(40, '1')).size(),
              testing::Lt(40U));
}

}  // namespace
}  // namespace gpunode::top
