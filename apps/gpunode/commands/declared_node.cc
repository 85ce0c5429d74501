#include "apps/gpunode/commands/declared_node.h"

#include <utility>
#include <vector>

#include "node/provision/pending.h"
#include "node/provision/preflight.h"

namespace gpunode::cli {
namespace {

using diagnose::StepStand;
using provision::JournalEvent;
using provision::StepState;

StepStand stand_of(StepState state) {
  switch (state) {
    case StepState::kOk:
      return StepStand::kAsDeclared;
    case StepState::kChange:
      return StepStand::kToDo;
    case StepState::kDrift:
      return StepStand::kDrift;
    case StepState::kBlocked:
      return StepStand::kBlocked;
    case StepState::kRefused:
      return StepStand::kRefused;
    case StepState::kNotWanted:
      break;
  }
  return StepStand::kNotWanted;
}

diagnose::LastRun last_run_of(
    const std::vector<provision::JournalLine>& lines) {
  diagnose::LastRun run;
  for (const provision::JournalLine& line : lines) {
    if (line.event == JournalEvent::kRun) {
      // Gone on with after a reboot it is the same run.
      if (line.run == run.name) continue;
      run = {line.run, line.note, line.time, "", ""};
    } else if (line.event == JournalEvent::kEnd && line.run == run.name) {
      run.ended = line.time;
      run.outcome = line.note;
    }
  }
  return run;
}

}  // namespace

DeclaredNode look_at_declared_node(const NodeOptions& options, bool is_named,
                                   Session& session) {
  const host::HostRoot host(options.root);
  DeclaredNode node;
  diagnose::PlanLook& plan = node.plan;
  plan.file = options.spec_path;
  plan.exists = is_named || host.exists(spec_path_of(options));
  if (!plan.exists) return node;
  const auto pending = provision::read_pending(host);
  plan.is_pending = !pending || pending->has_value();
  auto view = view_node(options, session);
  if (!view) {
    plan.problem = view.error().message();
    return node;
  }
  node.spec = std::move(view->spec);
  plan.gaps = std::move(view->plan.gaps);
  plan.last_run = last_run_of(view->journal);
  for (provision::PlannedStep& step : view->plan.steps) {
    // It judges whether a run may begin from here, not the node: to a unit that
    // may write nothing, "/" is read-only.
    if (step.id == provision::kPreflightId) continue;
    plan.steps.push_back({std::move(step.id), std::move(step.title),
                          stand_of(step.plan.state), std::move(step.plan.why),
                          std::move(step.plan.fix)});
  }
  return node;
}

}  // namespace gpunode::cli
