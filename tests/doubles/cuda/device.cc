#include "tests/doubles/cuda/device.h"

#include <dlfcn.h>
#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <optional>

#include <nlohmann/json.hpp>

#include "base/core/unique_fd.h"

namespace gpunode::fake_cuda {

namespace {

// The driver's own limit on minor numbers.
constexpr unsigned kMostMinors = 255;

bool can_open(const std::string& path) {
  const UniqueFd fd(::open(path.c_str(), O_RDWR | O_CLOEXEC));
  // ENXIO: the node is there, the cgroup agrees, no driver is behind it.
  return fd || errno == ENXIO || errno == ENODEV;
}

/// A UUID that is the same in every run, for machines without a profile.
std::string made_up_uuid(unsigned minor) {
  std::array<char, 48> text{};
  std::snprintf(text.data(), text.size(),
                "GPU-00000000-0000-4000-8000-0000000000%02x", minor);
  return text.data();
}

template <class Value>
void read(const nlohmann::json& json, const char* key, Value* value) {
  const auto found = json.find(key);
  if (found == json.end()) return;
  if constexpr (std::is_same_v<Value, std::string>) {
    if (found->is_string()) *value = *found->get_ptr<const std::string*>();
  } else {
    if (found->is_number_unsigned()) {
      *value = static_cast<Value>(*found->get_ptr<const std::uint64_t*>());
    }
  }
}

/// "8.6" into its two numbers.
bool parse_dotted(const std::string& text, int* major, int* minor) {
  const char* end = text.data() + text.size();
  const auto first = std::from_chars(text.data(), end, *major);
  if (first.ec != std::errc() || first.ptr == end || *first.ptr != '.') {
    return false;
  }
  const auto second = std::from_chars(first.ptr + 1, end, *minor);
  return second.ec == std::errc() && second.ptr == end;
}

void read_device(const nlohmann::json& json, Device* device) {
  read(json, "name", &device->name);
  read(json, "uuid", &device->uuid);
  read(json, "minor", &device->minor);
  read(json, "memoryBytes", &device->memory_bytes);
  read(json, "pciBusId", &device->pci_bus_id);
  std::string capability;
  read(json, "computeCapability", &capability);
  parse_dotted(capability, &device->compute_major, &device->compute_minor);
}

std::optional<std::string> read_file(const std::string& path) {
  std::ifstream file(path);
  if (!file) return std::nullopt;
  return std::string(std::istreambuf_iterator<char>(file), {});
}

std::string profile_beside_library() {
  Dl_info info{};
  if (::dladdr(reinterpret_cast<const void*>(&can_open), &info) == 0 ||
      info.dli_fname == nullptr) {
    return "profile.json";
  }
  const std::string library = info.dli_fname;
  return library.substr(0, library.rfind('/') + 1) + "profile.json";
}

Machine default_machine() {
  Machine machine;
  for (unsigned minor = 0; minor < kMostMinors; ++minor) {
    Device device;
    device.minor = minor;
    device.uuid = made_up_uuid(minor);
    machine.devices.push_back(std::move(device));
  }
  return machine;
}

std::optional<Device> instance_named(const std::vector<Device>& devices,
                                     const std::string& name) {
  for (const Device& device : devices) {
    for (const Device::Instance& instance : device.instances) {
      if (instance.uuid != name) continue;
      Device found = device;
      found.instance = instance.uuid;
      found.memory_bytes = instance.memory_bytes;
      return found;
    }
  }
  return std::nullopt;
}

const Device* named(const std::vector<Device>& devices,
                    const std::string& name) {
  char* end = nullptr;
  const long index = std::strtol(name.c_str(), &end, 0);
  if (end != name.c_str()) {
    const bool is_there =
        index >= 0 && static_cast<std::size_t>(index) < devices.size();
    return is_there ? &devices[static_cast<std::size_t>(index)] : nullptr;
  }
  constexpr std::string_view kPrefix = "GPU-";
  if (name.rfind(kPrefix, 0) != 0 || name.size() == kPrefix.size()) {
    return nullptr;
  }
  const Device* found = nullptr;
  for (const Device& device : devices) {
    if (device.uuid.rfind(name, 0) != 0) continue;
    if (found != nullptr) return nullptr;  // Ambiguous.
    found = &device;
  }
  return found;
}

}  // namespace

namespace {

std::array<char, 16> bytes_of(const std::string& uuid) {
  std::array<char, 16> bytes{};
  std::string digits;
  const std::size_t start = uuid.find('-') + 1;
  for (const char c : uuid.substr(start)) {
    if (c != '-') digits += c;
  }
  for (std::size_t i = 0; i < bytes.size() && 2 * i + 1 < digits.size(); ++i) {
    unsigned value = 0;
    std::from_chars(digits.data() + 2 * i, digits.data() + 2 * i + 2, value,
                    16);
    bytes[i] = static_cast<char>(value);
  }
  return bytes;
}

void read_instances(const nlohmann::json& gpu, const nlohmann::json& profiles,
                    Device* device) {
  const auto mig = gpu.find("mig");
  if (mig == gpu.end() || !mig->is_object()) return;
  const auto made = mig->find("devices");
  if (made == mig->end() || !made->is_array()) return;
  for (const nlohmann::json& one : *made) {
    Device::Instance instance;
    std::string profile;
    read(one, "uuid", &instance.uuid);
    read(one, "profile", &profile);
    for (const nlohmann::json& known : profiles) {
      std::string name;
      std::uint64_t mebibytes = 0;
      read(known, "name", &name);
      read(known, "memoryMiB", &mebibytes);
      if (name == profile) instance.memory_bytes = mebibytes << 20U;
    }
    device->instances.push_back(std::move(instance));
  }
}

}  // namespace

std::array<char, 16> Device::uuid_bytes() const {
  return bytes_of(uuid);
}

std::array<char, 16> Device::instance_bytes() const {
  return bytes_of(instance.empty() ? uuid : instance);
}

Result<Machine> parse_machine(std::string_view profile_json) {
  const auto json = nlohmann::json::parse(profile_json, nullptr, false);
  if (!json.is_object()) {
    return Error(ErrorCode::kCorrupt, "the profile is not a JSON object");
  }
  Machine machine;
  std::string cuda;
  read(json, "cudaVersion", &cuda);
  int major = 0;
  int minor = 0;
  if (parse_dotted(cuda, &major, &minor)) {
    machine.cuda_version = major * 1000 + minor * 10;
  }
  Device model;
  if (json.contains("model")) read_device(json.at("model"), &model);
  if (!json.contains("gpus")) return machine;
  const nlohmann::json none = nlohmann::json::array();
  const nlohmann::json& profiles =
      json.contains("migProfiles") ? json.at("migProfiles") : none;
  for (const nlohmann::json& gpu : json.at("gpus")) {
    Device device = model;
    device.minor = static_cast<unsigned>(machine.devices.size());
    device.uuid = made_up_uuid(device.minor);
    read_device(gpu, &device);
    read_instances(gpu, profiles, &device);
    machine.devices.push_back(std::move(device));
  }
  return machine;
}

Result<Machine> load_machine(const Environment& environment) {
  const bool is_named = !environment.profile.empty();
  const std::string path =
      is_named ? environment.profile : profile_beside_library();
  const std::optional<std::string> text = read_file(path);
  if (text) return parse_machine(*text);
  if (is_named) {
    return Error(ErrorCode::kNotFound, "read " + path + ": not readable");
  }
  return default_machine();
}

abi::CUresult find_devices(const Environment& environment,
                           const Machine& machine,
                           std::vector<Device>* devices) {
  const std::string prefix = environment.device_root + "/nvidia";
  if (!can_open(prefix + "ctl")) return abi::CUDA_ERROR_NO_DEVICE;
  if (!can_open(prefix + "-uvm")) return abi::CUDA_ERROR_UNKNOWN;
  devices->clear();
  for (const Device& device : machine.devices) {
    if (can_open(prefix + std::to_string(device.minor))) {
      devices->push_back(device);
    }
  }
  if (environment.visible_devices) {
    const abi::CUresult result =
        choose_visible(*environment.visible_devices, devices);
    if (result != abi::CUDA_SUCCESS) return result;
  }
  return devices->empty() ? abi::CUDA_ERROR_NO_DEVICE : abi::CUDA_SUCCESS;
}

abi::CUresult choose_visible(std::string_view list,
                             std::vector<Device>* devices) {
  std::vector<Device> chosen;
  while (!list.empty()) {
    const std::size_t comma = list.find(',');
    const std::string name(list.substr(0, comma));
    if (const auto instance = instance_named(*devices, name)) {
      chosen.push_back(*instance);
      break;
    }
    const Device* device = named(*devices, name);
    if (device == nullptr) break;
    const bool is_repeated = std::any_of(
        chosen.begin(), chosen.end(),
        [&](const Device& earlier) { return earlier.minor == device->minor; });
    if (is_repeated) return abi::CUDA_ERROR_INVALID_DEVICE;
    chosen.push_back(*device);
    if (comma == std::string_view::npos) break;
    list.remove_prefix(comma + 1);
  }
  *devices = std::move(chosen);
  return abi::CUDA_SUCCESS;
}

}  // namespace gpunode::fake_cuda
