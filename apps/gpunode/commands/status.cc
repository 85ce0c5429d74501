#include <memory>
#include <string>

#include <CLI/CLI.hpp>

#include "apps/gpunode/commands/commands.h"
#include "apps/gpunode/session.h"
#include "base/host/host_root.h"
#include "node/diagnose/agent_status.h"
#include "node/diagnose/status_text.h"

namespace gpunode::cli {
namespace {

constexpr const char* kSocket = "/gpunode/agent.sock";

struct Options {
  std::string root = "/";
  std::string plugin_directory = "/var/lib/kubelet/device-plugins";
  bool as_json = false;
};

void run(const Options& options, Session& session) {
  const std::string path =
      host::HostRoot(options.root).outside(options.plugin_directory + kSocket);
  const Result<std::string> document = diagnose::ask_agent(path);
  if (!document) {
    const ErrorCode code = document.error().code();
    if (code != ErrorCode::kNotFound && code != ErrorCode::kUnavailable) {
      return session.fail(document.error());
    }
    return session.fail(
        Error(code, document.error().message() +
                        ": no agent answers on this node; start "
                        "gpunode-agent.service or its Pod, or name its "
                        "--plugin-directory"),
        ExitCode::kPersonNeeded);
  }
  const Result<diagnose::AgentStatus> status =
      diagnose::parse_agent_status(*document);
  if (!status) return session.fail(status.error());
  const diagnose::Findings findings = diagnose::check_status(*status);
  const Result<void> printed = print(
      options.as_json ? *document : diagnose::describe(*status, findings));
  if (!printed) return session.fail(printed.error());
  if (!findings.empty()) session.outcome = ExitCode::kPersonNeeded;
}

}  // namespace

void add_status(CLI::App& gpunode, Session& session) {
  CLI::App* verb = gpunode.add_subcommand(
      "status", "Show the GPUs of this node and what the agent offers of them");
  const auto options = std::make_shared<Options>();
  verb->add_option("--root", options->root, "Ask on the host mounted here")
      ->capture_default_str();
  verb->add_option("--plugin-directory", options->plugin_directory,
                   "The kubelet's directory of device plugins")
      ->capture_default_str();
  verb->add_flag("--json", options->as_json,
                 "What the agent says, as one JSON object");
  verb->footer(
      "Asks the running agent on its socket, as root.\n"
      "Exit code 0: all is well; 5: somebody should act, or no agent runs.");
  verb->callback([options, &session] { run(*options, session); });
}

}  // namespace gpunode::cli
