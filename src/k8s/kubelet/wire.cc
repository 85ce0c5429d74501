#include "k8s/kubelet/wire.h"

#include <climits>
#include <cstdint>
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

// The list is the one message that is large (8000 devices, half a megabyte)
// and on the way from exec to the first Pod. Written here, it costs a tenth of
// what protobuf's objects do, and leaves no heap behind.
enum class Field : unsigned char {
  kListDevices = 1,
  kDeviceId = 1,
  kDeviceHealth = 2,
  kDeviceTopology = 3,
  kTopologyNodes = 1,
};

void append_varint(std::string& to, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) {
    to.push_back(static_cast<char>(value | 0x80));
  }
  to.push_back(static_cast<char>(value));
}

// A string or message: number and wire type 2, length, content.
void append_field(std::string& to, Field field, std::string_view content) {
  to.push_back(static_cast<char>(static_cast<unsigned>(field) << 3 | 2U));
  append_varint(to, content.size());
  to.append(content);
}

std::string numa_node(std::int64_t id) {
  std::string bytes;
  if (id == 0) return bytes;  // Proto3 does not send what is zero.
  bytes.push_back('\x08');    // ID = 1, a varint.
  append_varint(bytes, static_cast<std::uint64_t>(id));
  return bytes;
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
  std::string bytes;
  std::string device_bytes;
  std::string topology_bytes;
  for (const Device& device : devices) {
    device_bytes.clear();
    append_field(device_bytes, Field::kDeviceId, device.id);
    append_field(device_bytes, Field::kDeviceHealth,
                 device.is_healthy ? "Healthy" : "Unhealthy");
    if (!device.numa_nodes.empty()) {
      topology_bytes.clear();
      for (const std::int64_t node : device.numa_nodes) {
        append_field(topology_bytes, Field::kTopologyNodes, numa_node(node));
      }
      append_field(device_bytes, Field::kDeviceTopology, topology_bytes);
    }
    append_field(bytes, Field::kListDevices, device_bytes);
    if (&device == &devices.front()) {
      // The others are as long, but for a digit or two.
      bytes.reserve(devices.size() * (bytes.size() + 4));
    }
  }
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
