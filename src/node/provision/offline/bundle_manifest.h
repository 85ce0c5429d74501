// bundle.json: for whom a directory of packages was made, and what is in it
// (docs/formats/offline.md).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/core/result.h"
#include "node/facts/os_release.h"

namespace gpunode::offline {

/// Its name in the directory; the version of its form.
inline constexpr const char* kManifestName = "bundle.json";
inline constexpr int kManifestVersion = 2;
/// Below the directory: packages with their index.
inline constexpr const char* kPackagesName = "packages";
/// Keys that rpm packages are signed with.
inline constexpr const char* kKeysName = "keys";
inline constexpr const char* kImagesName = "images";

/// An image and its file, an OCI layout in a tar archive.
struct BundledImage {
  std::string reference;  ///< "registry.k8s.io/pause:3.10".
  std::string file;       ///< "images/0.tar".

  friend bool operator==(const BundledImage&, const BundledImage&) = default;
};

/// What one Step of the plan takes out of the bundle.
struct BundledStep {
  std::string step;  ///< Its id.
  /// "kubelet=1.31.4-1.1"; a name alone where the plan asks for any version.
  std::vector<std::string> packages;

  friend bool operator==(const BundledStep&, const BundledStep&) = default;
};

/// What the file asks for and the bundle has not.
struct BundleGap {
  std::string step;  ///< Whose packages are missing.
  std::string why;   ///< In words, with what to do.

  friend bool operator==(const BundleGap&, const BundleGap&) = default;
};

struct BundleManifest {
  std::string distribution;           ///< os-release's ID.
  std::string version;                ///< VERSION_ID.
  std::string machine;                ///< uname -m.
  std::vector<std::string> wanted;    ///< Packages that were asked for.
  std::vector<BundledStep> steps;     ///< The same, Step by Step.
  std::vector<BundleGap> gaps;        ///< Empty: it is enough for the file.
  std::vector<std::string> packages;  ///< File names below packages/.
  std::vector<std::string> keys;      ///< File names below keys/.
  std::vector<BundledImage> images;

  friend bool operator==(const BundleManifest&,
                         const BundleManifest&) = default;
};

/// One JSON document; equal manifests are equal bytes.
std::string to_json(const BundleManifest& manifest);

/// kCorrupt for what is no manifest, kUnsupported for one of another version.
/// Names of files that lead elsewhere are kCorrupt.
Result<BundleManifest> parse_manifest(std::string_view text);

/// Which of `names` (a "*" stands for the version, package_set.h) were not
/// asked for when it was made, in `version` or one that goes on after it; "":
/// in any.
std::vector<std::string> missing_of(const BundleManifest& manifest,
                                    const std::vector<std::string>& names,
                                    std::string_view version);

/// What it holds and what it lacks, Step by Step, for people: lines.
std::string contents_text(const BundleManifest& manifest);

/// Why a host can't use it, "it is for rocky 8 x86_64, this is …"; empty: it
/// can. Packages serve a whole major version of RHEL's kin; of others the
/// version itself.
std::string misfit(const BundleManifest& manifest, const facts::OsRelease& os,
                   std::string_view machine);

}  // namespace gpunode::offline
