// gpunode validate: a file is checked, nothing is looked at.

#include <memory>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "apps/gpunode/commands/commands.h"
#include "apps/gpunode/commands/node_run.h"

namespace gpunode::cli {
namespace {

void run(const NodeOptions& options, Session& session) {
  const auto spec = load_spec(options);
  if (!spec) return session.fail(spec.error());
  std::string text = fmt::format("{} is valid: {} storage entr{}\n",
                                 options.spec_path, spec->storage.size(),
                                 spec->storage.size() == 1 ? "y" : "ies");
  if (!spec->not_carried_out.empty()) {
    text += fmt::format("read and not carried out by this version: {}\n",
                        fmt::join(spec->not_carried_out, ", "));
  }
  if (auto printed = print(text); !printed) session.fail(printed.error());
}

}  // namespace

void add_validate(CLI::App& gpunode, Session& session) {
  CLI::App* verb = gpunode.add_subcommand(
      "validate", "Check a file that says what a host is to become");
  const auto options = std::make_shared<NodeOptions>();
  add_node_options(*verb, *options);
  verb->footer(
      "Every problem is told with file, line, column and what would be right.\n"
      "Exit code 0: it is valid; 1: it is not.");
  verb->callback([options, &session] { run(*options, session); });
}

}  // namespace gpunode::cli
