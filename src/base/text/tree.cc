#include "base/text/tree.h"

#include <algorithm>
#include <map>
#include <utility>

#include "base/text/toml_value.h"

namespace gpunode::text {
namespace {

bool same_items(const Node& a, const Node& b) {
  return std::ranges::equal(a.items, b.items, same_tree);
}

bool same_entries(const Node& a, const Node& b) {
  if (a.entries.size() != b.entries.size()) return false;
  return std::ranges::all_of(a.entries, [&b](const Entry& entry) {
    const Entry* other = b.find(entry.key);
    return other != nullptr && same_tree(entry.value, other->value);
  });
}

using Leaves = std::map<KeyPath, const Node*>;

void collect_leaves(const Node& node, KeyPath& path, Leaves& into) {
  if (!node.is(Node::Kind::kMapping)) {
    into[path] = &node;
    return;
  }
  for (const Entry& entry : node.entries) {
    path.push_back(entry.key);
    collect_leaves(entry.value, path, into);
    path.pop_back();
  }
}

Leaves leaves_of(const Node& root) {
  Leaves leaves;
  KeyPath path;
  collect_leaves(root, path, leaves);
  return leaves;
}

Node scalar_node(Node::Kind kind, std::string scalar) {
  Node node;
  node.kind = kind;
  node.scalar = std::move(scalar);
  return node;
}

}  // namespace

std::string path_text(const KeyPath& path) {
  std::string out;
  for (const std::string& key : path) {
    if (!out.empty()) out += '.';
    out += toml_key(key);
  }
  return out;
}

KeyPath child(KeyPath path, std::string key) {
  path.push_back(std::move(key));
  return path;
}

bool is_prefix(const KeyPath& prefix, const KeyPath& whole) {
  return prefix.size() <= whole.size() &&
         std::equal(prefix.begin(), prefix.end(), whole.begin());
}

Node string_node(std::string value) {
  return scalar_node(Node::Kind::kString, std::move(value));
}

Node bool_node(bool value) {
  return scalar_node(Node::Kind::kBool, value ? "true" : "false");
}

Node integer_node(long long value) {
  return scalar_node(Node::Kind::kInteger, std::to_string(value));
}

Node list_node(const std::vector<std::string>& values) {
  Node node;
  node.kind = Node::Kind::kSequence;
  for (const std::string& value : values) {
    node.items.push_back(string_node(value));
  }
  return node;
}

Node mapping_node() {
  Node node;
  node.kind = Node::Kind::kMapping;
  return node;
}

const Node* find_at(const Node& root, const KeyPath& path) {
  const Node* node = &root;
  for (const std::string& key : path) {
    const Entry* entry = node->find(key);
    if (entry == nullptr) return nullptr;
    node = &entry->value;
  }
  return node;
}

std::string string_at(const Node& root, const KeyPath& path) {
  const Node* node = find_at(root, path);
  if (node == nullptr || !node->is(Node::Kind::kString)) return {};
  return node->scalar;
}

void put_at(Node& root, const KeyPath& path, Node value) {
  Node* node = &root;
  for (const std::string& key : path) {
    if (!node->is(Node::Kind::kMapping)) *node = mapping_node();
    const auto found = std::ranges::find(node->entries, key, &Entry::key);
    if (found != node->entries.end()) {
      node = &found->value;
    } else {
      node->entries.push_back({key, {}, {}});
      node = &node->entries.back().value;
    }
  }
  *node = std::move(value);
}

void erase_at(Node& root, const KeyPath& path) {
  if (path.empty()) return;
  Node* node = &root;
  for (std::size_t i = 0; i < path.size(); ++i) {
    const auto found = std::ranges::find(node->entries, path[i], &Entry::key);
    if (found == node->entries.end()) return;
    if (i + 1 == path.size()) {
      node->entries.erase(found);
      return;
    }
    node = &found->value;
  }
}

bool same_tree(const Node& a, const Node& b) {
  return a.kind == b.kind && a.scalar == b.scalar && same_items(a, b) &&
         same_entries(a, b);
}

std::vector<TreeChange> tree_changes(const Node& before, const Node& after) {
  const Leaves old_leaves = leaves_of(before);
  const Leaves new_leaves = leaves_of(after);
  std::vector<TreeChange> changes;
  for (const auto& [path, node] : old_leaves) {
    const auto found = new_leaves.find(path);
    if (found == new_leaves.end()) {
      changes.push_back({path, *node, std::nullopt});
    } else if (!same_tree(*node, *found->second)) {
      changes.push_back({path, *node, *found->second});
    }
  }
  for (const auto& [path, node] : new_leaves) {
    if (!old_leaves.contains(path)) {
      changes.push_back({path, std::nullopt, *node});
    }
  }
  std::ranges::sort(changes, {}, &TreeChange::path);
  return changes;
}

}  // namespace gpunode::text
