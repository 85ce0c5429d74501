#include "container/engines/undo_record.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/text/json_edit.h"
#include "base/text/toml_edit.h"
#include "container/engines/config_file.h"

namespace gpunode::engines {
namespace {

using text::KeyPath;
using text::Node;

Node optional_node(const std::optional<std::string>& value) {
  return value ? text::string_node(*value) : Node{};
}

std::optional<std::string> optional_text(const Node* node) {
  if (node == nullptr || !node->is(Node::Kind::kString)) return std::nullopt;
  return node->scalar;
}

// The table nearest to the root on the way to `path` that `tree` lacks.
KeyPath first_new(const Node& tree, const KeyPath& path) {
  KeyPath made;
  for (const std::string& key : path) {
    made.push_back(key);
    if (text::find_at(tree, made) == nullptr) break;
  }
  return made;
}

bool has_no_leaf(const Node& node) {
  return node.is(Node::Kind::kMapping) &&
         std::ranges::all_of(node.entries, [](const text::Entry& entry) {
           return has_no_leaf(entry.value);
         });
}

/// Undoes leaf by leaf, in either language.
template <class Editor>
Result<std::optional<std::string>> undo_leaves(const FileChange& done,
                                               const std::string& now) {
  TRY(const auto before, Editor::open(done.before.value_or(""), done.path));
  TRY(const auto after, Editor::open(done.after.value_or(""), done.path));
  TRY(auto editor, Editor::open(now, done.path));
  for (const auto& change : text::tree_changes(before.tree(), after.tree())) {
    const Node* current = text::find_at(editor.tree(), change.path);
    const auto is_now = [current](const std::optional<Node>& value) {
      return value ? current != nullptr && text::same_tree(*current, *value)
                   : current == nullptr;
    };
    if (is_now(change.before)) continue;
    if (!is_now(change.after)) {
      return Error(ErrorCode::kAlreadyExists,
                   fmt::format("{}: {} was changed since; undo it by hand",
                               done.path, text::path_text(change.path)));
    }
    if (change.before) {
      TRY_VOID(editor.set(change.path, *change.before));
    } else {
      TRY_VOID(editor.remove(change.path));
    }
  }
  for (const auto& change : text::tree_changes(before.tree(), after.tree())) {
    const KeyPath made = first_new(before.tree(), change.path);
    const Node* left = text::find_at(editor.tree(), made);
    if (left != nullptr && !change.before && has_no_leaf(*left)) {
      TRY_VOID(editor.remove(made));
    }
  }
  return std::optional(editor.text());
}

}  // namespace

std::string record_path(const std::string& directory, Engine engine,
                        const std::string& config_path) {
  std::string name = engine_name(engine) + config_path;
  std::ranges::replace(name, '/', '_');
  return directory + "/" + name + ".json";
}

Result<std::optional<std::vector<FileChange>>> load_record(
    const host::HostRoot& root, const std::string& path) {
  // Escapes make the texts up to six times as long.
  constexpr std::size_t kLimitBytes = std::size_t{32} << 20U;
  const auto text = root.read_file(path, kLimitBytes);
  if (!text && text.error().code() == ErrorCode::kNotFound) {
    return std::optional<std::vector<FileChange>>{};
  }
  if (!text) return text.error();
  TRY(const auto value, text::read_json(*text, root.outside(path)));
  const Node tree = text::tree_of(value);
  const Node* list = text::find_at(tree, {"files"});
  std::vector<FileChange> files;
  if (list != nullptr) {
    for (const Node& item : list->items) {
      files.push_back({text::string_at(item, {"path"}),
                       optional_text(text::find_at(item, {"before"})),
                       optional_text(text::find_at(item, {"after"}))});
    }
  }
  return std::optional(std::move(files));
}

Result<void> save_record(const host::HostRoot& root, const std::string& path,
                         const std::vector<FileChange>& files) {
  Node list = text::list_node({});
  for (const FileChange& file : files) {
    Node item = text::mapping_node();
    text::put_at(item, {"path"}, text::string_node(file.path));
    text::put_at(item, {"before"}, optional_node(file.before));
    text::put_at(item, {"after"}, optional_node(file.after));
    list.items.push_back(std::move(item));
  }
  Node tree = text::mapping_node();
  text::put_at(tree, {"version"}, text::integer_node(1));
  text::put_at(tree, {"files"}, std::move(list));
  return write_config(root, path, text::json_text(tree, "", "  ") + "\n", 0600);
}

Result<std::optional<std::string>> undone(
    const FileChange& done, const std::optional<std::string>& now) {
  if (now == done.after || now == done.before) return done.before;
  if (!now) return std::optional<std::string>{};
  if (!done.before) {
    return Error(ErrorCode::kAlreadyExists,
                 fmt::format("{} was made by gpunode and edited since; remove "
                             "it by hand if it is not wanted",
                             done.path));
  }
  if (done.path.ends_with(".json")) {
    return undo_leaves<text::JsonEditor>(done, *now);
  }
  return undo_leaves<text::TomlEditor>(done, *now);
}

}  // namespace gpunode::engines
