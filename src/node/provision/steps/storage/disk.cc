// storage.<id>.disk: the file system is there.

#include <algorithm>

#include <fmt/format.h>

#include "node/provision/layout_identity.h"
#include "node/provision/layout_members.h"
#include "node/provision/steps/storage/storage.h"
#include "node/provision/storage_choice.h"

namespace gpunode::provision {
namespace {

class Disk final : public Step {
 public:
  explicit Disk(StorageSpec entry)
      : entry_(std::move(entry)),
        id_(fmt::format("storage.{}.disk", entry_.id)),
        title_(fmt::format("{} \"{}\" is on its disk", entry_.type,
                           entry_.label)) {}

  std::string_view id() const override { return id_; }
  std::string_view title() const override { return title_; }
  std::string_view reason() const override {
    return "images and containers on the root disk fill it and are slow; the "
           "disk is found by what does not change, and only a blank one is "
           "taken";
  }

  facts::Wanted wants(const NodeSpec& /*spec*/) const override {
    facts::Wanted wanted;
    wanted.files = {std::string(kMachineIdPath)};
    wanted.disks = {entry_.select};
    return wanted;
  }

  StepPlan plan(const PlanInput& input) const override {
    const std::string uuid = uuid_of(input, entry_);
    const StorageChoice choice =
        choose_disks(entry_, input.facts.storage, uuid, input.history,
                     input.confirmed_wipes);
    if (choice.fate != DiskFate::kReady) {
      if (StepPlan shared = refuse_shared(input, uuid);
          shared.state != StepState::kOk) {
        return shared;
      }
    }
    switch (choice.fate) {
      case DiskFate::kReady:
        return StepPlan::ok();
      case DiskFate::kRefused:
        return StepPlan::refused(choice.why, choice.fix);
      case DiskFate::kStart:
        return start_plan(uuid);
      case DiskFate::kFinish:
      case DiskFate::kMake:
      case DiskFate::kRemake:
      case DiskFate::kErase:
        break;
    }
    return make_plan(choice, uuid);
  }

 private:
  /// One disk for two entries: the second would find the first one's file
  /// system, and be told how to erase it.
  StepPlan refuse_shared(const PlanInput& input,
                         const std::string& uuid) const {
    const auto mine = meant_disks(entry_, input.facts.storage, uuid);
    for (const StorageSpec& other : input.spec.storage) {
      if (other.id == entry_.id) continue;
      const auto theirs =
          meant_disks(other, input.facts.storage, uuid_of(input, other));
      for (const facts::DiskFacts* disk : mine) {
        if (std::ranges::find(theirs, disk) == theirs.end()) continue;
        return StepPlan::refused(
            fmt::format("\"{}\" and \"{}\" both choose {}", entry_.id, other.id,
                        host::describe(disk->device)),
            "make `select` of the two entries fit different disks, as by "
            "serials");
      }
    }
    return StepPlan::ok();
  }

  StepPlan make_plan(const StorageChoice& choice,
                     const std::string& uuid) const {
    StepPlan plan{.state = StepState::kChange};
    MakeFilesystem make{.layout = entry_.layout,
                        .type = entry_.type,
                        .label = entry_.label,
                        .uuid = uuid,
                        .wipe = choice.fate == DiskFate::kRemake ||
                                choice.fate == DiskFate::kErase};
    for (std::size_t i = 0; i < choice.disks.size(); ++i) {
      const host::BlockDevice& device = choice.disks[i]->device;
      make.disks.push_back(identity_of(device));
      make.proof += choice.proofs[i] + "\n";
      if (choice.fate == DiskFate::kFinish) continue;
      const std::string& finding = choice.disks[i]->finding;
      plan.destroys.push_back(
          fmt::format("{}: {}", host::describe(device),
                      finding.empty() ? choice.disks[i]->in_use : finding));
    }
    plan.why = fmt::format(
        "{} {}", choice.disks.size() == 1 ? "the disk is" : "the disks are",
        words_of(choice.fate));
    plan.actions.emplace_back(std::move(make));
    return plan;
  }

  static std::string_view words_of(DiskFate fate) {
    if (fate == DiskFate::kMake) return "blank";
    if (fate == DiskFate::kFinish) {
      return "made, by a run that was cut off before it could note so";
    }
    return fate == DiskFate::kRemake
               ? "as an interrupted run of gpunode left them"
               : "to be erased, as confirmed";
  }

  /// By UUID and name of ours alone: starting writes nothing.
  StepPlan start_plan(const std::string& uuid) const {
    StepPlan plan{
        .state = StepState::kChange,
        .why = fmt::format("its {} is there and not started", entry_.layout)};
    if (entry_.layout == "raid0") {
      plan.actions.emplace_back(RunProgram{assemble_command(uuid), {}});
    } else {
      plan.actions.emplace_back(RunProgram{
          {"/sbin/vgchange", "--activate", "y", layout_name(uuid)}, {}});
    }
    return plan;
  }

  StorageSpec entry_;
  std::string id_;
  std::string title_;
};

}  // namespace

std::unique_ptr<Step> make_storage_disk(const StorageSpec& entry) {
  return std::make_unique<Disk>(entry);
}

}  // namespace gpunode::provision
