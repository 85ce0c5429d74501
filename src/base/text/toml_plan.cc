#include "base/text/toml_plan.h"

#include <algorithm>
#include <iterator>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/text/toml_value.h"

namespace gpunode::text {
namespace {

bool is_above(const KeyPath& prefix, const KeyPath& whole) {
  return prefix.size() < whole.size() && is_prefix(prefix, whole);
}

KeyPath parent_of(const KeyPath& path) {
  return {path.begin(), path.end() - 1};
}

KeyPath below(const KeyPath& path, const KeyPath& prefix) {
  return {path.begin() + static_cast<std::ptrdiff_t>(prefix.size()),
          path.end()};
}

// `value` under the keys of `path` from the second on.
Node wrapped(const KeyPath& path, const Node& value) {
  if (path.size() == 1) return value;
  Node outer = mapping_node();
  put_at(outer, below(path, {path.front()}), value);
  return outer;
}

// What lines of dotted keys say of `value`: every value in it by its path. An
// empty mapping is one too, as nothing else would tell of it.
std::vector<std::pair<KeyPath, Node>> leaves_of(const KeyPath& path,
                                                const Node& value) {
  if (!value.is(Node::Kind::kMapping) || value.entries.empty()) {
    return {{path, value}};
  }
  std::vector<std::pair<KeyPath, Node>> leaves;
  for (const Entry& entry : value.entries) {
    std::ranges::move(leaves_of(child(path, entry.key), entry.value),
                      std::back_inserter(leaves));
  }
  return leaves;
}

Error conflict(const KeyPath& path, std::string_view words) {
  return {ErrorCode::kAlreadyExists,
          fmt::format("{} {}", path_text(path), words)};
}

}  // namespace

Result<TomlPlan> TomlPlan::make(std::string_view text, const Node& tree) {
  TRY(auto sections, toml_layout(text));
  return TomlPlan(text, tree, std::move(sections));
}

Result<void> TomlPlan::refuse_lists(const KeyPath& path) const {
  for (const TomlSection& section : sections_) {
    if (section.is_list && is_prefix(section.path, path)) {
      return Error(ErrorCode::kUnsupported,
                   fmt::format("{} is a list of tables, which is not edited",
                               path_text(section.path)));
    }
  }
  return {};
}

// ---------------------------------------------------------------------------
// Finding.

Result<std::optional<TomlPlan::Place>> TomlPlan::find_inline(
    const TomlItem& table, const KeyPath& path) const {
  if (text_[table.value.begin] != '{') return std::optional<Place>{};
  TRY(const auto items, inline_items(text_, table.value, table.path));
  for (const TomlItem& item : items) {
    if (item.path == path) return std::optional<Place>({item, items});
    if (is_above(item.path, path)) return find_inline(item, path);
  }
  return std::optional<Place>{};
}

Result<std::optional<TomlPlan::Place>> TomlPlan::find(
    const KeyPath& path) const {
  for (const TomlSection& section : sections_) {
    for (const TomlItem& item : section.items) {
      if (item.path == path) return std::optional<Place>({item, {}});
      if (is_above(item.path, path)) return find_inline(item, path);
    }
  }
  return std::optional<Place>{};
}

std::optional<TomlPlan::Table> TomlPlan::dotted_table(
    const KeyPath& path) const {
  std::optional<Table> found;
  for (std::size_t i = 0; i < sections_.size(); ++i) {
    if (!is_above(sections_[i].path, path)) continue;
    for (const TomlItem& item : sections_[i].items) {
      if (is_above(path, item.path)) {
        found = Table{Table::Form::kDotted, i, item};
      }
    }
    if (found) return found;
  }
  return found;
}

// `path` is a table of the tree.
Result<TomlPlan::Table> TomlPlan::table_at(const KeyPath& path) const {
  if (path.empty()) return Table{};
  for (std::size_t i = 1; i < sections_.size(); ++i) {
    if (sections_[i].path == path) {
      return Table{Table::Form::kSection, i, {}};
    }
  }
  TRY(const auto place, find(path));
  if (place) return Table{Table::Form::kInline, 0, place->item};
  if (const auto dotted = dotted_table(path)) return *dotted;
  for (std::size_t i = 1; i < sections_.size(); ++i) {
    if (is_above(path, sections_[i].path)) {
      return Table{Table::Form::kImplied, i, {}};
    }
  }
  // Dotted keys inside an inline table.
  return Error(ErrorCode::kUnsupported,
               fmt::format("{} is written in a form that is not edited",
                           path_text(path)));
}

KeyPath TomlPlan::nearest_table(const KeyPath& path) const {
  KeyPath near = parent_of(path);
  while (find_at(tree_, near) == nullptr) near.pop_back();
  return near;
}

// ---------------------------------------------------------------------------
// The manner of writing.

bool TomlPlan::is_blank_line(std::size_t start) const {
  const std::string_view line =
      text_.substr(start, next_line(text_, start) - start);
  return line.find_first_not_of(" \t\r\n") == line.npos;
}

bool TomlPlan::is_comment_line(std::size_t start) const {
  const std::size_t first = text_.find_first_not_of(" \t", start);
  return first != text_.npos && text_[first] == '#';
}

std::size_t TomlPlan::items_end(const TomlSection& section) const {
  if (!section.items.empty()) {
    return next_line(text_, section.items.back().value.end);
  }
  if (section.path.empty()) return section.header.end;
  return next_line(text_, section.header.end);
}

// With the comments that follow the items directly, unless they in turn are
// followed directly by a header, which they then belong to.
std::size_t TomlPlan::content_end(const TomlSection& section) const {
  const std::size_t end = items_end(section);
  std::size_t after = end;
  while (after < text_.size() && is_comment_line(after)) {
    after = next_line(text_, after);
  }
  return after == text_.size() || is_blank_line(after) ? after : end;
}

// The start of the comment lines directly above a header.
std::size_t TomlPlan::comments_start(std::size_t header) const {
  std::size_t start = line_start(text_, header);
  while (start > sections_[0].header.begin) {
    const std::size_t before = line_start(text_, start - 1);
    if (!is_comment_line(before)) break;
    start = before;
  }
  return std::max(start, sections_[0].header.begin);
}

std::string TomlPlan::unit() const {
  for (const TomlSection& section : sections_) {
    for (const TomlItem& item : section.items) {
      if (indent_at(text_, item.key.begin).starts_with('\t')) return "\t";
    }
  }
  return "  ";
}

bool TomlPlan::are_headers_indented() const {
  bool is_unknown = true;
  for (std::size_t i = 1; i < sections_.size(); ++i) {
    if (sections_[i].path.size() < 2) continue;
    is_unknown = false;
    if (!indent_at(text_, sections_[i].header.begin).empty()) return true;
  }
  return is_unknown;
}

bool TomlPlan::are_items_deeper() const {
  for (std::size_t i = 1; i < sections_.size(); ++i) {
    if (sections_[i].items.empty()) continue;
    return indent_at(text_, sections_[i].items[0].key.begin).size() >
           indent_at(text_, sections_[i].header.begin).size();
  }
  return true;
}

// As its siblings have it, else by its distance to the nearest table above.
std::string TomlPlan::header_indent(const KeyPath& path) const {
  const TomlSection* near = nullptr;
  for (std::size_t i = 1; i < sections_.size(); ++i) {
    const TomlSection& section = sections_[i];
    if (section.path.size() == path.size() &&
        parent_of(section.path) == parent_of(path)) {
      return std::string(indent_at(text_, section.header.begin));
    }
    if (is_above(section.path, path) &&
        (near == nullptr || near->path.size() < section.path.size())) {
      near = &section;
    }
  }
  if (near == nullptr) return "";
  std::string indent(indent_at(text_, near->header.begin));
  if (!are_headers_indented()) return indent;
  for (std::size_t i = near->path.size(); i < path.size(); ++i) {
    indent += unit();
  }
  return indent;
}

std::string TomlPlan::section_text(const KeyPath& path, const Node& mapping,
                                   const std::string& indent) const {
  const std::string_view newline = newline_of(text_);
  const std::string item_indent = indent + (are_items_deeper() ? unit() : "");
  std::string out = fmt::format("{}[{}]{}", indent, path_text(path), newline);
  for (const Entry& entry : mapping.entries) {
    if (entry.value.is(Node::Kind::kMapping)) continue;
    out += fmt::format("{}{} = {}{}", item_indent, toml_key(entry.key),
                       toml_value(entry.value), newline);
  }
  const std::string deeper = indent + (are_headers_indented() ? unit() : "");
  for (const Entry& entry : mapping.entries) {
    if (!entry.value.is(Node::Kind::kMapping)) continue;
    out += newline;
    out += section_text(child(path, entry.key), entry.value, deeper);
  }
  return out;
}

ByteEdit TomlPlan::insert_lines(std::size_t position, std::string lines) const {
  const bool is_in_line =
      position > sections_[0].header.begin && text_[position - 1] != '\n';
  if (is_in_line) lines.insert(0, newline_of(text_));
  return {{position, position}, std::move(lines)};
}

// ---------------------------------------------------------------------------
// Adding.

Result<TomlPlan::Edits> TomlPlan::set(const KeyPath& path,
                                      const Node& value) const {
  TRY_VOID(refuse_lists(path));
  for (std::size_t n = 1; n < path.size(); ++n) {
    const KeyPath above(path.begin(),
                        path.begin() + static_cast<std::ptrdiff_t>(n));
    const Node* node = find_at(tree_, above);
    if (node != nullptr && !node->is(Node::Kind::kMapping)) {
      return conflict(above, "is a value and no table");
    }
  }
  const Node* old = find_at(tree_, path);
  if (old == nullptr) return add(path, value);
  if (same_tree(*old, value)) return Edits{};
  if (old->is(Node::Kind::kMapping)) return conflict(path, "is a table");
  if (value.is(Node::Kind::kMapping)) {
    return conflict(path, "is a value and no table");
  }
  TRY(const auto place, find(path));
  if (!place) {
    return Error(ErrorCode::kUnsupported,
                 fmt::format("{} is written in a form that is not edited",
                             path_text(path)));
  }
  return Edits{{place->item.value, toml_value(value)}};
}

Result<TomlPlan::Edits> TomlPlan::add(const KeyPath& path,
                                      const Node& value) const {
  const KeyPath above = nearest_table(path);
  const bool is_item =
      above.size() + 1 == path.size() && !value.is(Node::Kind::kMapping);
  TRY(const Table table, table_at(above));
  switch (table.form) {
    case Table::Form::kInline:
      return add_member(table, path[above.size()],
                        wrapped(below(path, above), value));
    case Table::Form::kDotted:
      return add_dotted(table, path, value);
    case Table::Form::kImplied:
      if (is_item) return add_header(table, above, path.back(), value);
      break;
    case Table::Form::kSection:
      if (is_item) return add_item(table.section, path.back(), value);
      break;
  }
  if (value.is(Node::Kind::kMapping)) return add_section(path, value);
  Node section = mapping_node();
  put_at(section, {path.back()}, value);
  return add_section(parent_of(path), section);
}

Result<TomlPlan::Edits> TomlPlan::add_member(const Table& table,
                                             const std::string& key,
                                             const Node& value) const {
  const std::string member = toml_key(key) + " = " + toml_value(value);
  const ByteRange braces = table.item.value;
  TRY(const auto items, inline_items(text_, braces, table.item.path));
  if (items.empty()) return Edits{{braces, "{ " + member + " }"}};
  const std::size_t end = items.back().value.end;
  return Edits{{{end, end}, ", " + member}};
}

TomlPlan::Edits TomlPlan::add_dotted(const Table& table, const KeyPath& path,
                                     const Node& value) const {
  const std::string indent(indent_at(text_, table.item.key.begin));
  const KeyPath& section = sections_[table.section].path;
  std::string lines;
  for (const auto& [leaf, leaf_value] : leaves_of(path, value)) {
    lines += fmt::format("{}{} = {}{}", indent, path_text(below(leaf, section)),
                         toml_value(leaf_value), newline_of(text_));
  }
  return {insert_lines(next_line(text_, table.item.value.end), lines)};
}

// Behind the comment that a file starts with, if an empty line ends it.
TomlPlan::Edits TomlPlan::add_first_root_item(const std::string& line) const {
  const std::size_t begin = sections_[0].header.begin;
  std::size_t position = begin;
  while (position < text_.size() && is_comment_line(position)) {
    position = next_line(text_, position);
  }
  if (position == text_.size()) return {insert_lines(position, line)};
  if (position > begin && is_blank_line(position)) {
    position = next_line(text_, position);
  } else {
    position = begin;
  }
  const bool needs_gap = position < text_.size() && !is_blank_line(position);
  return {insert_lines(
      position, needs_gap ? line + std::string(newline_of(text_)) : line)};
}

TomlPlan::Edits TomlPlan::add_item(std::size_t section, const std::string& key,
                                   const Node& value) const {
  const TomlSection& into = sections_[section];
  std::string indent;
  if (!into.items.empty()) {
    indent = indent_at(text_, into.items.back().key.begin);
  } else if (section != 0) {
    indent = std::string(indent_at(text_, into.header.begin)) +
             (are_items_deeper() ? unit() : "");
  }
  const std::string line = fmt::format("{}{} = {}{}", indent, toml_key(key),
                                       toml_value(value), newline_of(text_));
  if (section == 0 && into.items.empty()) return add_first_root_item(line);
  return {insert_lines(items_end(into), line)};
}

// `path` has tables below it but no header of its own: it gets one above them.
TomlPlan::Edits TomlPlan::add_header(const Table& table, const KeyPath& path,
                                     const std::string& key,
                                     const Node& value) const {
  Node section = mapping_node();
  put_at(section, {key}, value);
  const std::size_t header = sections_[table.section].header.begin;
  return {insert_lines(comments_start(header),
                       section_text(path, section, header_indent(path)) +
                           std::string(newline_of(text_)))};
}

// Behind the last table of the same family, or at the end.
TomlPlan::Edits TomlPlan::add_section(const KeyPath& path,
                                      const Node& value) const {
  KeyPath family = parent_of(path);
  std::optional<std::size_t> last;
  for (; !family.empty() && !last; family.pop_back()) {
    for (std::size_t i = 1; i < sections_.size(); ++i) {
      if (is_prefix(family, sections_[i].path)) last = i;
    }
  }
  const std::size_t position =
      last ? content_end(sections_[*last]) : text_.size();
  std::string lines = section_text(path, value, header_indent(path));
  const std::size_t begin = sections_[0].header.begin;
  const bool follows_gap =
      position == begin || (text_[position - 1] == '\n' &&
                            is_blank_line(line_start(text_, position - 1)));
  if (!follows_gap) lines.insert(0, newline_of(text_));
  return {insert_lines(position, std::move(lines))};
}

// ---------------------------------------------------------------------------
// Arrays.

Result<TomlPlan::Edits> TomlPlan::append(const KeyPath& path,
                                         const std::string& item) const {
  const Node* old = find_at(tree_, path);
  if (old == nullptr) return set(path, list_node({item}));
  if (!old->is(Node::Kind::kSequence)) return conflict(path, "is no list");
  TRY_VOID(refuse_lists(path));
  TRY(const auto place, find(path));
  if (!place) return conflict(path, "is written in a form that is not edited");
  TRY(const auto items, array_items(text_, place->item.value));
  return append_item(place->item.value, items, toml_value(string_node(item)));
}

TomlPlan::Edits TomlPlan::append_item(ByteRange array,
                                      const std::vector<ByteRange>& items,
                                      const std::string& item) const {
  const std::size_t bracket = array.end - 1;
  const std::size_t line = line_start(text_, bracket);
  const bool is_bracket_alone =
      line > array.begin && indent_at(text_, bracket).size() == bracket - line;
  if (items.empty()) {
    if (!is_bracket_alone) return {{{bracket, bracket}, item}};
    return {{{line, line},
             fmt::format("{}{}{}{}", indent_at(text_, bracket), unit(), item,
                         newline_of(text_))}};
  }
  const std::size_t end = items.back().end;
  std::size_t comma = end;
  while (comma < bracket && text_[comma] != ',') {
    comma = text_[comma] == '#' ? next_line(text_, comma) : comma + 1;
  }
  const bool has_comma = comma < bracket;
  if (!is_bracket_alone) {
    if (has_comma) return {{{comma + 1, comma + 1}, " " + item}};
    return {{{end, end}, ", " + item}};
  }
  Edits edits;
  if (!has_comma) edits.push_back({{end, end}, ","});
  edits.push_back({{line, line},
                   fmt::format("{}{}{}{}", indent_at(text_, items.back().begin),
                               item, has_comma ? "," : "", newline_of(text_))});
  return edits;
}

// ---------------------------------------------------------------------------
// Removing.

TomlPlan::Edits TomlPlan::remove_member(const Place& place) {
  const std::vector<TomlItem>& items = place.siblings;
  const auto at = std::ranges::find_if(items, [&place](const TomlItem& item) {
    return item.path == place.item.path;
  });
  const ByteRange own = {at->key.begin, at->value.end};
  if (at + 1 != items.end()) return {{{own.begin, (at + 1)->key.begin}, ""}};
  if (at != items.begin()) return {{{(at - 1)->value.end, own.end}, ""}};
  return {{own, ""}};
}

Result<TomlPlan::Edits> TomlPlan::remove(const KeyPath& path) const {
  TRY_VOID(refuse_lists(path));
  if (find_at(tree_, path) == nullptr) return Edits{};
  Edits edits;
  for (const TomlSection& section : sections_) {
    if (!section.path.empty() && is_prefix(path, section.path)) {
      std::size_t start = line_start(text_, section.header.begin);
      // The empty line that set it off goes with it.
      if (start > sections_[0].header.begin &&
          is_blank_line(line_start(text_, start - 1))) {
        start = line_start(text_, start - 1);
      }
      start = std::max(start, sections_[0].header.begin);
      edits.push_back({{start, items_end(section)}, ""});
      continue;
    }
    for (const TomlItem& item : section.items) {
      if (!is_prefix(path, item.path)) continue;
      const std::size_t start = std::max(line_start(text_, item.key.begin),
                                         sections_[0].header.begin);
      edits.push_back({{start, next_line(text_, item.value.end)}, ""});
    }
  }
  if (!edits.empty()) return edits;
  TRY(const auto place, find(path));
  if (!place) {
    return Error(ErrorCode::kUnsupported,
                 fmt::format("{} is written in a form that is not edited",
                             path_text(path)));
  }
  return remove_member(*place);
}

}  // namespace gpunode::text
