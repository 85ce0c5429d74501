// gpunode: the command. Called as nvidia-ctk it is that program
// (apps/gpunode/peer/nvidia_ctk.h).
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "apps/gpunode/commands/commands.h"
#include "apps/gpunode/peer/nvidia_ctk.h"
#include "apps/gpunode/program.h"
#include "apps/gpunode/session.h"

namespace gpunode::cli {
namespace {

void add_verbs(CLI::App& app, Session& session) {
  add_init(app, session);
  add_validate(app, session);
  add_plan(app, session);
  add_apply(app, session);
  add_resume(app, session);
  add_rollback(app, session);
  add_leave(app, session);
  add_bring(app, session);
  add_bundle(app, session);
  add_check(app, session);
  add_cdi(app, session);
  add_deliver(app, session);
  add_device_plugin(app, session);
  add_distributions(app, session);
  add_facts(app, session);
  add_doctor(app, session);
  add_verify(app, session);
  add_status(app, session);
  add_shares(app, session);
  add_top(app, session);
  add_support_bundle(app, session);
  add_rollout(app, session);
  add_runtime(app, session);
  add_documentation(app, session);
  add_version(app, session);
}

int main_with(int argc, char** argv) {
  if (argc > 0 && is_nvidia_ctk(argv[0])) {
    return run_in_session(argc, argv, [&](Session& session) {
      const std::vector<std::string> arguments(argv + 1, argv + argc);
      return run_nvidia_ctk(arguments, session);
    });
  }
  return run_program(
      argc, argv,
      {"A Linux host with NVIDIA GPUs becomes a Kubernetes GPU node.",
       {},
       add_verbs});
}

}  // namespace
}  // namespace gpunode::cli

int main(int argc, char** argv) {
  return gpunode::cli::main_with(argc, argv);
}
