// The GPUs that a machine is said to have, beside those that it has. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/result.h"
#include "node/facts/host_facts.h"

namespace gpunode::driver {

/// One kind of GPU; by its product, by its PCI id, or by both.
struct ExpectedGpu {
  std::string product = {};     ///< "A10G" or "NVIDIA A10G"; empty: any.
  std::uint16_t device_id = 0;  ///< Of vendor 10de; 0: any.
  int count = 1;                ///< Exactly so many.
};

/// "10de:2237". kInvalidArgument with the reason.
Result<std::uint16_t> read_pci_id(std::string_view text);

/// What is not as expected, a line each: a kind that is there too often or not
/// often enough, and GPUs that nobody expects. Counts those that containers are
/// to get (count_own_gpus). Each GPU is of the first kind that fits it.
std::vector<std::string> unexpected_gpus(
    const facts::HostFacts& host, const std::vector<ExpectedGpu>& expected);

}  // namespace gpunode::driver
