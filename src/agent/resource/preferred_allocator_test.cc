#include "agent/resource/preferred_allocator.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "agent/resource/resource_set.h"
#include "agent/resource/simulated_node.h"

namespace gpunode::resource {
namespace {

using config::AllocationPolicy;
using testing::ElementsAre;
using testing::IsEmpty;

using Ids = std::vector<std::string>;

std::string id(unsigned gpu) {
  return uuid_of(gpu);
}
std::string id(unsigned gpu, unsigned replica) {
  return uuid_of(gpu) + "::" + std::to_string(replica);
}

/// A Resource of equal GPUs and its allocator.
struct Node {
  device::Inventory inventory;
  Resource resource;
  PreferredAllocator allocator;

  Node(unsigned gpus, std::uint64_t replicas, AllocationPolicy policy)
      : inventory(simulated_node(gpus)),
        resource(build(inventory, replicas)),
        allocator(resource, inventory.topology, policy) {}
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  static Resource build(const device::Inventory& inventory,
                        std::uint64_t replicas) {
    config::Settings settings;
    if (replicas > 0) {
      settings.time_slicing.emplace();
      settings.time_slicing->resources = {
          {"nvidia.com/gpu", "nvidia.com/gpu", config::AllDevices{}, replicas}};
    }
    return build_resources(inventory, settings).resources.at(0);
  }

  Ids all() const {
    Ids ids;
    for (std::size_t i = 0; i < resource.replica_count(); ++i) {
      ids.push_back(resource.id_at(i));
    }
    return ids;
  }

  Ids prefer(const Ids& available, const Ids& must_include, int size) const {
    auto ids = allocator.prefer(available, must_include, size);
    EXPECT_TRUE(ids.has_value());
    return ids ? *std::move(ids) : Ids{"error"};
  }
};

std::string gpu_of(const std::string& replica) {
  return replica.substr(0, replica.find("::"));
}

TEST(PreferredAllocator, AnswersForFullGpusAsNvidiasPluginWasSeenTo) {
  const Node node(4, 0, AllocationPolicy::kDistributed);
  const Ids all = node.all();
  EXPECT_THAT(node.prefer(all, {}, 2), ElementsAre(id(0), id(1)));
  EXPECT_THAT(node.prefer(all, {id(3)}, 2), ElementsAre(id(2), id(3)));
  EXPECT_THAT(node.prefer(all, {}, 0), IsEmpty());
  EXPECT_THAT(node.prefer(all, {}, 9), IsEmpty());
  EXPECT_THAT(node.prefer(all, {}, -1), IsEmpty());
}

TEST(PreferredAllocator, AnswersTheSameInWhateverOrderItIsAsked) {
  const Node node(8, 0, AllocationPolicy::kDistributed);
  Ids available = node.all();
  std::reverse(available.begin(), available.end());
  EXPECT_THAT(node.prefer(available, {}, 3), ElementsAre(id(0), id(1), id(2)));
}

TEST(PreferredAllocator, AlignsFullGpusWhateverThePolicyOfSharedOnes) {
  const Node node(4, 0, AllocationPolicy::kPacked);
  EXPECT_THAT(node.prefer({id(1), id(2), id(3)}, {}, 2),
              ElementsAre(id(1), id(2)));
}

TEST(PreferredAllocator, DistributesOverTheGpusInTheirOrder) {
  const Node node(4, 20, AllocationPolicy::kDistributed);
  EXPECT_THAT(node.prefer(node.all(), {}, 3),
              ElementsAre(id(0, 0), id(1, 0), id(2, 0)));
  EXPECT_THAT(
      node.prefer(node.all(), {}, 6),
      ElementsAre(id(0, 0), id(1, 0), id(2, 0), id(3, 0), id(0, 1), id(1, 1)));
}

TEST(PreferredAllocator, PacksOntoOneGpu) {
  const Node node(4, 20, AllocationPolicy::kPacked);
  EXPECT_THAT(node.prefer(node.all(), {}, 3),
              ElementsAre(id(0, 0), id(0, 1), id(0, 2)));
}

TEST(PreferredAllocator, DistributesToTheGpuWithTheFewestTaken) {
  const Node node(3, 4, AllocationPolicy::kDistributed);
  // Taken: three of GPU 0, one of GPU 1, two of GPU 2.
  const Ids available = {id(0, 3), id(1, 1), id(1, 2),
                         id(1, 3), id(2, 0), id(2, 3)};
  EXPECT_THAT(node.prefer(available, {}, 1), ElementsAre(id(1, 1)));
  EXPECT_THAT(node.prefer(available, {}, 3),
              ElementsAre(id(1, 1), id(2, 0), id(1, 2)));
}

TEST(PreferredAllocator, PacksTheGpuWithTheMostTakenThenTheNext) {
  const Node node(3, 4, AllocationPolicy::kPacked);
  const Ids available = {id(0, 3), id(1, 1), id(1, 2),
                         id(1, 3), id(2, 0), id(2, 3)};
  EXPECT_THAT(node.prefer(available, {}, 4),
              ElementsAre(id(0, 3), id(2, 0), id(2, 3), id(1, 1)));
}

TEST(PreferredAllocator, BreaksTiesByWhatThisCallPickedLeast) {
  const Node node(2, 4, AllocationPolicy::kDistributed);
  // GPU 0 has one taken, GPU 1 two: after one pick they tie, and GPU 1 was
  // not picked yet.
  const Ids available = {id(0, 1), id(0, 2), id(0, 3), id(1, 2), id(1, 3)};
  EXPECT_THAT(node.prefer(available, {}, 2), ElementsAre(id(0, 1), id(1, 2)));
}

TEST(PreferredAllocator, PutsTheRequiredFirstAndCountsThemAsTaken) {
  const Node node(2, 4, AllocationPolicy::kDistributed);
  EXPECT_THAT(node.prefer(node.all(), {id(0, 2)}, 3),
              ElementsAre(id(0, 2), id(1, 0), id(0, 0)));
}

TEST(PreferredAllocator, FailsWhenThereAreNotEnough) {
  const Node node(4, 20, AllocationPolicy::kDistributed);
  const auto ids = node.allocator.prefer(node.all(), {}, 99);
  ASSERT_FALSE(ids.has_value());
  EXPECT_EQ(ids.error().message(),
            "error getting list of preferred allocation devices: not enough "
            "available devices to satisfy allocation");
  EXPECT_FALSE(node.allocator.prefer({id(0, 0)}, {id(0, 0)}, 2).has_value());
  EXPECT_TRUE(node.allocator.prefer(node.all(), {}, 80).has_value());
}

TEST(PreferredAllocator, IgnoresUnknownAndRepeatedIdsThatAreAvailable) {
  const Node node(2, 2, AllocationPolicy::kDistributed);
  const Ids available = {"nope", id(0), id(0, 0), id(0, 0), id(0, 0), id(5, 0)};
  EXPECT_THAT(node.prefer(available, {}, 1), ElementsAre(id(0, 0)));
  EXPECT_FALSE(node.allocator.prefer(available, {}, 2).has_value());
}

TEST(PreferredAllocator, RefusesToIncludeWhatItDoesNotOffer) {
  for (const std::uint64_t replicas : {0U, 2U}) {
    const Node node(2, replicas, AllocationPolicy::kDistributed);
    const auto ids = node.allocator.prefer(node.all(), {"nope"}, 1);
    ASSERT_FALSE(ids.has_value());
    EXPECT_EQ(ids.error().message(),
              "error getting list of preferred allocation devices: unknown "
              "device: nope");
  }
}

TEST(PreferredAllocator, TakesMigDevicesByTheirOrder) {
  auto inventory = simulated_node(2);
  for (auto& gpu : inventory.gpus) {
    add_mig(gpu);
    add_mig(gpu);
  }
  config::Settings settings;
  settings.mig_strategy = config::MigStrategy::kSingle;
  const Resource resource =
      build_resources(inventory, settings).resources.at(0);
  const PreferredAllocator allocator(resource, inventory.topology,
                                     AllocationPolicy::kDistributed);
  const Ids available = {resource.id_at(3), resource.id_at(2),
                         resource.id_at(1)};
  const auto ids = allocator.prefer(available, {}, 2);
  ASSERT_TRUE(ids.has_value());
  EXPECT_THAT(*ids, ElementsAre(resource.id_at(1), resource.id_at(2)));
}

TEST(PreferredAllocator, AlignsTheUnsharedGpusOfAPartlySharedResource) {
  const auto inventory = simulated_node(4);
  config::Settings settings;
  settings.custom_sharing = true;
  settings.time_slicing.emplace();
  settings.time_slicing->resources = {
      {"nvidia.com/gpu", "nvidia.com/gpu", config::DeviceRefs{{"0"}}, 4}};
  const Resource resource =
      build_resources(inventory, settings).resources.at(0);
  const PreferredAllocator allocator(resource, inventory.topology,
                                     AllocationPolicy::kDistributed);
  const auto aligned = allocator.prefer({id(3), id(2), id(1)}, {}, 9);
  ASSERT_TRUE(aligned.has_value());
  EXPECT_THAT(*aligned, IsEmpty());
  EXPECT_FALSE(allocator.prefer({id(0, 0), id(3), id(2)}, {}, 9).has_value());
}

struct Call {
  Ids available;
  Ids must_include;
  int size = 0;
};

/// A call that can be satisfied, ids in any order.
Call satisfiable_call(const Node& node) {
  Call call;
  for (const std::string& one : node.all()) {
    if (*rc::gen::weightedElement<bool>({{3, true}, {2, false}})) {
      call.available.push_back(one);
      if (*rc::gen::weightedElement<bool>({{1, true}, {6, false}})) {
        call.must_include.push_back(one);
      }
    }
  }
  RC_PRE(!call.available.empty());
  const auto least = std::max<std::size_t>(call.must_include.size(), 1);
  call.size =
      static_cast<int>(*rc::gen::inRange(least, call.available.size() + 1));
  return call;
}

std::map<std::string, int> count_by_gpu(const Ids& ids) {
  std::map<std::string, int> counts;
  for (const std::string& one : ids) ++counts[gpu_of(one)];
  return counts;
}

void check_promises(const Call& call, const Ids& ids) {
  const std::set<std::string> chosen(ids.begin(), ids.end());
  RC_ASSERT(chosen.size() == ids.size());
  RC_ASSERT(ids.size() == static_cast<std::size_t>(call.size));
  for (const std::string& one : call.must_include) {
    RC_ASSERT(chosen.contains(one));
  }
  const std::set<std::string> available(call.available.begin(),
                                        call.available.end());
  for (const std::string& one : ids) RC_ASSERT(available.contains(one));
}

TEST(PreferredAllocator, KeepsItsPromisesForEveryRequest) {
  EXPECT_TRUE(rc::check([] {
    const auto replicas = *rc::gen::inRange<std::uint64_t>(0, 9);
    const Node node(*rc::gen::inRange(1U, 9U), replicas == 1 ? 0 : replicas,
                    *rc::gen::element(AllocationPolicy::kDistributed,
                                      AllocationPolicy::kPacked));
    const Call call = satisfiable_call(node);
    const auto ids =
        node.allocator.prefer(call.available, call.must_include, call.size);
    RC_ASSERT(ids.has_value());
    check_promises(call, *ids);
  }));
}

TEST(PreferredAllocator, DistributesAsEvenlyAsPossible) {
  EXPECT_TRUE(rc::check([] {
    constexpr int kReplicas = 6;
    const Node node(*rc::gen::inRange(1U, 6U), kReplicas,
                    AllocationPolicy::kDistributed);
    const Call call = satisfiable_call(node);
    const auto ids =
        node.allocator.prefer(call.available, call.must_include, call.size);
    RC_ASSERT(ids.has_value());
    // No pick could have gone to a GPU that would still hold fewer: for any
    // picked-from GPU a and any GPU b with a free Replica, load(a) - 1 is not
    // above load(b).
    auto available = count_by_gpu(call.available);
    auto chosen = count_by_gpu(*ids);
    auto required = count_by_gpu(call.must_include);
    const auto load = [&](const std::string& gpu) {
      return kReplicas - available[gpu] + chosen[gpu];
    };
    for (const auto& [a, a_chosen] : count_by_gpu(*ids)) {
      if (a_chosen == required[a]) continue;
      for (const auto& [b, b_available] : count_by_gpu(call.available)) {
        if (b_available > chosen[b]) RC_ASSERT(load(a) - 1 <= load(b));
      }
    }
  }));
}

TEST(PreferredAllocator, PacksFullBeforeItStartsAnotherGpu) {
  EXPECT_TRUE(rc::check([] {
    const Node node(*rc::gen::inRange(1U, 6U), 6, AllocationPolicy::kPacked);
    const Call call = satisfiable_call(node);
    const auto ids =
        node.allocator.prefer(call.available, call.must_include, call.size);
    RC_ASSERT(ids.has_value());
    // Of the GPUs picked from, all but one have nothing left.
    auto chosen = count_by_gpu(*ids);
    auto required = count_by_gpu(call.must_include);
    int partly = 0;
    for (const auto& [gpu, available] : count_by_gpu(call.available)) {
      if (chosen[gpu] > required[gpu] && chosen[gpu] < available) ++partly;
    }
    RC_ASSERT(partly <= 1);
  }));
}

}  // namespace
}  // namespace gpunode::resource
