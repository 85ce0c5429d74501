// Grows a tree of Nodes from what a YAML parser reports, within limits.
//
// Private to this room. Knows YAML's data rules (merge keys, aliases, last
// duplicate wins) and nothing of libyaml.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/core/result.h"
#include "base/text/node.h"
#include "base/text/yaml.h"

namespace gpunode::text {

/// A scalar as written.
struct WrittenScalar {
  std::string_view text;
  std::string_view tag;  ///< Long form; empty when none was written.
  bool plain = true;     ///< Neither quoted nor a block.
};

class YamlBuilder {
 public:
  YamlBuilder(std::string_view file_name, const YamlLimits& limits)
      : file_name_(file_name), limits_(limits) {}

  Result<void> scalar(Mark mark, std::string_view anchor,
                      const WrittenScalar& written);
  Result<void> alias(Mark mark, std::string_view anchor);
  Result<void> open(Node::Kind kind, Mark mark, std::string_view anchor);
  Result<void> close();

  /// The finished tree. Call once, after everything opened was closed.
  YamlDocument take() &&;

 private:
  struct Pending {
    Node node;
    std::string anchor;
    std::unordered_map<std::string, std::size_t> index;  ///< Of entries.
    std::optional<Entry> key;  ///< Read, its value still to come.
    bool key_is_merge = false;
  };
  struct Anchored {
    Node node;
    std::size_t nodes = 0;
  };

  Result<void> add(Node node, std::string_view anchor, bool is_merge);
  Result<void> add_key(Pending& parent, Node node, bool is_merge);
  Result<void> merge(Pending& parent, Node source);
  void set(Pending& parent, Entry entry, bool written);
  Result<void> count(std::size_t nodes, Mark mark);
  Error fault(std::string_view words, Mark mark, std::string_view advice) const;

  std::string_view file_name_;
  YamlLimits limits_;
  std::size_t nodes_ = 0;
  std::vector<Pending> stack_;
  std::map<std::string, Anchored, std::less<>> anchors_;
  YamlDocument document_;
};

}  // namespace gpunode::text
