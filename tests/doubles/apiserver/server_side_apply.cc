#include "tests/doubles/apiserver/server_side_apply.h"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>

namespace gpunode::kube::apiserver {
namespace {

using text::Node;

/// What nobody owns.
bool is_identity(const text::KeyPath& path) {
  static const std::array<text::KeyPath, 5> kPaths = {
      {{"apiVersion"},
       {"kind"},
       {"metadata", "name"},
       {"metadata", "namespace"},
       {"metadata", "uid"}}};
  return std::find(kPaths.begin(), kPaths.end(), path) != kPaths.end();
}

}  // namespace

Applied apply_as(const std::string& manager, const Node& wanted,
                 OwnedObject object, bool takes_all) {
  std::map<text::KeyPath, std::string> owners;
  for (const auto& [field, owner] : object.owners) {
    if (owner != manager) owners[field] = owner;
  }
  for (const text::TreeChange& leaf :
       text::tree_changes(text::mapping_node(), wanted)) {
    if (is_identity(leaf.path)) continue;
    const Node* now = text::find_at(object.tree, leaf.path);
    const bool is_same = now != nullptr && text::same_tree(*now, *leaf.after);
    const auto owner = owners.find(leaf.path);
    if (owner != owners.end() && !is_same && !takes_all) {
      return {fmt::format("Apply failed with 1 conflict: conflict with {:?}: "
                          ".{}",
                          owner->second, text::path_text(leaf.path)),
              {}};
    }
    owners[leaf.path] = manager;
    text::put_at(object.tree, leaf.path, *leaf.after);
  }
  for (const auto& [field, owner] : object.owners) {
    if (owner == manager && !owners.contains(field)) {
      text::erase_at(object.tree, field);
    }
  }
  object.owners = std::move(owners);
  return {"", std::move(object)};
}

Node with_managed_fields(const OwnedObject& object) {
  Node tree = object.tree;
  for (const auto& [path, owner] : object.owners) {
    text::KeyPath fields = {"fieldsV1"};
    for (const std::string& key : path) fields.push_back("f:" + key);
    Node entry = text::mapping_node();
    text::put_at(entry, {"manager"}, text::string_node(owner));
    text::put_at(entry, {"operation"}, text::string_node("Apply"));
    text::put_at(entry, {"fieldsV1"}, text::mapping_node());
    text::put_at(entry, fields, text::mapping_node());
    Node* list = nullptr;
    for (text::Entry& of_tree : tree.entries) {
      if (of_tree.key != "metadata") continue;
      if (of_tree.value.find("managedFields") == nullptr) {
        text::put_at(of_tree.value, {"managedFields"}, text::list_node({}));
      }
      for (text::Entry& of_meta : of_tree.value.entries) {
        if (of_meta.key == "managedFields") list = &of_meta.value;
      }
    }
    if (list != nullptr) list->items.push_back(std::move(entry));
  }
  return tree;
}

}  // namespace gpunode::kube::apiserver
