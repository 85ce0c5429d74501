#include "agent/resource/aligned_choice.h"

#include <algorithm>
#include <array>
#include <bit>
#include <functional>
#include <numeric>
#include <utility>

namespace gpunode::resource {
namespace {

using Mask = std::uint32_t;

constexpr std::int32_t kUnsolved = -1;
constexpr std::int32_t kImpossible = -2;

Mask bit(std::size_t position) {
  return Mask{1} << position;
}

Mask lowest(Mask mask) {
  return mask & (~mask + 1);
}

std::size_t count(Mask mask) {
  return static_cast<std::size_t>(std::popcount(mask));
}

Mask mask_of(const std::vector<std::size_t>& positions) {
  Mask mask = 0;
  for (const std::size_t position : positions) mask |= bit(position);
  return mask;
}

std::vector<std::size_t> positions_of(Mask mask) {
  std::vector<std::size_t> positions;
  for (; mask != 0; mask &= mask - 1) {
    positions.push_back(static_cast<std::size_t>(std::countr_zero(mask)));
  }
  return positions;
}

/// Best partitions of the subsets of one request's available GPUs.
class Partitioning {
 public:
  Partitioning(const std::vector<std::int32_t>& set_scores,
               const Affinity& affinity, Mask available, Mask required,
               std::size_t size)
      : set_scores_(set_scores),
        required_(required),
        size_(size),
        remainder_(count(available) % size),
        solved_(set_scores.size(), kUnsolved) {
    for (const std::size_t one : positions_of(available)) {
      std::vector<std::int32_t> scores;
      for (const std::size_t other : positions_of(available)) {
        scores.push_back(affinity.score(one, other));
      }
      std::sort(scores.begin(), scores.end(), std::greater<>());
      hopes_[one] = std::accumulate(
          scores.begin(),
          scores.begin() + static_cast<std::ptrdiff_t>(size - 1), 0);
    }
  }

  /// The complete sets of the first best partition of `mask`.
  std::vector<Mask> sets(Mask mask) {
    std::vector<Mask> sets;
    while (mask != 0) {
      const Best best = solve(mask);
      if (best.score == kImpossible) return {};
      if (count(best.set) == size_) sets.push_back(best.set);
      mask &= ~best.set;
    }
    return sets;
  }

 private:
  struct Best {
    std::int32_t score = kImpossible;
    Mask set = 0;           // The one that has the lowest GPU.
    std::int32_t hope = 0;  // Twice the score that cannot be exceeded.
  };

  /// No partition of `mask` has more than half of this: in a set of `size`, no
  /// GPU does better than with its closest `size` - 1. Keeps the search from
  /// solving subsets that cannot win, nearly all of them on real nodes.
  std::int32_t hope(Mask mask) const {
    std::int32_t sum = 0;
    for (; mask != 0; mask &= mask - 1) {
      sum += hopes_[static_cast<std::size_t>(std::countr_zero(mask))];
    }
    return sum;
  }

  std::int32_t score(Mask mask) {
    if (mask == 0) return 0;
    if (solved_[mask] == kUnsolved) solved_[mask] = solve(mask).score;
    return solved_[mask];
  }

  Best solve(Mask mask) {
    Best best;
    best.hope = hope(mask);
    // The smaller set is still to come exactly while the count says so.
    const bool may_be_smaller =
        remainder_ != 0 && count(mask) % size_ == remainder_;
    extend(mask, lowest(mask), 1, may_be_smaller, best);
    return best;
  }

  /// Tries every set that starts with `set`, in lexicographic order, where a
  /// missing member counts as larger than any GPU: NVIDIA's padding.
  void extend(Mask mask, Mask set, std::size_t members, bool may_be_smaller,
              Best& best) {
    if (2 * best.score >= best.hope) return;
    if (members == size_) {
      const Mask shared = set & required_;
      if (shared == 0 || shared == required_) consider(mask, set, best);
      return;
    }
    const Mask above = ~(std::bit_floor(set) * 2 - 1);
    for (Mask rest = mask & above; rest != 0; rest &= rest - 1) {
      // Enough GPUs must be left to complete the set, or to make a smaller.
      if (members + count(rest) < (may_be_smaller ? remainder_ : size_)) break;
      extend(mask, set | lowest(rest), members + 1, may_be_smaller, best);
    }
    if (may_be_smaller && members == remainder_ && (set & required_) == 0) {
      consider(mask, set, best);
    }
  }

  void consider(Mask mask, Mask set, Best& best) {
    if (2 * set_scores_[set] + hope(mask & ~set) <= 2 * best.score) return;
    const std::int32_t rest = score(mask & ~set);
    if (rest == kImpossible) return;
    const std::int32_t total = set_scores_[set] + rest;
    if (total > best.score) {
      best.score = total;
      best.set = set;
    }
  }

  const std::vector<std::int32_t>& set_scores_;
  Mask required_;
  std::size_t size_;
  std::size_t remainder_;
  std::vector<std::int32_t> solved_;
  std::array<std::int32_t, AlignedChoice::kExactLimit> hopes_{};
};

}  // namespace

AlignedChoice::AlignedChoice(Affinity affinity)
    : affinity_(std::move(affinity)) {
  if (affinity_.size() > kExactLimit) return;
  set_scores_.resize(std::size_t{1} << affinity_.size());
  for (Mask set = 1; set < set_scores_.size(); ++set) {
    const Mask first = lowest(set);
    const Mask last = std::bit_floor(set);
    if (first == last) continue;
    // Pairs without the first, pairs without the last, less those counted
    // twice, and the one counted in neither.
    set_scores_[set] =
        set_scores_[set & ~first] + set_scores_[set & ~last] -
        set_scores_[set & ~first & ~last] +
        affinity_.score(static_cast<std::size_t>(std::countr_zero(first)),
                        static_cast<std::size_t>(std::countr_zero(last)));
  }
}

std::vector<std::size_t> AlignedChoice::choose(
    const std::vector<std::size_t>& available,
    const std::vector<std::size_t>& required, std::size_t size) const {
  if (size == 0 || size > available.size() || required.size() > size) {
    return {};
  }
  if (size == available.size()) return available;
  if (size == required.size()) return required;
  if (size == 1) return least_tied(available);
  if (set_scores_.empty()) return grow_best(available, required, size);

  const Mask all = mask_of(available);
  const Mask wanted = mask_of(required);
  Partitioning partitioning(set_scores_, affinity_, all, wanted, size);
  std::vector<std::size_t> best;
  std::pair<std::int64_t, std::int64_t> best_rank;
  for (const Mask set : partitioning.sets(all)) {
    if ((set & wanted) != wanted) continue;
    const std::vector<std::size_t> members = positions_of(set);
    std::int64_t outward = -2 * std::int64_t{set_scores_[set]};
    for (const std::size_t one : members) outward += ties(one, available);
    const std::pair rank(std::int64_t{set_scores_[set]}, -outward);
    if (best.empty() || rank > best_rank) {
      best = members;
      best_rank = rank;
    }
  }
  return best;
}

std::vector<std::size_t> AlignedChoice::least_tied(
    const std::vector<std::size_t>& available) const {
  return {*std::min_element(available.begin(), available.end(),
                            [&](std::size_t a, std::size_t b) {
                              return ties(a, available) < ties(b, available);
                            })};
}

std::vector<std::size_t> AlignedChoice::grow(
    const std::vector<std::size_t>& available, std::vector<std::size_t> chosen,
    std::size_t size) const {
  while (chosen.size() < size) {
    std::size_t next = available.size();
    std::int64_t gain = -1;
    for (std::size_t i = 0; i < available.size(); ++i) {
      if (std::find(chosen.begin(), chosen.end(), available[i]) !=
          chosen.end()) {
        continue;
      }
      const std::int64_t more = ties(available[i], chosen);
      if (more > gain) {
        gain = more;
        next = i;
      }
    }
    chosen.push_back(available[next]);
  }
  std::sort(chosen.begin(), chosen.end());
  return chosen;
}

std::vector<std::size_t> AlignedChoice::grow_best(
    const std::vector<std::size_t>& available,
    const std::vector<std::size_t>& required, std::size_t size) const {
  if (!required.empty()) return grow(available, required, size);
  std::vector<std::size_t> best;
  std::int64_t best_score = -1;
  for (const std::size_t seed : available) {
    std::vector<std::size_t> set = grow(available, {seed}, size);
    const std::int64_t score = inner(set);
    if (score > best_score) {
      best_score = score;
      best = std::move(set);
    }
  }
  return best;
}

std::int64_t AlignedChoice::inner(const std::vector<std::size_t>& set) const {
  std::int64_t twice = 0;
  for (const std::size_t one : set) twice += ties(one, set);
  return twice / 2;
}

std::int64_t AlignedChoice::ties(std::size_t one,
                                 const std::vector<std::size_t>& others) const {
  std::int64_t sum = 0;
  for (const std::size_t other : others) sum += affinity_.score(one, other);
  return sum;
}

}  // namespace gpunode::resource
