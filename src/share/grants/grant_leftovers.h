// What an agent leaves of grants when it is killed between taking one out of
// the way and removing its files (GrantFiles::remove, renew).
#pragma once

#include <cstddef>
#include <string>

#include "base/core/result.h"

namespace gpunode::share {

/// Removes directories below `root` that are no grants any more; returns how
/// many there were. Those that another agent is removing at the same time are
/// no matter. An Error, after all were tried, if something stays: what a
/// container left. No `root`: there is nothing.
Result<std::size_t> remove_leftovers(const std::string& root);

}  // namespace gpunode::share
