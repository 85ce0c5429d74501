#include "gpu/device/mig_profile.h"

#include <array>

#include <fmt/format.h>

namespace gpunode::device {
namespace {

constexpr std::uint64_t kMib = 1024ULL * 1024;
constexpr std::uint64_t kGib = 1024 * kMib;
constexpr std::uint64_t kEighths = 8;

std::uint64_t divide_up(std::uint64_t value, std::uint64_t by) {
  return value / by + (value % by == 0 ? 0 : 1);
}

}  // namespace

std::string_view suffix_of(MigVariant variant) {
  switch (variant) {
    case MigVariant::kMedia:
      return "+me";
    case MigVariant::kAllMedia:
      return "+me.all";
    case MigVariant::kGraphics:
      return "+gfx";
    case MigVariant::kNoMedia:
      return "-me";
    case MigVariant::kPlain:
      break;
  }
  return "";
}

MigVariant variant_of_name(std::string_view name) {
  static constexpr std::array kSuffixed = {
      MigVariant::kMedia, MigVariant::kAllMedia, MigVariant::kGraphics,
      MigVariant::kNoMedia};
  for (const MigVariant variant : kSuffixed) {
    if (name.ends_with(suffix_of(variant))) return variant;
  }
  return MigVariant::kPlain;
}

std::uint64_t mig_memory_gb(std::uint64_t mig_memory_mib,
                            std::uint64_t gpu_memory_bytes) {
  if (gpu_memory_bytes == 0) return 0;
  const std::uint64_t eighths =
      divide_up(mig_memory_mib * kMib * kEighths, gpu_memory_bytes);
  const std::uint64_t gpu_gib = divide_up(gpu_memory_bytes, kGib);
  // Rounds half up, as Go's math.Round does: 4/8 of 141 is 71.
  return (eighths * gpu_gib + kEighths / 2) / kEighths;
}

std::string mig_profile_name(unsigned compute_slices, unsigned gpu_slices,
                             std::uint64_t memory_gb, MigVariant variant) {
  const std::string_view suffix = suffix_of(variant);
  if (compute_slices == gpu_slices) {
    return fmt::format("{}g.{}gb{}", gpu_slices, memory_gb, suffix);
  }
  return fmt::format("{}c.{}g.{}gb{}", compute_slices, gpu_slices, memory_gb,
                     suffix);
}

}  // namespace gpunode::device
