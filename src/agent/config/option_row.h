// How the tables of options are written down. Internal to the room.
#pragma once

#include <array>
#include <cstddef>
#include <initializer_list>
#include <span>
#include <string_view>

#include "agent/config/options.h"

namespace gpunode::config {

/// A few words held in the row itself.
class Words {
 public:
  constexpr Words(std::initializer_list<std::string_view> words) {
    for (const std::string_view word : words) words_[count_++] = word;
  }
  constexpr std::span<const std::string_view> span() const {
    return {words_.data(), count_};
  }

 private:
  std::array<std::string_view, 4> words_{};
  std::size_t count_ = 0;
};

/// An OptionSpec with what it points to.
struct Row {
  Option option;
  Words names;
  Words environment;
  OptionType type;
  std::string_view fallback;
  std::string_view field;
  Words values;
  OptionGroup group;
  std::string_view help;
  bool ours = false;
};

/// The table that points into `rows`, which are static.
template <std::size_t N>
constexpr std::array<OptionSpec, N> make_table(const std::array<Row, N>& rows) {
  std::array<OptionSpec, N> table{};
  for (std::size_t i = 0; i < N; ++i) {
    const Row& row = rows[i];
    table[i] = {row.option,        row.names.span(), row.environment.span(),
                row.type,          row.fallback,     row.field,
                row.values.span(), row.group,        row.help,
                row.ours};
  }
  return table;
}

/// discovery_options.cc
std::span<const OptionSpec> discovery_option_table();

/// manager_options.cc
std::span<const OptionSpec> manager_option_table();

}  // namespace gpunode::config
