// How MIG profiles are named: "1g.10gb", "1c.2g.20gb", "1g.10gb+me".
//
// The names are resource names (`nvidia.com/mig-1g.10gb`) and label values, so
// they follow NVIDIA's go-nvlib to the letter, whatever the driver prints.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace gpunode::device {

/// What sets a GPU instance profile apart from the plain one of its size.
enum class MigVariant {
  kPlain,
  kMedia,     ///< "+me": has the media engines (REV1 profiles).
  kAllMedia,  ///< "+me.all": has every media engine of the GPU.
  kGraphics,  ///< "+gfx": can render.
  kNoMedia,   ///< "-me": has no media engine.
};

/// The suffix of a profile's name; empty for kPlain.
std::string_view suffix_of(MigVariant variant);

/// The variant that a name ends in, as in "NVIDIA B200 MIG 1g.23gb+me.all".
MigVariant variant_of_name(std::string_view name);

/// The GB of a profile's name: the share of the GPU's memory, rounded up to
/// eighths, of its memory rounded up to GiB. 0 when `gpu_memory_bytes` is 0.
std::uint64_t mig_memory_gb(std::uint64_t mig_memory_mib,
                            std::uint64_t gpu_memory_bytes);

/// Compute slices are named only where they differ from the GPU's slices.
std::string mig_profile_name(unsigned compute_slices, unsigned gpu_slices,
                             std::uint64_t memory_gb, MigVariant variant);

}  // namespace gpunode::device
