#include "base/text/toml_value.h"

#include <algorithm>
#include <iterator>
#include <vector>

#include <fmt/format.h>

#include "base/core/ascii.h"
#include "base/text/tree.h"

namespace gpunode::text {
namespace {

bool is_bare(char c) {
  return is_alphanumeric(c) || c == '_' || c == '-';
}

std::string basic_string(std::string_view value) {
  std::string out = "\"";
  for (const char c : value) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\t') {
      out += "\\t";
    } else if (c == '\r') {
      out += "\\r";
    } else if (byte < 0x20 || byte == 0x7f) {
      fmt::format_to(std::back_inserter(out), "\\u{:04X}", byte);
    } else {
      out += c;
    }
  }
  out += '"';
  return out;
}

std::vector<const Entry*> sorted(const Node& mapping) {
  std::vector<const Entry*> entries;
  for (const Entry& entry : mapping.entries) entries.push_back(&entry);
  std::ranges::sort(entries, {}, [](const Entry* entry) -> const std::string& {
    return entry->key;
  });
  return entries;
}

bool is_list_of_tables(const Node& value) {
  return value.is(Node::Kind::kSequence) && !value.items.empty() &&
         std::ranges::all_of(value.items, [](const Node& item) {
           return item.is(Node::Kind::kMapping);
         });
}

void append_tables(std::string& out, const Node& mapping, const KeyPath& path);

void append_body(std::string& out, const Node& mapping, const KeyPath& path) {
  const std::string indent(2 * path.size(), ' ');
  for (const Entry* entry : sorted(mapping)) {
    if (entry->value.is(Node::Kind::kMapping) ||
        is_list_of_tables(entry->value)) {
      continue;
    }
    out += fmt::format("{}{} = {}\n", indent, toml_key(entry->key),
                       toml_value(entry->value));
  }
  append_tables(out, mapping, path);
}

void append_tables(std::string& out, const Node& mapping, const KeyPath& path) {
  const std::string indent(2 * path.size(), ' ');
  for (const Entry* entry : sorted(mapping)) {
    const KeyPath below = child(path, entry->key);
    if (entry->value.is(Node::Kind::kMapping)) {
      out += fmt::format("\n{}[{}]\n", indent, path_text(below));
      append_body(out, entry->value, below);
    } else if (is_list_of_tables(entry->value)) {
      for (const Node& item : entry->value.items) {
        out += fmt::format("\n{}[[{}]]\n", indent, path_text(below));
        append_body(out, item, below);
      }
    }
  }
}

std::string sequence(const Node& value) {
  std::string out = "[";
  for (const Node& item : value.items) {
    if (&item != &value.items.front()) out += ", ";
    out += toml_value(item);
  }
  return out + "]";
}

std::string inline_table(const Node& value) {
  if (value.entries.empty()) return "{}";
  std::string out = "{ ";
  for (const Entry& entry : value.entries) {
    if (&entry != &value.entries.front()) out += ", ";
    out += toml_key(entry.key) + " = " + toml_value(entry.value);
  }
  return out + " }";
}

}  // namespace

std::string toml_key(std::string_view key) {
  if (!key.empty() && std::ranges::all_of(key, is_bare)) {
    return std::string(key);
  }
  return basic_string(key);
}

std::string toml_value(const Node& value) {
  switch (value.kind) {
    case Node::Kind::kNull:
      return "\"\"";
    case Node::Kind::kBool:
    case Node::Kind::kInteger:
    case Node::Kind::kFloat:
      return value.scalar;
    case Node::Kind::kString:
      return basic_string(value.scalar);
    case Node::Kind::kSequence:
      return sequence(value);
    case Node::Kind::kMapping:
      return inline_table(value);
  }
  return {};
}

std::string toml_document(const Node& root) {
  std::string out;
  append_body(out, root, {});
  return out;
}

}  // namespace gpunode::text
