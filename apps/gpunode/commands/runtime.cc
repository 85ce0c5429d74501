#include <CLI/CLI.hpp>

#include "apps/gpunode/commands/commands.h"
#include "apps/gpunode/commands/runtime_configure.h"
#include "apps/gpunode/commands/runtime_device_links.h"

namespace gpunode::cli {

void add_runtime(CLI::App& gpunode, Session& session) {
  CLI::App* runtime = gpunode.add_subcommand(
      "runtime", "Make container engines ready for GPUs");
  runtime->require_subcommand(1);
  add_runtime_configure(*runtime, session);
  add_runtime_device_links(*runtime, session);
}

}  // namespace gpunode::cli
