// gpunode-runtime: an OCI runtime that gives containers their GPUs and leaves
// the rest to runc or crun; and the hook that its containers run.
//
// What happens before this: fast_start.cc passes on every call that changes
// nothing. It and this program agree, since both use
// container/oci/passed_call.h.
#include <csignal>
#include <cstdio>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "apps/runtime/create.h"
#include "apps/runtime/help.h"
#include "apps/runtime/hook.h"
#include "apps/runtime/invocation.h"
#include "apps/runtime/low_level.h"
#include "apps/runtime/prestart_hook.h"
#include "apps/runtime/report.h"
#include "apps/runtime/rules.h"
#include "base/host/path.h"
#include "container/oci/passed_call.h"
#include "version.h"

namespace gpunode::runtime {
namespace {

constexpr int kFailed = 1;

/// As NVIDIA's; the low-level runtime's own answer follows on standard output.
bool print_version() {
  fmt::print("NVIDIA Container Runtime version {}\nspec: 1.3.0\n\n", kVersion);
  if (std::fflush(stdout) == 0) return true;
  std::perror("gpunode-runtime: write standard output");
  return false;
}

/// Prepares the bundle and finds the low-level runtime.
Result<std::string> create(const Invocation& call, const char* program,
                           const oci::ToolkitConfig& rules, Report& report) {
  // Before the bundle is touched: without one nothing comes of it.
  TRY(std::string low_level, find_low_level(rules.runtime.runtimes));
  for (const std::string& warning : rules.warnings) report.warn(warning);
  CreateCall create_call;
  create_call.bundle = call.bundle;
  create_call.program = program;
  TRY_VOID(prepare_bundle(create_call, rules, report));
  return low_level;
}

int run_create(const Invocation& call, char** arguments) {
  Report report;
  report.add_destination({call.log_path, call.is_log_json});
  const auto rules = load_rules();
  if (!rules) {
    report.fail(rules.error().message());
    return kFailed;
  }
  report.add_destination({rules->runtime.debug, false});
  report.set_level(rules->runtime.log_level);
  const auto low_level = create(call, arguments[0], *rules, report);
  if (!low_level) {
    report.fail(low_level.error().message());
    return kFailed;
  }
  report.flush();
  if (call.wants_version && !print_version()) return kFailed;
  report.fail(become(*low_level, arguments).message());
  return kFailed;
}

int pass_on(const Invocation& call, char** arguments) {
  if (call.wants_version && !print_version()) return kFailed;
  const Error error = become_first(load_candidates(), arguments);
  Report report;
  report.add_destination({call.log_path, call.is_log_json});
  report.fail(error.message());
  return kFailed;
}

/// Arguments from `first` on.
std::vector<std::string> rest(std::span<char* const> arguments,
                              std::size_t first) {
  return {arguments.begin() + static_cast<std::ptrdiff_t>(first),
          arguments.end()};
}

int run(std::span<char* const> arguments, char** raw) {
  const std::string_view name = host::base_name(arguments[0]);
  if (name == "nvidia-cdi-hook") return run_hook(rest(arguments, 1));
  if (oci::is_hook_name({name.data(), name.size()})) {
    return run_prestart_hook(rest(arguments, 1));
  }
  const std::string_view verb = arguments.size() > 1 ? arguments[1] : "";
  if (verb == "hook") return run_hook(rest(arguments, 2));
  if (is_help(name, verb)) {
    return print_help() ? 0 : kFailed;
  }
  const std::vector<const char*> words(arguments.begin(), arguments.end());
  const Invocation call = read_invocation(words);
  return call.is_create ? run_create(call, raw) : pass_on(call, raw);
}

}  // namespace
}  // namespace gpunode::runtime

int main(int argc, char** argv) {
  if (argc < 1) return gpunode::runtime::kFailed;
  return gpunode::runtime::run({argv, static_cast<std::size_t>(argc)}, argv);
}
