#include "base/text/json_splice.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace gpunode::text {
namespace {

/// The place of the whole of `text`, an object or array.
JsonPlace place_of(const std::string& text) {
  JsonPlace place;
  JsonReader reader(text, "t");
  const auto kind = reader.kind();
  place.span.begin = reader.position();
  place.state = kind && *kind == JsonKind::kObject ? JsonPlace::State::kObject
                                                   : JsonPlace::State::kArray;
  if (kind && *kind == JsonKind::kNull) place.state = JsonPlace::State::kNull;
  if (place.state == JsonPlace::State::kArray && reader.enter_array()) {
    for (auto more = reader.next_item(); more && *more;
         more = reader.next_item()) {
      place.items.push_back(*reader.skip());
    }
  } else if (place.state == JsonPlace::State::kObject &&
             reader.enter_object()) {
    for (auto key = reader.next_key(); key && *key; key = reader.next_key()) {
      place.items.push_back(*reader.skip());
    }
  } else {
    static_cast<void>(reader.skip());
  }
  place.span.end = reader.position();
  return place;
}

std::string appended(const std::string& text,
                     const std::vector<std::string>& items) {
  JsonSplice splice;
  splice.append_items(place_of(text), items);
  return std::move(splice).apply(text);
}

TEST(JsonSplice, AppendsBehindWhatIsThere) {
  EXPECT_EQ(appended("[]", {"1"}), "[1]");
  EXPECT_EQ(appended("[ ]", {"1", "2"}), "[1,2 ]");
  EXPECT_EQ(appended(" [ 1 , 2\n] ", {"3"}), " [ 1 , 2,3\n] ");
  EXPECT_EQ(appended("null", {"1"}), "[1]");
  EXPECT_EQ(appended("[1]", {}), "[1]");
}

TEST(JsonSplice, AddsMembers) {
  const auto added = [](const std::string& text) {
    JsonSplice splice;
    splice.add_members(place_of(text), {{"b", "2"}, {"c\"", "[]"}});
    return std::move(splice).apply(text);
  };
  EXPECT_EQ(added("{}"), R"({"b":2,"c\"":[]})");
  EXPECT_EQ(added("{ \"a\" : 1 }"), R"({ "a" : 1,"b":2,"c\"":[] })");
  EXPECT_EQ(added("null"), R"({"b":2,"c\"":[]})");
}

TEST(JsonSplice, ChangesOfOnePlaceKeepTheirOrder) {
  JsonSplice splice;
  splice.insert(1, "b");
  splice.insert(1, "c");
  splice.replace({0, 1}, "a");
  EXPECT_EQ(std::move(splice).apply("xd"), "abcd");
}

TEST(JsonSplice, WithoutChangesGivesTheSource) {
  JsonSplice splice;
  EXPECT_TRUE(splice.is_empty());
  EXPECT_EQ(std::move(splice).apply("{ }"), "{ }");
}

RC_GTEST_PROP(JsonSplice, BytesOutsideTheChangesAreIdentical, ()) {
  const auto source = *rc::gen::nonEmpty<std::string>();
  const auto begin = *rc::gen::inRange<std::size_t>(0, source.size() + 1);
  const auto end = *rc::gen::inRange<std::size_t>(begin, source.size() + 1);
  const auto text = *rc::gen::arbitrary<std::string>();
  JsonSplice splice;
  splice.replace({begin, end}, text);
  RC_ASSERT(std::move(splice).apply(source) ==
            source.substr(0, begin) + text + source.substr(end));
}

}  // namespace
}  // namespace gpunode::text
