// Extended attributes of a tree's entries, links themselves too.
#pragma once

#include <map>
#include <string>

#include "base/core/result.h"

namespace gpunode::provision {

/// Names to values, any bytes; of a link its own. Empty where the file system
/// has none.
Result<std::map<std::string, std::string>> attributes_of(
    const std::string& path);

/// An attribute that a copy of an entry has as the entry does. The others are
/// the file system's own, are made anew (SELinux's label by its policy, what
/// is signed), or are told apart by libattr's attr(5) rules as not to be
/// copied.
bool is_copied_attribute(const std::string& name);

/// Gives the links below `to` the attributes that those below `from` have: cp
/// leaves them out, and overlayfs has some on links ("trusted.overlay.origin").
/// `to` is a copy that nobody else writes to.
Result<void> copy_link_attributes(const std::string& from,
                                  const std::string& to);

}  // namespace gpunode::provision
