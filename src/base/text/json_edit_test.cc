#include "base/text/json_edit.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>

namespace gpunode::text {
namespace {

std::string after_set(const std::string& text, const KeyPath& path,
                      const Node& value) {
  auto editor = JsonEditor::open(text, "daemon.json");
  if (!editor) return "error: " + editor.error().message();
  const auto done = editor->set(path, value);
  return done ? editor->text() : "error: " + done.error().message();
}

std::string after_remove(const std::string& text, const KeyPath& path) {
  auto editor = JsonEditor::open(text, "daemon.json");
  const auto done = editor->remove(path);
  return done ? editor->text() : "error: " + done.error().message();
}

Node runtime_node() {
  Node node = mapping_node();
  put_at(node, {"args"}, list_node({}));
  put_at(node, {"path"}, string_node("nvidia"));
  return node;
}

TEST(JsonSet, MakesADocumentOfNothing) {
  EXPECT_EQ(after_set("{}", {"runtimes", "nvidia"}, runtime_node()),
            "{\n"
            "    \"runtimes\": {\n"
            "        \"nvidia\": {\n"
            "            \"args\": [],\n"
            "            \"path\": \"nvidia\"\n"
            "        }\n"
            "    }\n"
            "}");
}

TEST(JsonSet, AddsAMemberInTheMannerOfItsSiblings) {
  EXPECT_EQ(
      after_set("{\n  \"a\": 1.50,\n  \"f\": {\n    \"x\": true\n  }\n}\n",
                {"f", "cdi"}, bool_node(true)),
      "{\n  \"a\": 1.50,\n  \"f\": {\n    \"x\": true,\n    \"cdi\": "
      "true\n  }\n}\n");
  EXPECT_EQ(after_set("{\"a\":1}", {"b"}, runtime_node()),
            "{\"a\":1, \"b\": {\"args\":[],\"path\":\"nvidia\"}}");
  EXPECT_EQ(after_set("{\r\n\t\"a\": {}\r\n}", {"a", "b"}, integer_node(1)),
            "{\r\n\t\"a\": {\r\n\t\t\"b\": 1\r\n\t}\r\n}");
}

TEST(JsonSet, ReplacesAValueAndNothingElse) {
  EXPECT_EQ(after_set("{ \"a\" : 'x', }", {"a"}, integer_node(1)).substr(0, 6),
            "error:");
  EXPECT_EQ(after_set("{ \"a\" : 1e2 , \"b\":2}", {"b"}, string_node("<x>")),
            "{ \"a\" : 1e2 , \"b\":\"\\u003cx\\u003e\"}");
  EXPECT_EQ(after_set("{\"a\": \"\\u0041\"}", {"a"}, string_node("A")),
            "{\"a\": \"\\u0041\"}");
}

TEST(JsonSet, OfMembersWithOneKeyTheLastCounts) {
  EXPECT_EQ(after_set("{\"a\":1,\"a\":2}", {"a"}, integer_node(3)),
            "{\"a\":1,\"a\":3}");
}

TEST(JsonSet, RefusesToGoThroughAValue) {
  EXPECT_EQ(after_set("{\"runtimes\":[]}", {"runtimes", "x"}, runtime_node()),
            "error: runtimes is no object");
  EXPECT_EQ(after_set("[]", {"a"}, runtime_node()),
            "error: daemon.json: not a JSON object");
}

TEST(JsonRemove, TakesAMemberAndItsComma) {
  EXPECT_EQ(after_remove("{\"a\": 1, \"b\": 2}", {"a"}), "{\"b\": 2}");
  EXPECT_EQ(after_remove("{\n  \"a\": 1,\n  \"b\": 2\n}", {"b"}),
            "{\n  \"a\": 1\n}");
  EXPECT_EQ(after_remove("{\n  \"a\": {\n    \"b\": 1\n  }\n}", {"a", "b"}),
            "{\n  \"a\": {}\n}");
  EXPECT_EQ(after_remove("{\"a\": 1}", {"x", "y"}), "{\"a\": 1}");
}

TEST(JsonEditor, RefusesInGosWords) {
  const auto refusal = [](const std::string& text) {
    return JsonEditor::open(text, "d").error().message();
  };
  EXPECT_THAT(refusal("{bad"),
              testing::HasSubstr("invalid character 'b' looking for beginning "
                                 "of object key string"));
  EXPECT_THAT(refusal(""), testing::HasSubstr("EOF"));
  EXPECT_THAT(refusal("{} {}"), testing::HasSubstr("invalid character '{'"));
  EXPECT_THAT(refusal(std::string(5000, '[')), testing::HasSubstr("nested"));
}

TEST(JsonEditorProperty, SetThenRemoveGivesTheTreeBack) {
  EXPECT_TRUE(rc::check([](const std::vector<bool>& rolls) {
    std::size_t next = 0;
    const auto roll = [&] { return next < rolls.size() && rolls[next++]; };
    Node tree = mapping_node();
    while (next < rolls.size()) {
      KeyPath path = {roll() ? "a" : "b"};
      while (roll()) path.emplace_back(roll() ? "c" : "d");
      put_at(tree, path, roll() ? list_node({"x"}) : runtime_node());
    }
    const std::string text =
        rolls.size() % 2 == 0 ? to_json(tree) : json_text(tree, "", "\t");
    auto editor = JsonEditor::open(text, "x");
    RC_ASSERT(editor.has_value());
    const auto set = editor->set({"a", "new"}, bool_node(true));
    if (!set) {
      RC_ASSERT(set.error().code() == ErrorCode::kAlreadyExists);
      return;
    }
    RC_ASSERT(find_at(editor->tree(), {"a", "new"})->is_true());
    RC_ASSERT(editor->remove({"a", "new"}).has_value());
    RC_ASSERT(tree_changes(tree, editor->tree()).empty());
  }));
}

}  // namespace
}  // namespace gpunode::text
