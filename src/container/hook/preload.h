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

/// Makes `library`, a path in the container, the first of its ld.so.preload. In
/// a root without glibc's loader nothing reads the file, and nothing is done.
Result<host::Change> preload_library(const host::RootDirectory& root,
                                     const std::string& library);

}  // namespace gpunode::hook
