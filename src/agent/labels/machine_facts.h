// What the labels tell of the machine, read from its files: all that is read in
// this room.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "agent/labels/machine.h"
#include "agent/labels/node_labels.h"
#include "base/host/host_root.h"

namespace gpunode::labels {

struct MachineFacts {
  Machine machine;                   ///< Without the timestamp.
  std::vector<std::string> remarks;  ///< What could not be read, and why.
};

/// `machine_type_file` is a path of `host`; empty: there is none.
MachineFacts read_machine(const host::HostRoot& host,
                          const std::string& machine_type_file);

/// make_node_labels() of this machine, whose files are below
/// `settings.host_root`. What could not be read is among the remarks, before
/// the others. `timestamp`: Unix seconds; nothing: no such label.
NodeLabels label_this_node(const device::Inventory& inventory,
                           const config::Settings& settings,
                           const std::string& machine_type_file,
                           std::optional<std::int64_t> timestamp);

/// For `timestamp`.
std::int64_t unix_now();

}  // namespace gpunode::labels
