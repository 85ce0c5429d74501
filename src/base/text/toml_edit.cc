#include "base/text/toml_edit.h"

#include <utility>

#include <fmt/format.h>

#include "base/text/toml_plan.h"
#include "base/text/toml_reader.h"

namespace gpunode::text {
namespace {

// Tables above `path` that are empty in `expected` and not in `found` at all:
// only what was removed implied them.
void drop_implied(Node& expected, const Node& found, KeyPath path) {
  for (path.pop_back(); !path.empty(); path.pop_back()) {
    const Node* left = find_at(expected, path);
    if (left == nullptr || !left->entries.empty()) return;
    if (find_at(found, path) != nullptr) return;
    erase_at(expected, path);
  }
}

}  // namespace

Result<TomlEditor> TomlEditor::open(std::string text, std::string file_name) {
  TRY(Node tree, parse_toml(text, file_name));
  return TomlEditor(std::move(text), std::move(file_name), std::move(tree));
}

Result<void> TomlEditor::commit(std::vector<ByteEdit> edits,
                                const Node& expected, const KeyPath& path) {
  std::string text = apply_edits(text_, std::move(edits));
  auto tree = parse_toml(text, file_name_);
  Node wanted = expected;
  if (tree) drop_implied(wanted, *tree, path);
  if (!tree || !same_tree(wanted, *tree)) {
    return Error(ErrorCode::kInternal,
                 fmt::format("{}: {} cannot be changed without changing more; "
                             "change it by hand{}",
                             file_name_, path_text(path),
                             tree ? "" : " (" + tree.error().message() + ")"));
  }
  text_ = std::move(text);
  tree_ = *std::move(tree);
  return {};
}

Result<void> TomlEditor::set(const KeyPath& path, const Node& value) {
  TRY(const TomlPlan plan, TomlPlan::make(text_, tree_));
  TRY(auto edits, plan.set(path, value));
  if (edits.empty()) return {};
  Node expected = tree_;
  put_at(expected, path, value);
  return commit(std::move(edits), expected, path);
}

Result<void> TomlEditor::append(const KeyPath& path, const std::string& item) {
  TRY(const TomlPlan plan, TomlPlan::make(text_, tree_));
  TRY(auto edits, plan.append(path, item));
  Node list = list_node({});
  if (const Node* old = find_at(tree_, path)) list = *old;
  list.items.push_back(string_node(item));
  Node expected = tree_;
  put_at(expected, path, list);
  return commit(std::move(edits), expected, path);
}

Result<void> TomlEditor::remove(const KeyPath& path) {
  if (path.empty()) return {};
  TRY(const TomlPlan plan, TomlPlan::make(text_, tree_));
  TRY(auto edits, plan.remove(path));
  if (edits.empty()) return {};
  Node expected = tree_;
  erase_at(expected, path);
  return commit(std::move(edits), expected, path);
}

}  // namespace gpunode::text
