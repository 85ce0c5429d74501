#include "base/text/yaml_builder.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/text/yaml_scalar.h"

namespace gpunode::text {
namespace {

using Kind = Node::Kind;

constexpr std::string_view kTagPrefix = "tag:yaml.org,2002:";

std::size_t size_of_tree(const Node& node) {
  std::size_t nodes = 1;
  for (const Node& item : node.items) nodes += size_of_tree(item);
  for (const Entry& entry : node.entries) nodes += size_of_tree(entry.value);
  return nodes;
}

std::string_view short_name(Kind kind) {
  switch (kind) {
    case Kind::kNull:
      return "null";
    case Kind::kBool:
      return "bool";
    case Kind::kInteger:
      return "int";
    case Kind::kFloat:
      return "float";
    default:
      return "str";
  }
}

// True if a value resolved as `kind` may carry the tag !!`tag`.
bool tag_allows(std::string_view tag, Kind kind) {
  return tag == short_name(kind) || (tag == "float" && kind == Kind::kInteger);
}

bool is_scalar_tag(std::string_view tag) {
  return tag == "null" || tag == "bool" || tag == "int" || tag == "float";
}

}  // namespace

Error YamlBuilder::fault(std::string_view words, Mark mark,
                         std::string_view advice) const {
  return {ErrorCode::kCorrupt,
          fmt::format("{} ({}: {})", words, at(file_name_, mark), advice)};
}

Result<void> YamlBuilder::count(std::size_t nodes, Mark mark) {
  nodes_ += nodes;
  if (nodes_ <= limits_.nodes) return {};
  return fault("yaml: document contains excessive aliasing", mark,
               fmt::format("more than {} values after expanding aliases",
                           limits_.nodes));
}

Result<void> YamlBuilder::scalar(Mark mark, std::string_view anchor,
                                 const WrittenScalar& written) {
  TRY_VOID(count(1, mark));
  std::string_view tag = written.tag;
  const bool standard = tag.starts_with(kTagPrefix);
  if (standard) tag.remove_prefix(kTagPrefix.size());
  Node node;
  node.kind = Kind::kString;
  node.mark = mark;
  node.scalar = written.text;
  const bool wants_type = standard && is_scalar_tag(tag);
  if ((tag.empty() && written.plain) || wants_type) {
    ResolvedScalar resolved = resolve_scalar(written.text);
    node.kind = resolved.kind;
    node.scalar = std::move(resolved.text);
    node.was_float = resolved.was_float;
  }
  if (wants_type && !tag_allows(tag, node.kind)) {
    return fault(fmt::format("yaml: cannot decode !!{} `{}` as a !!{}",
                             short_name(node.kind), written.text, tag),
                 mark, "drop the tag, or write a value of that type");
  }
  if (node.scalar == "NaN" || node.scalar.ends_with("Inf")) {
    if (node.kind == Kind::kFloat) {
      return fault("json: unsupported value: " + node.scalar, mark,
                   "write a finite number");
    }
  }
  const bool is_merge =
      written.text == "<<" &&
      ((tag.empty() && written.plain) || (standard && tag == "merge"));
  return add(std::move(node), anchor, is_merge);
}

Result<void> YamlBuilder::alias(Mark mark, std::string_view anchor) {
  const auto holds_itself = [&](const Pending& open) {
    return open.anchor == anchor;
  };
  if (std::ranges::any_of(stack_, holds_itself)) {
    return fault(fmt::format("yaml: anchor '{}' value contains itself", anchor),
                 mark, "an alias cannot stand inside what it repeats");
  }
  const auto found = anchors_.find(anchor);
  if (found == anchors_.end()) {
    return fault(fmt::format("yaml: unknown anchor '{}' referenced", anchor),
                 mark, fmt::format("define it first, as &{}", anchor));
  }
  TRY_VOID(count(found->second.nodes, mark));
  return add(found->second.node, {}, false);
}

Result<void> YamlBuilder::open(Kind kind, Mark mark, std::string_view anchor) {
  TRY_VOID(count(1, mark));
  if (stack_.size() >= limits_.depth) {
    return fault(fmt::format("yaml: exceeded max depth of {}", limits_.depth),
                 mark, "nest less deeply");
  }
  Pending pending;
  pending.node.kind = kind;
  pending.node.mark = mark;
  pending.anchor = anchor;
  stack_.push_back(std::move(pending));
  return {};
}

Result<void> YamlBuilder::close() {
  Pending done = std::move(stack_.back());
  stack_.pop_back();
  return add(std::move(done.node), done.anchor, false);
}

Result<void> YamlBuilder::add(Node node, std::string_view anchor,
                              bool is_merge) {
  if (!anchor.empty()) {
    const std::size_t nodes = size_of_tree(node);
    TRY_VOID(count(nodes, node.mark));  // The copy kept for aliases.
    anchors_.insert_or_assign(std::string(anchor), Anchored{node, nodes});
  }
  if (stack_.empty()) {
    document_.root = std::move(node);
    return {};
  }
  Pending& parent = stack_.back();
  if (parent.node.is(Kind::kSequence)) {
    parent.node.items.push_back(std::move(node));
    return {};
  }
  if (!parent.key) return add_key(parent, std::move(node), is_merge);
  if (parent.key_is_merge) {
    parent.key.reset();
    return merge(parent, std::move(node));
  }
  Entry entry = *std::move(parent.key);
  parent.key.reset();
  entry.value = std::move(node);
  set(parent, std::move(entry), true);
  return {};
}

Result<void> YamlBuilder::add_key(Pending& parent, Node node, bool is_merge) {
  if (node.is(Kind::kSequence) || node.is(Kind::kMapping) ||
      node.is(Kind::kNull)) {
    return fault("yaml: invalid map key: " + to_json(node), node.mark,
                 "a key must be a word or a number");
  }
  parent.key = Entry{std::move(node.scalar), node.mark, {}};
  parent.key_is_merge = is_merge;
  return {};
}

// In the order written, later entries over earlier ones: go-yaml v2 gives a
// key written before the "<<" no precedence, unlike YAML's own rule.
Result<void> YamlBuilder::merge(Pending& parent, Node source) {
  if (source.is(Kind::kMapping)) {
    for (Entry& entry : source.entries) set(parent, std::move(entry), false);
    return {};
  }
  const auto is_mapping = [](const Node& n) { return n.is(Kind::kMapping); };
  if (!source.is(Kind::kSequence) ||
      !std::ranges::all_of(source.items, is_mapping)) {
    return fault(
        "yaml: map merge requires map or sequence of maps as the value",
        source.mark, "give \"<<\" an alias to a mapping");
  }
  std::ranges::reverse(source.items);  // Earlier ones take precedence.
  for (Node& item : source.items) TRY_VOID(merge(parent, std::move(item)));
  return {};
}

void YamlBuilder::set(Pending& parent, Entry entry, bool written) {
  auto& entries = parent.node.entries;
  const auto [at_key, fresh] =
      parent.index.try_emplace(entry.key, entries.size());
  if (fresh) {
    entries.push_back(std::move(entry));
    return;
  }
  Entry& old = entries[at_key->second];
  if (written) {
    document_.duplicates.push_back({entry.key, old.mark, entry.mark});
  }
  old = std::move(entry);
}

YamlDocument YamlBuilder::take() && {
  return std::move(document_);
}

}  // namespace gpunode::text
