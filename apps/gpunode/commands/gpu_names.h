// UUIDs of GPUs and MIG devices that the kernel's files do not have: asked of
// the driver's library by gpunode-probe, in a process of its own.
#pragma once

#include <chrono>
#include <string>

#include "base/core/result.h"
#include "base/host/command_runner.h"
#include "container/cdi/findings.h"
#include "gpu/device/inventory.h"

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace gpunode::cli {

/// A GPU or a MIG device of `inventory` has no UUID.
bool has_unnamed(const device::Inventory& inventory);

inline constexpr const char* kProbe = "gpunode-probe";

/// --probe (own_programs.h).
CLI::Option* add_probe(CLI::App& verb, std::string& probe);

/// What `probe` prints (docs/formats/probe.md) with `library`, a libnvidia-ml
/// as dlopen(3) takes it. It may take long to wake GPUs: kProbeTimeout.
Result<std::string> ask_probe(const std::string& probe,
                              const std::string& library,
                              host::CommandRunner& runner);
inline constexpr std::chrono::seconds kProbeTimeout{60};

/// Fills in what `found` lacks: runs `probe` with the driver's libnvidia-ml,
/// which is among `found`'s files below `driver_root`, and lists the GPUs of
/// `host` again.
Result<void> name_gpus(cdi::Findings& found, const host::HostRoot& host,
                       const host::HostRoot& driver_root,
                       const std::string& probe, host::CommandRunner& runner);

}  // namespace gpunode::cli
