#include "apps/gpunode/commands/runtime_device_links.h"

#include <memory>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "apps/gpunode/session.h"
#include "base/host/host_root.h"
#include "container/engines/device_nodes.h"

namespace gpunode::cli {
namespace {

using engines::NodeChange;

constexpr const char* kExamples = R"(
Examples:
  gpunode runtime device-links                 # links for the nodes in /dev
  gpunode runtime device-links --create-nodes  # and the nodes, MIG's too

systemd finds devices by /dev/char/MAJOR:MINOR. udev makes such links for most
devices, but not for NVIDIA's: at the next daemon-reload running containers
lose their GPUs ("Failed to initialize NVML: Unknown Error"). Run this at boot,
after the driver is loaded, and after MIG devices were made: a link helps the
containers that are made after it. Those that were there before keep their GPUs
until the next daemon-reload, and have to be made again.)";

struct Flags {
  std::string root = "/";
  std::string directory = "/dev/char";
  bool create_nodes = false;
  bool dry_run = false;
};

std::string line_of(const NodeChange& change, bool is_dry_run) {
  switch (change.kind) {
    case NodeChange::Kind::kMade:
      return fmt::format("{}{} -> {}\n", is_dry_run ? "would make " : "made ",
                         change.path, change.target);
    case NodeChange::Kind::kReplaced:
      return fmt::format("{}{} -> {}\n", is_dry_run ? "would mend " : "mended ",
                         change.path, change.target);
    case NodeChange::Kind::kWrong:
    case NodeChange::Kind::kPresent:
      return {};
  }
  return {};
}

Result<void> show(const std::vector<NodeChange>& changes, const Flags& flags,
                  Session& session) {
  for (const NodeChange& change : changes) {
    if (change.kind == NodeChange::Kind::kWrong) {
      session.fail(Error(
          ErrorCode::kAlreadyExists,
          fmt::format("{} is there and is not {}; remove it and run this again",
                      change.path, change.target)));
    } else {
      TRY_VOID(print(line_of(change, flags.dry_run)));
    }
  }
  return {};
}

Result<void> run(const Flags& flags, Session& session) {
  const host::HostRoot root(flags.root);
  const engines::ChangeMode mode = {flags.dry_run, true};
  std::vector<engines::DeviceNode> nodes = engines::present_nodes(root);
  if (flags.create_nodes) {
    TRY(nodes, engines::all_nodes(root));
    TRY(const auto made, engines::make_nodes(root, nodes, mode));
    TRY_VOID(show(made, flags, session));
  }
  TRY(const auto links,
      engines::link_nodes(root, flags.directory, nodes, mode));
  return show(links, flags, session);
}

}  // namespace

void add_runtime_device_links(CLI::App& runtime, Session& session) {
  CLI::App* verb = runtime.add_subcommand(
      "device-links",
      "Make the links in /dev/char that keep GPUs in running containers");
  verb->footer(kExamples);
  auto flags = std::make_shared<Flags>();
  verb->add_option("--root", flags->root,
                   "Directory that stands for / of the host")
      ->capture_default_str();
  verb->add_option("--dev-char-path", flags->directory, "Where the links go")
      ->capture_default_str();
  verb->add_flag("--create-nodes", flags->create_nodes,
                 "Make missing device nodes first, of GPUs, control devices "
                 "and every MIG capability");
  verb->add_flag("--dry-run", flags->dry_run, "Say what would be made");
  verb->callback([flags, &session] {
    if (const auto done = run(*flags, session); !done) {
      session.fail(done.error());
    }
  });
}

}  // namespace gpunode::cli
