// YAML 1.1 (so JSON too) read the way Kubernetes tools read it, with marks.
//
// The parser is libyaml, of which go-yaml is a port: syntax errors have the
// very words that operators know from kubectl (docs/adr/0010). Everything that
// an attacker could make grow is bounded: size, depth, nodes after aliases.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/result.h"
#include "base/text/node.h"

namespace gpunode::text {

/// Bounds on one document.
struct YamlLimits {
  std::size_t bytes = std::size_t{1} << 20U;  ///< What a ConfigMap can hold.
  std::size_t depth = 100;  ///< Mappings and sequences inside each other.
  std::size_t nodes =
      100'000;  ///< Values, each alias counted as what it repeats.
};

/// A key that a mapping has twice. The last value stands, as in go-yaml.
struct DuplicateKey {
  std::string key;
  Mark first;
  Mark second;
};

struct YamlDocument {
  Node root;  ///< Null for an empty text.
  std::vector<DuplicateKey> duplicates;
  /// Where a second document starts, which is not read; nowhere if none does.
  Mark second_document;
};

/// Reads the first document of `text`. `file_name` is for messages only.
/// Fails with kCorrupt and one line: go-yaml's words ("yaml: line 3: ..."),
/// then in parentheses file, line, column and what would be right.
Result<YamlDocument> parse_yaml(std::string_view text,
                                std::string_view file_name,
                                const YamlLimits& limits = {});

}  // namespace gpunode::text
