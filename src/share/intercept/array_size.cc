#include "share/intercept/array_size.h"

namespace gpunode::share {
namespace {

constexpr std::uint64_t kTooMuch = ~std::uint64_t{0};

/// Eighths of a byte that an element has.
std::uint64_t element_bits(abi::CUarray_format format, unsigned channels) {
  switch (format) {
    case abi::CU_AD_FORMAT_UNSIGNED_INT8:
    case abi::CU_AD_FORMAT_SIGNED_INT8:
      return 8U * channels;
    case abi::CU_AD_FORMAT_UNSIGNED_INT16:
    case abi::CU_AD_FORMAT_SIGNED_INT16:
    case abi::CU_AD_FORMAT_HALF:
      return 16U * channels;
    case abi::CU_AD_FORMAT_UNSIGNED_INT32:
    case abi::CU_AD_FORMAT_SIGNED_INT32:
    case abi::CU_AD_FORMAT_FLOAT:
      return 32U * channels;
    default:
      break;
  }
  // Formats of one, two or four channels of 8 or 16 bits, normalised.
  constexpr int kFirstUnorm8 = 0xc0;
  constexpr int kFirstUnorm16 = 0xc3;
  constexpr int kFirstSnorm8 = 0xc6;
  constexpr int kFirstSnorm16 = 0xc9;
  constexpr int kPastSnorm16 = 0xcc;
  if (format >= kFirstUnorm8 && format < kPastSnorm16) {
    const int first = format >= kFirstSnorm16   ? kFirstSnorm16
                      : format >= kFirstSnorm8  ? kFirstSnorm8
                      : format >= kFirstUnorm16 ? kFirstUnorm16
                                                : kFirstUnorm8;
    const bool is_wide = first == kFirstSnorm16 || first == kFirstUnorm16;
    return (is_wide ? 16U : 8U) << (format - first);
  }
  // Compressed blocks of 4 by 4: 8 bytes for kinds 1 and 4, else 16.
  if (format >= abi::CU_AD_FORMAT_BC1_UNORM &&
      format <= abi::CU_AD_FORMAT_BC7_UNORM_SRGB) {
    constexpr int kSecond = 0x93;  // BC1 has two formats, BC4 the last two of
    constexpr int kFourth = 0x97;  // these.
    const bool is_half =
        format < kSecond ||
        (format >= kFourth && format <= abi::CU_AD_FORMAT_BC4_SNORM);
    return is_half ? 4 : 8;
  }
  // Pictures of several planes and what comes with newer drivers: the most that
  // an element can have, rather than too little.
  return 128;
}

/// To whole units of the smallest power of two that holds `value`, at most
/// `unit`, itself one.
std::uint64_t round_to(std::uint64_t value, std::uint64_t unit) {
  while (unit > 1 && unit / 2 >= value) unit /= 2;
  return (value + unit - 1) / unit * unit;
}

std::uint64_t product(std::uint64_t one, std::uint64_t other) {
  std::uint64_t result = 0;
  return __builtin_mul_overflow(one, other, &result) ? kTooMuch : result;
}

struct Shape {
  std::uint64_t width;
  std::uint64_t height;
  std::uint64_t depth;
};

std::uint64_t level_bytes(const Shape& shape, bool has_depth,
                          std::uint64_t bits) {
  constexpr std::uint64_t kRow = 64;
  constexpr std::uint64_t kTile = 8;
  const std::uint64_t row = product(shape.width, bits);
  if (row > kTooMuch - 8 * kRow) return kTooMuch;
  const std::uint64_t row_bytes = ((row + 7) / 8 + kRow - 1) / kRow * kRow;
  const std::uint64_t rows =
      round_to((shape.height + kTile - 1) / kTile, has_depth ? 2 : 16) * kTile;
  const std::uint64_t layers =
      has_depth ? round_to(shape.depth, 16) : shape.depth;
  return product(product(row_bytes, rows), layers);
}

}  // namespace

std::uint64_t array_bytes(const abi::CUDA_ARRAY3D_DESCRIPTOR& array,
                          unsigned levels) {
  constexpr std::uint64_t kMostOfSide = std::uint64_t{1} << 40;
  constexpr std::uint64_t kMost = std::uint64_t{1} << 50;  // Bytes, of all.
  constexpr std::uint64_t kIsForTheDriver = 0;
  if ((array.Flags &
       (abi::CUDA_ARRAY3D_SPARSE | abi::CUDA_ARRAY3D_DEFERRED_MAPPING)) != 0) {
    return 0;
  }
  if (array.Width > kMostOfSide || array.Height > kMostOfSide ||
      array.Depth > kMostOfSide || array.NumChannels > 4) {
    return kIsForTheDriver;
  }
  const bool is_layered =
      (array.Flags & (abi::CUDA_ARRAY3D_LAYERED | abi::CUDA_ARRAY3D_CUBEMAP)) !=
      0;
  const bool has_depth = array.Depth > 1 && !is_layered;
  const std::uint64_t bits = element_bits(array.Format, array.NumChannels);
  Shape shape = {array.Width, array.Height == 0 ? 1 : array.Height,
                 array.Depth == 0 ? 1 : array.Depth};
  std::uint64_t bytes = 0;
  constexpr unsigned kMostLevels = 41;
  for (unsigned level = 0; level < levels && level < kMostLevels; ++level) {
    const std::uint64_t more = level_bytes(shape, has_depth, bits);
    if (__builtin_add_overflow(bytes, more, &bytes) || bytes > kMost) {
      return kIsForTheDriver;
    }
    const auto halve = [](std::uint64_t* side) {
      *side = *side > 1 ? *side / 2 : 1;
    };
    halve(&shape.width);
    halve(&shape.height);
    if (has_depth) halve(&shape.depth);
  }
  return bytes;
}

}  // namespace gpunode::share
