#include "agent/plugin/machine_facts.h"

#include <cstddef>
#include <filesystem>
#include <utility>

#include <fmt/format.h>

#include "gpu/procfs/vgpu.h"

namespace gpunode::plugin {
namespace {

/// Firmware gives a machine's name; whatever is longer is something else.
constexpr std::size_t kMostBytes = 4096;

}  // namespace

MachineFacts read_machine(const host::HostRoot& host,
                          const std::string& machine_type_file) {
  MachineFacts facts;
  if (!machine_type_file.empty()) {
    auto type = host.read_file(
        std::filesystem::absolute(machine_type_file).string(), kMostBytes);
    if (type) {
      facts.machine.type = *std::move(type);
    } else {
      facts.remarks.push_back(
          fmt::format("Error getting machine type from {}: {}",
                      machine_type_file, type.error().message()));
    }
  }
  auto vgpus = procfs::list_vgpus(host);
  if (vgpus) {
    facts.machine.vgpus = *std::move(vgpus);
  } else {
    facts.remarks.push_back("no nvidia.com/vgpu.present: " +
                            vgpus.error().message());
  }
  return facts;
}

}  // namespace gpunode::plugin
