#include "container/engines/runtime_entry.h"

#include <algorithm>
#include <array>
#include <string_view>

namespace gpunode::engines {

const text::Node* template_entry(const text::Node* runtimes,
                                 const std::string& default_runtime) {
  if (runtimes == nullptr) return nullptr;
  std::string_view first = default_runtime;
  if (first.starts_with("nvidia")) first = {};
  for (const std::string_view name :
       std::array<std::string_view, 3>{first, "runc", "crun"}) {
    const text::Entry* entry = runtimes->find(name);
    if (!name.empty() && entry != nullptr &&
        entry->value.is(text::Node::Kind::kMapping)) {
      return &entry->value;
    }
  }
  return nullptr;
}

void keep_existing(text::Node& entry, const text::Node* existing,
                   const std::vector<text::KeyPath>& not_kept) {
  if (existing == nullptr) return;
  const text::Node nothing = text::mapping_node();
  for (const text::TreeChange& leaf : text::tree_changes(nothing, *existing)) {
    const bool is_kept =
        std::ranges::find(not_kept, leaf.path) == not_kept.end() ||
        text::find_at(entry, leaf.path) == nullptr;
    if (is_kept) text::put_at(entry, leaf.path, *leaf.after);
  }
}

}  // namespace gpunode::engines
