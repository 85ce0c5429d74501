#include "gpu/device/product.h"

#include <algorithm>
#include <array>

#include "base/core/ascii.h"

namespace gpunode::device {
namespace {

struct ChipIds {
  std::uint16_t first;
  std::uint16_t last;
  std::string_view capability;
};

constexpr std::array kChips = {
    ChipIds{0x1340, 0x13bf, "5.0"},   // GM107, GM108
    ChipIds{0x13c0, 0x147f, "5.2"},   // GM204, GM206
    ChipIds{0x1580, 0x15ff, "6.0"},   // GP100
    ChipIds{0x1600, 0x167f, "5.2"},   // GM204
    ChipIds{0x17c0, 0x17ff, "5.2"},   // GM200
    ChipIds{0x1b00, 0x1d7f, "6.1"},   // GP102 to GP108
    ChipIds{0x1d80, 0x1dff, "7.0"},   // GV100
    ChipIds{0x1e00, 0x1fff, "7.5"},   // TU102 to TU106, TU117
    ChipIds{0x2080, 0x20ff, "8.0"},   // GA100
    ChipIds{0x2180, 0x21ff, "7.5"},   // TU116
    ChipIds{0x2200, 0x227f, "8.6"},   // GA102
    ChipIds{0x2300, 0x23ff, "9.0"},   // GH100
    ChipIds{0x2400, 0x25ff, "8.6"},   // GA103 to GA107
    ChipIds{0x2680, 0x28ff, "8.9"},   // AD102 to AD107
    ChipIds{0x2900, 0x29ff, "10.0"},  // GB100, GB102
    ChipIds{0x2b80, 0x2c7f, "12.0"},  // GB202, GB203
    ChipIds{0x2d00, 0x2dff, "12.0"},  // GB206, GB207
    ChipIds{0x2f00, 0x2f7f, "12.0"},  // GB205
    ChipIds{0x3180, 0x31ff, "10.3"},  // GB110
};

/// "GRID T4-8Q", "NVIDIA A10-24Q", "NVIDIA A100-1-5C": a profile at the end.
bool is_virtual(std::string_view name) {
  if (name.starts_with("GRID")) return true;
  const std::size_t dash = name.rfind('-');
  if (dash == std::string_view::npos || dash + 2 >= name.size()) return false;
  const std::string_view profile = name.substr(dash + 1);
  return std::string_view("ABCQ").find(profile.back()) !=
             std::string_view::npos &&
         std::all_of(profile.begin(), profile.end() - 1, is_digit);
}

}  // namespace

std::string_view compute_capability_of(std::uint16_t pci_device) {
  for (const ChipIds& chip : kChips) {
    if (chip.first <= pci_device && pci_device <= chip.last) {
      return chip.capability;
    }
  }
  return {};
}

std::vector<std::string_view> brands_of(std::string_view name) {
  constexpr std::string_view kMaker = "NVIDIA ";
  const bool has_maker = name.starts_with(kMaker);
  if (has_maker) name.remove_prefix(kMaker.size());
  if (name.empty() || is_virtual(name)) return {};
  if (name.starts_with("GeForce")) return {"geforce"};
  if (name.starts_with("TITAN")) return {"titan"};
  if (name.starts_with("NVS")) return {"nvs"};
  if (name.starts_with("Quadro RTX")) return {"quadrortx", "quadro"};
  if (name.starts_with("Quadro")) return {"quadro"};
  if (name.starts_with("RTX")) return {"nvidiartx", "quadrortx", "quadro"};
  if (name.starts_with("Tesla") || has_maker) return {"nvidia", "tesla"};
  // Drivers before 470 wrote no maker: "A100-SXM4-40GB".
  if (name.starts_with("A100") || name.starts_with("A30")) {
    return {"nvidia", "tesla"};
  }
  return {};
}

}  // namespace gpunode::device
