#include "node/provision/stable_name.h"

#include <cstddef>

#include <fmt/format.h>

namespace gpunode::provision {

std::array<std::uint64_t, 2> stable_bits(
    std::initializer_list<std::string_view> parts) {
  // FNV-1a twice, from two bases.
  constexpr std::uint64_t kPrime = 0x100000001b3U;
  constexpr std::array<std::uint64_t, 2> kBases = {0xcbf29ce484222325U,
                                                   0x84222325cbf29ce4U};
  std::array<std::uint64_t, 2> halves{};
  for (std::size_t i = 0; i < halves.size(); ++i) {
    std::uint64_t hash = kBases[i];
    for (const std::string_view part : parts) {
      for (const char c : part) {
        hash = (hash ^ static_cast<unsigned char>(c)) * kPrime;
      }
      hash = (hash ^ 0xffU) * kPrime;
    }
    halves[i] = hash;
  }
  return halves;
}

std::string stable_uuid(std::initializer_list<std::string_view> parts) {
  const auto halves = stable_bits(parts);
  // Version 8; variant 10.
  const std::uint64_t high = (halves[0] & ~0xf000ULL) | 0x8000U;
  const std::uint64_t low =
      (halves[1] & ~(std::uint64_t{3} << 62U)) | (std::uint64_t{2} << 62U);
  return fmt::format("{:08x}-{:04x}-{:04x}-{:04x}-{:012x}", high >> 32U,
                     (high >> 16U) & 0xffffU, high & 0xffffU, low >> 48U,
                     low & 0xffffffffffffU);
}

}  // namespace gpunode::provision
