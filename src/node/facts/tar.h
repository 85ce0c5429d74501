// A tar archive of plain files, in memory: POSIX.1-1988 "ustar".
//
// Written by us and read from strangers: whoever sends in a bundle must not be
// able to name a file outside of it, and nothing is ever unpacked to a disk.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/result.h"

namespace gpunode::facts {

struct TarMember {
  std::string name;  ///< "root/etc/fstab": relative, no "." or "..".
  std::string content;

  friend bool operator==(const TarMember&, const TarMember&) = default;
};

/// What read_tar() takes: more is kCorrupt.
inline constexpr std::size_t kTarLimitBytes = std::size_t{256} << 20U;
inline constexpr std::size_t kTarMemberLimit = 100'000;

/// The name can be written and read: relative, of parts that are names, short
/// enough for ustar's two fields.
bool is_tar_name(std::string_view name);

/// The archive; the same bytes for the same members. Names must be
/// is_tar_name() and unique, kInvalidArgument otherwise.
Result<std::string> write_tar(const std::vector<TarMember>& members);

/// Every member in order. Anything but regular files with is_tar_name() names,
/// each once, is kCorrupt, and so is an archive without its end.
Result<std::vector<TarMember>> read_tar(std::string_view archive);

}  // namespace gpunode::facts
