#include "version.h"

#include <memory>
#include <string>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "apps/gpunode/commands/commands.h"
#include "apps/gpunode/commands/output_options.h"
#include "apps/gpunode/session.h"
#include "base/text/json_splice.h"
#include "base/text/node.h"

namespace gpunode::cli {

void add_version(CLI::App& gpunode, Session& session) {
  gpunode.set_version_flag("--version", std::string("gpunode ") + kVersion);
  CLI::App* verb = gpunode.add_subcommand("version", "Print the version");
  const auto as_json = std::make_shared<bool>(false);
  verb->add_flag("--json", *as_json, "One JSON object");
  add_no_color(*verb);
  verb->callback([as_json, &session] {
    const std::string version(kVersion);
    const auto printed = print(
        *as_json
            ? text::json_object({{"version", text::json_string(version)}}) +
                  "\n"
            : fmt::format("gpunode {}\n", version));
    if (!printed) {
      session.fail(printed.error());
    }
  });
}

}  // namespace gpunode::cli
