// A recorded host as one file, and as a folder: docs/formats/bundle.md.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/core/result.h"
#include "base/host/host_root.h"
#include "node/facts/recording.h"
#include "node/facts/tar.h"

namespace gpunode::facts {

/// The recording as a tar archive: bundle.json and, below root/, what files
/// contain. Scrub it first (scrub.h).
Result<std::string> write_bundle(const Recording& recording);

/// kCorrupt for what is no bundle, kUnsupported for one of a newer version.
Result<Recording> read_bundle(std::string_view archive);

/// A bundle that somebody unpacked: `folder` has the bundle.json.
Result<Recording> read_unpacked_bundle(const host::HostRoot& folder);

}  // namespace gpunode::facts
