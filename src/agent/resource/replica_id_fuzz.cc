// Ids from the kubelet: any bytes, one id a line.
//
// The first byte says how the node is shared and what is asked. What is
// offered is fixed, so a corpus file reads like a request.
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "agent/resource/allocation.h"
#include "agent/resource/preferred_allocator.h"
#include "agent/resource/replica_id.h"
#include "agent/resource/resource_set.h"
#include "agent/resource/simulated_node.h"

namespace {

using namespace gpunode;            // NOLINT(google-build-using-namespace)
using namespace gpunode::resource;  // NOLINT(google-build-using-namespace)

void require(bool claim) {
  if (!claim) std::abort();
}

/// GPU 0 is offered whole, the other two in four Replicas each.
const Resource& offered() {
  static const Resource kOffered = [] {
    config::Settings settings;
    settings.custom_sharing = true;
    settings.time_slicing.emplace();
    settings.time_slicing->resources = {{"nvidia.com/gpu", "nvidia.com/gpu",
                                         config::DeviceRefs{{"1", "2"}}, 4}};
    return build_resources(simulated_node(3), settings).resources.at(0);
  }();
  return kOffered;
}

std::vector<std::string> lines(std::string_view text) {
  std::vector<std::string> ids;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    ids.emplace_back(text.substr(0, end));
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
  return ids;
}

void check_id(const std::string& id) {
  if (const auto parsed = ReplicaId::parse(id)) {
    require(parsed->to_string() == id);
    require(!parsed->device.empty());
    require(parsed->number.has_value() == has_replica_mark(id));
  }
  if (const auto found = offered().find(id)) {
    require(offered().id_at(found->position) == id);
    require(offered().device_at(found->position) == found->device);
  }
  require(printable(id).size() <= 4 * 256 + 3);
}

void check_allocation(const std::vector<std::string>& ids) {
  const auto allocation =
      allocate(offered(), ids, config::DeviceIdStrategy::kIndex);
  bool is_known = true;
  for (const std::string& id : ids) {
    is_known = is_known && offered().find(id).has_value();
  }
  require(allocation.has_value() == is_known);
  if (!allocation) return;
  const std::set<std::string> names(allocation->names.begin(),
                                    allocation->names.end());
  require(names.size() == allocation->names.size());
  require(allocation->names.empty() == ids.empty());
  require(allocation->nodes.size() ==
          std::set<std::string>(ids.begin(), ids.end()).size());
}

void check_preference(const std::vector<std::string>& ids, bool is_packed,
                      std::int32_t size) {
  static const device::Topology kTopology = simulated_node(3).topology;
  const PreferredAllocator allocator(
      offered(), kTopology,
      is_packed ? config::AllocationPolicy::kPacked
                : config::AllocationPolicy::kDistributed);
  const auto preferred = allocator.prefer(ids, {}, size);
  if (!preferred) return;
  const std::set<std::string> available(ids.begin(), ids.end());
  const std::set<std::string> chosen(preferred->begin(), preferred->end());
  require(chosen.size() == preferred->size());
  require(chosen.empty() || chosen.size() == static_cast<std::size_t>(size));
  for (const std::string& id : chosen) require(available.contains(id));
  // What is required is offered, or the call is refused.
  const auto required = allocator.prefer(ids, ids, size);
  if (!required) return;
  for (const std::string& id : ids) {
    require(offered().find(id).has_value());
    require(
        required->empty() ||
        std::set<std::string>(required->begin(), required->end()).contains(id));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1,
                              size - 1);
  const std::vector<std::string> ids = lines(text);
  for (const std::string& id : ids) check_id(id);
  check_allocation(ids);
  check_preference(ids, (data[0] & 1U) != 0, data[0] / 2 - 2);
  return 0;
}
