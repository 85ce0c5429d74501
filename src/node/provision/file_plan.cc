#include "node/provision/file_plan.h"

#include <utility>

#include <fmt/format.h>

#include "node/provision/seen_content.h"

namespace gpunode::provision {
namespace {

const facts::FileFacts& facts_of(const PlanInput& input,
                                 const std::string& path) {
  static const facts::FileFacts kAbsent;
  const auto found = input.facts.files.find(path);
  return found == input.facts.files.end() ? kAbsent : found->second;
}

void raise(StepPlan& plan, StepState state, std::string why) {
  // Drift outweighs a change; what is blocked or refused stays so.
  if (plan.state != StepState::kOk && plan.state != StepState::kChange) return;
  plan.state = state;
  if (plan.why.empty() || state == StepState::kDrift) plan.why = std::move(why);
}

bool is_readable(const facts::FileFacts& file, const std::string& path,
                 StepPlan& plan) {
  const bool leads_nowhere = !file.exists() && !file.link_target.empty();
  if (file.error.empty() && !leads_nowhere) return true;
  plan.state = StepState::kBlocked;
  plan.why =
      leads_nowhere
          ? fmt::format("{} is a symbolic link to {}, which is not there", path,
                        file.link_target)
          : fmt::format("{} cannot be read: {}", path, file.error);
  plan.fix = fmt::format("look at it with `ls -l {}` and move it away", path);
  plan.actions.clear();
  return false;
}

/// A run that was cut off had begun to leave exactly this.
bool is_half_ours(const PlanInput& input, const std::string& path,
                  const facts::FileFacts& file) {
  const auto half = input.history.half_written.find(path);
  return half != input.history.half_written.end() &&
         half->second == file.content.value_or("");
}

}  // namespace

void plan_managed_file(const PlanInput& input, const std::string& path,
                       std::string_view body, StepPlan& plan) {
  const facts::FileFacts& file = facts_of(input, path);
  if (!is_readable(file, path, plan)) return;
  std::string wanted = fmt::format("{}{}", kManagedLine, body);
  if (file.content == wanted) return;
  const auto ours = input.history.written.find(path);
  const bool is_ours = ours != input.history.written.end();
  const bool is_half = is_half_ours(input, path, file);
  if (!file.content) {
    if (is_ours && !is_half && !ours->second.empty()) {
      raise(plan, StepState::kDrift,
            fmt::format("{} was removed by hand", path));
    } else {
      raise(plan, StepState::kChange, fmt::format("{} is missing", path));
    }
  } else if (is_half || (is_ours && ours->second == *file.content)) {
    raise(plan, StepState::kChange, fmt::format("{} is out of date", path));
  } else {
    raise(plan, StepState::kDrift,
          is_ours ? fmt::format("{} was changed by hand", path)
                  : fmt::format("{} is there and not from gpunode", path));
  }
  plan.before[path] = file.content.value_or("");
  plan.actions.emplace_back(WriteFile{.path = path,
                                      .content = std::move(wanted),
                                      .before = seen_content(file.content)});
}

bool plan_can_start_program(const PlanInput& input, StepPlan& plan) {
  if (!input.spec.program.empty()) return true;
  plan = StepPlan::blocked(
      "a unit is to start gpunode after a boot, and this one lies where it may "
      "be gone or be another's by then",
      "install it, as /usr/bin/gpunode or /usr/local/bin/gpunode, and run "
      "that");
  return false;
}

void plan_no_managed_file(const PlanInput& input, const std::string& path,
                          StepPlan& plan) {
  const facts::FileFacts& file = facts_of(input, path);
  if (!file.content) return;
  const auto ours = input.history.written.find(path);
  const bool is_ours = ours != input.history.written.end();
  const bool is_half = is_half_ours(input, path, file);
  if (!is_ours && !is_half) return;
  raise(plan,
        is_half || ours->second == *file.content ? StepState::kChange
                                                 : StepState::kDrift,
        fmt::format("{} is no longer wanted", path));
  plan.before[path] = *file.content;
  plan.actions.emplace_back(RemoveFile{path, seen_content(file.content)});
}

void plan_edited_file(const PlanInput& input, const std::string& path,
                      std::string after, StepPlan& plan) {
  const facts::FileFacts& file = facts_of(input, path);
  if (!is_readable(file, path, plan)) return;
  if (file.content.value_or("") == after) return;
  raise(plan, StepState::kChange, fmt::format("{} is to change", path));
  plan.before[path] = file.content.value_or("");
  plan.actions.emplace_back(WriteFile{.path = path,
                                      .content = std::move(after),
                                      .before = seen_content(file.content)});
}

}  // namespace gpunode::provision
