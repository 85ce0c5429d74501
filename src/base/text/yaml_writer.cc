#include "base/text/yaml_writer.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <string_view>

#include "base/core/ascii.h"

namespace gpunode::text {
namespace {

constexpr std::size_t kIndent = 2;

/// Texts that some reader of YAML 1.1 takes for something else.
bool is_word_of_yaml(std::string_view text) {
  constexpr auto kWords = std::to_array<std::string_view>(
      {"y", "n", "yes", "no", "on", "off", "true", "false", "null"});
  std::string lower(text);
  std::ranges::transform(lower, lower.begin(), to_lower);
  return std::ranges::find(kWords, lower) != kWords.end();
}

/// What every reader of YAML takes for this text without quotes.
bool is_plain(std::string_view text) {
  const bool begins_well =
      !text.empty() && (is_letter(text.front()) || text.front() == '/');
  if (!begins_well || is_word_of_yaml(text)) {
    return false;
  }
  return std::ranges::all_of(text, [](char c) {
    return is_alphanumeric(c) ||
           std::string_view("./-_").find(c) != std::string_view::npos;
  });
}

/// Lines that a literal block holds as they are.
bool is_block(std::string_view text) {
  if (text.find('\n') == std::string_view::npos) return false;
  // An indented first line would set the block's indentation.
  if (text.front() == ' ' || text.front() == '\n') return false;
  if (text.ends_with("\n\n")) return false;
  return std::ranges::all_of(
      text, [](char c) { return c == '\n' || (c >= ' ' && c <= '~'); });
}

std::string scalar_of(const std::string& text) {
  return is_plain(text) ? text : json_string(text);
}

class Writer {
 public:
  std::string take() && { return std::move(text_); }

  /// What stands below a key or a dash, at `indent`.
  void block(const Node& value, std::size_t indent) {
    if (value.is(Node::Kind::kMapping) && !value.entries.empty()) {
      bool is_first = true;
      for (const Entry& entry : value.entries) {
        if (!is_first || !is_after_dash_) text_.append(indent, ' ');
        is_first = false;
        is_after_dash_ = false;
        text_ += scalar_of(entry.key) + ":";
        below_key(entry.value, indent);
      }
    } else if (value.is(Node::Kind::kSequence) && !value.items.empty()) {
      bool is_first = true;
      for (const Node& item : value.items) {
        if (!is_first || !is_after_dash_) text_.append(indent, ' ');
        is_first = false;
        text_ += "- ";
        is_after_dash_ = true;
        block(item, indent + kIndent);
        is_after_dash_ = false;
      }
    } else {
      is_after_dash_ = false;
      leaf(value, indent);
    }
  }

 private:
  void below_key(const Node& value, std::size_t indent) {
    const bool has_lines =
        (value.is(Node::Kind::kMapping) && !value.entries.empty()) ||
        (value.is(Node::Kind::kSequence) && !value.items.empty());
    text_ += has_lines ? "\n" : " ";
    block(value, indent + kIndent);
  }

  void leaf(const Node& value, std::size_t indent) {
    switch (value.kind) {
      case Node::Kind::kMapping:
        text_ += "{}\n";
        return;
      case Node::Kind::kSequence:
        text_ += "[]\n";
        return;
      case Node::Kind::kString:
        text_of(value.scalar, indent);
        return;
      case Node::Kind::kNull:
        text_ += "null\n";
        return;
      case Node::Kind::kBool:
      case Node::Kind::kInteger:
      case Node::Kind::kFloat:
        text_ += value.scalar + "\n";
        return;
    }
  }

  void text_of(std::string_view value, std::size_t indent) {
    if (!is_block(value)) {
      text_ += scalar_of(std::string(value)) + "\n";
      return;
    }
    text_ += value.ends_with('\n') ? "|\n" : "|-\n";
    // At the top a block is indented, too.
    const std::size_t depth = std::max(indent, kIndent);
    while (!value.empty()) {
      const std::size_t end = std::min(value.find('\n'), value.size());
      if (end != 0) text_.append(depth, ' ').append(value.substr(0, end));
      text_ += '\n';
      value.remove_prefix(std::min(end + 1, value.size()));
    }
  }

  std::string text_;
  bool is_after_dash_ = false;  ///< The line begins with a dash already.
};

}  // namespace

std::string write_yaml(const Node& value) {
  Writer writer;
  writer.block(value, 0);
  return std::move(writer).take();
}

}  // namespace gpunode::text
