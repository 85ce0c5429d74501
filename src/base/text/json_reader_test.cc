#include "base/text/json_reader.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>
#include <rapidjson/error/en.h>
#include <rapidjson/memorystream.h>
#include <rapidjson/reader.h>

namespace gpunode::text {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::string fault_of(std::string_view text) {
  JsonReader reader(text, "c.json");
  auto value = reader.skip();
  if (!value) return value.error().message();
  auto end = reader.finish();
  return end ? "" : end.error().message();
}

TEST(JsonReader, SkipsAnyValueAndSaysWhereItWas) {
  for (const std::string value :
       {"null", "true", "false", "0", "-1.5e+10", R"("a\"b\u00e9")", "[]", "{}",
        "[1,[2,{}],{\"a\":[]}]", R"({ "a" : 1 , "b" : [ ] })"}) {
    const std::string text = " \t\r\n" + value + "\n";
    JsonReader reader(text, "c.json");
    const auto span = reader.skip();
    ASSERT_TRUE(span) << span.error().message();
    EXPECT_EQ(span->of(text), value);
    EXPECT_TRUE(reader.finish());
  }
}

TEST(JsonReader, SpeaksOfErrorsAsGoDoesWithThePlace) {
  EXPECT_EQ(fault_of(""), "c.json:1:1: unexpected end of JSON input");
  EXPECT_EQ(fault_of("{\"a\":\n tru}"),
            "c.json:2:5: invalid character '}' in literal true");
  EXPECT_EQ(fault_of("{bad"),
            "c.json:1:2: invalid character 'b' looking for beginning of "
            "object key string");
  EXPECT_EQ(fault_of("[1 2]"),
            "c.json:1:4: invalid character '2' after array element");
  EXPECT_EQ(fault_of("{\"a\" 1}"),
            "c.json:1:6: invalid character '1' after object key");
  EXPECT_EQ(fault_of("{\"a\":1;"),
            "c.json:1:7: invalid character ';' after object key:value pair");
  EXPECT_EQ(fault_of("{}x"),
            "c.json:1:3: invalid character 'x' after top-level value");
  EXPECT_EQ(fault_of("\"a\nb\""),
            "c.json:1:3: invalid character '\\x0a' in string literal");
  EXPECT_EQ(fault_of("\"\\q\""),
            "c.json:1:3: invalid character 'q' in string escape code");
  EXPECT_EQ(fault_of("[01]"),
            "c.json:1:3: invalid character '1' after array element");
}

TEST(JsonReader, RefusesEveryTruncation) {
  const std::string text =
      R"({"a":[1.5e3,"x\u00e9\n",true,null,{"b":{}}],"c":-0})";
  for (std::size_t size = 0; size < text.size(); ++size) {
    EXPECT_THAT(fault_of(text.substr(0, size)),
                HasSubstr("unexpected end of JSON input"))
        << size;
  }
  EXPECT_EQ(fault_of(text), "");
}

TEST(JsonReader, ColumnsCountCharacters) {
  EXPECT_EQ(mark_of("\xc3\xa9\xc3\xa9x", 4), (Mark{1, 3}));
  EXPECT_EQ(mark_of("a\nbc", 3), (Mark{2, 2}));
}

TEST(JsonReader, DepthIsBoundedWithoutUsingTheStack) {
  const std::size_t deep = JsonReader::kMaxDepth;
  EXPECT_EQ(fault_of(std::string(deep, '[') + std::string(deep, ']')), "");
  EXPECT_THAT(fault_of(std::string(deep + 1, '[')),
              HasSubstr("exceeded max depth"));
  EXPECT_THAT(fault_of(std::string(1'000'000, '[')),
              HasSubstr("exceeded max depth"));
}

TEST(JsonReader, ResolvesEscapes) {
  const std::string text =
      R"("\"\\\/\b\f\n\r\t\u0041\u00e9\u20ac\ud83d\ude00")";
  JsonReader reader(text, "c.json");
  EXPECT_EQ(*reader.string(),
            "\"\\/\b\f\n\r\tA\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80");
}

TEST(JsonReader, HalfASurrogatePairIsReplacedAsInGo) {
  for (const std::string text :
       {R"("\ud83d")", R"("\ude00")", R"("\ud83dx")"}) {
    JsonReader reader(text, "c.json");
    EXPECT_TRUE(reader.string()->starts_with("\xef\xbf\xbd")) << text;
  }
}

TEST(JsonReader, BytesThatAreNotUtf8PassThrough) {
  JsonReader reader("\"a\xff\xc3\"", "c.json");
  EXPECT_EQ(*reader.string(), "a\xff\xc3");
}

TEST(JsonReader, WalksObjectsAndArrays) {
  const std::string text = R"({"a":[10, 20],"b":{},"c":"x"})";
  JsonReader reader(text, "c.json");
  ASSERT_TRUE(reader.enter_object());
  std::vector<std::string> seen;
  for (;;) {
    const auto key = reader.next_key();
    ASSERT_TRUE(key);
    if (!*key) break;
    seen.push_back(**key);
    if (**key != "a") {
      ASSERT_TRUE(reader.skip());
      continue;
    }
    ASSERT_TRUE(reader.enter_array());
    for (;;) {
      const auto more = reader.next_item();
      ASSERT_TRUE(more);
      if (!*more) break;
      seen.push_back(std::to_string(*reader.whole_number()));
    }
  }
  EXPECT_TRUE(reader.finish());
  EXPECT_THAT(seen, ElementsAre("a", "10", "20", "b", "c"));
}

TEST(JsonReader, ReadsOnlyThePartItWasGiven) {
  const std::string text = R"({"a":"x","b":1})";
  JsonReader reader(text, "c.json", {5, 8});
  EXPECT_EQ(*reader.string(), "x");
  EXPECT_TRUE(reader.finish());
}

TEST(JsonReader, WholeNumbersAreWhole) {
  for (const std::string text :
       {"1.0", "-1", "1e3", "99999999999999999999999", "\"1\""}) {
    JsonReader reader(text, "c.json");
    EXPECT_FALSE(reader.whole_number()) << text;
  }
}

// Another parser's opinion on the same text.
bool rapidjson_accepts(const std::string& text) {
  rapidjson::Reader reader;
  rapidjson::BaseReaderHandler<> handler;
  rapidjson::MemoryStream stream(text.data(), text.size());
  constexpr unsigned kFlags =
      rapidjson::kParseIterativeFlag | rapidjson::kParseNumbersAsStringsFlag;
  return !reader.Parse<kFlags>(stream, handler).IsError();
}

RC_GTEST_PROP(JsonReader, AcceptsWhatAnotherParserAccepts, ()) {
  // Broken JSON is found near good JSON, not among random bytes.
  std::string text = R"({"a":[1,-2.5e3,"x\n",true],"b":{"c":null,"d":[]}})";
  const auto edits = *rc::gen::inRange(0, 4);
  for (int i = 0; i < edits; ++i) {
    const auto at = *rc::gen::inRange<std::size_t>(0, text.size());
    const auto bytes = *rc::gen::elementOf(std::vector<std::string>{
        "",  "{", "}", "[", "]", ",",  ":", "\"",   "\\",   "0",
        "1", ".", "e", "-", " ", "\n", "t", "null", "\x01", "\xff"});
    text.replace(at, *rc::gen::inRange<std::size_t>(0, 3), bytes);
  }
  RC_ASSERT(fault_of(text).empty() == rapidjson_accepts(text));
}

}  // namespace
}  // namespace gpunode::text
