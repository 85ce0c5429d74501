// nvidia-ctk system create-dev-char-symlinks and create-device-nodes.
#include <array>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "apps/gpunode/peer/command.h"
#include "base/host/host_root.h"
#include "container/engines/device_nodes.h"

namespace gpunode::cli {
namespace {

using engines::DeviceNode;
using engines::NodeChange;
using text::GoFlag;
using text::GoFlags;

const std::array<GoFlag, 6> kLinkFlags = {{
    {.name = "dev-char-path",
     .environment = {"DEV_CHAR_PATH"},
     .default_text = "/dev/char",
     .usage = "Where the links are made"},
    {.name = "driver-root",
     .environment = {"NVIDIA_DRIVER_ROOT", "DRIVER_ROOT"},
     .default_text = "/",
     .usage = "Root of the driver's installation"},
    {.name = "create-all",
     .kind = GoFlag::Kind::kBool,
     .environment = {"CREATE_ALL"},
     .usage = "Links for all nodes that could be there, not only for those "
              "that are"},
    {.name = "load-kernel-modules",
     .kind = GoFlag::Kind::kBool,
     .environment = {"LOAD_KERNEL_MODULES"},
     .usage = "Load the driver's modules first; only with --create-all"},
    {.name = "create-device-nodes",
     .kind = GoFlag::Kind::kBool,
     .environment = {"CREATE_DEVICE_NODES"},
     .usage = "Make the control nodes first; only with --create-all"},
    {.name = "dry-run",
     .kind = GoFlag::Kind::kBool,
     .environment = {"DRY_RUN"},
     .usage = "Say what would be made"},
}};

const std::array<GoFlag, 5> kNodeFlags = {{
    {.name = "root",
     .aliases = {"driver-root"},
     .environment = {"ROOT", "NVIDIA_DRIVER_ROOT", "DRIVER_ROOT"},
     .default_text = "/",
     .usage = "Root of the driver's installation"},
    {.name = "dev-root",
     .environment = {"NVIDIA_DEV_ROOT", "DEV_ROOT"},
     .usage = "Root of the nodes; --root if not given"},
    {.name = "control-devices",
     .kind = GoFlag::Kind::kBool,
     .usage = "Make nvidiactl, nvidia-modeset, nvidia-uvm, nvidia-uvm-tools"},
    {.name = "load-kernel-modules",
     .kind = GoFlag::Kind::kBool,
     .usage = "Load the driver's modules first"},
    {.name = "dry-run",
     .kind = GoFlag::Kind::kBool,
     .environment = {"DRY_RUN"},
     .usage = "Say what would be made"},
}};

Result<void> load_modules(const std::string& root, bool is_dry_run,
                          PeerContext& context) {
  for (const char* module : {"nvidia", "nvidia-uvm", "nvidia-modeset"}) {
    host::Command command;
    if (root != "/") command.argv = {"/usr/sbin/chroot", root};
    command.argv.insert(command.argv.end(), {"/sbin/modprobe", module});
    if (is_dry_run) {
      context.log.info("Running " + host::command_line(command));
      continue;
    }
    if (auto done = context.session.runner.output(command); !done) {
      return std::move(done).error().with_context(
          "failed to load NVIDIA kernel modules");
    }
  }
  return {};
}

void tell(const std::vector<NodeChange>& changes, std::string_view what,
          const PeerLog& log) {
  for (const NodeChange& change : changes) {
    const std::string pair =
        fmt::format("{} {} => {}", what, change.path, change.target);
    switch (change.kind) {
      case NodeChange::Kind::kMade:
      case NodeChange::Kind::kReplaced:
        log.info("Creating " + pair);
        break;
      case NodeChange::Kind::kPresent:
        log.warning("Already there: " + pair);
        break;
      case NodeChange::Kind::kWrong:
        log.warning(fmt::format("There is something else at {}; {} is not made",
                                change.path, pair));
        break;
    }
  }
}

Result<void> make_nodes(const host::HostRoot& dev_root, bool is_dry_run,
                        const PeerLog& log) {
  // What the kernel says is the host's, wherever the nodes go.
  TRY(const auto nodes, engines::control_nodes(host::HostRoot()));
  TRY(const auto made,
      engines::make_nodes(dev_root, nodes, {is_dry_run, false}));
  tell(made, "device node", log);
  return {};
}

Result<void> create_links(const GoFlags& flags, PeerContext& context) {
  const bool is_dry_run = flags.is_true("dry-run");
  const bool all = flags.is_true("create-all");
  for (const char* flag : {"load-kernel-modules", "create-device-nodes"}) {
    if (flags.is_true(flag) && !all) {
      context.log.warning(
          fmt::format("Ignoring --{} without --create-all", flag));
    }
  }
  const host::HostRoot root;
  const std::string& driver_root = flags.text("driver-root");
  if (all && flags.is_true("load-kernel-modules")) {
    TRY_VOID(load_modules(driver_root, is_dry_run, context));
  }
  if (all && flags.is_true("create-device-nodes")) {
    TRY_VOID(make_nodes(host::HostRoot(driver_root), is_dry_run, context.log));
  }
  std::vector<DeviceNode> nodes;
  if (all) {
    TRY(nodes, engines::all_nodes(root));
  } else {
    nodes = engines::present_nodes(root);
  }
  TRY(const auto links, engines::link_nodes(root, flags.text("dev-char-path"),
                                            nodes, {is_dry_run, false}));
  tell(links, "link", context.log);
  return {};
}

Result<void> create_nodes(const GoFlags& flags, PeerContext& context) {
  const bool is_dry_run = flags.is_true("dry-run");
  const std::string& root = flags.text("root");
  const std::string& dev_root = flags.text("dev-root");
  if (flags.is_true("load-kernel-modules")) {
    TRY_VOID(load_modules(root, is_dry_run, context));
  }
  if (!flags.is_true("control-devices")) return {};
  return make_nodes(host::HostRoot(dev_root.empty() ? root : dev_root),
                    is_dry_run, context.log);
}

}  // namespace

PeerCommand system_command() {
  return {
      .name = "system",
      .usage = "Commands for the system below containers",
      .commands = {{.name = "create-dev-char-symlinks",
                    .usage = "Make links in /dev/char to the driver's nodes",
                    .flags = kLinkFlags,
                    .run = create_links},
                   {.name = "create-device-nodes",
                    .usage = "Make the driver's device nodes",
                    .flags = kNodeFlags,
                    .run = create_nodes}}};
}

}  // namespace gpunode::cli
