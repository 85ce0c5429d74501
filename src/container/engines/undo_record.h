// What a configuration was before, kept so that it can come back.
//
// One file for each configuration under /var/lib/gpunode/engines, readable by
// root alone, as configurations may hold registries' passwords. It has the
// whole texts: nothing needs to be guessed when the file was edited since.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/core/result.h"
#include "base/host/host_root.h"
#include "container/engines/plan.h"
#include "container/engines/request.h"

namespace gpunode::engines {

/// Where records are kept.
inline constexpr const char* kRecordDirectory = "/var/lib/gpunode/engines";

/// DIRECTORY/containerd_etc_containerd_config.toml.json
std::string record_path(const std::string& directory, Engine engine,
                        const std::string& config_path);

/// Nothing if there is no record. kCorrupt if it cannot be read.
Result<std::optional<std::vector<FileChange>>> load_record(
    const host::HostRoot& root, const std::string& path);

Result<void> save_record(const host::HostRoot& root, const std::string& path,
                         const std::vector<FileChange>& files);

/// Takes what `done` changed in a file out of its text `now`, key by key, and
/// leaves what was edited since; the whole old text if nothing was. Fails with
/// kAlreadyExists if a key of ours has got another value meanwhile, or if a
/// file of our own making was edited.
Result<std::optional<std::string>> undone(
    const FileChange& done, const std::optional<std::string>& now);

}  // namespace gpunode::engines
