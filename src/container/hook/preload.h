// A library that every program of a container loads first, beside those the
// image wants itself.
//
// Mounting our own /etc/ld.so.preload over the image's, as is usually done,
// takes away what the image has in it. The two are merged instead, and the
// result is mounted read-only.
#pragma once

#include <string>
#include <string_view>

#include "base/host/root_directory.h"

namespace gpunode::hook {

/// The text of ld.so.preload with `library` first and what `image` has after
/// it; `image` as it is if it has it first already.
std::string merged_preload(std::string_view library, std::string_view image);

inline constexpr const char* kPreloadPath = "/etc/ld.so.preload";

/// What the root has there; empty if it has nothing. More than 64 KiB, or what
/// is no regular file, is an Error.
Result<std::string> read_preload(const host::RootDirectory& root);

/// Takes away a mount whose text is `library` alone, so that the image's own
/// file is there again. kNone: there is no such mount.
Result<host::Change> uncover_preload(const host::RootDirectory& root,
                                     const std::string& library);

/// Makes `library` the first of ld.so.preload, whoever reads it.
Result<host::Change> cover_preload(const host::RootDirectory& root,
                                   const std::string& library);

/// Makes `library`, a path in the container, the first of its ld.so.preload. In
/// a root without glibc's loader nothing reads the file, and nothing is done.
Result<host::Change> preload_library(const host::RootDirectory& root,
                                     const std::string& library);

}  // namespace gpunode::hook
