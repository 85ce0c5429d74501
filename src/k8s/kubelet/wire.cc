#include "k8s/kubelet/wire.h"

#include <climits>
#include <iterator>
#include <utility>

#include "k8s/kubelet/deviceplugin.pb.h"

namespace gpunode::kubelet::wire {
namespace {

using Strings = google::protobuf::RepeatedPtrField<std::string>;

// Taken, not copied: a preferred allocation names every device of the node.
std::vector<std::string> take(Strings& from) {
  return {std::make_move_iterator(from.begin()),
          std::make_move_iterator(from.end())};
}

template <class Message>
Result<Message> parse(std::string_view bytes, std::string_view what) {
  Message message;
  if (bytes.size() > INT_MAX ||
      !message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return Error(ErrorCode::kCorrupt,
                 std::string(what) + ": request does not parse");
  }
  return message;
}

void fill(const ContainerAllocation& from,
          v1beta1::ContainerAllocateResponse& to) {
  to.mutable_envs()->insert(from.envs.begin(), from.envs.end());
  to.mutable_annotations()->insert(from.annotations.begin(),
                                   from.annotations.end());
  for (const Mount& mount : from.mounts) {
    v1beta1::Mount& sent = *to.add_mounts();
    sent.set_container_path(mount.container_path);
    sent.set_host_path(mount.host_path);
    sent.set_read_only(mount.read_only);
  }
  for (const DeviceSpec& device : from.devices) {
    v1beta1::DeviceSpec& sent = *to.add_devices();
    sent.set_container_path(device.container_path);
    sent.set_host_path(device.host_path);
    sent.set_permissions(device.permissions);
  }
  for (const std::string& name : from.cdi_devices) {
    to.add_cdi_devices()->set_name(name);
  }
}

}  // namespace

std::string encode(const Registration& registration) {
  v1beta1::RegisterRequest request;
  request.set_version(registration.version);
  request.set_endpoint(registration.endpoint);
  request.set_resource_name(registration.resource_name);
  request.mutable_options()->set_get_preferred_allocation_available(true);
  return request.SerializeAsString();
}

std::string encode_options() {
  v1beta1::DevicePluginOptions options;
  options.set_get_preferred_allocation_available(true);
  return options.SerializeAsString();
}

std::string encode(const std::vector<Device>& devices) {
  // Encodings of a repeated field may be concatenated: one message that holds
  // one device is enough, where 8000 would cost a megabyte of heap for good.
  v1beta1::ListAndWatchResponse one;
  v1beta1::Device& sent = *one.add_devices();
  std::string bytes;
  for (const Device& device : devices) {
    sent.Clear();
    sent.set_id(device.id);
    sent.set_health(device.is_healthy ? "Healthy" : "Unhealthy");
    for (const std::int64_t node : device.numa_nodes) {
      sent.mutable_topology()->add_nodes()->set_id(node);
    }
    one.AppendToString(&bytes);
  }
  bytes.shrink_to_fit();
  return bytes;
}

std::string encode(const std::vector<ContainerAllocation>& containers) {
  v1beta1::AllocateResponse response;
  for (const ContainerAllocation& container : containers) {
    fill(container, *response.add_container_responses());
  }
  return response.SerializeAsString();
}

std::string encode_preferred(
    const std::vector<std::vector<std::string>>& containers) {
  v1beta1::PreferredAllocationResponse response;
  for (const std::vector<std::string>& ids : containers) {
    auto& sent = *response.add_container_responses();
    for (const std::string& id : ids) sent.add_deviceids(id);
  }
  return response.SerializeAsString();
}

Result<std::vector<std::vector<std::string>>> decode_allocate(
    std::string_view bytes) {
  TRY(auto request, parse<v1beta1::AllocateRequest>(bytes, "Allocate"));
  std::vector<std::vector<std::string>> containers;
  for (auto& container : *request.mutable_container_requests()) {
    containers.push_back(take(*container.mutable_devices_ids()));
  }
  return containers;
}

Result<std::vector<PreferredAllocationRequest>> decode_preferred(
    std::string_view bytes) {
  TRY(auto request, parse<v1beta1::PreferredAllocationRequest>(
                        bytes, "GetPreferredAllocation"));
  std::vector<PreferredAllocationRequest> containers;
  for (auto& container : *request.mutable_container_requests()) {
    containers.push_back({take(*container.mutable_available_deviceids()),
                          take(*container.mutable_must_include_deviceids()),
                          container.allocation_size()});
  }
  return containers;
}

}  // namespace gpunode::kubelet::wire
