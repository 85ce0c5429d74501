#include "apps/gpunode/commands/verify_node.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <iterator>
#include <thread>
#include <utility>

#include <fmt/format.h>

#include "apps/gpunode/commands/output_options.h"
#include "apps/gpunode/commands/own_programs.h"
#include "apps/gpunode/commands/stop_signals.h"
#include "apps/gpunode/commands/verify_run.h"
#include "node/diagnose/verify_report.h"

namespace gpunode::cli {
namespace {

constexpr int kKubeletLevel = 5;
constexpr std::chrono::seconds kBetweenLooks{5};

diagnose::VerifyChecks ask_once(const VerifyOptions& options,
                                Session& session) {
  const auto look = diagnose::look_for_doctor(host::HostRoot(options.node.root),
                                              session.runner);
  if (!look) {
    return {{options.first, "host", diagnose::Verdict::kFail,
             look.error().message(), "look at it with `gpunode doctor`"}};
  }
  return ask_levels(options, *look, session);
}

/// Until it passes, or `patience` is over, or somebody stops it.
diagnose::VerifyChecks ask_kubelet(VerifyOptions options,
                                   std::chrono::seconds patience,
                                   Session& session) {
  options.first = kKubeletLevel;
  const auto end = std::chrono::steady_clock::now() + patience;
  const std::atomic<bool>& is_stopped = stop_on_signals();
  diagnose::VerifyChecks checks = ask_once(options, session);
  while (diagnose::has_failed(checks) && !is_stopped.load() &&
         std::chrono::steady_clock::now() < end) {
    std::this_thread::sleep_for(kBetweenLooks);
    checks = ask_once(options, session);
  }
  return checks;
}

}  // namespace

void verify_made_node(const provision::VerifySpec& spec,
                      const NodeOptions& node, Session& session) {
  if (spec.level < 0) return;
  VerifyOptions options;
  options.node = node;
  options.probe = own_program("gpunode-probe");
  options.runtime = own_program("gpunode-runtime");
  options.vectoradd = own_program("gpunode-vectoradd");
  options.expected = expected_gpus(node);
  options.level = std::min(spec.level, kKubeletLevel - 1);
  if (!node.as_json) {
    std::fputs(fmt::format("\nVerifying up to level {}, as spec.verify asks.\n",
                           spec.level)
                   .c_str(),
               stdout);
    std::fflush(stdout);
  }
  diagnose::VerifyChecks checks = ask_once(options, session);
  if (spec.level >= kKubeletLevel) {
    options.level = kKubeletLevel;
    auto last = diagnose::has_failed(checks)
                    ? diagnose::skipped_level(kKubeletLevel,
                                              "a level before has failed")
                    : ask_kubelet(options, std::chrono::seconds(spec.patience),
                                  session);
    std::move(last.begin(), last.end(), std::back_inserter(checks));
  }
  if (diagnose::has_failed(checks)) {
    session.outcome = ExitCode::kVerificationFailed;
  }
  const auto printed = print(
      node.as_json
          ? diagnose::verify_json(checks, spec.level)
          : diagnose::verify_page(checks).render(terminal_of(node, session)));
  if (!printed) session.fail(printed.error());
}

}  // namespace gpunode::cli
