// NVIDIA's repository in files that others wrote: who has it on already. Pure.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "node/facts/host_facts.h"

namespace gpunode::provision {

/// A repository of NVIDIA's that some file has on.
struct CudaSource {
  std::string path = {};       ///< The file.
  std::string id = {};         ///< "cuda-rhel8-x86_64"; "" of apt.
  std::string directory = {};  ///< "rhel8/x86_64", by its address.
  bool is_checked = true;      ///< Signatures: gpgcheck=1; signed-by.
  /// By the key that NVIDIA withdrew in April 2022.
  bool has_old_key = false;

  friend bool operator==(const CudaSource&, const CudaSource&) = default;
};

/// Of .repo, .list and .sources files. What is off is not told.
std::vector<CudaSource> cuda_sources(
    const std::map<std::string, facts::FileFacts>& files);

}  // namespace gpunode::provision
