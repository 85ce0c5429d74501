// Which full GPUs to take so that both they and what is left stay close.
//
// NVIDIA's best-effort policy, which this follows, enumerates every partition
// of the available GPUs into sets of the wanted size (one smaller set takes
// the remainder), scores a partition by the pair scores inside its sets, and
// out of the best partition takes the best set that has the required GPUs.
// Its enumeration grows factorially (2,027,025 partitions for 16 GPUs in
// pairs) and can answer with the smaller set. Here the same optimum comes out
// of dynamic programming over subsets: the best partition of a subset is its
// lowest GPU's set plus the best partition of what remains, and each subset
// is solved once. At most 2^16 subsets, whatever the topology.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "agent/resource/affinity.h"

namespace gpunode::resource {

/// Immutable once built; any thread may choose.
class AlignedChoice {
 public:
  /// Up to this many GPUs the optimum is exact; beyond, a set is grown from
  /// every GPU by best neighbour and the best of them taken.
  static constexpr std::size_t kExactLimit = 16;

  explicit AlignedChoice(Affinity affinity);

  /// `size` of `available`, among them all of `required`, ascending; empty
  /// when that is impossible. Positions are those of the Affinity, `available`
  /// and `required` ascending and without repetition, `required` a part of
  /// `available`.
  ///
  /// Of equally good partitions the first wins, in the order in which NVIDIA
  /// enumerates them for ascending GPUs; of its equally good sets the one
  /// with the weakest ties to the GPUs that stay, then the first. One GPU is
  /// chosen likewise, so that single requests do not break up pairs.
  std::vector<std::size_t> choose(const std::vector<std::size_t>& available,
                                  const std::vector<std::size_t>& required,
                                  std::size_t size) const;

 private:
  std::vector<std::size_t> least_tied(
      const std::vector<std::size_t>& available) const;
  std::vector<std::size_t> grow(const std::vector<std::size_t>& available,
                                std::vector<std::size_t> chosen,
                                std::size_t size) const;
  std::vector<std::size_t> grow_best(const std::vector<std::size_t>& available,
                                     const std::vector<std::size_t>& required,
                                     std::size_t size) const;
  std::int64_t inner(const std::vector<std::size_t>& set) const;
  std::int64_t ties(std::size_t one,
                    const std::vector<std::size_t>& others) const;

  Affinity affinity_;
  std::vector<std::int32_t> set_scores_;  // By subset; empty beyond the limit.
};

}  // namespace gpunode::resource
