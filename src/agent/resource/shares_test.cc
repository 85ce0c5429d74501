// K of N Replicas are K/N of one GPU: what is given, preferred and refused.
#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "agent/resource/allocation.h"
#include "agent/resource/preferred_allocator.h"
#include "agent/resource/resource_set.h"
#include "agent/resource/simulated_node.h"

namespace gpunode::resource {
namespace {

using config::DeviceIdStrategy;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

using Ids = std::vector<std::string>;

constexpr std::uint64_t kGiB = std::uint64_t{1} << 30U;
constexpr std::uint64_t kBlock = 2 << 20;

std::string id(unsigned gpu, unsigned replica) {
  return uuid_of(gpu) + "::" + std::to_string(replica);
}

Ids ids_of(unsigned gpu, unsigned first, unsigned count) {
  Ids ids;
  for (unsigned n = 0; n < count; ++n) ids.push_back(id(gpu, first + n));
  return ids;
}

Ids operator+(Ids a, const Ids& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

/// Equal GPUs of 16 GiB, in N shares each.
struct Node {
  device::Inventory inventory;
  Resource resource;
  PreferredAllocator allocator;

  explicit Node(unsigned gpus, std::uint64_t shares = 20,
                const config::DeviceSelection& divided = config::AllDevices{})
      : inventory(simulated_node(gpus)),
        resource(build(inventory, shares, divided)),
        allocator(resource, inventory.topology,
                  config::AllocationPolicy::kDistributed) {}
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  static Resource build(
      const device::Inventory& inventory, std::uint64_t shares,
      const config::DeviceSelection& divided = config::AllDevices{}) {
    config::Settings settings;
    settings.shares.emplace();
    settings.shares->resources = {
        {"nvidia.com/gpu", "nvidia.com/gpu", divided, shares}};
    return build_resources(inventory, settings).resources.at(0);
  }

  Result<Allocation> allocate(const Ids& ids) const {
    return resource::allocate(resource, ids, DeviceIdStrategy::kUuid);
  }
  std::string refusal(const Ids& ids) const {
    const auto allocation = allocate(ids);
    return allocation ? "given" : allocation.error().message();
  }
  Ids prefer(const Ids& available, int size, const Ids& must = {}) const {
    const auto ids = allocator.prefer(available, must, size);
    return ids ? *ids : Ids{"error"};
  }
  Ids all() const {
    Ids ids;
    for (std::size_t i = 0; i < resource.replica_count(); ++i) {
      ids.push_back(resource.id_at(i));
    }
    return ids;
  }
};

TEST(Shares, OfOneGpuAreThatPartOfItsMemory) {
  const Node node(2);
  const auto allocation = node.allocate(ids_of(1, 3, 5));
  ASSERT_TRUE(allocation);
  EXPECT_THAT(allocation->names, ElementsAre(uuid_of(1)));
  EXPECT_THAT(allocation->nodes, ElementsAre("/dev/nvidia1"));
  ASSERT_EQ(allocation->limits.size(), 1u);
  EXPECT_EQ(allocation->limits[0].device, 1u);
  EXPECT_EQ(allocation->limits[0].bytes, 4 * kGiB);
}

TEST(Shares, AreWholeBlocksAndNeverMoreThanThereIs) {
  rc::check([] {
    const auto memory = *rc::gen::inRange<std::uint64_t>(0, 300 * kGiB);
    const auto of = *rc::gen::inRange<std::uint32_t>(2, 101);
    std::uint64_t given = 0;
    for (std::uint32_t left = of; left > 0;) {
      const auto parts = *rc::gen::inRange<std::uint32_t>(1, left + 1);
      const std::uint64_t bytes = share_of_memory(memory, parts, of);
      RC_ASSERT(bytes % kBlock == 0u);
      given += bytes;
      left -= parts;
    }
    RC_ASSERT(given <= memory);
    RC_ASSERT(share_of_memory(memory, of, of) == memory / kBlock * kBlock);
  });
}

TEST(Shares, AreThatPartOfItsTimeToo) {
  const auto part_of = [](const Resource& resource, unsigned count) {
    const auto given =
        allocate(resource, ids_of(0, 0, count), DeviceIdStrategy::kUuid);
    EXPECT_TRUE(given);
    return given->limits.at(0).thousandths;
  };
  const Node twentieths(1);
  EXPECT_EQ(part_of(twentieths.resource, 1), 50u);
  EXPECT_EQ(part_of(twentieths.resource, 14), 700u);
  EXPECT_EQ(part_of(Node(1, 3).resource, 1), 333u);
  EXPECT_EQ(part_of(Node(1, 100).resource, 1), 10u);

  config::Settings settings;
  settings.shares.emplace();
  settings.shares->compute = config::ComputePolicy::kNone;
  settings.shares->resources = {
      {"nvidia.com/gpu", "nvidia.com/gpu", config::AllDevices{}, 20}};
  const Resource untimed =
      build_resources(simulated_node(1), settings).resources.at(0);
  EXPECT_EQ(part_of(untimed, 5), 0u) << "as much as it gets";

  settings = {};
  settings.time_slicing.emplace();
  settings.time_slicing->limits = config::HolderLimits::kMemoryAndCompute;
  settings.time_slicing->resources = {
      {"nvidia.com/gpu", "nvidia.com/gpu", config::AllDevices{}, 20}};
  const Resource slices =
      build_resources(simulated_node(1), settings).resources.at(0);
  EXPECT_EQ(part_of(slices, 5), 50u) << "one part each, whatever is asked";
}

TEST(Shares, OfAWholeGpuOrOfSeveralHaveNoLimit) {
  const Node node(3);
  const auto one = node.allocate(ids_of(0, 0, 20));
  ASSERT_TRUE(one);
  EXPECT_THAT(one->limits, IsEmpty());
  const auto two = node.allocate(ids_of(0, 0, 20) + ids_of(2, 0, 20));
  ASSERT_TRUE(two);
  EXPECT_THAT(two->limits, IsEmpty());
  EXPECT_THAT(two->names, ElementsAre(uuid_of(0), uuid_of(2)));
}

TEST(Shares, AreNotOfAGpuThatIsNotDividedWhileOthersHaveRoom) {
  const Node node(2, 20, config::DeviceRefs{{"1"}});
  EXPECT_THAT(node.prefer(node.all(), 1), ElementsAre(id(1, 0)));
  EXPECT_THAT(node.prefer({uuid_of(0)}, 1), ElementsAre(uuid_of(0)));
}

TEST(Shares, OfTwoGpusAreRefusedInWordsThatSayWhatFits) {
  const Node node(2);
  EXPECT_THAT(node.refusal(ids_of(0, 17, 3) + ids_of(1, 18, 2)),
              AllOf(HasSubstr("5 shares are of one GPU"),
                    HasSubstr("no GPU of this node had 5 free (3 of " +
                              uuid_of(0) + ", 2 of " + uuid_of(1) + ")"),
                    HasSubstr("multiple of 20")));
  EXPECT_THAT(node.refusal(ids_of(0, 0, 20) + ids_of(1, 0, 5)),
              HasSubstr("25 shares are of one GPU, or of whole ones"));
}

TEST(Shares, OfAGpuOfUnknownMemoryAreRefused) {
  device::Inventory inventory = simulated_node(1);
  inventory.gpus[0].memory_bytes = 0;
  const Resource resource = Node::build(inventory, 4);
  const auto part = allocate(resource, {id(0, 0)}, DeviceIdStrategy::kUuid);
  ASSERT_FALSE(part);
  EXPECT_THAT(part.error().message(),
              HasSubstr("does not say how much memory"));
  EXPECT_TRUE(allocate(resource, ids_of(0, 0, 4), DeviceIdStrategy::kUuid));
}

TEST(Shares, OfTimeSlicesAreOneEachWhateverIsAsked) {
  config::Settings settings;
  settings.time_slicing.emplace();
  settings.time_slicing->limits = config::HolderLimits::kMemory;
  settings.time_slicing->resources = {
      {"nvidia.com/gpu", "nvidia.com/gpu", config::AllDevices{}, 4}};
  const Resource resource =
      build_resources(simulated_node(2), settings).resources.at(0);
  const auto allocation = allocate(resource, {id(0, 0), id(0, 1), id(1, 0)},
                                   DeviceIdStrategy::kUuid);
  ASSERT_TRUE(allocation);
  ASSERT_EQ(allocation->limits.size(), 2u);
  EXPECT_EQ(allocation->limits[0].bytes, 4 * kGiB);
  EXPECT_EQ(allocation->limits[1].bytes, 4 * kGiB);
  EXPECT_EQ(allocation->nodes.size(), 3u) << "as NVIDIA's plugin gives them";
}

// Who asks for what could never be given must not take anything from others.
TEST(Shares, CouldFitOnOneGpuOrOnWholeOnes) {
  const Node node(3);
  for (const std::size_t count : {1U, 19U, 20U, 40U, 60U}) {
    EXPECT_TRUE(could_fit(node.resource, count)) << count;
  }
  for (const std::size_t count : {21U, 25U, 39U, 41U, 80U}) {
    EXPECT_FALSE(could_fit(node.resource, count)) << count;
  }
}

TEST(PreferredShares, AreOnTheGpuWithTheLeastRoomThatSuffices) {
  const Node node(3);
  const Ids available = ids_of(0, 0, 20) + ids_of(1, 14, 6) + ids_of(2, 16, 4);
  EXPECT_EQ(node.prefer(available, 5), ids_of(1, 14, 5));
  EXPECT_EQ(node.prefer(available, 4), ids_of(2, 16, 4));
  EXPECT_EQ(node.prefer(available, 7), ids_of(0, 0, 7));
}

TEST(PreferredShares, StayWithWhatMustBeIncluded) {
  const Node node(2);
  const Ids available = ids_of(0, 0, 20) + ids_of(1, 10, 10);
  EXPECT_EQ(node.prefer(available, 3, {id(0, 7)}),
            (Ids{id(0, 7), id(0, 0), id(0, 1)}));
}

TEST(PreferredShares, OfSeveralGpusAreWholeOnes) {
  const Node node(4);
  const Ids available =
      ids_of(0, 0, 20) + ids_of(1, 1, 19) + ids_of(2, 0, 20) + ids_of(3, 0, 20);
  const Ids two = node.prefer(available, 40);
  const auto allocation = node.allocate(two);
  ASSERT_TRUE(allocation);
  EXPECT_EQ(allocation->names.size(), 2u);
  EXPECT_THAT(allocation->limits, IsEmpty());
}

TEST(PreferredShares, ThatFitNowhereAreAnsweredAndThenRefused) {
  const Node node(2);
  const Ids split = node.prefer(ids_of(0, 17, 3) + ids_of(1, 17, 3), 5);
  EXPECT_EQ(split.size(), 5u);
  EXPECT_FALSE(node.allocate(split));
}

// Containers come and go; whatever could fit on one GPU is preferred such that
// it is given.
TEST(PreferredShares, AreGivenWheneverSomeGpuHasRoom) {
  rc::check([] {
    const Node node(3, 10);
    const Ids all = node.all();
    std::set<std::string> taken;
    std::vector<Ids> held;
    for (int step = 0; step < 30; ++step) {
      if (!held.empty() && *rc::gen::inRange(0, 3) == 0) {
        const auto which = *rc::gen::inRange<std::size_t>(0, held.size());
        for (const std::string& one : held[which]) taken.erase(one);
        held.erase(held.begin() + static_cast<std::ptrdiff_t>(which));
        continue;
      }
      Ids available;
      std::map<std::string, int> room;
      for (const std::string& one : all) {
        if (taken.contains(one)) continue;
        available.push_back(one);
        ++room[one.substr(0, one.find("::"))];
      }
      const int size = *rc::gen::inRange(1, 11);
      const bool fits =
          std::any_of(room.begin(), room.end(),
                      [&](const auto& one) { return one.second >= size; });
      if (static_cast<int>(available.size()) < size) continue;
      const Ids preferred = node.prefer(available, size);
      RC_ASSERT(node.allocate(preferred).has_value() == fits);
      if (!fits) continue;
      taken.insert(preferred.begin(), preferred.end());
      held.push_back(preferred);
    }
  });
}

}  // namespace
}  // namespace gpunode::resource
