// The entry of a runtime, made after the one that the machine uses.
#pragma once

#include <string>
#include <vector>

#include "base/text/tree.h"

namespace gpunode::engines {

/// The runtime to copy: the default one if it is not NVIDIA's, else runc, else
/// crun; the first that has an entry in `runtimes`. nullptr if none has.
const text::Entry* template_entry(const text::Node* runtimes,
                                  const std::string& default_runtime);

/// `entry` without what says no more than the engine's default does: zeroes,
/// but for those of `options`, which reach the shim as they are.
text::Node without_zeroes(const text::Node& entry);

/// An entry as somebody would have written it for the engine to run with
/// `effective`, its dump's: the keys of `said`, which is the file's, then those
/// that are not `built_in`, the engine's own. Either may be nullptr. Empty if
/// nobody said anything: the engine runs what is built in.
text::Node written_entry(const text::Node& effective, const text::Node* said,
                         const text::Node* built_in);

/// Keys of `existing` that `entry` does not have, and `existing`'s values for
/// those that it has, except for `not_kept`.
void keep_existing(text::Node& entry, const text::Node* existing,
                   const std::vector<text::KeyPath>& not_kept);

}  // namespace gpunode::engines
