// The verbs of `gpunode`, one file each.
//
// Each function adds its verb, with flags, help and what is to be done, to the
// parser. What is done later sets session.outcome; `session` outlives the
// parser.
#pragma once

namespace CLI {
class App;
}

namespace gpunode::cli {

struct Session;

void add_cdi(CLI::App& gpunode, Session& session);
void add_rollout(CLI::App& gpunode, Session& session);
void add_runtime(CLI::App& gpunode, Session& session);
void add_init(CLI::App& gpunode, Session& session);
void add_validate(CLI::App& gpunode, Session& session);
void add_plan(CLI::App& gpunode, Session& session);
void add_apply(CLI::App& gpunode, Session& session);
void add_resume(CLI::App& gpunode, Session& session);
void add_rollback(CLI::App& gpunode, Session& session);
void add_leave(CLI::App& gpunode, Session& session);
void add_bring(CLI::App& gpunode, Session& session);
void add_bundle(CLI::App& gpunode, Session& session);
void add_check(CLI::App& gpunode, Session& session);
void add_deliver(CLI::App& gpunode, Session& session);
void add_device_plugin(CLI::App& gpunode, Session& session);
void add_distributions(CLI::App& gpunode, Session& session);
void add_shares(CLI::App& gpunode, Session& session);
void add_top(CLI::App& gpunode, Session& session);
void add_facts(CLI::App& gpunode, Session& session);
void add_doctor(CLI::App& gpunode, Session& session);
void add_verify(CLI::App& gpunode, Session& session);
void add_status(CLI::App& gpunode, Session& session);
void add_support_bundle(CLI::App& gpunode, Session& session);
void add_documentation(CLI::App& gpunode, Session& session);
void add_version(CLI::App& gpunode, Session& session);

}  // namespace gpunode::cli
