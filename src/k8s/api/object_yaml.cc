#include "k8s/api/object_yaml.h"

#include <algorithm>
#include <array>

#include "base/core/ascii.h"
#include "base/text/json_edit.h"
#include "base/text/tree.h"

namespace gpunode::kube {
namespace {

using text::Node;

constexpr std::size_t kIndent = 2;

/// What YAML 1.1 takes for something else than a text.
bool is_word_of_yaml(std::string_view key) {
  std::string lower(key);
  std::ranges::transform(lower, lower.begin(), to_lower);
  constexpr std::array<std::string_view, 9> kWords = {
      "y", "n", "yes", "no", "on", "off", "true", "false", "null"};
  return std::ranges::find(kWords, lower) != kWords.end();
}

bool is_plain_key(std::string_view key) {
  if (key.empty() || is_word_of_yaml(key)) return false;
  const bool begins_well = is_upper(key.front()) || is_lower(key.front());
  return begins_well && std::ranges::all_of(key, [](char c) {
           return is_alphanumeric(c) || c == '.' || c == '/' || c == '-' ||
                  c == '_';
         });
}

/// Lines of printable ASCII that end as they began: a block keeps them as they
/// are. One that begins with a space would tell YAML another indentation.
bool is_block(std::string_view text) {
  if (text.find('\n') == std::string_view::npos || text.back() != '\n' ||
      text.front() == ' ' || text.front() == '\n' || text.ends_with("\n\n")) {
    return false;
  }
  return std::ranges::all_of(
      text, [](char c) { return c == '\n' || (c >= ' ' && c <= '~'); });
}

void write(const Node& value, std::size_t indent, std::string& out);

void write_block(std::string_view text, std::size_t indent, std::string& out) {
  out += " |\n";
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    if (!line.empty()) out.append(indent, ' ').append(line);
    out += '\n';
    text.remove_prefix(end + 1);
  }
}

/// What stands behind "key:" or "-", with its line end.
void write_behind(const Node& value, std::size_t indent, std::string& out) {
  if (value.is(Node::Kind::kMapping) && !value.entries.empty()) {
    out += "\n" + std::string(indent + kIndent, ' ');
    write(value, indent + kIndent, out);
  } else if (value.is(Node::Kind::kSequence) && !value.items.empty()) {
    out += '\n';
    for (const Node& item : value.items) {
      out.append(indent, ' ').append("-");
      if (item.is(Node::Kind::kMapping) && !item.entries.empty()) {
        out += ' ';
        write(item, indent + kIndent, out);
      } else {
        write_behind(item, indent + kIndent, out);
      }
    }
  } else if (value.is(Node::Kind::kString) && is_block(value.scalar)) {
    write_block(value.scalar, indent + kIndent, out);
  } else {
    out += " " + text::to_json(value) + "\n";
  }
}

/// A mapping whose first line is indented already.
void write(const Node& value, std::size_t indent, std::string& out) {
  bool is_first = true;
  for (const text::Entry& entry : value.entries) {
    if (!is_first) out.append(indent, ' ');
    is_first = false;
    out +=
        (is_plain_key(entry.key) ? entry.key : text::json_string(entry.key)) +
        ":";
    write_behind(entry.value, indent, out);
  }
}

}  // namespace

Result<std::string> object_yaml(std::string_view json) {
  TRY(const text::JsonValue value, text::read_json(json, "object"));
  std::string out;
  write(text::tree_of(value), 0, out);
  return out;
}

}  // namespace gpunode::kube
