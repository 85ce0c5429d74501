// gpunode validate: a file is checked, nothing is looked at.

#include <memory>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "apps/gpunode/commands/commands.h"
#include "apps/gpunode/commands/node_run.h"
#include "apps/gpunode/commands/output_options.h"
#include "base/text/json_splice.h"
#include "base/text/node.h"

namespace gpunode::cli {
namespace {

std::string list_of(const std::vector<std::string>& words) {
  std::vector<std::string> items;
  items.reserve(words.size());
  for (const std::string& word : words) {
    items.push_back(text::json_string(word));
  }
  return text::json_array(items);
}

std::string as_json(const NodeOptions& options,
                    const provision::SpecReading& reading) {
  const bool is_valid = reading.problems.empty();
  return text::json_object({{"file", text::json_string(options.spec_path)},
                            {"valid", is_valid ? "true" : "false"},
                            {"problems", list_of(reading.problems)},
                            {"notCarriedOut",
                             list_of(is_valid ? reading.spec.not_carried_out
                                              : std::vector<std::string>())}}) +
         "\n";
}

void run_as_json(const NodeOptions& options, Session& session) {
  const auto reading = read_node_spec(options);
  if (!reading) return session.fail(reading.error());
  if (auto printed = print(as_json(options, *reading)); !printed) {
    return session.fail(printed.error());
  }
  if (!reading->problems.empty()) session.outcome = ExitCode::kError;
}

void run(const NodeOptions& options, Session& session) {
  if (options.as_json) return run_as_json(options, session);
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
  options->spec_path = provision::kDefaultSpecPath;
  add_spec_file(*verb, options->spec_path,
                "What the host is to become (kind: GPUNode); conf.d/*.yaml "
                "beside it is merged into it");
  verb->add_option("--root", options->root, "Of the host mounted here")
      ->capture_default_str();
  verb->add_flag("--json", options->as_json,
                 "One JSON object: file, valid, problems, notCarriedOut");
  add_no_color(*verb);
  verb->footer(
      "Every problem is told with file, line, column and what would be right.\n"
      "Exit code 0: it is valid; 1: it is not.");
  verb->callback([options, &session] { run(*options, session); });
}

}  // namespace gpunode::cli
