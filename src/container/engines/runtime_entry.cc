#include "container/engines/runtime_entry.h"

#include <algorithm>
#include <array>
#include <string_view>

namespace gpunode::engines {
namespace {

bool is_zero(const text::Node& value) {
  using Kind = text::Node::Kind;
  switch (value.kind) {
    case Kind::kBool:
      return !value.is_true();
    case Kind::kInteger:
    case Kind::kFloat:
      return value.scalar == "0" || value.scalar == "0.0";
    default:
      return value.scalar.empty() && value.items.empty();
  }
}

bool says_nothing(const text::TreeChange& leaf) {
  return leaf.path.front() != "options" && is_zero(*leaf.after);
}

std::vector<text::TreeChange> leaves_of(const text::Node& entry) {
  return text::tree_changes(text::mapping_node(), entry);
}

bool has_same(const text::Node* entry, const text::TreeChange& leaf) {
  const text::Node* value =
      entry == nullptr ? nullptr : text::find_at(*entry, leaf.path);
  return value != nullptr && text::same_tree(*value, *leaf.after);
}

}  // namespace

text::Node without_zeroes(const text::Node& entry) {
  text::Node out = text::mapping_node();
  for (const text::TreeChange& leaf : leaves_of(entry)) {
    if (!says_nothing(leaf)) text::put_at(out, leaf.path, *leaf.after);
  }
  return out;
}

text::Node written_entry(const text::Node& effective, const text::Node* said,
                         const text::Node* built_in) {
  text::Node out = said != nullptr ? *said : text::mapping_node();
  if (said != nullptr) {
    for (const text::TreeChange& leaf : leaves_of(*said)) {
      // The engine leaves zeroes out of its dump, or another file took it away.
      const text::Node* now = text::find_at(effective, leaf.path);
      if (now == nullptr && !is_zero(*leaf.after)) {
        text::erase_at(out, leaf.path);
      }
    }
  }
  for (const text::TreeChange& leaf : leaves_of(effective)) {
    const bool is_said =
        said != nullptr && text::find_at(*said, leaf.path) != nullptr;
    if (is_said ? has_same(said, leaf)
                : says_nothing(leaf) || has_same(built_in, leaf)) {
      continue;
    }
    text::put_at(out, leaf.path, *leaf.after);
  }
  return out;
}

const text::Entry* template_entry(const text::Node* runtimes,
                                  const std::string& default_runtime) {
  if (runtimes == nullptr) return nullptr;
  std::string_view first = default_runtime;
  if (first.starts_with("nvidia")) first = {};
  for (const std::string_view name :
       std::array<std::string_view, 3>{first, "runc", "crun"}) {
    const text::Entry* entry = runtimes->find(name);
    if (!name.empty() && entry != nullptr &&
        entry->value.is(text::Node::Kind::kMapping)) {
      return entry;
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
