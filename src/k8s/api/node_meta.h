// A Node's labels and annotations: whose they are, and what to apply.
//
// Pure. A Node belongs to many: the kubelet, the cloud, people. What we write
// is server-side applied under a name of our own, so that the server knows what
// is ours and takes away no more than that.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/result.h"

namespace gpunode::kube {

/// Key to value, of labels or annotations.
using MetaTexts = std::map<std::string, std::string, std::less<>>;

struct NodeMeta {
  struct Field {
    std::string value;
    bool is_ours = false;  ///< Applied under our name.
    std::string other;     ///< Somebody else who owns it (too), if known.
  };
  using Fields = std::map<std::string, Field, std::less<>>;

  std::string name;
  std::string uid;
  std::string resource_version;  ///< Of the whole Node; empty: not told.
  Fields labels;
  Fields annotations;
};

/// Of a Node's JSON, with managedFields; `manager` is our name. kCorrupt if it
/// has no name or uid.
Result<NodeMeta> read_node_meta(std::string_view json,
                                std::string_view manager);

/// What shall be there of ours. What it has no word of stays as it is.
struct NodeWish {
  /// All labels of ours; those that are not in here go.
  std::optional<MetaTexts> labels;
  /// Each by itself; nothing: it goes, if it is ours.
  std::map<std::string, std::optional<std::string>, std::less<>> annotations;

  bool is_empty() const { return !labels && annotations.empty(); }
};

struct NodePlan {
  /// For Client::apply; nothing: the Node is as wished.
  std::optional<std::string> body;
  /// What is somebody else's and other than wished, in words.
  std::vector<std::string> left_alone;
};

/// What somebody else has written stays, unless `is_overwriting`. The body
/// names the Node's uid: it neither makes a Node nor reaches a namesake.
NodePlan plan_apply(const NodeMeta& node, const NodeWish& wish,
                    bool is_overwriting);

}  // namespace gpunode::kube
