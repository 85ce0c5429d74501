#include "base/text/unified_diff.h"

#include <algorithm>
#include <cstddef>
#include <vector>

#include <fmt/format.h>

namespace gpunode::text {
namespace {

using Lines = std::vector<std::string_view>;  // Line feeds included.

constexpr std::size_t kContext = 3;
constexpr std::size_t kMostCells = 4'000'000;

struct Step {
  char kind = ' ';  // ' ', '-' or '+'.
  std::string_view line;
};

Lines lines_of(std::string_view text) {
  Lines lines;
  while (!text.empty()) {
    const std::size_t feed = text.find('\n');
    const std::size_t length =
        feed == std::string_view::npos ? text.size() : feed + 1;
    lines.push_back(text.substr(0, length));
    text.remove_prefix(length);
  }
  return lines;
}

/// Lengths of the longest common subsequences of all pairs of tails.
class TailTable {
 public:
  TailTable(const Lines& a, const Lines& b)
      : width_(b.size() + 1), cells_((a.size() + 1) * width_) {
    for (std::size_t i = a.size(); i-- > 0;) {
      for (std::size_t j = b.size(); j-- > 0;) {
        at(i, j) = a[i] == b[j] ? at(i + 1, j + 1) + 1
                                : std::max(at(i + 1, j), at(i, j + 1));
      }
    }
  }
  unsigned& at(std::size_t i, std::size_t j) { return cells_[i * width_ + j]; }

 private:
  std::size_t width_;
  std::vector<unsigned> cells_;
};

// The part between the common start and the common end.
void append_middle(const Lines& a, const Lines& b, std::vector<Step>& steps) {
  std::size_t i = 0;
  std::size_t j = 0;
  if ((a.size() + 1) * (b.size() + 1) <= kMostCells) {
    TailTable table(a, b);
    while (i < a.size() && j < b.size()) {
      if (a[i] == b[j]) {
        steps.push_back({' ', a[i]});
        ++i;
        ++j;
      } else if (table.at(i + 1, j) >= table.at(i, j + 1)) {
        steps.push_back({'-', a[i++]});
      } else {
        steps.push_back({'+', b[j++]});
      }
    }
  }
  for (; i < a.size(); ++i) steps.push_back({'-', a[i]});
  for (; j < b.size(); ++j) steps.push_back({'+', b[j]});
}

std::vector<Step> steps_between(const Lines& a, const Lines& b) {
  std::size_t head = 0;
  while (head < a.size() && head < b.size() && a[head] == b[head]) ++head;
  std::size_t tail = 0;
  while (tail < a.size() - head && tail < b.size() - head &&
         a[a.size() - 1 - tail] == b[b.size() - 1 - tail]) {
    ++tail;
  }
  const auto part = [head, tail](const Lines& lines) {
    return Lines(lines.begin() + static_cast<std::ptrdiff_t>(head),
                 lines.end() - static_cast<std::ptrdiff_t>(tail));
  };
  std::vector<Step> steps;
  for (std::size_t i = 0; i < head; ++i) steps.push_back({' ', a[i]});
  append_middle(part(a), part(b), steps);
  for (std::size_t i = a.size() - tail; i < a.size(); ++i) {
    steps.push_back({' ', a[i]});
  }
  return steps;
}

std::string range_text(std::size_t start, std::size_t count) {
  if (count == 1) return fmt::format("{}", start + 1);
  return fmt::format("{},{}", count == 0 ? start : start + 1, count);
}

/// Writes hunks; `steps` outlives it.
class HunkWriter {
 public:
  explicit HunkWriter(const std::vector<Step>& steps) : steps_(steps) {}

  std::string write() {
    std::size_t i = 0;
    while (i < steps_.size()) {
      if (steps_[i].kind == ' ') {
        pass(i++);
        continue;
      }
      const std::size_t start = i - std::min({i, kContext, i - last_end_});
      const std::size_t end = hunk_end(i);
      hunk(start, i, end);
      for (; i < end; ++i) pass(i);
      last_end_ = end;
    }
    return std::move(out_);
  }

 private:
  void pass(std::size_t i) {
    if (steps_[i].kind != '+') ++old_line_;
    if (steps_[i].kind != '-') ++new_line_;
  }

  // Behind the context that follows the last change of this hunk.
  std::size_t hunk_end(std::size_t i) const {
    std::size_t quiet = 0;
    for (; i < steps_.size() && quiet <= 2 * kContext; ++i) {
      quiet = steps_[i].kind == ' ' ? quiet + 1 : 0;
    }
    return quiet > kContext ? i - (quiet - kContext) : i;
  }

  void hunk(std::size_t start, std::size_t first, std::size_t end) {
    std::size_t old_count = 0;
    std::size_t new_count = 0;
    std::string body;
    for (std::size_t i = start; i < end; ++i) {
      if (steps_[i].kind != '+') ++old_count;
      if (steps_[i].kind != '-') ++new_count;
      body += steps_[i].kind;
      body += steps_[i].line;
      if (!steps_[i].line.ends_with('\n')) {
        body += "\n\\ No newline at end of file\n";
      }
    }
    out_ += fmt::format(
        "@@ -{} +{} @@\n{}", range_text(old_line_ - (first - start), old_count),
        range_text(new_line_ - (first - start), new_count), body);
  }

  const std::vector<Step>& steps_;
  std::string out_;
  std::size_t old_line_ = 0;
  std::size_t new_line_ = 0;
  std::size_t last_end_ = 0;
};

// What the terminal is told before a line; empty: nothing.
std::string_view colour_of(std::string_view line) {
  if (line.starts_with("---") || line.starts_with("+++")) return "\033[1m";
  if (line.starts_with('-')) return "\033[31m";
  if (line.starts_with('+')) return "\033[32m";
  if (line.starts_with('@')) return "\033[36m";
  return "";
}

}  // namespace

std::string unified_diff(std::string_view before, std::string_view after,
                         std::string_view old_name, std::string_view new_name) {
  if (before == after) return {};
  const Lines a = lines_of(before);
  const Lines b = lines_of(after);
  const std::vector<Step> steps = steps_between(a, b);
  return fmt::format("--- {}\n+++ {}\n{}", old_name, new_name,
                     HunkWriter(steps).write());
}

std::string coloured_diff(std::string_view diff) {
  std::string out;
  for (const std::string_view line : lines_of(diff)) {
    const std::string_view colour = colour_of(line);
    if (colour.empty()) {
      out += line;
      continue;
    }
    const bool has_feed = line.ends_with('\n');
    out += fmt::format("{}{}\033[0m{}", colour,
                       line.substr(0, line.size() - (has_feed ? 1 : 0)),
                       has_feed ? "\n" : "");
  }
  return out;
}

}  // namespace gpunode::text
