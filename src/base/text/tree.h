// Trees of values: finding, changing and comparing them by path.
//
// What the editors of TOML and JSON promise is said with these: the tree of
// the new text is the old one's with one change.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/text/node.h"

namespace gpunode::text {

/// Keys from the root down: {"plugins", "io.containerd.grpc.v1.cri"}.
using KeyPath = std::vector<std::string>;

/// `plugins."io.containerd.grpc.v1.cri"`: as TOML writes it, for messages too.
std::string path_text(const KeyPath& path);

/// `path` with one more key.
KeyPath child(KeyPath path, std::string key);

/// True for `whole` itself and what is below `prefix`.
bool is_prefix(const KeyPath& prefix, const KeyPath& whole);

Node string_node(std::string value);
Node bool_node(bool value);
Node integer_node(long long value);
Node list_node(const std::vector<std::string>& values);
/// An empty mapping.
Node mapping_node();

/// The value at `path`; nullptr if there is none or a key on the way is no
/// mapping.
const Node* find_at(const Node& root, const KeyPath& path);

/// The string at `path`; empty if there is none.
std::string string_at(const Node& root, const KeyPath& path);

/// Puts `value` at `path`, with mappings on the way made where there is
/// nothing. What is there and is no mapping is replaced.
void put_at(Node& root, const KeyPath& path, Node value);

/// Takes away what is at `path`; no effect if there is nothing.
void erase_at(Node& root, const KeyPath& path);

/// Equal but for marks and the order of keys.
bool same_tree(const Node& a, const Node& b);

/// One leaf (anything but a mapping that has entries) that two trees differ in.
struct TreeChange {
  KeyPath path;
  std::optional<Node> before;  ///< Nothing: it is new.
  std::optional<Node> after;   ///< Nothing: it is gone.
};

/// Every leaf that is not the same in both, in order of path. Empty mappings
/// count as absent.
std::vector<TreeChange> tree_changes(const Node& before, const Node& after);

}  // namespace gpunode::text
