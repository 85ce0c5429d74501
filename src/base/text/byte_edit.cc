#include "base/text/byte_edit.h"

#include <algorithm>

namespace gpunode::text {

std::string apply_edits(std::string_view text, std::vector<ByteEdit> edits) {
  std::ranges::stable_sort(
      edits, {}, [](const ByteEdit& edit) { return edit.range.begin; });
  std::string out;
  std::size_t position = 0;
  for (const ByteEdit& edit : edits) {
    out += text.substr(position, edit.range.begin - position);
    out += edit.text;
    position = edit.range.end;
  }
  out += text.substr(position);
  return out;
}

std::size_t line_start(std::string_view text, std::size_t position) {
  while (position > 0 && text[position - 1] != '\n') --position;
  return position;
}

std::size_t next_line(std::string_view text, std::size_t position) {
  const std::size_t feed = text.find('\n', position);
  return feed == std::string_view::npos ? text.size() : feed + 1;
}

std::string_view indent_at(std::string_view text, std::size_t position) {
  const std::size_t begin = line_start(text, position);
  std::size_t end = begin;
  while (end < text.size() && (text[end] == ' ' || text[end] == '\t')) ++end;
  return text.substr(begin, end - begin);
}

std::string_view newline_of(std::string_view text) {
  const std::size_t feed = text.find('\n');
  const bool returns =
      feed != std::string_view::npos && feed > 0 && text[feed - 1] == '\r';
  return returns ? "\r\n" : "\n";
}

}  // namespace gpunode::text
