// `gpunode cdi generate`: what is asked for and what comes of it. Under the
// name nvidia-ctk the same request is filled from NVIDIA's flags.
#pragma once

#include <string>
#include <vector>

#include "apps/gpunode/session.h"
#include "base/core/result.h"
#include "base/host/command_runner.h"
#include "container/cdi/findings.h"
#include "container/cdi/generator.h"
#include "container/cdi/spec.h"

namespace gpunode::cli {

/// The flags, as given. Empty is the default, whatever that is.
struct GenerateRequest {
  std::string root = "/";  ///< Where the host is mounted.
  std::string output;      ///< A file; empty: standard output.
  std::string format;      ///< "yaml", "json"; empty: by the output's name.
  std::string mode = "auto";
  std::vector<std::string> naming;  ///< "index", "uuid", "type-index".
  std::string driver_root;          ///< On the host.
  std::string dev_root;             ///< Empty: the driver root.
  std::vector<std::string> library_search_paths;
  std::vector<std::string> config_search_paths;
  std::string hook_path = "/usr/bin/gpunode-runtime";
  std::string ldconfig_path;
  std::string vendor = "nvidia.com";
  std::string klass;
  std::vector<std::string> disabled_hooks;
  std::vector<std::string> enabled_hooks;
  std::vector<std::string> feature_flags;
  bool no_all_device = false;
  std::vector<std::string> device_ids;
  std::vector<std::string> libraries;     ///< More of them.
  std::vector<std::string> device_nodes;  ///< More of them.
  std::string capabilities;  ///< "compute,utility"; empty: all but compat32.
  std::string path;          ///< PATH, where programs are looked for.
};

/// What a request means to the library.
struct GeneratePlan {
  cdi::FindingsSource source;
  cdi::GeneratorOptions options;
  std::vector<std::string> warnings;  ///< Feature flags without effect here.
};

/// kInvalidArgument with NVIDIA's words for what is no mode, naming, hook.
Result<GeneratePlan> plan_generate(const GenerateRequest& request);

/// Looks at the host. Only modes without GPUs do without a loaded driver. UUIDs
/// that the kernel's files do not have are asked of the driver's library
/// (gpu_names.h), by `runner`; a host mounted elsewhere cannot be asked.
Result<cdi::Findings> discover(const GeneratePlan& plan,
                               host::CommandRunner& runner);

/// "yaml" or "json", and the output's name with an ending.
struct OutputForm {
  std::string path;
  bool is_json = false;
  std::string warning;  ///< The name and --format disagree.
};

Result<OutputForm> output_form(const std::string& output,
                               const std::string& format);

/// `spec` as JSON or as YAML.
std::string spec_text(const cdi::Spec& spec, bool is_json);

/// Writes `spec` where `form` says, directories made, atomically, mode 0644;
/// to standard output if it has no path.
Result<void> write_spec(const cdi::Spec& spec, const OutputForm& form);

/// What people should know of `found`, each line once.
std::vector<std::string> problems_of(const cdi::Findings& found);

/// The whole verb.
Result<void> run_generate(const GenerateRequest& request,
                          host::CommandRunner& runner);

/// `gpunode: warning: …` on standard error.
void warn(const std::string& text);
/// `gpunode: …` there; standard output is for results.
void inform(const std::string& text);

}  // namespace gpunode::cli
