#include "apps/gpunode/top/table.h"

#include <algorithm>
#include <numeric>

#include "base/console/page.h"

namespace gpunode::top {
namespace {

constexpr std::size_t kGap = 2;

std::size_t total_of(const std::vector<std::size_t>& widths,
                     const std::vector<std::size_t>& shown) {
  std::size_t total = 0;
  for (const std::size_t column : shown) total += widths[column] + kGap;
  return total == 0 ? 0 : total - kGap;
}

/// Takes what is too much from the columns that can shrink, the widest first.
void shrink(const std::vector<Column>& columns,
            const std::vector<std::size_t>& shown, std::size_t width,
            std::vector<std::size_t>& widths) {
  while (total_of(widths, shown) > width) {
    std::size_t widest = columns.size();
    for (const std::size_t column : shown) {
      if (!columns[column].can_shrink || widths[column] <= kNarrowest) continue;
      if (widest == columns.size() || widths[column] > widths[widest]) {
        widest = column;
      }
    }
    if (widest == columns.size()) return;
    --widths[widest];
  }
}

std::size_t least_needed(const std::vector<Column>& columns,
                         const std::vector<std::size_t>& shown) {
  return *std::max_element(shown.begin(), shown.end(),
                           [&columns](std::size_t a, std::size_t b) {
                             return columns[a].spare < columns[b].spare;
                           });
}

}  // namespace

std::string cut(const std::string& text, std::size_t width) {
  if (width == 0 || text.size() <= width) return text;
  return text.substr(0, width - 1) + "~";
}

std::vector<std::string> lay_out(
    const std::vector<Column>& columns,
    const std::vector<std::vector<std::string>>& rows, std::size_t width) {
  std::vector<std::vector<std::string>> cells(1);
  for (const Column& column : columns) cells[0].push_back(column.title);
  for (const std::vector<std::string>& row : rows) {
    std::vector<std::string>& shown = cells.emplace_back();
    for (const std::string& cell : row) {
      shown.push_back(console::printable(cell));
    }
  }
  std::vector<std::size_t> widths(columns.size(), 0);
  for (const auto& row : cells) {
    for (std::size_t i = 0; i < columns.size(); ++i) {
      widths[i] = std::max(widths[i], row[i].size());
    }
  }
  std::vector<std::size_t> shown(columns.size());
  std::iota(shown.begin(), shown.end(), 0);
  const std::vector<std::size_t> natural = widths;
  while (width != 0) {
    widths = natural;
    shrink(columns, shown, width, widths);
    const std::size_t least = least_needed(columns, shown);
    if (total_of(widths, shown) <= width || columns[least].spare == 0) break;
    std::erase(shown, least);
  }
  std::vector<std::string> lines;
  for (const auto& row : cells) {
    std::string line;
    for (const std::size_t column : shown) {
      if (column != shown.front()) line.append(kGap, ' ');
      const std::string cell = cut(row[column], widths[column]);
      const std::string blank(widths[column] - cell.size(), ' ');
      line += columns[column].is_number ? blank + cell : cell + blank;
    }
    line.resize(line.find_last_not_of(' ') + 1);
    lines.push_back(cut(line, width));
  }
  return lines;
}

}  // namespace gpunode::top
