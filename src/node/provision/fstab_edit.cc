#include "node/provision/fstab_edit.h"

#include <functional>

#include <fmt/format.h>

#include "node/facts/fstab.h"

namespace gpunode::provision {
namespace {

/// Calls `each` with every line, its newline included if it has one.
void for_lines(std::string_view text,
               const std::function<void(std::string_view)>& each) {
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    const std::size_t size =
        end == std::string_view::npos ? text.size() : end + 1;
    each(text.substr(0, size));
    text.remove_prefix(size);
  }
}

}  // namespace

std::string fstab_without_swap(std::string_view text) {
  std::string result;
  for_lines(text, [&](std::string_view line) {
    const auto parsed = facts::parse_fstab(line);
    if (!parsed.empty() && parsed.front().type == "swap") {
      result += "# gpunode turned swap off: ";
    }
    result += line;
  });
  return result;
}

std::string fstab_with(std::string_view text, std::string_view id,
                       std::string_view line) {
  const std::string mark = fmt::format("# gpunode:{}", id);
  const auto ours = facts::parse_fstab(line);
  const auto is_old_one = [&](std::string_view old) {
    const auto parsed = facts::parse_fstab(old);
    return !parsed.empty() && !ours.empty() &&
           (parsed.front().target == ours.front().target ||
            parsed.front().source == ours.front().source);
  };
  std::string result;
  bool is_next_ours = false;
  bool is_placed = false;
  for_lines(text, [&](std::string_view old) {
    const bool is_mark = old == mark || old == mark + "\n";
    if (is_next_ours && !is_mark) {
      is_next_ours = false;
      if (is_old_one(old)) return;  // Replaced.
    }
    result += old;
    if (!is_mark) return;
    is_next_ours = true;
    if (is_placed) return;
    is_placed = true;
    if (!result.ends_with('\n')) result += '\n';
    result += fmt::format("{}\n", line);
  });
  if (is_placed) return result;
  if (!result.empty() && !result.ends_with('\n')) result += '\n';
  return result + fmt::format("{}\n{}\n", mark, line);
}

std::string fstab_without(std::string_view text, std::string_view id,
                          std::string_view source) {
  const std::string mark = fmt::format("# gpunode:{}\n", id);
  std::string result;
  bool was_mark = false;
  for_lines(text, [&](std::string_view line) {
    const auto parsed = facts::parse_fstab(line);
    const bool is_ours =
        was_mark && !parsed.empty() && parsed.front().source == source;
    was_mark = line == mark;
    if (is_ours) {
      result.resize(result.size() - mark.size());
    } else {
      result += line;
    }
  });
  return result;
}

}  // namespace gpunode::provision
