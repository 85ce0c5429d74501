#include "base/text/toml_edit.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gpunode::text {
namespace {

TomlEditor editor_of(const std::string& text) {
  auto editor = TomlEditor::open(text, "config.toml");
  EXPECT_TRUE(editor) << editor.error().message();
  return *std::move(editor);
}

std::string after_set(const std::string& text, const KeyPath& path,
                      const Node& value) {
  TomlEditor editor = editor_of(text);
  const auto done = editor.set(path, value);
  return done ? editor.text() : "error: " + done.error().message();
}

std::string after_append(const std::string& text, const KeyPath& path) {
  TomlEditor editor = editor_of(text);
  const auto done = editor.append(path, "x");
  return done ? editor.text() : "error: " + done.error().message();
}

std::string after_remove(const std::string& text, const KeyPath& path) {
  TomlEditor editor = editor_of(text);
  const auto done = editor.remove(path);
  return done ? editor.text() : "error: " + done.error().message();
}

Node entry_node() {
  Node node = mapping_node();
  put_at(node, {"runtime_type"}, string_node("v2"));
  put_at(node, {"options", "SystemdCgroup"}, bool_node(true));
  return node;
}

TEST(TomlSet, ReplacesAValueAndNothingElse) {
  EXPECT_EQ(after_set("# top\na = 'old' # why\nb=2\n", {"a"}, string_node("n")),
            "# top\na = \"n\" # why\nb=2\n");
  EXPECT_EQ(
      after_set("[t]\n\ta.b = [1,\n 2]\n", {"t", "a", "b"}, bool_node(true)),
      "[t]\n\ta.b = true\n");
  EXPECT_EQ(after_set("t = { a = 1, b = 2 }", {"t", "b"}, integer_node(3)),
            "t = { a = 1, b = 3 }");
}

TEST(TomlSet, LeavesAnEqualValueInTheFormItHas) {
  EXPECT_EQ(after_set("a = 'x'", {"a"}, string_node("x")), "a = 'x'");
}

TEST(TomlSet, AddsAKeyBehindTheLastOneWithItsIndent) {
  EXPECT_EQ(after_set("[t]\n    a = 1 # one\n\n# about u\n[u]\n", {"t", "b"},
                      integer_node(2)),
            "[t]\n    a = 1 # one\n    b = 2\n\n# about u\n[u]\n");
  EXPECT_EQ(after_set("[t]\r\na = 1", {"t", "b"}, integer_node(2)),
            "[t]\r\na = 1\r\nb = 2\r\n");
}

TEST(TomlSet, AddsAKeyToAnEmptyTable) {
  EXPECT_EQ(after_set("[t]\n[u]\n  a = 1\n", {"t", "b"}, integer_node(2)),
            "[t]\n  b = 2\n[u]\n  a = 1\n");
}

TEST(TomlSet, AddsTheFirstKeyOfTheRootBehindTheOpeningComment) {
  EXPECT_EQ(after_set("# licence\n\n[t]\n", {"v"}, integer_node(2)),
            "# licence\n\nv = 2\n\n[t]\n");
  EXPECT_EQ(after_set("# about t\n[t]\n", {"v"}, integer_node(2)),
            "v = 2\n\n# about t\n[t]\n");
  EXPECT_EQ(after_set("", {"v"}, integer_node(2)), "v = 2\n");
  EXPECT_EQ(after_set("\xef\xbb\xbf[t]\n", {"v"}, integer_node(2)),
            "\xef\xbb\xbfv = 2\n\n[t]\n");
  EXPECT_EQ(after_set("# only", {"v"}, integer_node(2)), "# only\nv = 2\n");
}

TEST(TomlSet, AddsToInlineTables) {
  EXPECT_EQ(after_set("t = {}", {"t", "a"}, integer_node(1)), "t = { a = 1 }");
  EXPECT_EQ(after_set("t = {x = 1} # c\n", {"t", "a"}, integer_node(1)),
            "t = {x = 1, a = 1} # c\n");
  EXPECT_EQ(after_set("t = {x = {}}", {"t", "x", "y", "z"}, integer_node(1)),
            "t = {x = { y = { z = 1 } }}");
}

TEST(TomlSet, AddsToTablesMadeOfDottedKeys) {
  EXPECT_EQ(after_set("[p]\n  c.x.y = 1\n  z = 2\n", {"p", "c", "x", "w"},
                      integer_node(3)),
            "[p]\n  c.x.y = 1\n  c.x.w = 3\n  z = 2\n");
  EXPECT_EQ(after_set("a.b = 1\n", {"a", "c"}, entry_node()),
            "a.b = 1\na.c.runtime_type = \"v2\"\n"
            "a.c.options.SystemdCgroup = true\n");
  Node half_empty = mapping_node();
  put_at(half_empty, {"x"}, mapping_node());
  put_at(half_empty, {"y"}, integer_node(0));
  EXPECT_EQ(after_set("a.b = 1\n", {"a", "c"}, half_empty),
            "a.b = 1\na.c.x = {}\na.c.y = 0\n");
}

TEST(TomlSet, GivesAnImpliedTableAHeaderOfItsOwn) {
  EXPECT_EQ(after_set("v = 2\n\n# runc\n[a.b.c]\nx = 1\n", {"a", "b", "d"},
                      integer_node(1)),
            "v = 2\n\n[a.b]\nd = 1\n\n# runc\n[a.b.c]\nx = 1\n");
}

TEST(TomlSet, AddsATableBehindItsSiblingsInTheirManner) {
  EXPECT_EQ(after_set("[r]\n"
                      "  [r.\"a.b\".runc]\n"
                      "    runtime_type = \"v2\"\n"
                      "\n"
                      "    [r.\"a.b\".runc.options]\n"
                      "      X = 1\n"
                      "      # Y = 2\n"
                      "\n"
                      "# proxies\n"
                      "[proxy]\n",
                      {"r", "a.b", "nvidia"}, entry_node()),
            "[r]\n"
            "  [r.\"a.b\".runc]\n"
            "    runtime_type = \"v2\"\n"
            "\n"
            "    [r.\"a.b\".runc.options]\n"
            "      X = 1\n"
            "      # Y = 2\n"
            "\n"
            "  [r.\"a.b\".nvidia]\n"
            "    runtime_type = \"v2\"\n"
            "\n"
            "    [r.\"a.b\".nvidia.options]\n"
            "      SystemdCgroup = true\n"
            "\n"
            "# proxies\n"
            "[proxy]\n");
}

TEST(TomlSet, AddsAKeyOfATableThatIsNotThere) {
  EXPECT_EQ(after_set("v = 2\n", {"a", "b", "c"}, bool_node(true)),
            "v = 2\n\n[a.b]\n  c = true\n");
}

TEST(TomlSet, RefusesWhatWouldChangeMore) {
  EXPECT_EQ(after_set("[t]\n", {"t"}, integer_node(1)), "error: t is a table");
  EXPECT_EQ(after_set("t = 1", {"t", "a"}, integer_node(1)),
            "error: t is a value and no table");
  EXPECT_EQ(after_set("t = 1", {"t"}, mapping_node()),
            "error: t is a value and no table");
  EXPECT_EQ(after_set("[[l]]\na = 1\n", {"l", "b"}, integer_node(1)),
            "error: l is a list of tables, which is not edited");
}

TEST(TomlSet, WalksPastEveryKindOfValue) {
  const std::string text =
      "a = \"]#\\\"\"\n"
      "b = '''it's ''a'''''\n"
      "c = [ 1, # ]\n  { d = \"}\" }, [[]]]\n"
      "e = 1979-05-27 07:32:00Z # when\n"
      "f = \"\"\"x\\\"\"\"\n\"\"\"\n"
      "'k.\"q' . \"\\u00e9\" = +inf\n"
      "[t]\n";
  EXPECT_EQ(after_set(text, {"t", "x"}, integer_node(1)), text + "  x = 1\n");
  EXPECT_EQ(after_set(text, {"k.\"q", "é"}, integer_node(1)),
            std::string(text).replace(text.find("+inf"), 4, "1"));
}

TEST(TomlAppend, KeepsTheManner) {
  EXPECT_EQ(after_append("a = []", {"a"}), "a = [\"x\"]");
  EXPECT_EQ(after_append("a = ['b'] # c", {"a"}), "a = ['b', \"x\"] # c");
  EXPECT_EQ(after_append("a = ['b',]", {"a"}), "a = ['b', \"x\"]");
  EXPECT_EQ(after_append("a = [\n  'b' # ,\n]\n", {"a"}),
            "a = [\n  'b', # ,\n  \"x\"\n]\n");
  EXPECT_EQ(after_append("a = [\n  'b', # b\n  # end\n]\n", {"a"}),
            "a = [\n  'b', # b\n  # end\n  \"x\",\n]\n");
  EXPECT_EQ(after_append("a = [\n]\n", {"a"}), "a = [\n  \"x\"\n]\n");
  EXPECT_EQ(after_append("b = 1\n", {"a"}), "b = 1\na = [\"x\"]\n");
  EXPECT_EQ(after_append("a = 1\n", {"a"}), "error: a is no list");
}

TEST(TomlRemove, TakesAKeyOrATableWithAllBelowIt) {
  EXPECT_EQ(after_remove("a = 1\nb = 2 # b\nc = 3\n", {"b"}), "a = 1\nc = 3\n");
  EXPECT_EQ(after_remove("[a]\nx = 1\n\n[a.b]\ny = 1\n\n[a.b.c]\n\n[d]\n",
                         {"a", "b"}),
            "[a]\nx = 1\n\n[d]\n");
  EXPECT_EQ(after_remove("[a.b.c]\n\n[d]\n", {"a", "b", "c"}), "\n[d]\n");
  EXPECT_EQ(after_remove("t = { a = 1, b = 2, c = 3 }", {"t", "b"}),
            "t = { a = 1, c = 3 }");
  EXPECT_EQ(after_remove("t = { a = 1, b = 2 }", {"t", "b"}), "t = { a = 1 }");
  EXPECT_EQ(after_remove("t = { a = 1 }", {"t", "a"}), "t = {  }");
  EXPECT_EQ(after_remove("a = 1\n", {"b"}), "a = 1\n");
}

TEST(TomlRemove, UndoesWhatSetAdded) {
  const std::string text =
      "version = 2\n\n[p]\n  [p.runc]\n    a = 1\n\n# end\n[q]\n";
  TomlEditor editor = editor_of(text);
  ASSERT_TRUE(editor.set({"p", "nvidia"}, entry_node()));
  ASSERT_TRUE(editor.set({"imports"}, list_node({"x"})));
  ASSERT_TRUE(editor.remove({"p", "nvidia"}));
  ASSERT_TRUE(editor.remove({"imports"}));
  EXPECT_EQ(editor.text(), text);
}

TEST(TomlEditor, OpensOnlyWhatParses) {
  const auto editor = TomlEditor::open("a = 1\n[t\n", "config.toml");
  ASSERT_FALSE(editor);
  EXPECT_EQ(editor.error().code(), ErrorCode::kCorrupt);
  EXPECT_THAT(editor.error().message(), testing::StartsWith("config.toml:2:"));
}

}  // namespace
}  // namespace gpunode::text
