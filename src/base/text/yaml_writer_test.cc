#include "base/text/yaml_writer.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "base/text/tree.h"
#include "base/text/yaml.h"

namespace gpunode::text {
namespace {

std::string rewritten(const std::string& yaml) {
  const auto document = parse_yaml(yaml, "given");
  EXPECT_TRUE(document) << document.error().message();
  return write_yaml(document->root);
}

TEST(YamlWriter, WritesBlocksAsPeopleDo) {
  const std::string text = R"(version: v1
numbers:
  - 1
  - 2.5
  - - inner
    - - innermost
nothing: null
empty: {}
none: []
"on": "yes"
"1": "20"
"": "a: b"
mappings:
  - name: nvidia.com/gpu
    replicas: 20
  - name: other
text: |
  first
    second

  third
cut: |-
  first
  second
)";
  EXPECT_EQ(rewritten(text), text);
  EXPECT_EQ(rewritten("x"), "x\n");
  EXPECT_EQ(rewritten("{}"), "{}\n");
}

/// Trees of every kind, of `rolls` alone.
Node some_node(const std::vector<unsigned>& rolls, std::size_t& next,
               unsigned depth) {
  const auto below = [&](unsigned bound) {
    return next == rolls.size() ? 0 : rolls[next++] % bound;
  };
  static const std::vector<std::string> kTexts = {
      "plain", "",           " a\nb",       "a\nb", "a\n b\n",  "a\n\nb\n",
      "a\n\n", "\n",         "1.5",         "true", "Null",     "~",
      "- x",   "x: y",       "# x",         "\t",   "a\n\tb",   "é",
      "é\nb",  "a \nb",      "a\n   \nb\n", "---",  "...\n...", "\"",
      "'",     "\x01",       "=",           "<<",   "0x1f",     "1e3",
      ".inf",  "2024-01-05", "a\r\nb",      "%",    "@",        "`"};
  const auto text = [&] {
    return kTexts[below(static_cast<unsigned>(kTexts.size()))];
  };
  Node node;
  switch (below(depth < 4 ? 6 : 4)) {
    case 0:
      return string_node(text());
    case 1:
      return integer_node(below(1000));
    case 2:
      return bool_node(below(2) == 1);
    case 3:
      return node;
    case 4:
      node.kind = Node::Kind::kSequence;
      for (unsigned i = below(4); i > 0; --i) {
        node.items.push_back(some_node(rolls, next, depth + 1));
      }
      return node;
    default:
      node = mapping_node();
      for (unsigned i = below(4); i > 0; --i) {
        put_at(node, {text()}, some_node(rolls, next, depth + 1));
      }
      return node;
  }
}

TEST(YamlWriter, IsReadAsWhatWasWritten) {
  EXPECT_TRUE(rc::check([](const std::vector<unsigned>& rolls) {
    std::size_t next = 0;
    const Node node = some_node(rolls, next, 0);
    const std::string text = write_yaml(node);
    const auto document = parse_yaml(text, "written");
    RC_LOG() << text;
    RC_ASSERT(static_cast<bool>(document));
    RC_ASSERT(to_json(document->root) == to_json(node));
  }));
}

}  // namespace
}  // namespace gpunode::text
