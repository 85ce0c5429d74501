#include "node/provision/steps/storage/tree_move.h"

#include <utility>

#include <fmt/format.h>

#include "node/provision/journal.h"
#include "node/provision/tree_actions.h"
#include "node/provision/tree_use.h"

namespace gpunode::provision {
namespace {

const facts::TreeFacts& tree_of(const PlanInput& input,
                                const std::string& path) {
  static const facts::TreeFacts kAbsent;
  const auto found = input.facts.trees.find(path);
  return found == input.facts.trees.end() ? kAbsent : found->second;
}

bool is_file(const PlanInput& input, const std::string& path) {
  const auto found = input.facts.files.find(path);
  return found != input.facts.files.end() && found->second.exists();
}

}  // namespace

TreeMove::TreeMove(StorageSpec entry)
    : entry_(std::move(entry)),
      moving_(moving_path(entry_.path)),
      copying_(unfinished_path(entry_.path)),
      aside_(entry_.path + ".before-gpunode") {}

void TreeMove::want(facts::Wanted& wanted) const {
  wanted.files.insert({moving_, copying_});
  wanted.trees.insert({entry_.path, aside_});
}

std::string TreeMove::guards() const {
  // The marks are looked at once what they lie on is mounted.
  return fmt::format(
      "RequiresMountsFor={}\nAssertPathExists=!{}\nAssertPathExists=!{}\n",
      kStateDirectory, moving_, copying_);
}

bool TreeMove::has_data(const PlanInput& input) const {
  const facts::TreeFacts& tree = tree_of(input, entry_.path);
  return tree.exists && tree.entries != 0;
}

StepPlan TreeMove::plan(const PlanInput& input, const std::string& uuid) const {
  const facts::TreeFacts& tree = tree_of(input, entry_.path);
  if (tree.exists && !tree.is_directory) {
    return StepPlan::blocked(
        fmt::format("{} is no directory; nothing is mounted over a link or a "
                    "file",
                    entry_.path),
        "give this entry the path that a link leads to, or move it away");
  }
  StepPlan moving;
  const MigrateTree migrate{
      .path = entry_.path,
      .uuid = uuid,
      .type = entry_.type,
      .aside = aside_,
      .discard = entry_.existing_data == ExistingData::kDiscard};
  if (!has_data(input)) {
    // Half a copy of what is gone may be on the disk: the action looks.
    if (is_file(input, copying_)) moving.actions.emplace_back(migrate);
    return moving;
  }
  if (tree_of(input, aside_).exists) {
    return StepPlan::blocked(
        fmt::format("{} is from an earlier migration, and {} has {} entries "
                    "again",
                    aside_, entry_.path, tree.entries),
        "move one of them away, then plan again");
  }
  if (entry_.existing_data == ExistingData::kRefuse) {
    return StepPlan::blocked(
        fmt::format("{} has {} entries already, and existingData is refuse",
                    entry_.path, tree.entries),
        "set existingData to migrate, or to discard to set them aside");
  }
  if (std::string use = use_of_tree(input.facts.storage.mounts, entry_.path);
      !use.empty()) {
    return StepPlan::blocked(std::move(use), std::string(kStopContainers));
  }
  moving.actions.emplace_back(migrate);
  moving.notes.push_back(fmt::format(
      "what was in {} stays as {}; remove it when the node is known to work",
      entry_.path, aside_));
  return moving;
}

void TreeMove::plan_mark(const PlanInput& input, const StepPlan& moving,
                         StepPlan& plan) const {
  const bool is_marked = is_file(input, moving_);
  const bool moves = !moving.actions.empty() && has_data(input);
  if (moves && !is_marked) {
    plan.actions.emplace_back(WriteFile{
        .path = moving_, .content = entry_.path + "\n", .mode = 0600});
  }
  // Of a move that was cut off and is not asked for any more.
  if (!moves && is_marked) {
    plan.actions.emplace_back(RemoveFile{moving_});
    plan.state = StepState::kChange;
    plan.why =
        fmt::format("{} keeps {} from being mounted", moving_, entry_.path);
  }
}

std::string TreeMove::mark_of_mounted(const PlanInput& input) const {
  for (const std::string& mark : {moving_, copying_}) {
    if (is_file(input, mark)) return mark;
  }
  return "";
}

}  // namespace gpunode::provision
