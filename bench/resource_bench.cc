// What the kubelet waits for, without gRPC: GetPreferredAllocation and
// Allocate. Budgets: 0.5 ms for 8000 available Replicas, 0.1 ms for 8 GPUs.
#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>

#include "agent/resource/allocation.h"
#include "agent/resource/preferred_allocator.h"
#include "agent/resource/resource_set.h"
#include "agent/resource/simulated_node.h"

namespace gpunode::resource {
namespace {

using config::AllocationPolicy;

/// GPUs on two CPUs, every second pair joined by NVLink, `replicas` of each.
device::Inventory node_of(unsigned gpus) {
  auto node = simulated_node(gpus);
  for (unsigned a = 0; a < gpus; ++a) {
    node.gpus[a].numa_node = a * 2 / gpus;
    for (unsigned b = 0; b < a; ++b) {
      const bool same_cpu = a * 2 / gpus == b * 2 / gpus;
      node.topology.set(
          a, b,
          {same_cpu ? device::PciLink::kSameCpu : device::PciLink::kCrossCpu,
           (a ^ b) == 1 ? 4U : 0U});
    }
  }
  return node;
}

Resource resource_of(const device::Inventory& node, std::uint64_t replicas) {
  config::Settings settings;
  if (replicas > 0) {
    settings.time_slicing.emplace();
    settings.time_slicing->resources = {
        {"nvidia.com/gpu", "nvidia.com/gpu", config::AllDevices{}, replicas}};
  }
  return build_resources(node, settings).resources.at(0);
}

/// Every id, in an order of no meaning: the kubelet sends a Go map's.
std::vector<std::string> shuffled_ids(const Resource& resource) {
  std::vector<std::string> ids;
  for (std::size_t i = 0; i < resource.replica_count(); ++i) {
    ids.push_back(resource.id_at(i));
  }
  std::uint32_t state = 1;
  for (std::size_t i = ids.size(); i > 1; --i) {
    state = state * 1664525U + 1013904223U;
    std::swap(ids[i - 1], ids[state % i]);
  }
  return ids;
}

void prefer(benchmark::State& state, unsigned gpus, std::uint64_t replicas,
            AllocationPolicy policy) {
  const auto node = node_of(gpus);
  const Resource resource = resource_of(node, replicas);
  const PreferredAllocator allocator(resource, node.topology, policy);
  const auto available = shuffled_ids(resource);
  const auto size = static_cast<std::int32_t>(state.range(0));
  for ([[maybe_unused]] auto _ : state) {
    auto ids = allocator.prefer(available, {}, size);
    benchmark::DoNotOptimize(ids);
  }
}

void prefer_distributed(benchmark::State& state) {
  prefer(state, 8, static_cast<std::uint64_t>(state.range(1)) / 8,
         AllocationPolicy::kDistributed);
}
BENCHMARK(prefer_distributed)
    ->ArgNames({"size", "replicas"})
    ->ArgsProduct({{1, 8}, {160, 800, 8000}})
    ->Unit(benchmark::kMicrosecond);

void prefer_packed(benchmark::State& state) {
  prefer(state, 8, static_cast<std::uint64_t>(state.range(1)) / 8,
         AllocationPolicy::kPacked);
}
BENCHMARK(prefer_packed)
    ->ArgNames({"size", "replicas"})
    ->ArgsProduct({{8}, {160, 800, 8000}})
    ->Unit(benchmark::kMicrosecond);

void prefer_aligned(benchmark::State& state) {
  prefer(state, static_cast<unsigned>(state.range(1)), 0,
         AllocationPolicy::kDistributed);
}
BENCHMARK(prefer_aligned)
    ->ArgNames({"size", "gpus"})
    ->ArgsProduct({{1, 2, 3, 4, 5, 6, 8}, {8, 16}})
    ->Unit(benchmark::kMicrosecond);

void allocate_replicas(benchmark::State& state) {
  const Resource resource = resource_of(node_of(8), 1000);
  auto ids = shuffled_ids(resource);
  ids.resize(static_cast<std::size_t>(state.range(0)));
  for ([[maybe_unused]] auto _ : state) {
    auto allocation = allocate(resource, ids, config::DeviceIdStrategy::kUuid);
    benchmark::DoNotOptimize(allocation);
  }
}
BENCHMARK(allocate_replicas)->Arg(1)->Arg(8)->Unit(benchmark::kMicrosecond);

void build(benchmark::State& state) {
  const auto node = node_of(static_cast<unsigned>(state.range(0)));
  for ([[maybe_unused]] auto _ : state) {
    const Resource resource = resource_of(node, 0);
    PreferredAllocator allocator(resource, node.topology,
                                 AllocationPolicy::kDistributed);
    benchmark::DoNotOptimize(allocator);
  }
}
BENCHMARK(build)->ArgName("gpus")->Arg(8)->Arg(16)->Unit(
    benchmark::kMicrosecond);

}  // namespace
}  // namespace gpunode::resource

BENCHMARK_MAIN();
