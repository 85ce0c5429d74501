// Random documents in random manners of writing, and random changes of them.
#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "base/text/toml_edit.h"
#include "base/text/toml_value.h"

namespace gpunode::text {
namespace {

/// Choices that rapidcheck made and can make smaller.
class Dice {
 public:
  explicit Dice(std::vector<unsigned> rolls) : rolls_(std::move(rolls)) {}

  unsigned below(unsigned bound) {
    if (next_ == rolls_.size()) return 0;
    return rolls_[next_++] % bound;
  }
  bool yes() { return below(2) == 1; }

 private:
  std::vector<unsigned> rolls_;
  std::size_t next_ = 0;
};

std::string some_key(Dice& dice) {
  static const std::vector<std::string> kKeys = {
      "a", "b", "c", "runc", "io.x.v1", "with \"quote\"", "", "\u00e9", "1"};
  return kKeys[dice.below(static_cast<unsigned>(kKeys.size()))];
}

Node some_value(Dice& dice) {
  switch (dice.below(5)) {
    case 0:
      return integer_node(dice.below(100));
    case 1:
      return bool_node(dice.yes());
    case 2:
      return list_node({"x", "y]\\"});
    case 3:
      return list_node({});
    default:
      return string_node("v # \" ' \n \\");
  }
}

Node some_mapping(Dice& dice, unsigned depth) {
  Node node = mapping_node();
  const unsigned count = dice.below(4);
  for (unsigned i = 0; i < count; ++i) {
    const bool is_table = depth < 4 && dice.yes();
    put_at(node, {some_key(dice)},
           is_table ? some_mapping(dice, depth + 1) : some_value(dice));
  }
  return node;
}

/// Writes a tree down in ways that only the dice know.
class Author {
 public:
  explicit Author(Dice& dice)
      : dice_(dice),
        newline_(dice.yes() ? "\r\n" : "\n"),
        unit_(dice.below(3), ' ') {}

  std::string write(const Node& root) {
    if (dice_.yes()) out_ += "\xef\xbb\xbf";
    trivia();
    body(root, {});
    if (dice_.yes()) out_ += "# the end";
    return out_;
  }

 private:
  void trivia() {
    if (dice_.below(3) == 1) out_ += newline_;
    if (dice_.below(3) == 1) out_ += "# [comment] = \"x" + newline_;
    if (dice_.below(3) == 1) out_ += newline_;
  }
  std::string indent(std::size_t depth) const {
    std::string spaces;
    for (std::size_t i = 0; i < depth; ++i) spaces += unit_;
    return spaces;
  }
  void line(const std::string& text) {
    out_ += text + (dice_.yes() ? " # why" : "") + newline_;
  }

  void dotted(const Node& node, const KeyPath& path, std::size_t depth) {
    if (!node.is(Node::Kind::kMapping) || node.entries.empty()) {
      line(indent(depth) + path_text(path) + " = " + toml_value(node));
      return;
    }
    for (const Entry& entry : node.entries) {
      dotted(entry.value, child(path, entry.key), depth);
    }
  }

  void body(const Node& node, const KeyPath& path) {
    std::vector<const Entry*> sections;
    for (const Entry& entry : node.entries) {
      const unsigned form = dice_.below(3);
      if (entry.value.is(Node::Kind::kMapping) && form == 0) {
        sections.push_back(&entry);
      } else if (form == 1) {
        dotted(entry.value, {entry.key}, path.size());
      } else {
        line(indent(path.size()) + toml_key(entry.key) + "= " +
             toml_value(entry.value));
      }
    }
    for (const Entry* entry : sections) section(*entry, path);
  }

  void section(const Entry& entry, const KeyPath& path) {
    const KeyPath below = child(path, entry.key);
    const bool only_implied =
        !entry.value.entries.empty() &&
        std::ranges::all_of(entry.value.entries, [](const Entry& inner) {
          return inner.value.is(Node::Kind::kMapping);
        });
    if (only_implied && dice_.yes()) {
      for (const Entry& inner : entry.value.entries) section(inner, below);
      return;
    }
    trivia();
    line(indent(path.size()) + "[ " + path_text(below) + "]");
    body(entry.value, below);
  }

  Dice& dice_;
  std::string newline_;
  std::string unit_;
  std::string out_;
};

KeyPath some_path(Dice& dice) {
  KeyPath path;
  const unsigned length = 1 + dice.below(4);
  for (unsigned i = 0; i < length; ++i) path.push_back(some_key(dice));
  return path;
}

TomlEditor some_editor(Dice& dice) {
  const Node tree = some_mapping(dice, 0);
  const std::string text = Author(dice).write(tree);
  auto editor = TomlEditor::open(text, "x");
  if (!editor) RC_FAIL(editor.error().message() + "\n" + text);
  RC_ASSERT(same_tree(tree, editor->tree()));
  return *std::move(editor);
}

std::size_t common_ends(const std::string& a, const std::string& b) {
  const auto front = std::mismatch(a.begin(), a.end(), b.begin(), b.end());
  const auto head = static_cast<std::size_t>(front.first - a.begin());
  const auto back = std::mismatch(a.rbegin(), a.rend(), b.rbegin(), b.rend());
  return head + static_cast<std::size_t>(back.first - a.rbegin());
}

bool is_subsequence(const std::string& part, const std::string& whole) {
  std::size_t found = 0;
  for (const char c : whole) {
    if (found < part.size() && part[found] == c) ++found;
  }
  return found == part.size();
}

// What set() may refuse; kInternal would be a change that went wrong.
bool is_refusal(const Error& error) {
  return error.code() == ErrorCode::kAlreadyExists ||
         error.code() == ErrorCode::kUnsupported;
}

TEST(TomlEditProperty, SetChangesOneValueAndNoOtherByte) {
  EXPECT_TRUE(rc::check([](const std::vector<unsigned>& rolls) {
    Dice dice(rolls);
    TomlEditor editor = some_editor(dice);
    const std::string before = editor.text();
    Node expected = editor.tree();
    const KeyPath path = some_path(dice);
    const Node* old = find_at(expected, path);
    const bool is_new = old == nullptr;
    const Node value = dice.yes() ? some_mapping(dice, 3) : some_value(dice);
    const auto done = editor.set(path, value);
    if (!done) {
      RC_ASSERT(is_refusal(done.error()));
      RC_ASSERT(editor.text() == before);
      return;
    }
    put_at(expected, path, value);
    RC_ASSERT(same_tree(editor.tree(), expected));
    if (is_new && path.size() > 0) {
      // Empty braces may have been written anew.
      RC_ASSERT(common_ends(before, editor.text()) + 2 >= before.size());
    }
  }));
}

TEST(TomlEditProperty, RemoveTakesBytesAndAddsNone) {
  EXPECT_TRUE(rc::check([](const std::vector<unsigned>& rolls) {
    Dice dice(rolls);
    TomlEditor editor = some_editor(dice);
    const std::string before = editor.text();
    const KeyPath path = some_path(dice);
    const auto done = editor.remove(path);
    if (!done) {
      RC_ASSERT(is_refusal(done.error()));
      return;
    }
    RC_ASSERT(find_at(editor.tree(), path) == nullptr);
    RC_ASSERT(is_subsequence(editor.text(), before));
  }));
}

TEST(TomlEditProperty, WhatWasAddedIsRemovedAgain) {
  EXPECT_TRUE(rc::check([](const std::vector<unsigned>& rolls) {
    Dice dice(rolls);
    TomlEditor editor = some_editor(dice);
    const Node before = editor.tree();
    const KeyPath path = {some_key(dice), "new"};
    if (!editor.set(path, some_value(dice))) return;
    RC_ASSERT(editor.remove(path).has_value());
    RC_ASSERT(tree_changes(before, editor.tree()).empty());
  }));
}

TEST(TomlEditProperty, DocumentsReadBackAsWritten) {
  EXPECT_TRUE(rc::check([](const std::vector<unsigned>& rolls) {
    Dice dice(rolls);
    const Node tree = some_mapping(dice, 0);
    const auto editor = TomlEditor::open(toml_document(tree), "x");
    RC_ASSERT(editor.has_value());
    RC_ASSERT(same_tree(editor->tree(), tree));
  }));
}

}  // namespace
}  // namespace gpunode::text
