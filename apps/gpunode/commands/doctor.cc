#include <array>
#include <iterator>
#include <string>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "apps/gpunode/commands/commands.h"
#include "apps/gpunode/session.h"
#include "base/host/host_root.h"
#include "base/text/json_splice.h"
#include "container/cdi/registry.h"
#include "container/oci/ungranted_report.h"
#include "node/diagnose/cdi_check.h"
#include "node/diagnose/ungranted_check.h"

namespace gpunode::cli {
namespace {

struct Options {
  std::string root = "/";
  bool as_json = false;
};

Result<diagnose::Findings> examine(const host::HostRoot& host) {
  const std::array<std::string, 2> directories = {cdi::kSpecDirectories[0],
                                                  cdi::kSpecDirectories[1]};
  diagnose::Findings findings = diagnose::check_cdi(host, directories);
  TRY(auto report, oci::read_ungranted(host, oci::kUngrantedDirectory));
  diagnose::Findings more = diagnose::check_ungranted(std::move(report));
  findings.insert(findings.end(), std::make_move_iterator(more.begin()),
                  std::make_move_iterator(more.end()));
  return findings;
}

std::string as_lines(const diagnose::Findings& findings) {
  if (findings.empty()) return "Nothing to report.\n";
  std::string out;
  for (const diagnose::Finding& one : findings) {
    out += fmt::format("{}: {}\n    next: {}\n", one.check, one.what, one.next);
  }
  return out;
}

std::string as_json(const diagnose::Findings& findings) {
  std::string out;
  for (const diagnose::Finding& one : findings) {
    out += text::json_object({{"check", text::json_string(one.check)},
                              {"what", text::json_string(one.what)},
                              {"next", text::json_string(one.next)}}) +
           "\n";
  }
  return out;
}

void run(const Options& options, Session& session) {
  const Result<diagnose::Findings> findings =
      examine(host::HostRoot(options.root));
  if (!findings) return session.fail(findings.error());
  const Result<void> printed =
      print(options.as_json ? as_json(*findings) : as_lines(*findings));
  if (!printed) return session.fail(printed.error());
  if (!findings->empty()) session.outcome = ExitCode::kPersonNeeded;
}

}  // namespace

void add_doctor(CLI::App& gpunode, Session& session) {
  CLI::App* verb = gpunode.add_subcommand(
      "doctor", "Say what is wrong with this node's containers and what to do");
  const auto options = std::make_shared<Options>();
  verb->add_option("--root", options->root, "Examine the host mounted here")
      ->capture_default_str();
  verb->add_flag("--json", options->as_json, "One JSON object a line");
  verb->footer(
      "Looks at the CDI specs that engines read, and at containers that asked\n"
      "for GPUs which nobody had granted them (require-allocation).\n"
      "Exit code 0: nothing to report; 5: somebody should act.");
  verb->callback([options, &session] { run(*options, session); });
}

}  // namespace gpunode::cli
