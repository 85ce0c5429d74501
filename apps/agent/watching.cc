#include "apps/agent/watching.h"

#include <cstdio>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "agent/config/command_line.h"
#include "apps/agent/process.h"
#include "apps/gpunode/commands/commands.h"
#include "apps/gpunode/program.h"
#include "apps/gpunode/session.h"
#include "base/host/mount_table.h"
#include "gpu/procfs/driver_library.h"
#include "share/grants/grant_files.h"

namespace gpunode {
namespace {

constexpr const char* kNvml = "libnvidia-ml.so.1";
constexpr const char* kAbout =
    "Watches the GPUs of this node and what containers have of them.";
constexpr const char* kElsewhere =
    "this is the gpunode of the agent's image, which has shares, top and "
    "version alone: run others on the host";

/// The root that the agent in this container has the driver from. Empty: this
/// container's own, to which the runtime brings it.
std::string driver_root() {
  const auto flags = config::parse_command_line(
      {}, read_environment(), config::program_called("gpunode-agent"));
  const std::string given =
      flags ? flags->text(config::Option::kDriverRootCtrPath) : std::string();
  if (given.empty()) return {};
  const auto found = procfs::find_driver_library(host::HostRoot(given), kNvml);
  return found.path == kNvml ? std::string() : given;
}

void warn(const std::string& problem) {
  if (problem.empty()) return;
  std::fputs(fmt::format("gpunode: warning: {}\n", problem).c_str(), stderr);
}

void add_verbs(CLI::App& app, cli::Session& session) {
  cli::add_shares(app, session);
  cli::add_top(app, session);
  cli::add_version(app, session);
  app.get_subcommand("shares")->parse_complete_callback(
      [] { warn(why_no_accounts(host::HostRoot())); });
  CLI::App* top = app.get_subcommand("top");
  top->parse_complete_callback(
      [] { warn(why_no_processes(host::HostRoot())); });
  if (const std::string root = driver_root(); !root.empty()) {
    top->get_option("--driver-root")->default_val(root);
  }
}

}  // namespace

int run_watching(int argc, char** argv) {
  return cli::run_program(argc, argv, {kAbout, kElsewhere, add_verbs});
}

std::string why_no_accounts(const host::HostRoot& own) {
  constexpr const char* kPlace = share::GrantFiles::kRoot;
  const std::string what_next =
      "mount the host's directory there (the chart does where the "
      "configuration has shares, or with shares: true)";
  const auto table = own.read_file("/proc/self/mountinfo");
  if (!table) {
    return fmt::format("it is not known whether the host's {} is here: {}; {}",
                       kPlace, table.error().message(), what_next);
  }
  const auto mounts = host::parse_mount_table(*table);
  const host::Mount* mount = mounts ? host::mount_of(*mounts, kPlace) : nullptr;
  // What is mounted at /run/gpunode alone is the Pod's own, for its state.
  if (mount != nullptr &&
      (mount->mount_point == kPlace || mount->mount_point == "/run")) {
    return {};
  }
  return fmt::format(
      "the host's {} is not mounted in this container, so no container's "
      "limit is seen; {}",
      kPlace, what_next);
}

std::string why_no_processes(const host::HostRoot& own) {
  // Process 2 of a kernel is seen by nobody inside a PID namespace.
  const auto second = own.read_file("/proc/2/comm");
  if (second && *second == "kthreadd\n") return {};
  return "the host's processes are not seen in this container, so those that "
         "are on a GPU have no names; run the agent's Pod with hostPID: true "
         "(the chart does where the configuration has shares, or with shares: "
         "true)";
}

}  // namespace gpunode
