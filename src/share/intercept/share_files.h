// The container's files: they lie beside this library.
#pragma once

#include <cstddef>
#include <cstdint>

namespace gpunode::share {

struct Mapping {
  void* bytes = nullptr;
  std::size_t size = 0;
};

enum class Found : std::uint8_t { kMapped, kNotThere, kFailed };

/// Maps the whole file; it stays mapped. Only a file that isn't there is none:
/// what else goes wrong may go right the next time. Where this library isn't to
/// be found either, as in another root, its absence says nothing.
Found map_share_file(const char* name, bool is_writable, Mapping* mapping);

/// Writes eight bytes at `place` by write(2), which who watches the file is
/// told of. False if that cannot be.
bool write_to_share_file(const char* name, std::size_t place);

}  // namespace gpunode::share
