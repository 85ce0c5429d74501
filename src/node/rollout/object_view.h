// Objects of the API as this room reads them.
#pragma once

#include <string>
#include <string_view>

#include "base/core/result.h"
#include "base/text/json_edit.h"
#include "base/text/tree.h"

namespace gpunode::rollout {

inline Result<text::Node> read_object(std::string_view json) {
  TRY(const text::JsonValue value,
      text::read_json(json, "the API server's answer"));
  return text::tree_of(value);
}

/// The item of a list of mappings at `path` whose `key` is `value`; nullptr:
/// there is none.
inline const text::Node* item_at(const text::Node& root,
                                 const text::KeyPath& path,
                                 const std::string& key,
                                 std::string_view value) {
  const text::Node* const all = text::find_at(root, path);
  if (all == nullptr) return nullptr;
  for (const text::Node& one : all->items) {
    if (text::string_at(one, {key}) == value) return &one;
  }
  return nullptr;
}

/// The condition of that type; nullptr: there is none.
inline const text::Node* condition_at(const text::Node& object,
                                      std::string_view type) {
  return item_at(object, {"status", "conditions"}, "type", type);
}

/// Of such a condition; "" where there is none.
inline std::string text_in(const text::Node* node, const char* key) {
  return node == nullptr ? "" : text::string_at(*node, {key});
}

inline bool is_true_at(const text::Node& root, const text::KeyPath& path) {
  const text::Node* const found = text::find_at(root, path);
  return found != nullptr && found->is_true();
}

}  // namespace gpunode::rollout
