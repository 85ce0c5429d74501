#include "base/text/yaml.h"

#include <array>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gpunode::text {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;
using Kind = Node::Kind;

std::string json_of(std::string_view yaml) {
  const auto document = parse_yaml(yaml, "t.yaml");
  return document ? to_json(document->root)
                  : "error: " + document.error().message();
}

std::string error_of(std::string_view yaml, const YamlLimits& limits = {}) {
  const auto document = parse_yaml(yaml, "t.yaml", limits);
  return document ? "read as " + to_json(document->root)
                  : document.error().message();
}

TEST(Yaml, ReadsBlockAndFlowAlike) {
  EXPECT_EQ(json_of("b: [1, {c: d}]\na:\n- x\n- k: ~\n"),
            R"({"a":["x",{"k":null}],"b":[1,{"c":"d"}]})");
}

TEST(Yaml, ReadsJson) {
  EXPECT_EQ(json_of("{\n\t\"a\": [1.50, true, null, \"x\\u0041<\"]}"),
            R"({"a":[1.5,true,null,"xA\u003c"]})");
}

TEST(Yaml, KeepsQuotedScalarsAsStrings) {
  EXPECT_EQ(json_of("a: '4'\nb: \"true\"\nc: !!str 5\nd: |-\n  yes\n"),
            R"({"a":"4","b":"true","c":"5","d":"yes"})");
}

TEST(Yaml, TurnsKeysIntoStrings) {
  EXPECT_EQ(json_of("1: a\nyes: b\n0x10: c\n"),
            R"({"1":"a","16":"c","true":"b"})");
}

TEST(Yaml, AnEmptyTextIsNull) {
  EXPECT_EQ(json_of(""), "null");
  EXPECT_EQ(json_of("# only a comment\n"), "null");
  EXPECT_EQ(json_of("---\n"), "null");
}

TEST(Yaml, MarksCountFromOne) {
  const auto document = parse_yaml("a: 1\nb:\n- \xc3\xa9: x\n", "t.yaml");
  ASSERT_TRUE(document);
  const Entry* b = document->root.find("b");
  ASSERT_NE(b, nullptr);
  EXPECT_EQ(b->mark, (Mark{2, 1}));
  const Entry& inner = b->value.items.at(0).entries.at(0);
  EXPECT_EQ(inner.mark, (Mark{3, 3}));
  // Columns are characters: the accented letter is one.
  EXPECT_EQ(inner.value.mark, (Mark{3, 6}));
}

TEST(Yaml, TheLastOfDuplicateKeysStandsAndBothAreNamed) {
  const auto document = parse_yaml("a: 1\nb: 2\na: 3\n", "t.yaml");
  ASSERT_TRUE(document);
  EXPECT_EQ(to_json(document->root), R"({"a":3,"b":2})");
  ASSERT_EQ(document->duplicates.size(), 1U);
  EXPECT_EQ(document->duplicates[0].key, "a");
  EXPECT_EQ(document->duplicates[0].first, (Mark{1, 1}));
  EXPECT_EQ(document->duplicates[0].second, (Mark{3, 1}));
}

TEST(Yaml, ReadsTheFirstDocumentAndTellsOfTheSecond) {
  const auto document = parse_yaml("a: 1\n---\nb: 2\n", "t.yaml");
  ASSERT_TRUE(document);
  EXPECT_EQ(to_json(document->root), R"({"a":1})");
  EXPECT_EQ(document->second_document, (Mark{2, 1}));
  EXPECT_EQ(parse_yaml("a: 1\n...\n", "t.yaml")->second_document, Mark{});
}

TEST(Yaml, AliasesRepeatTheirAnchor) {
  EXPECT_EQ(json_of("a: &x [1]\nb: *x\n"), R"({"a":[1],"b":[1]})");
}

TEST(Yaml, MergesMappingsInTheOrderWritten) {
  EXPECT_EQ(json_of("a: &x {k: 1, l: 1}\nb:\n  <<: *x\n  k: 2\n"),
            R"({"a":{"k":1,"l":1},"b":{"k":2,"l":1}})");
  EXPECT_EQ(json_of("a: &x {k: 1}\nc: &y {k: 3, m: 3}\nb:\n  <<: [*x, *y]\n"),
            R"({"a":{"k":1},"b":{"k":1,"m":3},"c":{"k":3,"m":3}})");
  EXPECT_EQ(json_of("\"<<\": 1\n"), R"({"\u003c\u003c":1})");
}

TEST(Yaml, AMergeIsNoDuplicate) {
  const auto document =
      parse_yaml("a: &x {k: 1}\nb:\n  <<: *x\n  l: 2\n", "t.yaml");
  ASSERT_TRUE(document);
  EXPECT_TRUE(document->duplicates.empty());
}

struct Fault {
  std::string_view yaml;
  std::string_view words;  // go-yaml's.
  std::string_view place;
};

class YamlFault : public testing::TestWithParam<Fault> {};

TEST_P(YamlFault, HasTheWordsOfGoYamlThenOurPlace) {
  const Fault& fault = GetParam();
  EXPECT_THAT(error_of(fault.yaml),
              AllOf(StartsWith(std::string(fault.words) + " ("),
                    HasSubstr("(" + std::string(fault.place) + ": ")));
}

constexpr auto kFaults = std::to_array<Fault>({
    {"version: v1\nsharing:\n\ttimeSlicing: {}\n",
     "yaml: line 3: found character that cannot start any token", "t.yaml:3:1"},
    {"a: b: c\n", "yaml: mapping values are not allowed in this context",
     "t.yaml:1:5"},
    {"x: 1\na: b: c\n",
     "yaml: line 2: mapping values are not allowed in this context",
     "t.yaml:2:5"},
    {"x: 1\na: \"b\n", "yaml: line 3: found unexpected end of stream",
     "t.yaml:3:1"},
    {"x: 1\na: [1, 2\n", "yaml: line 2: did not find expected ',' or ']'",
     "t.yaml:3:1"},
    {"x: 1\na: {b: 1\n", "yaml: line 2: did not find expected ',' or '}'",
     "t.yaml:3:1"},
    {"a:\n  - 1\n b: 2\n", "yaml: line 2: did not find expected key",
     "t.yaml:3:2"},
    {"r:\n  - a\n  b: 1\n", "yaml: line 2: did not find expected '-' indicator",
     "t.yaml:3:3"},
    {"r:\n- a: x\n  b: 2\n - a: y\n", "yaml: line 3: did not find expected key",
     "t.yaml:4:2"},
    {"x: 1\na: @x\n",
     "yaml: line 2: found character that cannot start any token", "t.yaml:2:4"},
    {"a: \"\\q\"\n", "yaml: found unknown escape character", "t.yaml:1:5"},
    {"x: y\nz\n", "yaml: line 3: could not find expected ':'", "t.yaml:3:1"},
    {"a: *nope\n", "yaml: unknown anchor 'nope' referenced", "t.yaml:1:4"},
    {"a: &x [*x]\n", "yaml: anchor 'x' value contains itself", "t.yaml:1:8"},
    {"a:\n  <<: 5\n",
     "yaml: map merge requires map or sequence of maps as the value",
     "t.yaml:2:7"},
    {"a: !!int foo\n", "yaml: cannot decode !!str `foo` as a !!int",
     "t.yaml:1:4"},
    {"a: .inf\n", "json: unsupported value: +Inf", "t.yaml:1:4"},
    {"? [a]\n: 1\n", "yaml: invalid map key: [\"a\"]", "t.yaml:1:3"},
    {"a: 1\nb: \x01\n", "yaml: control characters are not allowed",
     "t.yaml:2:4"},
});
INSTANTIATE_TEST_SUITE_P(Table, YamlFault, testing::ValuesIn(kFaults));

TEST(YamlLimits, ATextThatIsTooLongIsNotRead) {
  YamlLimits limits;
  limits.bytes = 10;
  EXPECT_EQ(error_of("0123456789a", limits),
            "t.yaml has 11 bytes, but at most 10 are read");
  EXPECT_EQ(error_of("a: 1234567", limits), R"(read as {"a":1234567})");
}

TEST(YamlLimits, DepthIsBounded) {
  EXPECT_THAT(error_of(std::string(101, '[') + std::string(101, ']')),
              StartsWith("yaml: exceeded max depth of 100 (t.yaml:1:101: "));
  EXPECT_THAT(error_of(std::string(100, '[') + std::string(100, ']')),
              StartsWith("read as"));
  // Far beyond: stopped at the hundredth, not after reading all of it.
  EXPECT_THAT(error_of(std::string(1'000'000, '[')), HasSubstr("depth"));
}

TEST(YamlLimits, ABillionLaughsAreRefused) {
  std::string yaml = "a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n";
  for (int i = 1; i < 10; ++i) {
    const std::string from = "*a" + std::to_string(i - 1);
    yaml += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + from;
    for (int k = 0; k < 8; ++k) yaml += ", " + from;
    yaml += "]\n";
  }
  EXPECT_THAT(error_of(yaml),
              StartsWith("yaml: document contains excessive aliasing"));
}

TEST(Json, EscapesAsGoDoes) {
  EXPECT_EQ(json_string("a\"b\\c\n\x01<>&"),
            R"("a\"b\\c\n\u0001\u003c\u003e\u0026")");
}

TEST(At, LeavesOutAPlaceThatIsNone) {
  EXPECT_EQ(at("c.yaml", Mark{3, 7}), "c.yaml:3:7");
  EXPECT_EQ(at("c.yaml", Mark{}), "c.yaml");
}

}  // namespace
}  // namespace gpunode::text
