#include "container/engines/dump_proof.h"

#include <string>
#include <vector>

#include <fmt/format.h>

#include "base/text/toml_reader.h"
#include "base/text/tree.h"
#include "container/engines/containerd_config.h"

namespace gpunode::engines {
namespace {

using text::child;
using text::KeyPath;
using text::Node;
using DefaultRuntime = RuntimeRequest::DefaultRuntime;

Error disproof(std::string words) {
  return {ErrorCode::kCorrupt, std::move(words)};
}

bool is_intended(const KeyPath& path, const KeyPath& cri,
                 const RuntimeRequest& request) {
  const KeyPath containerd = child(cri, "containerd");
  return path == KeyPath{"imports"} || path == KeyPath{"version"} ||
         path == child(cri, "enable_cdi") ||
         path == child(containerd, "enable_cdi") ||
         path == child(containerd, "default_runtime_name") ||
         text::is_prefix(child(child(containerd, "runtimes"), request.name),
                         path);
}

Result<void> check_wanted(const Node& after, const KeyPath& cri,
                          const RuntimeRequest& request) {
  const KeyPath containerd = child(cri, "containerd");
  const KeyPath binary = {"runtimes", request.name, "options", "BinaryName"};
  KeyPath path = containerd;
  path.insert(path.end(), binary.begin(), binary.end());
  if (text::string_at(after, path) != request.path) {
    return disproof(
        fmt::format("containerd does not see {} = \"{}\"; a later file of "
                    "its imports may say otherwise",
                    text::path_text(path), request.path));
  }
  const std::string name =
      text::string_at(after, child(containerd, "default_runtime_name"));
  if (request.default_runtime == DefaultRuntime::kSet && name != request.name) {
    return disproof(fmt::format(
        "containerd still has \"{}\" as its default runtime; a later file of "
        "its imports may say so",
        name));
  }
  const Node* cdi = text::find_at(after, child(cri, "enable_cdi"));
  if (cdi == nullptr) {
    cdi = text::find_at(after, child(containerd, "enable_cdi"));
  }
  if (request.enable_cdi && (cdi == nullptr || !cdi->is_true())) {
    return disproof(
        "this containerd does not know enable_cdi; CDI came with "
        "1.7");
  }
  return {};
}

}  // namespace

Result<void> prove_containerd(std::string_view before, std::string_view after,
                              const RuntimeRequest& request) {
  TRY(const Node old_tree, text::parse_toml(before, "containerd config dump"));
  TRY(const Node new_tree, text::parse_toml(after, "containerd config dump"));
  TRY(const long long schema, containerd_schema(new_tree));
  const KeyPath cri = containerd_cri(schema);
  TRY_VOID(check_wanted(new_tree, cri, request));
  constexpr std::size_t kMostNamed = 3;
  std::string named;
  std::size_t count = 0;
  for (const auto& change : text::tree_changes(old_tree, new_tree)) {
    if (is_intended(change.path, cri, request)) continue;
    if (++count <= kMostNamed) {
      named += (named.empty() ? "" : ", ") + text::path_text(change.path);
    }
  }
  if (count == 0) return {};
  if (count > kMostNamed)
    named += fmt::format(" and {} more", count - kMostNamed);
  return disproof("containerd would run with other changes too: " + named);
}

}  // namespace gpunode::engines
