// PreferredAllocator: the answer to GetPreferredAllocation.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "agent/config/settings.h"
#include "agent/resource/aligned_choice.h"
#include "agent/resource/resource.h"
#include "base/core/result.h"
#include "gpu/device/topology.h"

namespace gpunode::resource {

/// Hints for one Resource, which must outlive it and stay where it is. The
/// topology is read when it is built, never again. Immutable; any thread.
class PreferredAllocator {
 public:
  PreferredAllocator(const Resource& resource, const device::Topology& topology,
                     config::AllocationPolicy policy);

  /// `size` of the `available` ids, among them all of `must_include`.
  ///
  /// Full, unshared GPUs: those that are closest (aligned_choice.h), by
  /// index; an empty list when there is no such set. Anything else:
  /// `must_include`, then picks: each from the Device that has the fewest
  /// (distributed) or most (packed) Replicas taken, of those from the one
  /// picked least often in this call, of those from the first; lowest number
  /// first. Fails with kUnavailable when there are not enough.
  ///
  /// Of `shares`: all on one Device, of those that have room the one with the
  /// least left, so that large shares stay possible; for several Devices'
  /// worth, Devices that are all free, closest together. Where that is
  /// impossible the answer is as above, and Allocate refuses it in words.
  ///
  /// Ids that are not offered are ignored in `available` and refused, with
  /// kInvalidArgument, in `must_include`. Linear in `available`.
  Result<std::vector<std::string>> prefer(
      const std::vector<std::string>& available,
      const std::vector<std::string>& must_include, std::int32_t size) const;

 private:
  struct Request;

  Result<Request> resolve(const std::vector<std::string>& available,
                          const std::vector<std::string>& must_include) const;
  std::vector<std::string> aligned(const Request& request,
                                   std::int32_t size) const;
  /// Positions; empty: impossible on one Device, or on whole ones.
  std::vector<std::size_t> on_one(const Request& request,
                                  std::size_t size) const;
  std::vector<std::size_t> on_whole(const Request& request,
                                    std::size_t size) const;
  std::vector<std::string> ids_at(
      const std::vector<std::size_t>& positions) const;
  Result<std::vector<std::string>> spread(Request request,
                                          std::int32_t size) const;

  const Resource& resource_;
  config::AllocationPolicy policy_;
  std::optional<AlignedChoice> aligned_choice_;  // Full GPUs only.
};

}  // namespace gpunode::resource
