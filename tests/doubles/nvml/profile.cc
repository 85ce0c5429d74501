#include "tests/doubles/nvml/profile.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <utility>

#include <rapidjson/document.h>
#include <rapidjson/error/en.h>

#include "base/core/unique_fd.h"
#include "gpu/abi/nvml_types.h"
#include "tests/doubles/nvml/json_fields.h"

namespace gpunode::fake_nvml {

namespace {

const std::vector<JsonFields::Word>& brands() {
  static const std::vector<JsonFields::Word> known = {
      {"unknown", NVML_BRAND_UNKNOWN}, {"tesla", NVML_BRAND_TESLA},
      {"nvidia", NVML_BRAND_NVIDIA},   {"geforce", NVML_BRAND_GEFORCE},
      {"quadro", NVML_BRAND_QUADRO},   {"titan", NVML_BRAND_TITAN}};
  return known;
}

const std::vector<JsonFields::Word>& architectures() {
  static const std::vector<JsonFields::Word> known = {
      {"kepler", NVML_DEVICE_ARCH_KEPLER},
      {"maxwell", NVML_DEVICE_ARCH_MAXWELL},
      {"pascal", NVML_DEVICE_ARCH_PASCAL},
      {"volta", NVML_DEVICE_ARCH_VOLTA},
      {"turing", NVML_DEVICE_ARCH_TURING},
      {"ampere", NVML_DEVICE_ARCH_AMPERE},
      {"ada", NVML_DEVICE_ARCH_ADA},
      {"hopper", NVML_DEVICE_ARCH_HOPPER},
      {"blackwell", NVML_DEVICE_ARCH_BLACKWELL}};
  return known;
}

/// "12.3" is 12030, as nvmlSystemGetCudaDriverVersion says it.
bool parse_dotted(std::string_view text, int& major, int& minor) {
  const char* end = text.data() + text.size();
  const auto first = std::from_chars(text.data(), end, major);
  if (first.ec != std::errc{} || first.ptr == end || *first.ptr != '.') {
    return false;
  }
  const auto second = std::from_chars(first.ptr + 1, end, minor);
  return second.ec == std::errc{} && second.ptr == end;
}

/// 16 bytes from 32 hexadecimal digits, wherever dashes stand between them.
bool parse_uuid_bytes(std::string_view text,
                      std::array<unsigned char, 16>& bytes) {
  unsigned digits = 0;
  for (const char c : text) {
    if (c == '-') continue;
    unsigned nibble = 0;
    if (std::from_chars(&c, &c + 1, nibble, 16).ec != std::errc{}) return false;
    if (digits >= 32) return false;
    unsigned char& byte = bytes[digits / 2];
    byte = static_cast<unsigned char>(byte * 16U + nibble);
    ++digits;
  }
  return digits == 32;
}

Result<void> read_mig_profile(const rapidjson::Value& json, std::string place,
                              Profile& into) {
  MigProfile profile;
  JsonFields fields(json, std::move(place));
  fields.read("name", profile.name);
  fields.read("nvmlNumber", profile.nvml_number);
  fields.read("id", profile.id);
  fields.read("slices", profile.slices);
  fields.read("instances", profile.instances);
  fields.read("memorySlices", profile.memory_slices);
  fields.read("multiprocessors", profile.multiprocessors);
  fields.read("copyEngines", profile.copy_engines);
  fields.read("decoders", profile.decoders);
  fields.read("encoders", profile.encoders);
  fields.read("jpegEngines", profile.jpeg_engines);
  fields.read("ofaEngines", profile.ofa_engines);
  fields.read("memoryMiB", profile.memory_mib);
  into.mig_profiles.push_back(std::move(profile));
  return fields.finish();
}

Result<MigDeviceSpec> read_mig_device(const rapidjson::Value& json,
                                      std::string place,
                                      const Profile& profile) {
  MigDeviceSpec device;
  JsonFields fields(json, std::move(place));
  fields.read("uuid", device.uuid);
  std::string name;
  fields.read("profile", name);
  fields.read("gi", device.gpu_instance);
  fields.read("ci", device.compute_instance);
  fields.read("placement", device.placement);
  const std::size_t cut = name.find("c.");
  device.gpu_profile = cut == std::string::npos ? name : name.substr(cut + 2);
  const MigProfile* kind = profile.mig_profile(device.gpu_profile);
  if (kind == nullptr) {
    fields.fail("profile", "is not among migProfiles");
  } else if (cut == std::string::npos) {
    device.compute_slices = kind->slices;
  } else if (std::from_chars(name.data(), name.data() + cut,
                             device.compute_slices)
                     .ec != std::errc{} ||
             device.compute_slices == 0 ||
             device.compute_slices > kind->slices) {
    fields.fail("profile", "has a wrong number of compute slices");
  }
  TRY_VOID(fields.finish());
  return device;
}

Result<void> read_mig(const rapidjson::Value& json, const std::string& place,
                      const Profile& profile, GpuSpec& gpu) {
  JsonFields fields(json, place);
  fields.read("enabled", gpu.mig_enabled);
  gpu.mig_pending = gpu.mig_enabled;
  fields.read("pending", gpu.mig_pending);
  if (const rapidjson::Value* devices = fields.array("devices")) {
    gpu.mig_devices.clear();
    for (rapidjson::SizeType i = 0; i < devices->Size(); ++i) {
      TRY(MigDeviceSpec device,
          read_mig_device((*devices)[i], fields.place_of("devices", i),
                          profile));
      gpu.mig_devices.push_back(std::move(device));
    }
  }
  return fields.finish();
}

/// Each element is a run of links to one end: {"gpu": 1, "count": 2} or
/// {"switch": "0000:05:00.0", "count": 3}.
Result<void> read_nvlink_run(const rapidjson::Value& json, std::string place,
                             GpuSpec& gpu) {
  JsonFields fields(json, std::move(place));
  NvLinkEnd end;
  unsigned count = 1;
  fields.read("gpu", end.gpu);
  fields.read("switch", end.pci_bus_id);
  fields.read("count", count);
  if (end.gpu.has_value() != end.pci_bus_id.empty()) {
    fields.fail("gpu", "say either gpu or switch");
  }
  if (gpu.nvlinks.size() + count > NVML_NVLINK_MAX_LINKS) {
    fields.fail("count", "more links than NVML knows");
  }
  TRY_VOID(fields.finish());
  gpu.nvlinks.insert(gpu.nvlinks.end(), count, end);
  return {};
}

/// Calls `read(element, its place)` for each element of an array.
template <class Read>
Result<void> read_array(const rapidjson::Value& json, const std::string& place,
                        Read read) {
  if (!json.IsArray()) {
    return Error(ErrorCode::kCorrupt, place + ": must be an array");
  }
  for (rapidjson::SizeType i = 0; i < json.Size(); ++i) {
    TRY_VOID(read(json[i], place + "[" + std::to_string(i) + "]"));
  }
  return {};
}

Result<void> read_nvlinks(const rapidjson::Value& json,
                          const std::string& place, const Profile& /*profile*/,
                          GpuSpec& gpu) {
  gpu.nvlinks.clear();
  return read_array(json, place,
                    [&gpu](const rapidjson::Value& run, std::string run_place) {
                      return read_nvlink_run(run, std::move(run_place), gpu);
                    });
}

Result<void> read_pcie(const rapidjson::Value& json, const std::string& place,
                       const Profile& /*profile*/, GpuSpec& gpu) {
  JsonFields fields(json, place);
  fields.read("bridge", gpu.pcie.bridge);
  fields.read("tree", gpu.pcie.tree);
  fields.read("switch", gpu.pcie.board);
  return fields.finish();
}

Result<void> read_fabric(const rapidjson::Value& json, const std::string& place,
                         const Profile& /*profile*/, GpuSpec& gpu) {
  Fabric fabric;
  JsonFields fields(json, place);
  std::string uuid;
  unsigned state = NVML_GPU_FABRIC_STATE_COMPLETED;
  fields.read("clusterUuid", uuid);
  if (!parse_uuid_bytes(uuid, fabric.cluster_uuid)) {
    fields.fail("clusterUuid", "is not a UUID");
  }
  fields.read("clique", fabric.clique);
  fields.read_word("state",
                   {{"not-supported", NVML_GPU_FABRIC_STATE_NOT_SUPPORTED},
                    {"not-started", NVML_GPU_FABRIC_STATE_NOT_STARTED},
                    {"in-progress", NVML_GPU_FABRIC_STATE_IN_PROGRESS},
                    {"completed", NVML_GPU_FABRIC_STATE_COMPLETED}},
                   state);
  fabric.state = static_cast<unsigned char>(state);
  gpu.fabric = fabric;
  return fields.finish();
}

Result<void> read_process(const rapidjson::Value& json, std::string place,
                          GpuSpec& gpu) {
  ProcessSpec process;
  JsonFields fields(json, std::move(place));
  fields.read("pid", process.pid);
  fields.read("usedBytes", process.used_bytes);
  fields.read("gi", process.gpu_instance);
  fields.read("ci", process.compute_instance);
  fields.read("smPercent", process.sm_percent);
  gpu.processes.push_back(process);
  return fields.finish();
}

Result<void> read_processes(const rapidjson::Value& json,
                            const std::string& place,
                            const Profile& /*profile*/, GpuSpec& gpu) {
  return read_array(
      json, place,
      [&gpu](const rapidjson::Value& process, std::string process_place) {
        return read_process(process, std::move(process_place), gpu);
      });
}

void read_identity(JsonFields& fields, GpuSpec& gpu) {
  fields.read("name", gpu.name);
  fields.read("uuid", gpu.uuid);
  fields.read("serial", gpu.serial);
  fields.read("partNumber", gpu.part_number);
  fields.read("vbios", gpu.vbios);
  fields.read("minor", gpu.minor);
  auto brand = static_cast<unsigned>(gpu.brand);
  fields.read_word("brand", brands(), brand);
  gpu.brand = static_cast<int>(brand);
  fields.read_word("architecture", architectures(), gpu.architecture);
  std::string capability;
  fields.read("computeCapability", capability);
  if (!capability.empty() &&
      !parse_dotted(capability, gpu.compute_major, gpu.compute_minor)) {
    fields.fail("computeCapability", "must be as 8.6");
  }
}

void read_hardware(JsonFields& fields, GpuSpec& gpu) {
  fields.read("pciBusId", gpu.pci_bus_id);
  fields.read_hex("pciDeviceId", gpu.pci_device_id);
  fields.read_hex("pciSubsystemId", gpu.pci_subsystem_id);
  fields.read_hex("pciClass", gpu.pci_class);
  fields.read("numaNode", gpu.numa_node);
  fields.read("memoryBytes", gpu.memory_bytes);
  fields.read("reservedBytes", gpu.reserved_bytes);
  fields.read("bar1Bytes", gpu.bar1_bytes);
  fields.read("nvlinkVersion", gpu.nvlink_version);
  fields.read("eventTypes", gpu.event_types);
  fields.read("migCapable", gpu.mig_capable);
  fields.read("ecc", gpu.has_ecc);
  fields.read("eccPending", gpu.ecc_pending);
  fields.read("persistence", gpu.persistence);
  fields.read("remapPending", gpu.remap_pending);
  fields.read("remapFailed", gpu.remap_failed);
  fields.read("temperatureCelsius", gpu.temperature_celsius);
  fields.read("powerMilliwatts", gpu.power_milliwatts);
  fields.read("powerLimitMilliwatts", gpu.power_limit_milliwatts);
  fields.read("smClockMHz", gpu.sm_clock_mhz);
  fields.read("maxSmClockMHz", gpu.max_sm_clock_mhz);
  fields.read("memoryClockMHz", gpu.memory_clock_mhz);
}

/// The keys of a GPU that hold objects and arrays.
struct Part {
  const char* key;
  Result<void> (*read)(const rapidjson::Value&, const std::string&,
                       const Profile&, GpuSpec&);
};
constexpr std::array kParts = {
    Part{"pcie", read_pcie}, Part{"nvlinks", read_nvlinks},
    Part{"fabric", read_fabric}, Part{"mig", read_mig},
    Part{"processes", read_processes}};

/// Lays what `json` says over what `gpu` has: the model first, then the GPU.
Result<void> read_gpu(const rapidjson::Value& json, const std::string& place,
                      const Profile& profile, GpuSpec& gpu) {
  JsonFields fields(json, place);
  read_identity(fields, gpu);
  read_hardware(fields, gpu);
  for (const Part& part : kParts) {
    const rapidjson::Value* value = fields.member(part.key);
    if (value == nullptr) continue;
    TRY_VOID(part.read(*value, place + "." + part.key, profile, gpu));
  }
  return fields.finish();
}

Result<void> check_gpus(const Profile& profile) {
  for (std::size_t i = 0; i < profile.gpus.size(); ++i) {
    const GpuSpec& gpu = profile.gpus[i];
    const std::string place = "profile.gpus[" + std::to_string(i) + "]";
    if (gpu.uuid.empty() || gpu.name.empty() || gpu.pci_bus_id.size() != 12) {
      return Error(ErrorCode::kCorrupt,
                   place + ": needs uuid, name and pciBusId as 0000:00:1e.0");
    }
    for (const NvLinkEnd& end : gpu.nvlinks) {
      if (end.gpu && (*end.gpu >= profile.gpus.size() || *end.gpu == i)) {
        return Error(ErrorCode::kCorrupt, place + ".nvlinks: no such GPU");
      }
    }
  }
  return {};
}

Result<void> read_lists(JsonFields& fields, Profile& profile) {
  if (const auto* kinds = fields.member("migProfiles")) {
    TRY_VOID(read_array(*kinds, "profile.migProfiles",
                        [&](const auto& json, std::string place) {
                          return read_mig_profile(json, std::move(place),
                                                  profile);
                        }));
  }
  GpuSpec model;
  if (const auto* shared = fields.member("model")) {
    TRY_VOID(read_gpu(*shared, "profile.model", profile, model));
  }
  if (const auto* gpus = fields.member("gpus")) {
    TRY_VOID(read_array(*gpus, "profile.gpus",
                        [&](const auto& json, const std::string& place) {
                          GpuSpec& gpu = profile.gpus.emplace_back(model);
                          return read_gpu(json, place, profile, gpu);
                        }));
  }
  return {};
}

Result<void> read_absent(const rapidjson::Value& json, Profile& profile) {
  return read_array(
      json, "profile.absentSymbols",
      [&](const auto& name, const std::string& place) -> Result<void> {
        if (!name.IsString()) {
          return Error(ErrorCode::kCorrupt, place + ": must be a string");
        }
        profile.absent_symbols.emplace_back(name.GetString());
        return {};
      });
}

Result<Profile> read_profile(const rapidjson::Value& json) {
  Profile profile;
  JsonFields fields(json, "profile");
  std::string comment;
  fields.read("comment", comment);
  fields.read("driverVersion", profile.driver_version);
  std::string cuda;
  fields.read("cudaVersion", cuda);
  int major = 0;
  int minor = 0;
  if (!parse_dotted(cuda, major, minor)) {
    fields.fail("cudaVersion", "must be as 12.3");
  }
  profile.cuda_version = major * 1000 + minor * 10;
  TRY_VOID(read_lists(fields, profile));
  if (const auto* absent = fields.member("absentSymbols")) {
    TRY_VOID(read_absent(*absent, profile));
  }
  TRY_VOID(fields.finish());
  TRY_VOID(check_gpus(profile));
  return profile;
}

}  // namespace

const MigProfile* Profile::mig_profile(std::string_view name) const {
  const auto found = std::ranges::find(mig_profiles, name, &MigProfile::name);
  return found == mig_profiles.end() ? nullptr : &*found;
}

Result<Profile> parse_profile(std::string text) {
  rapidjson::Document document;
  document.ParseInsitu<rapidjson::kParseIterativeFlag>(text.data());
  if (document.HasParseError()) {
    return Error(ErrorCode::kCorrupt,
                 "profile: offset " +
                     std::to_string(document.GetErrorOffset()) + ": " +
                     rapidjson::GetParseError_En(document.GetParseError()));
  }
  return read_profile(document);
}

Result<Profile> load_profile(const std::string& path) {
  const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) return Error::from_errno("open " + path, errno);
  struct stat info {};
  if (::fstat(file.get(), &info) != 0) {
    return Error::from_errno("stat " + path, errno);
  }
  std::string text(static_cast<std::size_t>(info.st_size), '\0');
  const ssize_t got = ::read(file.get(), text.data(), text.size());
  if (got < 0) return Error::from_errno("read " + path, errno);
  text.resize(static_cast<std::size_t>(got));
  auto profile = parse_profile(std::move(text));
  if (!profile) return std::move(profile).error().with_context(path);
  return profile;
}

}  // namespace gpunode::fake_nvml
