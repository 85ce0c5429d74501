// NVIDIA's repository in files that others wrote: who has it on already. Pure.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "node/facts/host_facts.h"
#include "node/facts/wanted.h"

namespace gpunode::provision {

/// A repository of NVIDIA's that some file has on.
struct CudaSource {
  std::string path = {};       ///< The file.
  std::string id = {};         ///< "cuda-rhel8-x86_64"; "" of apt.
  std::string directory = {};  ///< "rhel8/x86_64", by its address.
  /// Signatures: gpgcheck=1, in its section or else in dnf.conf; signed-by.
  bool is_checked = true;
  /// By the key that NVIDIA withdrew in April 2022.
  bool has_old_key = false;
  /// As the file has them: paths, addresses, fingerprints, or a whole key.
  std::vector<std::string> keys = {};

  friend bool operator==(const CudaSource&, const CudaSource&) = default;
};

/// Of .repo, .list and .sources files. What is off is not told. dnf.conf, if it
/// is among the files, says what holds for sections without gpgcheck.
std::vector<CudaSource> cuda_sources(
    const std::map<std::string, facts::FileFacts>& files);

/// What is said of the keys of a source, held against the pinned one.
struct CudaKeyVerdict {
  std::string trouble = {};  ///< Why it must not be used; empty: nothing.
  std::string unknown = {};  ///< A key that can't be looked at; empty: none.
};

/// `trusted`: beginnings of https addresses whose owner vouches for a key.
CudaKeyVerdict judge_keys(const CudaSource& source,
                          const std::map<std::string, facts::FileFacts>& files,
                          const std::string& fingerprint,
                          const std::vector<std::string>& trusted);

/// The files with keys that judge_keys() can look at.
facts::Wanted key_wants();

}  // namespace gpunode::provision
