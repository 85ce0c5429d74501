#include "version.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "apps/gpunode/commands/commands.h"
#include "apps/gpunode/session.h"

namespace gpunode::cli {

void add_version(CLI::App& gpunode, Session& session) {
  gpunode.set_version_flag("--version", std::string("gpunode ") + kVersion);
  CLI::App* verb = gpunode.add_subcommand("version", "Print the version");
  verb->callback([&session] {
    if (const auto printed = print(fmt::format("gpunode {}\n", kVersion));
        !printed) {
      session.fail(printed.error());
    }
  });
}

}  // namespace gpunode::cli
