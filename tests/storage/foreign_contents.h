// What somebody else may have put on a disk: each of it must be refused.
#pragma once

#include <cstdint>
#include <functional>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "base/host/blank_proof.h"
#include "tests/storage/test_disk.h"

namespace gpunode::storage_test {

/// One kind of content.
struct ForeignContent {
  std::string name;  ///< Of the test: letters and digits.
  /// The program that makes it; "" if it is made here, byte by byte.
  std::string program;
  /// Makes it on `path`, which is `image` or a loop device over it. "" or what
  /// went wrong.
  std::function<std::string(const ImageFile& image, const std::string& path)>
      make;
  /// What the refusal has to say.
  std::string words;
  std::uint64_t size_bytes = std::uint64_t{64} << 20U;
  bool wants_device = false;  ///< The program takes no file.
  host::BlankDepth depth = host::BlankDepth::kSampled;
};

/// What gtest calls one.
// NOLINTNEXTLINE(readability-identifier-naming): gtest's name.
inline void PrintTo(const ForeignContent& content, std::ostream* out) {
  *out << content.name;
}

/// All of them.
std::vector<ForeignContent> foreign_contents();

}  // namespace gpunode::storage_test
