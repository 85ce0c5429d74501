#include "apps/gpunode/commands/gpu_names.h"

#include <algorithm>
#include <vector>

#include "apps/gpunode/commands/own_programs.h"
#include "gpu/procfs/gpu_list.h"
#include "node/facts/probe_report.h"

namespace gpunode::cli {
namespace {

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

bool has_unnamed(const device::Inventory& inventory) {
  return std::ranges::any_of(inventory.gpus, [](const device::Gpu& gpu) {
    return gpu.id.value.empty() ||
           std::ranges::any_of(gpu.mig_devices, [](const auto& mig) {
             return mig.id.value.empty();
           });
  });
}

CLI::Option* add_probe(CLI::App& verb, std::string& probe) {
  return add_own_program(verb, "--probe", probe, kProbe,
                         "The gpunode-probe to run");
}

Result<std::string> ask_probe(const std::string& probe,
                              const std::string& library,
                              host::CommandRunner& runner) {
  host::Command command;
  command.argv = {probe, "--library", library};
  command.timeout = kProbeTimeout;
  return runner.output(command);
}

Result<void> name_gpus(cdi::Findings& found, const host::HostRoot& host,
                       const host::HostRoot& driver_root,
                       const std::string& probe, host::CommandRunner& runner) {
  TRY(const std::string library, find_library(found, driver_root));
  TRY(const std::string json, ask_probe(probe, library, runner));
  TRY(const device::Inventory report, facts::parse_probe_report(json));
  const std::vector<procfs::MigUuid> mig_uuids = procfs::mig_uuids_of(report);
  TRY(found.inventory, procfs::list_gpus(host, mig_uuids));
  for (device::Gpu& gpu : found.inventory.gpus) {
    if (!gpu.id.value.empty()) continue;
    const auto known =
        std::ranges::find(report.gpus, gpu.minor, &device::Gpu::minor);
    if (known != report.gpus.end()) gpu.id = known->id;
  }
  return {};
}

}  // namespace gpunode::cli
