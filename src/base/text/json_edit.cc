#include "base/text/json_edit.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/text/byte_edit.h"

namespace gpunode::text {
namespace {

using Kind = Node::Kind;

constexpr std::size_t kDeepest = 100;

/// Reads values with their places.
class ValueReader {
 public:
  ValueReader(std::string_view text, std::string_view file_name)
      : text_(text), reader_(text, file_name) {}

  Result<JsonValue> document();

 private:
  Result<JsonValue> value(std::size_t depth);
  Result<void> object(std::size_t depth, JsonValue& into);
  Result<void> array(std::size_t depth, JsonValue& into);
  Result<void> scalar(JsonKind kind, JsonValue& into);

  std::string_view text_;
  JsonReader reader_;
};

Result<void> ValueReader::object(std::size_t depth, JsonValue& into) {
  into.kind = Kind::kMapping;
  TRY_VOID(reader_.enter_object());
  while (true) {
    // Between two members there is only white space and a comma.
    const std::size_t before = reader_.position();
    TRY(auto key, reader_.next_key());
    if (!key) return {};
    const std::size_t key_begin = text_.find('"', before);
    TRY(auto inner, value(depth + 1));
    into.members.push_back({*std::move(key), key_begin, std::move(inner)});
  }
}

Result<void> ValueReader::array(std::size_t depth, JsonValue& into) {
  into.kind = Kind::kSequence;
  TRY_VOID(reader_.enter_array());
  while (true) {
    TRY(const bool more, reader_.next_item());
    if (!more) return {};
    TRY(auto item, value(depth + 1));
    into.items.push_back(std::move(item));
  }
}

Result<void> ValueReader::scalar(JsonKind kind, JsonValue& into) {
  if (kind == JsonKind::kString) {
    into.kind = Kind::kString;
    TRY(into.scalar, reader_.string());
    return {};
  }
  TRY(const JsonSpan span, reader_.skip());
  const std::string_view written = span.of(text_);
  if (kind == JsonKind::kBool) {
    into.kind = Kind::kBool;
    into.scalar = written;
  } else if (kind == JsonKind::kNumber) {
    into.kind = written.find_first_of(".eE") == written.npos ? Kind::kInteger
                                                             : Kind::kFloat;
    into.scalar = written;
  }
  return {};
}

Result<JsonValue> ValueReader::value(std::size_t depth) {
  TRY(const JsonKind kind, reader_.kind());
  JsonValue into;
  into.span.begin = reader_.position();
  if (depth > kDeepest) {
    return reader_.fault(
        into.span.begin,
        fmt::format("nested more than {} levels deep", kDeepest));
  }
  if (kind == JsonKind::kObject) {
    TRY_VOID(object(depth, into));
  } else if (kind == JsonKind::kArray) {
    TRY_VOID(array(depth, into));
  } else {
    TRY_VOID(scalar(kind, into));
  }
  into.span.end = reader_.position();
  return into;
}

Result<JsonValue> ValueReader::document() {
  if (text_.find_first_not_of(" \t\r\n") == text_.npos) {
    return reader_.fault(0, "EOF");
  }
  TRY(auto root, value(0));
  TRY_VOID(reader_.finish());
  return root;
}

const JsonValue::Member* last_member(const JsonValue& object,
                                     std::string_view key) {
  const auto found =
      std::find_if(object.members.rbegin(), object.members.rend(),
                   [key](const auto& member) { return member.key == key; });
  return found == object.members.rend() ? nullptr : &*found;
}

/// How far down a path goes in a text, and where.
struct Reached {
  const JsonValue* value = nullptr;  ///< The deepest there is.
  std::vector<const JsonValue*> above;
  std::size_t depth = 0;  ///< Keys of the path that were found.
};

Reached reach(const JsonValue& root, const KeyPath& path) {
  Reached reached{&root, {}, 0};
  for (const std::string& key : path) {
    const JsonValue::Member* member = last_member(*reached.value, key);
    if (member == nullptr) break;
    reached.above.push_back(reached.value);
    reached.value = &member->value;
    ++reached.depth;
  }
  return reached;
}

/// How the author of a text writes.
struct Manner {
  bool is_one_line = false;
  std::string unit = "    ";
};

Manner manner_of(std::string_view text, const JsonValue& root) {
  Manner manner;
  if (root.members.empty()) return manner;
  const std::string_view written = root.span.of(text);
  manner.is_one_line = written.find('\n') == written.npos;
  const std::string_view indent = indent_at(text, root.members[0].key_begin);
  if (!manner.is_one_line && !indent.empty()) manner.unit = indent;
  return manner;
}

std::string written(const Node& value, std::string_view indent,
                    const Manner& manner) {
  return manner.is_one_line ? to_json(value)
                            : json_text(value, indent, manner.unit);
}

ByteEdit added_member(std::string_view text, const JsonValue& object,
                      const std::string& key, const Node& value,
                      const Manner& manner) {
  const bool is_first = object.members.empty();
  const std::string_view own = object.span.of(text);
  if (manner.is_one_line || (!is_first && own.find('\n') == own.npos)) {
    const std::string member = json_string(key) + ": " + to_json(value);
    if (is_first)
      return {{object.span.begin, object.span.end}, "{" + member + "}"};
    const std::size_t end = object.members.back().value.span.end;
    return {{end, end}, ", " + member};
  }
  const std::string newline(newline_of(text));
  if (is_first) {
    const std::string outer(indent_at(text, object.span.begin));
    const std::string inner = outer + manner.unit;
    return {
        {object.span.begin, object.span.end},
        fmt::format("{{{0}{1}{2}: {3}{0}{4}}}", newline, inner,
                    json_string(key), written(value, inner, manner), outer)};
  }
  const std::string inner(indent_at(text, object.members.back().key_begin));
  const std::size_t end = object.members.back().value.span.end;
  return {{end, end},
          fmt::format(",{}{}{}: {}", newline, inner, json_string(key),
                      written(value, inner, manner))};
}

void append_text(std::string& out, const Node& value, const std::string& indent,
                 std::string_view unit) {
  const bool is_list = value.is(Kind::kSequence);
  if ((!is_list && !value.is(Kind::kMapping)) ||
      (value.items.empty() && value.entries.empty())) {
    out += to_json(value);
    return;
  }
  const std::string inner = indent + std::string(unit);
  out += is_list ? '[' : '{';
  bool is_first = true;
  const auto begin_line = [&] {
    out += is_first ? "\n" : ",\n";
    out += inner;
    is_first = false;
  };
  for (const Node& item : value.items) {
    begin_line();
    append_text(out, item, inner, unit);
  }
  for (const Entry& entry : value.entries) {
    begin_line();
    out += json_string(entry.key) + ": ";
    append_text(out, entry.value, inner, unit);
  }
  out += "\n" + indent;
  out += is_list ? ']' : '}';
}

}  // namespace

Result<JsonValue> read_json(std::string_view text, std::string_view file_name) {
  return ValueReader(text, file_name).document();
}

Node tree_of(const JsonValue& value) {
  Node node;
  node.kind = value.kind;
  node.scalar = value.scalar;
  for (const JsonValue& item : value.items) {
    node.items.push_back(tree_of(item));
  }
  for (const JsonValue::Member& member : value.members) {
    put_at(node, {member.key}, tree_of(member.value));
  }
  return node;
}

std::string json_text(const Node& value, std::string_view indent,
                      std::string_view unit) {
  std::string out;
  append_text(out, value, std::string(indent), unit);
  return out;
}

Result<JsonEditor> JsonEditor::open(std::string text, std::string file_name) {
  TRY(auto value, read_json(text, file_name));
  if (value.kind != Kind::kMapping) {
    return Error(ErrorCode::kCorrupt,
                 fmt::format("{}: not a JSON object", file_name));
  }
  return JsonEditor(std::move(text), std::move(file_name), std::move(value));
}

Result<void> JsonEditor::commit(std::size_t begin, std::size_t end,
                                const std::string& text, const Node& expected,
                                const KeyPath& path) {
  std::string changed = apply_edits(text_, {{{begin, end}, text}});
  auto value = read_json(changed, file_name_);
  if (!value || !same_tree(tree_of(*value), expected)) {
    return Error(ErrorCode::kInternal,
                 fmt::format("{}: {} cannot be changed without changing more; "
                             "change it by hand",
                             file_name_, path_text(path)));
  }
  text_ = std::move(changed);
  value_ = *std::move(value);
  tree_ = tree_of(value_);
  return {};
}

Result<void> JsonEditor::set(const KeyPath& path, const Node& value) {
  const Node* old = find_at(tree_, path);
  if (old != nullptr && same_tree(*old, value)) return {};
  const Reached reached = reach(value_, path);
  const Manner manner = manner_of(text_, value_);
  Node expected = tree_;
  put_at(expected, path, value);
  if (reached.depth == path.size()) {
    const std::string indent(indent_at(text_, reached.value->span.begin));
    return commit(reached.value->span.begin, reached.value->span.end,
                  written(value, indent, manner), expected, path);
  }
  if (reached.value->kind != Kind::kMapping) {
    const KeyPath above(
        path.begin(),
        path.begin() + static_cast<std::ptrdiff_t>(reached.depth));
    return Error(ErrorCode::kAlreadyExists,
                 fmt::format("{} is no object", path_text(above)));
  }
  Node added = value;
  if (reached.depth + 1 < path.size()) {
    added = mapping_node();
    put_at(added,
           {path.begin() + static_cast<std::ptrdiff_t>(reached.depth) + 1,
            path.end()},
           value);
  }
  const ByteEdit edit =
      added_member(text_, *reached.value, path[reached.depth], added, manner);
  return commit(edit.range.begin, edit.range.end, edit.text, expected, path);
}

Result<void> JsonEditor::remove(const KeyPath& path) {
  const Reached reached = reach(value_, path);
  if (path.empty() || reached.depth < path.size()) return {};
  const auto& members = reached.above.back()->members;
  const auto at = std::ranges::find_if(
      members, [&reached](const JsonValue::Member& member) {
        return &member.value == reached.value;
      });
  std::size_t begin = at->key_begin;
  std::size_t end = at->value.span.end;
  if (at + 1 != members.end()) {
    end = (at + 1)->key_begin;
  } else if (at != members.begin()) {
    begin = (at - 1)->value.span.end;
  } else {
    begin = reached.above.back()->span.begin + 1;
    end = reached.above.back()->span.end - 1;
  }
  Node expected = tree_;
  erase_at(expected, path);
  TRY_VOID(commit(begin, end, "", expected, path));
  return {};
}

}  // namespace gpunode::text
