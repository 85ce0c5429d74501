#include "base/text/node.h"

#include <algorithm>

#include <fmt/format.h>

namespace gpunode::text {
namespace {

void append_escaped(std::string& out, char c) {
  const auto byte = static_cast<unsigned char>(c);
  switch (c) {
    case '"':
      out += "\\\"";
      return;
    case '\\':
      out += "\\\\";
      return;
    case '\n':
      out += "\\n";
      return;
    case '\r':
      out += "\\r";
      return;
    case '\t':
      out += "\\t";
      return;
    default:
      break;
  }
  if (byte < 0x20 || c == '<' || c == '>' || c == '&') {
    fmt::format_to(std::back_inserter(out), "\\u{:04x}", byte);
  } else {
    out += c;
  }
}

void append_json(std::string& out, const Node& value);

void append_mapping(std::string& out, const Node& value) {
  std::vector<const Entry*> sorted;
  sorted.reserve(value.entries.size());
  for (const Entry& entry : value.entries) sorted.push_back(&entry);
  std::ranges::sort(
      sorted, {}, [](const Entry* e) -> const std::string& { return e->key; });
  out += '{';
  for (const Entry* entry : sorted) {
    if (entry != sorted.front()) out += ',';
    out += json_string(entry->key);
    out += ':';
    append_json(out, entry->value);
  }
  out += '}';
}

void append_json(std::string& out, const Node& value) {
  switch (value.kind) {
    case Node::Kind::kNull:
      out += "null";
      return;
    case Node::Kind::kBool:
    case Node::Kind::kInteger:
    case Node::Kind::kFloat:
      out += value.scalar;
      return;
    case Node::Kind::kString:
      out += json_string(value.scalar);
      return;
    case Node::Kind::kSequence:
      out += '[';
      for (const Node& item : value.items) {
        if (&item != &value.items.front()) out += ',';
        append_json(out, item);
      }
      out += ']';
      return;
    case Node::Kind::kMapping:
      append_mapping(out, value);
      return;
  }
}

}  // namespace

std::string at(std::string_view file_name, Mark mark) {
  if (mark.line == 0) return std::string(file_name);
  return fmt::format("{}:{}:{}", file_name, mark.line, mark.column);
}

const Entry* Node::find(std::string_view key) const {
  const auto found = std::ranges::find(entries, key, &Entry::key);
  return found == entries.end() ? nullptr : &*found;
}

std::string to_json(const Node& value) {
  std::string out;
  append_json(out, value);
  return out;
}

std::string json_string(std::string_view value) {
  std::string out = "\"";
  out.reserve(value.size() + 2);
  for (const char c : value) append_escaped(out, c);
  out += '"';
  return out;
}

}  // namespace gpunode::text
