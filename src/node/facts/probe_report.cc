#include "node/facts/probe_report.h"

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/text/json_reader.h"
#include "gpu/device/mig_profile.h"
#include "gpu/device/pci_address.h"
#include "node/facts/json_members.h"

namespace gpunode::facts {
namespace {

using json::for_each_member;
using json::read;
using json::read_items;
using text::JsonReader;

Result<bool> read_attribute(JsonReader& reader, const std::string& key,
                            device::MigAttributes& into) {
  if (key == "multiprocessors") return read(reader, into.multiprocessors);
  if (key == "gpuInstanceSlices") {
    return read(reader, into.gpu_instance_slices);
  }
  if (key == "computeInstanceSlices") {
    return read(reader, into.compute_instance_slices);
  }
  if (key == "copyEngines") return read(reader, into.copy_engines);
  if (key == "decoders") return read(reader, into.decoders);
  if (key == "encoders") return read(reader, into.encoders);
  if (key == "jpegEngines") return read(reader, into.jpeg_engines);
  if (key == "ofaEngines") return read(reader, into.ofa_engines);
  if (key == "memoryMib") return read(reader, into.memory_mib);
  return false;
}

/// A MIG device and the name that its profile's variant ends.
struct NamedMig {
  device::MigDevice device;
  std::string name;
};

Result<NamedMig> read_mig_device(JsonReader& reader) {
  NamedMig mig;
  TRY_VOID(for_each_member(reader, [&](const std::string& key) -> Result<bool> {
    if (key == "index") return read(reader, mig.device.mig_index);
    if (key == "gpuInstance") return read(reader, mig.device.gpu_instance);
    if (key == "computeInstance") {
      return read(reader, mig.device.compute_instance);
    }
    if (key == "uuid") return read(reader, mig.device.id.value);
    if (key == "name") return read(reader, mig.name);
    return read_attribute(reader, key, mig.device.attributes);
  }));
  return mig;
}

Result<bool> read_compute_capability(JsonReader& reader, device::Gpu& gpu) {
  std::vector<int> numbers;
  TRY(const bool is_read, read_items(reader, [&]() -> Result<void> {
        int number = 0;
        TRY(const bool is_number, read(reader, number));
        if (is_number) numbers.push_back(number);
        return {};
      }));
  if (is_read && numbers.size() == 2) {
    gpu.compute_major = numbers[0];
    gpu.compute_minor = numbers[1];
  }
  return true;
}

Result<bool> read_fabric(JsonReader& reader, device::Gpu& gpu) {
  device::FabricClique fabric;
  TRY_VOID(for_each_member(reader, [&](const std::string& key) -> Result<bool> {
    if (key == "cluster") return read(reader, fabric.cluster);
    if (key == "clique") return read(reader, fabric.id);
    return false;
  }));
  gpu.fabric = std::move(fabric);
  return true;
}

Result<bool> read_mig_enabled(JsonReader& reader, device::Gpu& gpu) {
  gpu.mig_capable = true;
  return read(reader, gpu.mig_enabled);
}

// Its GPU is known whole only now.
device::MigDevice finished(NamedMig mig, const device::Gpu& gpu) {
  const device::MigAttributes& has = mig.device.attributes;
  mig.device.profile = device::mig_profile_name(
      has.compute_instance_slices, has.gpu_instance_slices,
      device::mig_memory_gb(has.memory_mib, gpu.memory_bytes),
      device::variant_of_name(mig.name));
  return std::move(mig.device);
}

/// Why the driver's description of a GPU is not to be relied on; empty: it is.
using Gap = std::string_view;

Result<void> read_gpu(JsonReader& reader, device::Inventory& inventory,
                      std::vector<Gap>& gaps) {
  device::Gpu gpu;
  bool has_more_mig = false;
  std::vector<NamedMig> mig_devices;
  TRY_VOID(for_each_member(reader, [&](const std::string& key) -> Result<bool> {
    if (key == "index") return read(reader, gpu.index.value);
    if (key == "minor") return read(reader, gpu.minor.value);
    if (key == "uuid") return read(reader, gpu.id.value);
    if (key == "name") return read(reader, gpu.name);
    if (key == "pciBusId") return read(reader, gpu.pci_bus_id);
    if (key == "memoryBytes") return read(reader, gpu.memory_bytes);
    if (key == "computeCapability") return read_compute_capability(reader, gpu);
    if (key == "migEnabled") return read_mig_enabled(reader, gpu);
    if (key == "fabric") return read_fabric(reader, gpu);
    if (key == "hasMoreMig") return read(reader, has_more_mig);
    if (key != "migDevices") return false;
    return read_items(reader, [&]() -> Result<void> {
      TRY(NamedMig mig, read_mig_device(reader));
      mig_devices.push_back(std::move(mig));
      return {};
    });
  }));
  gpu.pci_bus_id = device::sysfs_bus_id(gpu.pci_bus_id);
  for (NamedMig& mig : mig_devices) {
    gpu.mig_devices.push_back(finished(std::move(mig), gpu));
  }
  gaps.emplace_back(gpu.name.empty() ? "the driver does not tell its name"
                    : has_more_mig
                        ? "the driver does not describe all its MIG devices"
                        : "");
  inventory.gpus.push_back(std::move(gpu));
  return {};
}

/// `gaps` are of the GPUs, in their order.
Result<device::Inventory> parse(std::string_view json, std::vector<Gap>& gaps) {
  JsonReader reader(json, "gpunode-probe's report");
  device::Inventory inventory;
  TRY_VOID(for_each_member(reader, [&](const std::string& key) -> Result<bool> {
    if (key == "driverVersion") return read(reader, inventory.driver_version);
    if (key == "cudaDriverVersion") {
      return read(reader, inventory.cuda_driver_version);
    }
    if (key != "gpus") return false;
    return read_items(reader,
                      [&] { return read_gpu(reader, inventory, gaps); });
  }));
  TRY_VOID(reader.finish());
  return inventory;
}

}  // namespace

Result<device::Inventory> parse_probe_report(std::string_view json) {
  std::vector<Gap> gaps;
  return parse(json, gaps);
}

Result<device::Inventory> parse_described_gpus(std::string_view json) {
  std::vector<Gap> gaps;
  TRY(device::Inventory inventory, parse(json, gaps));
  std::vector<device::Gpu> described;
  for (std::size_t i = 0; i < inventory.gpus.size(); ++i) {
    device::Gpu& gpu = inventory.gpus[i];
    if (gaps[i].empty()) {
      described.push_back(std::move(gpu));
    } else {
      inventory.lost.push_back({gpu.index, gpu.id, std::string(gaps[i])});
    }
  }
  inventory.gpus = std::move(described);
  return inventory;
}

}  // namespace gpunode::facts
