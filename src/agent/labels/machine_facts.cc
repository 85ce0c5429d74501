#include "agent/labels/machine_facts.h"

#include <chrono>
#include <cstddef>
#include <filesystem>
#include <iterator>
#include <utility>

#include <fmt/format.h>

#include "gpu/procfs/vgpu.h"

namespace gpunode::labels {
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

NodeLabels label_this_node(const device::Inventory& inventory,
                           const config::Settings& settings,
                           const std::string& machine_type_file,
                           std::optional<std::int64_t> timestamp) {
  MachineFacts facts =
      read_machine(host::HostRoot(settings.host_root), machine_type_file);
  facts.machine.timestamp = timestamp;
  NodeLabels made = make_node_labels(inventory, settings, facts.machine);
  made.remarks.insert(made.remarks.begin(),
                      std::make_move_iterator(facts.remarks.begin()),
                      std::make_move_iterator(facts.remarks.end()));
  return made;
}

std::int64_t unix_now() {
  return std::chrono::duration_cast<std::chrono::seconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

}  // namespace gpunode::labels
