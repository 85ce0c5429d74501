// What an agent leaves of grants when it is killed between taking one out of
// the way and removing its files (GrantFiles::remove, renew).
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/core/result.h"

namespace gpunode::share {

/// A directory of a grant that is none any more is called so until its files
/// are removed: no id is.
inline constexpr std::string_view kRetired = ".retired-";

/// Removes `root`/`name`, and what it has. What is in a directory that an
/// engine made for a file, a container made as it liked: no more than some of
/// it is removed, and nothing below; the rest goes with the next reboot, and is
/// an Error. That it is not there is none.
Result<void> remove_leftover(const std::string& root, const std::string& name);

/// Removes directories below `root` that are no grants any more; returns how
/// many there were. Those that another agent is removing at the same time are
/// no matter. An Error, after all were tried, if something stays: what a
/// container left. No `root`: there is nothing.
Result<std::size_t> remove_leftovers(const std::string& root);

}  // namespace gpunode::share
