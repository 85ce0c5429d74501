#include "agent/resource/allocation_id.h"

#include <algorithm>
#include <array>
#include <cstdint>

#include <fmt/format.h>

namespace gpunode::resource {
namespace {

/// FNV-1a, 128 bits (draft-eastlake-fnv). Ids come from a kubelet that took
/// them from us: accidents are to be excluded, not adversaries.
class Fnv128 {
 public:
  void add(std::string_view text) {
    for (const char c : text) add_byte(static_cast<unsigned char>(c));
    add_byte('\n');  // Between items, so that "a","b" is not "ab".
  }

  std::array<unsigned char, 16> bytes() const {
    std::array<unsigned char, 16> out{};
    for (std::size_t i = 0; i < out.size(); ++i) {
      out[i] = static_cast<unsigned char>(state_ >> (8 * (15 - i)));
    }
    return out;
  }

 private:
  __extension__ using Word = unsigned __int128;

  void add_byte(unsigned char byte) {
    state_ ^= byte;
    state_ *= kPrime;
  }

  static constexpr Word kPrime =
      (static_cast<Word>(0x0000000001000000U) << 64) | 0x13BU;

  Word state_ = (static_cast<Word>(0x6c62272e07bb0142U) << 64) |
                0x62b821756295c58dU;  // The offset basis.
};

}  // namespace

std::string allocation_id(std::string_view resource_name,
                          const std::vector<std::string>& ids) {
  std::vector<std::string_view> sorted(ids.begin(), ids.end());
  std::sort(sorted.begin(), sorted.end());
  sorted.erase(std::unique(sorted.begin(), sorted.end()), sorted.end());

  Fnv128 hash;
  hash.add(resource_name);
  for (const std::string_view id : sorted) hash.add(id);
  auto b = hash.bytes();
  b[6] = static_cast<unsigned char>((b[6] & 0x0f) | 0x80);  // Version 8.
  b[8] = static_cast<unsigned char>((b[8] & 0x3f) | 0x80);  // Variant 10.
  std::string out;
  for (std::size_t i = 0; i < b.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) out += '-';
    out += fmt::format("{:02x}", b[i]);
  }
  return out;
}

}  // namespace gpunode::resource
