// What every answer rests on beside its Devices: settings and the host.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "agent/config/settings.h"
#include "agent/plugin/cdi_specs.h"
#include "agent/plugin/edits.h"
#include "agent/plugin/host_devices.h"
#include "agent/plugin/mailbox.h"
#include "agent/plugin/platform.h"
#include "base/core/result.h"
#include "gpu/device/inventory.h"
#include "share/grants/grant_files.h"
#include "share/grants/library_files.h"

namespace gpunode::plugin {

/// Somebody asked for more shares than any GPU has left.
struct SplitRequest {
  std::string resource;
  std::uint32_t asked = 0;
};

/// As of the last look; shared by handlers.
struct AnswerContext {
  config::Settings settings;
  HostDevices host_devices;
  ControlNodes control_nodes = ControlNodes::kPass;
  /// Why no CDI name may be handed out; empty: nothing speaks against it.
  std::string cdi_problem;
  /// Of the host; empty unless containers may be held to a share.
  share::LibraryFiles share_files;
  /// Why no share may be handed out; empty: nothing speaks against it.
  std::string share_problem;
  /// Where a handler tells of those that it refused; null: nobody listens.
  std::shared_ptr<Mailbox<SplitRequest>> split_requests;
};

/// Where the node keeps what containers are held to.
share::GrantFiles grant_files(const config::Settings& settings);

/// Looks at the host's device nodes and, under a CDI strategy and with GPUs in
/// `inventory`, brings the spec files up to date (cdi_specs.h). `inventory` is
/// null until the driver was seen. `look` is kept from call to call, so that
/// one which finds nothing changed is cheap. Fails if `settings` require what
/// the host does not have; that specs cannot be written is a cdi_problem. With
/// shares, their library is put where containers have it from; that this cannot
/// be done is a share_problem.
Result<AnswerContext> gather_context(const config::Settings& settings,
                                     Platform platform,
                                     const device::Inventory* inventory,
                                     DriverLook& look);

}  // namespace gpunode::plugin
