// prep.swap: no swap space is in use, now and after a boot.

#include <algorithm>

#include <fmt/format.h>

#include "node/provision/file_plan.h"
#include "node/provision/fstab_edit.h"
#include "node/provision/steps/steps.h"
#include "node/provision/unit_name.h"

namespace gpunode::provision {
namespace {

constexpr const char* kFstab = "/etc/fstab";

class Swap final : public Step {
 public:
  std::string_view id() const override { return "prep.swap"; }
  std::string_view title() const override { return "swap is off"; }
  std::string_view reason() const override {
    return "the kubelet does not start with swap in use unless told to";
  }

  facts::Wanted wants(const NodeSpec& spec) const override {
    facts::Wanted wanted;
    if (spec.host.swap_off) wanted.files = {kFstab};
    return wanted;
  }

  StepPlan plan(const PlanInput& input) const override {
    if (!input.spec.host.swap_off) {
      return StepPlan::not_wanted("spec.host.swap is keep");
    }
    StepPlan plan;
    for (const facts::SwapFacts& swap : input.facts.swaps) {
      const bool in_fstab = std::ranges::any_of(
          input.facts.fstab, [&](const facts::FstabLine& line) {
            return line.type == "swap" && line.source == swap.path;
          });
      // What no line of fstab brings comes from a unit: zram's generator, a
      // GPT's type. A masked unit stays off after a boot.
      if (!in_fstab) {
        plan.actions.emplace_back(SetUnit{.unit = unit_name(swap.path, "swap"),
                                          .masked = Wish::kYes});
      }
      plan.actions.emplace_back(SetSwap{swap.path, false});
      if (plan.state == StepState::kOk) plan.state = StepState::kChange;
      plan.why = fmt::format("{} is in use as swap", swap.path);
    }
    // Last: while its line is there, what is cut off here is known to come from
    // it, and nothing is masked in its place.
    const auto fstab = input.facts.files.find(kFstab);
    if (fstab != input.facts.files.end() && fstab->second.content) {
      plan_edited_file(input, kFstab,
                       fstab_without_swap(*fstab->second.content), plan);
    }
    return plan;
  }
};

}  // namespace

std::unique_ptr<Step> make_prep_swap() {
  return std::make_unique<Swap>();
}

}  // namespace gpunode::provision
