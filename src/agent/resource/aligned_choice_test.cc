#include "agent/resource/aligned_choice.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>

namespace gpunode::resource {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

using Set = std::vector<std::size_t>;

std::vector<Device> devices_of(std::size_t count) {
  std::vector<Device> devices(count);
  for (std::size_t i = 0; i < count; ++i) devices[i].topology_row = i;
  return devices;
}

device::Topology equal_links(std::size_t count) {
  device::Topology topology(count);
  for (std::size_t a = 0; a < count; ++a) {
    for (std::size_t b = 0; b < a; ++b) {
      topology.set(a, b, {device::PciLink::kCrossCpu, 0});
    }
  }
  return topology;
}

Set all_of(std::size_t count) {
  Set all(count);
  std::iota(all.begin(), all.end(), 0U);
  return all;
}

AlignedChoice choice_of(const device::Topology& topology) {
  return AlignedChoice(Affinity(devices_of(topology.size()), topology));
}

std::int64_t inner_score(const Affinity& affinity, const Set& set) {
  std::int64_t score = 0;
  for (std::size_t a = 0; a < set.size(); ++a) {
    for (std::size_t b = 0; b < a; ++b) score += affinity.score(set[a], set[b]);
  }
  return score;
}

/// NVIDIA's definition, by enumeration: the best total over all partitions of
/// `rest` into sets of `size` and one of the remainder, with the required in
/// one complete set; and which sets with the required the best ones hold.
struct Enumeration {
  const Affinity& affinity;
  const Set& required;
  std::size_t size;
  std::int64_t best = -1;
  std::vector<std::vector<Set>> partitions;

  bool has_required(const Set& set) const {
    return std::includes(set.begin(), set.end(), required.begin(),
                         required.end());
  }

  void finish(const std::vector<Set>& sets) {
    std::int64_t total = 0;
    bool is_valid = false;
    for (const Set& set : sets) {
      total += inner_score(affinity, set);
      is_valid = is_valid || (set.size() == size && has_required(set));
    }
    if (!is_valid || total < best) return;
    if (total > best) partitions.clear();
    best = total;
    partitions.push_back(sets);
  }

  void enumerate(const Set& rest, bool smaller_used, std::vector<Set>& sets) {
    if (rest.empty()) return finish(sets);
    const std::size_t remainder = rest.size() % size;
    for (std::uint32_t mask = 1; mask < (1U << rest.size()); mask += 2) {
      Set set;
      Set others;
      for (std::size_t i = 0; i < rest.size(); ++i) {
        ((mask >> i & 1U) != 0 ? set : others).push_back(rest[i]);
      }
      const bool is_smaller = !smaller_used && set.size() == remainder;
      if (set.size() != size && !is_smaller) continue;
      sets.push_back(set);
      enumerate(others, smaller_used || set.size() != size, sets);
      sets.pop_back();
    }
  }

  /// The score of the best complete set with the required, by partition.
  std::vector<std::int64_t> answers() const {
    std::vector<std::int64_t> scores;
    for (const auto& sets : partitions) {
      std::int64_t score = -1;
      for (const Set& set : sets) {
        if (set.size() == size && has_required(set)) {
          score = std::max(score, inner_score(affinity, set));
        }
      }
      scores.push_back(score);
    }
    return scores;
  }
};

rc::Gen<device::Topology> topologies(std::size_t count, int kinds) {
  return rc::gen::map(
      rc::gen::container<std::vector<int>>(count * count,
                                           rc::gen::inRange(0, kinds)),
      [count](const std::vector<int>& values) {
        device::Topology topology(count);
        for (std::size_t a = 0; a < count; ++a) {
          for (std::size_t b = 0; b < a; ++b) {
            const auto value = static_cast<unsigned>(values[a * count + b]);
            topology.set(
                a, b, {static_cast<device::PciLink>(1 + value % 6), value / 6});
          }
        }
        return topology;
      });
}

/// A part of 0 … count - 1, ascending.
rc::Gen<Set> parts(const Set& of) {
  return rc::gen::map(rc::gen::container<std::vector<bool>>(
                          of.size(), rc::gen::arbitrary<bool>()),
                      [of](const std::vector<bool>& is_in) {
                        Set part;
                        for (std::size_t i = 0; i < of.size(); ++i) {
                          if (is_in[i]) part.push_back(of[i]);
                        }
                        return part;
                      });
}

TEST(AlignedChoice, OfEqualGpusTakesTheFirst) {
  const auto choice = choice_of(equal_links(4));
  EXPECT_THAT(choice.choose(all_of(4), {}, 1), ElementsAre(0U));
  EXPECT_THAT(choice.choose(all_of(4), {}, 2), ElementsAre(0U, 1U));
  EXPECT_THAT(choice.choose(all_of(4), {}, 3), ElementsAre(0U, 1U, 2U));
}

TEST(AlignedChoice, KeepsTheOtherPairsWholeAroundARequiredGpu) {
  const auto choice = choice_of(equal_links(4));
  EXPECT_THAT(choice.choose(all_of(4), {3}, 2), ElementsAre(2U, 3U));
  EXPECT_THAT(choice.choose(all_of(4), {1}, 2), ElementsAre(0U, 1U));
}

TEST(AlignedChoice, IsEmptyWhenThereIsNoSuchSet) {
  const auto choice = choice_of(equal_links(8));
  EXPECT_THAT(choice.choose(all_of(8), {}, 0), IsEmpty());
  EXPECT_THAT(choice.choose(all_of(8), {}, 9), IsEmpty());
  EXPECT_THAT(choice.choose(all_of(8), {1, 2}, 1), IsEmpty());
  EXPECT_THAT(choice.choose({}, {}, 1), IsEmpty());
}

TEST(AlignedChoice, TakesAllWhenAllAreWanted) {
  const auto choice = choice_of(equal_links(16));
  EXPECT_EQ(choice.choose(all_of(16), {}, 16), all_of(16));
}

TEST(AlignedChoice, PrefersNvlinksToPciePaths) {
  auto topology = equal_links(4);
  topology.set(0, 1, {device::PciLink::kSameBoard, 0});
  topology.set(1, 3, {device::PciLink::kCrossCpu, 1});
  EXPECT_THAT(choice_of(topology).choose(all_of(4), {}, 2),
              ElementsAre(1U, 3U));
}

TEST(AlignedChoice, NeverAnswersWithTheSmallerSet) {
  // Three GPUs in pairs: the remainder is a set of one.
  auto topology = equal_links(5);
  for (std::size_t a = 3; a < 5; ++a) {
    topology.set(a, a - 1, {device::PciLink::kSameBoard, 12});
  }
  topology.set(2, 4, {device::PciLink::kSameBoard, 12});
  // {2,3,4} is by far the closest; a pair of it as the smaller set would score
  // best of all, were it allowed to be the answer.
  EXPECT_THAT(choice_of(topology).choose(all_of(5), {}, 3),
              ElementsAre(2U, 3U, 4U));
}

TEST(AlignedChoice, OfOneGpuDoesNotBreakUpAPair) {
  auto topology = equal_links(5);
  topology.set(0, 1, {device::PciLink::kSingleSwitch, 4});
  topology.set(2, 3, {device::PciLink::kSingleSwitch, 4});
  const auto choice = choice_of(topology);
  EXPECT_THAT(choice.choose(all_of(5), {}, 1), ElementsAre(4U));
  EXPECT_THAT(choice.choose({0, 2, 3}, {}, 1), ElementsAre(0U));
  EXPECT_THAT(choice.choose(all_of(5), {2}, 1), ElementsAre(2U));
}

TEST(AlignedChoice, UsesNumaOnlyBetweenWhatNvidiaHoldsEqual) {
  auto devices = devices_of(4);
  for (std::size_t i = 0; i < 4; ++i) devices[i].numa_node = i % 2;
  auto topology = equal_links(4);
  EXPECT_THAT(
      AlignedChoice(Affinity(devices, topology)).choose(all_of(4), {}, 2),
      ElementsAre(0U, 2U));
  topology.set(0, 3, {device::PciLink::kSameCpu, 0});
  EXPECT_THAT(
      AlignedChoice(Affinity(devices, topology)).choose(all_of(4), {}, 2),
      ElementsAre(0U, 3U));
}

TEST(AlignedChoice, FindsTheOptimumOfEveryPartition) {
  EXPECT_TRUE(rc::check([] {
    const auto count = *rc::gen::inRange<std::size_t>(3, 9);
    // Few kinds of link make ties, many make one optimum.
    const int kinds = *rc::gen::element(2, 6, 80);
    const auto topology = *topologies(count, kinds);
    const Affinity affinity(devices_of(count), topology);
    Set available = all_of(count);
    for (auto gone = *rc::gen::inRange<std::size_t>(0, count - 2); gone > 0;
         --gone) {
      const auto at = *rc::gen::inRange<std::size_t>(0, available.size());
      available.erase(available.begin() + static_cast<std::ptrdiff_t>(at));
    }
    const auto size = *rc::gen::inRange<std::size_t>(2, available.size());
    Set required = *parts(available);
    required.resize(std::min(required.size(), size - 1));

    const Set chosen =
        AlignedChoice(affinity).choose(available, required, size);
    RC_ASSERT(chosen.size() == size);
    RC_ASSERT(std::is_sorted(chosen.begin(), chosen.end()));
    RC_ASSERT(std::includes(chosen.begin(), chosen.end(), required.begin(),
                            required.end()));
    RC_ASSERT(std::includes(available.begin(), available.end(), chosen.begin(),
                            chosen.end()));
    Enumeration all{affinity, required, size, -1, {}};
    std::vector<Set> sets;
    all.enumerate(available, available.size() % size == 0, sets);
    const auto answers = all.answers();
    const std::int64_t score = inner_score(affinity, chosen);
    // Of one of the best partitions, its best set.
    bool is_optimal = false;
    for (std::size_t i = 0; i < answers.size(); ++i) {
      const auto& partition = all.partitions[i];
      is_optimal = is_optimal || (answers[i] == score &&
                                  std::find(partition.begin(), partition.end(),
                                            chosen) != partition.end());
    }
    RC_ASSERT(is_optimal);
  }));
}

TEST(AlignedChoice, HoldsItsPromisesUpTo40Gpus) {
  EXPECT_TRUE(rc::check([] {
    const auto count = *rc::gen::inRange<std::size_t>(9, 41);
    const auto topology = *topologies(count, 80);
    const Set available = *parts(all_of(count));
    RC_PRE(!available.empty());
    const auto size = *rc::gen::inRange<std::size_t>(1, available.size() + 1);
    Set required = *parts(available);
    required.resize(std::min(required.size(), size));
    const Set chosen = choice_of(topology).choose(available, required, size);
    RC_ASSERT(chosen.size() == size);
    RC_ASSERT(std::adjacent_find(chosen.begin(), chosen.end()) == chosen.end());
    RC_ASSERT(std::includes(chosen.begin(), chosen.end(), required.begin(),
                            required.end()));
    RC_ASSERT(std::includes(available.begin(), available.end(), chosen.begin(),
                            chosen.end()));
  }));
}

TEST(AlignedChoice, GrowsSetsOfCloseGpusBeyondTheExactLimit) {
  // 32 GPUs in boards of four.
  auto topology = equal_links(32);
  for (std::size_t a = 0; a < 32; ++a) {
    for (std::size_t b = a / 4 * 4; b < a; ++b) {
      topology.set(a, b, {device::PciLink::kSameBoard, 6});
    }
  }
  const auto choice = choice_of(topology);
  EXPECT_THAT(choice.choose(all_of(32), {}, 4), ElementsAre(0U, 1U, 2U, 3U));
  EXPECT_THAT(choice.choose(all_of(32), {22}, 4),
              ElementsAre(20U, 21U, 22U, 23U));
}

}  // namespace
}  // namespace gpunode::resource
