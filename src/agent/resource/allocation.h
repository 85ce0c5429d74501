// Allocation: what one container was given, before it is written down as
// environment, mounts, device nodes or CDI names (agent/plugin does that).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "agent/config/settings.h"
#include "agent/resource/resource.h"
#include "base/core/result.h"

namespace gpunode::resource {

/// What the container's processes together may take of a Device.
struct HeldLimit {
  std::size_t device = 0;  ///< Into Resource::devices().
  std::uint64_t bytes = 0;
  /// Of the Device's time, from 1 to 1000; 0: as much as it gets.
  std::uint32_t thousandths = 0;
};

struct Allocation {
  /// Into Resource::devices(); each once, in the order of the request.
  std::vector<std::size_t> devices;
  /// UUIDs or index texts of `devices`, as the id strategy has it: the items
  /// of NVIDIA_VISIBLE_DEVICES and the names of CDI devices. Empty for an
  /// empty request: then the variable must still be set, and to nothing, or
  /// an image with NVIDIA_VISIBLE_DEVICES=all would see every GPU.
  std::vector<std::string> names;
  /// Device nodes, relative to the dev root. Two Replicas of one Device give
  /// its nodes twice, as NVIDIA's plugin answers.
  std::vector<std::string> nodes;
  /// Of the Devices that it has a part of; whole ones have none.
  std::vector<HeldLimit> limits;
};

/// `parts` of `of` equal parts of a GPU's memory: whole blocks of 2 MiB, in
/// which drivers give it out. Never more than the parts come to.
std::uint64_t share_of_memory(std::uint64_t memory_bytes, std::uint32_t parts,
                              std::uint32_t of);

/// Of `shares`: parts of several Devices, which no container is given.
bool is_split(const Resource& resource, const std::vector<std::string>& ids);

/// So many ids are a part of some Device, or whole ones: on an empty node they
/// could be given.
bool could_fit(const Resource& resource, std::size_t count);

/// Answers Allocate for one container. Fails with kInvalidArgument when an id
/// is not offered, or when more than one id of a shared Resource is asked for
/// and that is forbidden; the text is NVIDIA's, for it reaches the Pod's
/// events. An id that is repeated counts once.
///
/// Of `shares`, K of N ids are K/N of one GPU, or with every id of each, whole
/// GPUs; anything else is refused, in words that say what would fit, as is a
/// part of a GPU whose memory is unknown.
Result<Allocation> allocate(const Resource& resource,
                            const std::vector<std::string>& ids,
                            config::DeviceIdStrategy id_strategy);

}  // namespace gpunode::resource
