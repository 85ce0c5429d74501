#include "apps/gpunode/commands/gpu_names.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/host/host_root.h"
#include "base/text/json_reader.h"

namespace gpunode::cli {
namespace {

using text::JsonReader;

Result<unsigned> read_number(JsonReader& reader) {
  TRY(const std::size_t number, reader.whole_number());
  return static_cast<unsigned>(number);
}

/// Calls `use` with each key of an object; it reads the value.
template <class Use>
Result<void> for_each_member(JsonReader& reader, Use use) {
  TRY_VOID(reader.enter_object());
  for (;;) {
    TRY(const std::optional<std::string> key, reader.next_key());
    if (!key) return {};
    TRY_VOID(use(*key));
  }
}

template <class Use>
Result<void> for_each_item(JsonReader& reader, Use use) {
  TRY_VOID(reader.enter_array());
  for (;;) {
    TRY(const bool has_item, reader.next_item());
    if (!has_item) return {};
    TRY_VOID(use());
  }
}

Result<void> skip(JsonReader& reader) {
  TRY(const text::JsonSpan span, reader.skip());
  static_cast<void>(span);
  return {};
}

Result<procfs::MigUuid> read_mig_device(JsonReader& reader) {
  procfs::MigUuid mig;
  TRY_VOID(for_each_member(reader, [&](const std::string& key) -> Result<void> {
    if (key == "index") {
      TRY(mig.mig_index, read_number(reader));
    } else if (key == "gpuInstance") {
      TRY(mig.gpu_instance, read_number(reader));
    } else if (key == "computeInstance") {
      TRY(mig.compute_instance, read_number(reader));
    } else if (key == "uuid") {
      TRY(mig.id.value, reader.string());
    } else {
      return skip(reader);
    }
    return {};
  }));
  return mig;
}

Result<void> read_gpu(JsonReader& reader, ProbeReport& report) {
  GpuUuid gpu;
  std::vector<procfs::MigUuid> mig_devices;
  TRY_VOID(for_each_member(reader, [&](const std::string& key) -> Result<void> {
    if (key == "minor") {
      TRY(gpu.minor.value, read_number(reader));
    } else if (key == "uuid") {
      TRY(gpu.id.value, reader.string());
    } else if (key == "migDevices") {
      return for_each_item(reader, [&]() -> Result<void> {
        TRY(procfs::MigUuid mig, read_mig_device(reader));
        mig_devices.push_back(std::move(mig));
        return {};
      });
    } else {
      return skip(reader);
    }
    return {};
  }));
  for (procfs::MigUuid& mig : mig_devices) {
    mig.gpu = gpu.minor;
    report.mig_devices.push_back(std::move(mig));
  }
  report.gpus.push_back(std::move(gpu));
  return {};
}

Result<std::string> find_library(const cdi::Findings& found,
                                 const host::HostRoot& driver_root) {
  for (const cdi::DriverFile& file : found.driver.files) {
    if (file.kind == cdi::DriverFile::Kind::kLibrary && !file.is_32bit &&
        file.path.find("/libnvidia-ml.so.") != std::string::npos) {
      return driver_root.outside(file.source);
    }
  }
  return Error(ErrorCode::kNotFound,
               "the driver's files have no libnvidia-ml.so");
}

}  // namespace

Result<ProbeReport> parse_probe_report(std::string_view json) {
  JsonReader reader(json, "gpunode-probe's report");
  ProbeReport report;
  TRY_VOID(for_each_member(reader, [&](const std::string& key) -> Result<void> {
    if (key != "gpus") return skip(reader);
    return for_each_item(reader, [&] { return read_gpu(reader, report); });
  }));
  TRY_VOID(reader.finish());
  return report;
}

bool has_unnamed(const device::Inventory& inventory) {
  return std::ranges::any_of(inventory.gpus, [](const device::Gpu& gpu) {
    return gpu.id.value.empty() ||
           std::ranges::any_of(gpu.mig_devices, [](const auto& mig) {
             return mig.id.value.empty();
           });
  });
}

std::string own_probe() {
  constexpr std::string_view kName = "gpunode-probe";
  const auto self = host::HostRoot().read_link("/proc/self/exe");
  const std::string path = self ? *self : "/usr/bin/";
  return path.substr(0, path.rfind('/') + 1) + std::string(kName);
}

Result<void> name_gpus(cdi::Findings& found, const host::HostRoot& host,
                       const host::HostRoot& driver_root,
                       const std::string& probe, host::CommandRunner& runner) {
  TRY(const std::string library, find_library(found, driver_root));
  host::Command command;
  command.argv = {probe, "--library", library};
  command.timeout = kProbeTimeout;
  TRY(const std::string json, runner.output(command));
  TRY(const ProbeReport report, parse_probe_report(json));
  TRY(found.inventory, procfs::list_gpus(host, report.mig_devices));
  for (device::Gpu& gpu : found.inventory.gpus) {
    if (!gpu.id.value.empty()) continue;
    const auto known =
        std::ranges::find(report.gpus, gpu.minor, &GpuUuid::minor);
    if (known != report.gpus.end()) gpu.id = known->id;
  }
  return {};
}

}  // namespace gpunode::cli
