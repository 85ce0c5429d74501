// storage.<id>.disk: the file system is there.

#include <fmt/format.h>

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
    switch (choice.fate) {
      case DiskFate::kReady:
        return StepPlan::ok();
      case DiskFate::kRefused:
        return StepPlan::refused(choice.why, choice.fix);
      case DiskFate::kMake:
      case DiskFate::kErase:
        break;
    }
    return make_plan(choice, uuid);
  }

 private:
  StepPlan make_plan(const StorageChoice& choice,
                     const std::string& uuid) const {
    StepPlan plan{.state = StepState::kChange};
    MakeFilesystem make{.layout = entry_.layout,
                        .type = entry_.type,
                        .label = entry_.label,
                        .uuid = uuid,
                        .wipe = choice.fate == DiskFate::kErase};
    for (const facts::DiskFacts* disk : choice.disks) {
      const host::BlockDevice& device = disk->device;
      make.disks.push_back({device.model, std::string(identity_serial(device)),
                            device.size_bytes});
      make.proof += disk->digest + "\n";
      plan.destroys.push_back(
          fmt::format("{}: {}", host::describe(device), disk->finding));
    }
    plan.why = fmt::format(
        "{} {}", choice.disks.size() == 1 ? "the disk is" : "the disks are",
        make.wipe ? "to be erased, as confirmed" : "blank");
    plan.actions.emplace_back(std::move(make));
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
