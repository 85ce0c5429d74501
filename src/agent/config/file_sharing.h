// `sharing.timeSlicing`, `sharing.mps` and `sharing.shares` (ours) of the
// config file.
#pragma once

#include <string_view>
#include <vector>

#include "agent/config/file_config.h"
#include "agent/config/go_json.h"

namespace gpunode::config {

/// Decodes one section; `path` is its place in Go's types. Keys below it are
/// matched with their letter case, unlike everywhere else.
Result<FileSharing> decode_sharing(const GoDecoder& decoder,
                                   const text::Entry& section, GoPath path,
                                   std::vector<Warning>& warnings);

/// Warns of `entry`, a key that is not among `names`.
Warning unknown_key(const text::Entry& entry, std::string_view parent,
                    std::span<const std::string_view> names);

}  // namespace gpunode::config
