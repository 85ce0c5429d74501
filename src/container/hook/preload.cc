#include "container/hook/preload.h"

#include <algorithm>
#include <cstddef>

#include "container/hook/bound_file.h"
#include "container/hook/loader_paths.h"

namespace gpunode::hook {
namespace {

constexpr std::size_t kMaxBytes = std::size_t{64} << 10;
// What glibc takes for the end of a name (do_preload in elf/rtld.c).
constexpr std::string_view kSeparators = " \t\n:";

}  // namespace

std::string merged_preload(std::string_view library, std::string_view image) {
  const std::size_t start =
      std::min(image.find_first_not_of(kSeparators), image.size());
  const std::string_view rest = image.substr(start);
  const std::string_view first =
      rest.substr(0, rest.find_first_of(kSeparators));
  if (first == library) return std::string(image);
  std::string merged(library);
  merged += '\n';
  merged += image;
  return merged;
}

Result<std::string> read_preload(const host::RootDirectory& root) {
  if (!root.exists(kPreloadPath)) return std::string();
  return root.read_file(kPreloadPath, kMaxBytes);
}

Result<host::Change> uncover_preload(const host::RootDirectory& root,
                                     const std::string& library) {
  return uncover(root, kPreloadPath, library + "\n");
}

Result<host::Change> cover_preload(const host::RootDirectory& root,
                                   const std::string& library) {
  TRY(const std::string image, read_preload(root));
  if (image.empty() && !root.exists(kPreloadPath)) {
    // Something to mount over; an empty file means the same as none.
    TRY_VOID(root.replace_file(kPreloadPath, "", 0644));
  }
  return bind_over(root, kPreloadPath, merged_preload(library, image));
}

Result<host::Change> preload_library(const host::RootDirectory& root,
                                     const std::string& library) {
  if (!library.starts_with('/') ||
      library.find_first_of(std::string(kSeparators) + "#") !=
          std::string::npos) {
    return Error(ErrorCode::kInvalidArgument,
                 "preload " + host::printable(library) +
                     ": not an absolute path without blanks");
  }
  if (!has_glibc_loader(root)) return host::Change::kNone;
  return cover_preload(root, library);
}

}  // namespace gpunode::hook
