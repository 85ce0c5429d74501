#include "node/provision/spec_merge.h"

#include <algorithm>
#include <iterator>
#include <map>

#include <fmt/format.h>

#include "base/text/tree.h"

namespace gpunode::provision {
namespace {

using text::Entry;
using text::Node;

struct Given {
  std::string file;
  Node value;
};

class Merger {
 public:
  Merger(MergedSpec& merged, std::vector<std::string>& problems)
      : merged_(merged), problems_(problems) {}

  void merge(const SpecTree& tree) {
    file_ = &tree.file_name;
    merge_into(merged_.root, tree.root, "");
  }

 private:
  void merge_into(Node& target, const Node& patch, const std::string& path);
  void take(const Entry& entry, const std::string& path);

  MergedSpec& merged_;
  std::vector<std::string>& problems_;
  std::map<std::string, Given> given_;  ///< By drop-ins.
  const std::string* file_ = nullptr;
};

void Merger::take(const Entry& entry, const std::string& path) {
  merged_.origins.set(path, *file_);
  const auto [found, is_new] =
      given_.try_emplace(path, Given{*file_, entry.value});
  if (is_new || text::same_tree(found->second.value, entry.value)) return;
  problems_.push_back(fmt::format(
      "{}: \"{}\" contradicts {}: both are drop-ins, and only the order of "
      "their names would decide; keep it in one of them",
      text::at(*file_, entry.mark), path,
      text::at(found->second.file, found->second.value.mark)));
}

void Merger::merge_into(Node& target, const Node& patch,
                        const std::string& path) {
  for (const Entry& entry : patch.entries) {
    const std::string inner = path.empty() ? entry.key : path + "." + entry.key;
    auto found = std::ranges::find(target.entries, entry.key, &Entry::key);
    if (entry.value.is(Node::Kind::kMapping)) {
      if (found == target.entries.end()) {
        target.entries.push_back({entry.key, entry.mark, {}});
        found = std::prev(target.entries.end());
      }
      if (!found->value.is(Node::Kind::kMapping)) {
        found->value = text::mapping_node();
        found->value.mark = entry.value.mark;
      }
      merge_into(found->value, entry.value, inner);
      continue;
    }
    take(entry, inner);
    if (entry.value.is(Node::Kind::kNull)) {
      if (found != target.entries.end()) target.entries.erase(found);
    } else if (found != target.entries.end()) {
      *found = entry;
    } else {
      target.entries.push_back(entry);
    }
  }
}

}  // namespace

MergedSpec merge_specs(const std::vector<SpecTree>& trees,
                       std::vector<std::string>& problems) {
  MergedSpec merged{trees.front().root, SpecOrigins(trees.front().file_name)};
  Merger merger(merged, problems);
  for (std::size_t i = 1; i < trees.size(); ++i) merger.merge(trees[i]);
  return merged;
}

}  // namespace gpunode::provision
