#include "k8s/kubelet/holding_wire.h"

#include <algorithm>
#include <climits>
#include <iterator>
#include <tuple>
#include <utility>

#include "k8s/kubelet/podresources.pb.h"

namespace gpunode::kubelet::wire {
namespace {

auto key_of(const Holding& one) {
  return std::tie(one.pod_namespace, one.pod, one.container, one.resource);
}

void add(v1::ContainerDevices& devices, Holding holding,
         std::vector<Holding>& to) {
  holding.resource = std::move(*devices.mutable_resource_name());
  auto& ids = *devices.mutable_device_ids();
  holding.ids.assign(std::make_move_iterator(ids.begin()),
                     std::make_move_iterator(ids.end()));
  if (!holding.ids.empty()) to.push_back(std::move(holding));
}

/// Those of one container and resource become one.
std::vector<Holding> joined(std::vector<Holding> parts) {
  std::stable_sort(
      parts.begin(), parts.end(),
      [](const auto& a, const auto& b) { return key_of(a) < key_of(b); });
  std::vector<Holding> whole;
  for (Holding& part : parts) {
    if (whole.empty() || key_of(whole.back()) != key_of(part)) {
      whole.push_back(std::move(part));
    } else {
      std::move(part.ids.begin(), part.ids.end(),
                std::back_inserter(whole.back().ids));
    }
  }
  for (Holding& holding : whole) {
    std::sort(holding.ids.begin(), holding.ids.end());
  }
  return whole;
}

}  // namespace

Result<std::vector<Holding>> decode_holdings(std::string_view bytes) {
  v1::ListPodResourcesResponse message;
  if (bytes.size() > INT_MAX ||
      !message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return Error(ErrorCode::kCorrupt,
                 "ask the kubelet who holds devices: its answer does not "
                 "parse");
  }
  std::vector<Holding> parts;
  for (v1::PodResources& pod : *message.mutable_pod_resources()) {
    for (v1::ContainerResources& container : *pod.mutable_containers()) {
      for (v1::ContainerDevices& devices : *container.mutable_devices()) {
        add(devices, {pod.namespace_(), pod.name(), container.name(), {}, {}},
            parts);
      }
    }
  }
  return joined(std::move(parts));
}

}  // namespace gpunode::kubelet::wire
