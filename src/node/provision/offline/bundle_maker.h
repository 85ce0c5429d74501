// The whole directory for a machine without the internet: packages, keys,
// images, manifest and checksums.
#pragma once

#include <string>
#include <vector>

#include "base/core/result.h"
#include "base/host/command_runner.h"
#include "node/provision/offline/bundle_manifest.h"
#include "node/provision/offline/package_download.h"

namespace gpunode::offline {

struct BundleRequest {
  std::string directory;  ///< Absolute; must not be there, or be empty.
  Download download;
  std::string machine;              ///< uname -m of the host that it is for.
  std::vector<std::string> images;  ///< "registry.k8s.io/pause:3.10".
  /// Of what is in `download.wanted`; what its sets become is added.
  std::vector<BundledStep> steps;
  std::vector<BundleGap> gaps;  ///< What couldn't be planned here.
};

struct MadeBundle {
  BundleManifest manifest;
  std::string sums_digest;  ///< SHA-256 of SHA256SUMS: who has it knows all.
};

/// Fetches everything. After an Error nothing of it is left. kUnsupported, in
/// words, for what this machine can't do: another distribution's packages,
/// images without skopeo or containerd.
Result<MadeBundle> make_bundle(const BundleRequest& request,
                               host::CommandRunner& runner);

/// kInvalidArgument unless `reference` names an image and nothing else.
Result<void> check_image(const std::string& reference);

}  // namespace gpunode::offline
