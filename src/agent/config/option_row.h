// How the options are written down. Internal to the room.
#pragma once

#include <array>
#include <cstddef>
#include <initializer_list>
#include <span>
#include <string_view>

#include "agent/config/options.h"

namespace gpunode::config {

/// Up to N of T, held in the row itself.
template <typename T, std::size_t N>
class Few {
 public:
  constexpr Few(std::initializer_list<T> these) {
    for (const T& one : these) held_[count_++] = one;
  }
  constexpr std::span<const T> span() const { return {held_.data(), count_}; }

 private:
  std::array<T, N> held_{};
  std::size_t count_ = 0;
};

using Words = Few<std::string_view, 4>;

/// A set of programs.
using Programs = unsigned;

constexpr Programs set_of(Program program) {
  return 1U << static_cast<unsigned>(program);
}

inline constexpr Programs kPlugin = set_of(Program::kDevicePlugin);
inline constexpr Programs kDiscovery = set_of(Program::kFeatureDiscovery);
inline constexpr Programs kManager = set_of(Program::kConfigManager);
inline constexpr Programs kEvery = kPlugin | kDiscovery | kManager;

/// Whether NVIDIA's program of that name has the option too.
enum class Origin { kNvidia, kOurs };

/// What an option is in some of the programs.
struct Use {
  Programs programs = 0;
  OptionGroup group{};
  Words environment{};
  std::string_view help;
  Origin origin = Origin::kNvidia;
};

/// What an option is in every program that has it. Where one program takes
/// other names or values, or has no field in a file, it has a row of its own.
struct Row {
  Option option;
  Words names;
  OptionType type;
  std::string_view fallback;
  std::string_view field;
  Words values;
  Few<Use, 3> uses;
};

}  // namespace gpunode::config
