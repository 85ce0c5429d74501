#include "base/text/toml_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/text/tree.h"

namespace gpunode::text {
namespace {

using ::testing::StartsWith;

std::string refusal_of(const std::string& text) {
  const auto tree = parse_toml(text, "c.toml");
  if (tree) return "accepted";
  EXPECT_EQ(tree.error().code(), ErrorCode::kCorrupt);
  return tree.error().message();
}

TEST(ParseToml, KeepsKindsOrderAndMarks) {
  const auto tree = parse_toml(
      "z = 1\na = 2.0\n[t]\nb = [true, \"\u00e9\"]\nd = 1979-05-27\ni = -inf\n",
      "c.toml");
  ASSERT_TRUE(tree) << tree.error().message();
  EXPECT_EQ(tree->entries[0].key, "z");
  EXPECT_EQ(to_json(*tree),
            "{\"a\":2.0,\"t\":{\"b\":[true,\"\u00e9\"],\"d\":\"1979-05-27\","
            "\"i\":-inf},\"z\":1}");
  EXPECT_EQ(find_at(*tree, {"t"})->find("b")->mark, (Mark{4, 1}));
  EXPECT_EQ(find_at(*tree, {"t", "b"})->items[1].mark, (Mark{4, 12}));
}

TEST(ParseToml, PassesAByteOrderMarkAndCarriageReturns) {
  const auto tree = parse_toml(
      "\xef\xbb\xbf"
      "a = 1\r\n[b]\r\n",
      "c.toml");
  ASSERT_TRUE(tree);
  EXPECT_EQ(to_json(*tree), "{\"a\":1,\"b\":{}}");
}

TEST(ParseToml, TakesAnyLetterBehindALineThatGoesOn) {
  for (const std::string letter : {"\u00e9", "\u3001", "\ufec0"}) {
    const auto tree =
        parse_toml("a = \"\"\"x \\\n  " + letter + "\"\"\"\n", "c.toml");
    ASSERT_TRUE(tree) << tree.error().message();
    EXPECT_EQ(to_json(*tree), "{\"a\":\"x " + letter + "\"}");
  }
}

TEST(ParseToml, SaysWhereItIsWrong) {
  EXPECT_THAT(refusal_of("a = 1\nbad\n"), StartsWith("c.toml:2:4: "));
  EXPECT_THAT(refusal_of("[a]\nx = 1\n[a]\n"), StartsWith("c.toml:3:"));
  EXPECT_THAT(refusal_of("a = 1\na = 2\n"), StartsWith("c.toml:2:"));
  EXPECT_THAT(refusal_of("[\n"), StartsWith("c.toml:1:2: "));
  EXPECT_THAT(refusal_of("[a.\n"), StartsWith("c.toml:1:"));
  EXPECT_EQ(refusal_of("a = 1 # \u00e9\n\xef\xba\xbfv = 1\n"),
            "c.toml:2:1: letters beyond ASCII stand in quotes and comments "
            "only");
  EXPECT_EQ(refusal_of("a = '''\u00e9'' '\n\u00e9'''\n\"\\\"\u00e9\" = 1"),
            "accepted");
  EXPECT_THAT(refusal_of("a = \"\xff\"\n"), StartsWith("c.toml:1:"));
  EXPECT_THAT(refusal_of("a = \"x\ny\"\n"), StartsWith("c.toml:1:"));
}

TEST(ParseToml, IsBounded) {
  std::string dots = "a";
  for (int i = 0; i < 200; ++i) dots += ".a";
  EXPECT_THAT(refusal_of("x = 1\n[" + dots + "]\n"),
              StartsWith("c.toml:2:1: more than 100 dots"));
  EXPECT_THAT(
      refusal_of("x = " + std::string(150, '[') + std::string(150, ']') + "\n"),
      StartsWith("c.toml:1:"));
  std::string large;
  large.resize(10'000'000, '#');
  EXPECT_THAT(refusal_of(large), StartsWith("c.toml: 10000000 bytes"));
  EXPECT_EQ(refusal_of("# " + std::string(500, '.') + "\n"), "accepted");
}

}  // namespace
}  // namespace gpunode::text
