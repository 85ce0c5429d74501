// The entry of a runtime, made after the one that the machine uses.
#pragma once

#include <string>
#include <vector>

#include "base/text/tree.h"

namespace gpunode::engines {

/// The runtime to copy: the default one if it is not NVIDIA's, else runc, else
/// crun; the first that has an entry in `runtimes`. nullptr if none has.
const text::Node* template_entry(const text::Node* runtimes,
                                 const std::string& default_runtime);

/// Keys of `existing` that `entry` does not have, and `existing`'s values for
/// those that it has, except for `not_kept`.
void keep_existing(text::Node& entry, const text::Node* existing,
                   const std::vector<text::KeyPath>& not_kept);

}  // namespace gpunode::engines
