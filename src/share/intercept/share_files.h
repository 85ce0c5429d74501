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

/// Opens the file for writing and closes it, which who watches it is told of.
/// Nothing is written: a limit of file sizes would end the program by a signal.
void touch_share_file(const char* name);

}  // namespace gpunode::share
