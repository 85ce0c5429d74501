#include "node/driver/driver_choice.h"

#include <algorithm>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "gpu/device/module_rule.h"
#include "node/distribution/precompiled.h"
#include "node/driver/companion_check.h"

namespace gpunode::driver {
namespace {

using device::BranchRange;
using device::ModuleRule;
using facts::HostFacts;
using facts::PciGpu;

// Driver Installation Guide: proprietary modules end with 615, and open ones
// are what NVIDIA recommends from 560 on.
constexpr int kLastProprietary = 615;
constexpr int kFirstOpen = 515;
constexpr int kFirstOpenByDefault = 560;
// The first branch that knows NVreg_CoherentGPUMemoryMode.
constexpr int kFirstCoherentMode = 580;
constexpr const char* kGspOption = "NVreg_EnableGpuFirmware";

Error refuse(std::string words) {
  return {ErrorCode::kUnsupported, std::move(words)};
}

const char* name_of(Flavour flavour) {
  return flavour == Flavour::kOpen ? "open" : "proprietary";
}

std::vector<const PciGpu*> gpus_of(const HostFacts& host) {
  std::vector<const PciGpu*> gpus;
  for (const PciGpu& gpu : host.gpus) {
    if (!gpu.is_switch && is_hosts_own(gpu)) gpus.push_back(&gpu);
  }
  return gpus;
}

std::string name_of(const PciGpu& gpu) {
  return fmt::format("{} (10de:{:04x})", gpu.product, gpu.device_id);
}

/// The GPU that fits the rule, for words; null: none does.
const PciGpu* find_by_rule(const std::vector<const PciGpu*>& gpus,
                           ModuleRule rule) {
  const auto found = std::ranges::find_if(gpus, [&](const PciGpu* gpu) {
    return device::module_rule_of(gpu->device_id) == rule;
  });
  return found == gpus.end() ? nullptr : *found;
}

/// awslabs/amazon-eks-ami issue 1523: the GSP of T4 and A10G hangs there (Xid
/// 119), and only proprietary modules can do without it.
bool has_failing_gsp(const HostFacts& host) {
  if (host.machine.cloud != "aws") return false;
  const std::string_view type = host.machine.product;
  return type.starts_with("g4dn.") || type.starts_with("g5.") ||
         type.starts_with("g5g.");
}

/// One decision after the other; each adds its reason.
class Chooser {
 public:
  Chooser(const HostFacts& host, const distribution::Distribution& row,
          const Wish& wish)
      : host_(host), row_(row), wish_(wish), gpus_(gpus_of(host)) {}

  Result<Choice> choose() {
    if (gpus_.empty()) {
      return Error(
          ErrorCode::kNotFound,
          std::ranges::all_of(host_.gpus, &PciGpu::is_switch)
              ? "there is no NVIDIA GPU on the PCI bus: no driver is needed"
              : "every NVIDIA GPU here is kept for virtual machines: no driver "
                "is needed");
    }
    TRY_VOID(check_known());
    TRY_VOID(check_together());
    TRY_VOID(choose_branch());
    if (wish_.is_precompiled) {
      TRY_VOID(distribution::check_precompiled(row_, host_.kernel.machine,
                                               choice_.branch));
    }
    TRY_VOID(choose_flavour());
    choose_options();
    choice_.needs_subnet_manager = host_.machine.manages_nvlink;
    choice_.needs_fabric_manager = has_nvswitch(host_);
    TRY(std::vector<std::string> beside,
        check_companions(host_, wish_, choice_.branch));
    for (std::string& words : beside) reason(std::move(words));
    return std::move(choice_);
  }

 private:
  void reason(std::string words) {
    choice_.reasons.push_back(std::move(words));
  }

  /// By its id alone a GPU is known; nothing is guessed of one without.
  Result<void> check_known() const {
    const auto found = std::ranges::find(gpus_, 0, &PciGpu::device_id);
    if (found == gpus_.end()) return {};
    return refuse(
        fmt::format("which GPU is at {0} is not known, since "
                    "/sys/bus/pci/devices/{0}/device cannot be read: look "
                    "there as root, and whether `lspci -n -s {0}` tells it",
                    (*found)->address));
  }

  Result<void> check_together() {
    const PciGpu* old = find_by_rule(gpus_, ModuleRule::kProprietaryOnly);
    const PciGpu* latest = find_by_rule(gpus_, ModuleRule::kOpenOnly);
    if (old == nullptr || latest == nullptr) return {};
    return refuse(fmt::format(
        "no driver serves {} and {} together: the first has proprietary "
        "modules alone, the second open ones; take one kind out",
        name_of(*old), name_of(*latest)));
  }

  /// The branches that can be had: of the distribution's own archive nobody
  /// has a list here.
  Result<distribution::Repository> limits() const {
    if (wish_.is_distributions) return distribution::Repository{};
    return distribution::repository_of(row_, host_.kernel.machine,
                                       distribution::kBaseUrl);
  }

  /// What all GPUs and the repository agree on.
  Result<void> choose_branch() {
    BranchRange range;
    const PciGpu* first = nullptr;
    const PciGpu* last = nullptr;
    for (const PciGpu* gpu : gpus_) {
      const BranchRange one = device::branches_of(gpu->device_id);
      if (one.first > range.first) {
        range.first = one.first;
        first = gpu;
      }
      if (one.last != 0 && (range.last == 0 || one.last < range.last)) {
        range.last = one.last;
        last = gpu;
      }
    }
    if (first != nullptr && range.last != 0 && range.first > range.last) {
      return refuse(fmt::format(
          "no branch of the driver knows both {} (from "
          "{} on) and {} (up to {}); take one out",
          name_of(*first), range.first, name_of(*last), range.last));
    }
    TRY(const distribution::Repository repository, limits());
    const std::string place = fmt::format("{} {}", row_.id, row_.version);
    if (repository.last_branch != 0 && first != nullptr &&
        range.first > repository.last_branch) {
      return refuse(fmt::format(
          "{} needs branch {} or later, and NVIDIA's repository for {} ends "
          "with {}: use a newer release of the distribution",
          name_of(*first), range.first, place, repository.last_branch));
    }
    if (range.last != 0 && range.last < repository.first_branch) {
      return refuse(fmt::format(
          "{} is known to branches up to {} alone, and NVIDIA's repository for "
          "{} begins with {}: use {}{}",
          name_of(*last), range.last, place, repository.first_branch,
          kin_with(range.last),
          row_.family == distribution::Family::kUbuntu
              ? "; or say `source: distro`, if Ubuntu's archive has it"
              : ""));
    }
    if (wish_.branch != 0) {
      choice_.branch = wish_.branch;
      choice_.version = wish_.version;
      if (range.last != 0 && choice_.branch > range.last) {
        return refuse(
            fmt::format("branch {} no longer knows {}: {} is the "
                        "last one that does",
                        choice_.branch, name_of(*last), range.last));
      }
      if (first != nullptr && choice_.branch < range.first) {
        return refuse(
            fmt::format("branch {} does not know {} yet: {} is the "
                        "first one that does",
                        choice_.branch, name_of(*first), range.first));
      }
      if (choice_.branch < repository.first_branch) {
        return refuse(fmt::format(
            "NVIDIA's repository for {} begins with branch {}, and {} was "
            "never in it: say `branch: auto` or {}",
            place, repository.first_branch, choice_.branch,
            repository.first_branch));
      }
      if (repository.last_branch != 0 &&
          choice_.branch > repository.last_branch) {
        return refuse(
            fmt::format("NVIDIA's repository for {} ends with branch "
                        "{}: branch {} was never in it",
                        place, repository.last_branch, choice_.branch));
      }
      if (repository.last_branch == 0 && choice_.branch > kNewestBranch) {
        TRY_VOID(check_unknown_branch());
      }
      reason(fmt::format("branch {}: the file says so", choice_.branch));
      return {};
    }
    choice_.branch = kUsualBranch;
    std::string why = "the one that knows all chips from Maxwell to Blackwell";
    if (range.last != 0 && range.last < choice_.branch) {
      choice_.branch = range.last;
      why = fmt::format("the last that knows {}", name_of(*last));
    }
    if (repository.last_branch != 0 &&
        repository.last_branch < choice_.branch) {
      choice_.branch = repository.last_branch;
      why = fmt::format("the last in NVIDIA's repository for {}", place);
    }
    if (choice_.branch < repository.first_branch) {
      choice_.branch = repository.first_branch;
      why = fmt::format("the first in NVIDIA's repository for {}", place);
    }
    if (choice_.branch < range.first) {
      choice_.branch = range.first;
      why = fmt::format("the first that knows {}", name_of(*first));
    }
    reason(fmt::format("branch {}: {}", choice_.branch, why));
    return {};
  }

  /// Of a branch that is newer than all that are known; an archive may have it.
  Result<void> check_unknown_branch() {
    if (wish_.is_distributions) {
      reason(fmt::format("branch {} is newer than {}, the newest that is known",
                         choice_.branch, kNewestBranch));
      return {};
    }
    return refuse(fmt::format(
        "branch {0} is not known, the newest that is is {1}: say `branch: "
        "auto`, or, if NVIDIA has it by now, `distributions: [{{id: {2}, "
        "version: \"{3}\", lastBranch: {0}}}]`",
        choice_.branch, kNewestBranch, row_.id, row_.version));
  }

  /// Releases of the same distribution, else others, whose repositories have
  /// `branch` for this machine: "ubuntu 22.04, ubuntu 24.04".
  std::string kin_with(int branch) const {
    std::string kin;
    std::string others;
    for (const distribution::Distribution& row :
         distribution::distributions()) {
      if (row.status != distribution::Status::kSupported) continue;
      const auto found = distribution::repository_of(row, host_.kernel.machine,
                                                     distribution::kBaseUrl);
      if (!found || branch < found->first_branch ||
          (found->last_branch != 0 && branch > found->last_branch)) {
        continue;
      }
      std::string& list = row.id == row_.id ? kin : others;
      if (!list.empty()) list += ", ";
      list += fmt::format("{} {}", row.id, row.version);
    }
    if (kin.empty() && others.empty()) return "another GPU";
    return (kin.empty() ? others : kin) + ", which has it";
  }

  Result<void> take(Flavour flavour, std::string why) {
    if (flavour == Flavour::kProprietary && choice_.branch > kLastProprietary) {
      return refuse(fmt::format(
          "branch {} has no proprietary modules, they end with {}: {}; take "
          "branch {}",
          choice_.branch, kLastProprietary, why, kUsualBranch));
    }
    if (flavour == Flavour::kOpen && choice_.branch < kFirstOpen) {
      return refuse(
          fmt::format("branch {} has no open modules, they begin "
                      "with {}: {}",
                      choice_.branch, kFirstOpen, why));
    }
    choice_.flavour = flavour;
    reason(fmt::format("{} modules: {}", name_of(flavour), why));
    return {};
  }

  Result<void> choose_flavour() {
    const PciGpu* old = find_by_rule(gpus_, ModuleRule::kProprietaryOnly);
    const PciGpu* latest = find_by_rule(gpus_, ModuleRule::kOpenOnly);
    if (wish_.is_precompiled &&
        distribution::is_precompiled_proprietary(row_)) {
      return choose_ready_made(latest);
    }
    if (wish_.is_flavour_given) {
      if (old != nullptr && wish_.flavour == Flavour::kOpen) {
        return refuse(
            fmt::format("{} has no open modules, those begin with "
                        "Turing: say `flavour: proprietary` or auto",
                        name_of(*old)));
      }
      if (latest != nullptr && wish_.flavour == Flavour::kProprietary) {
        return refuse(
            fmt::format("{} has no proprietary modules: say "
                        "`flavour: open` or auto",
                        name_of(*latest)));
      }
      TRY_VOID(take(wish_.flavour, "the file says so"));
      if (has_failing_gsp(host_)) spare_gsp();
      return {};
    }
    if (old != nullptr) {
      return take(Flavour::kProprietary,
                  name_of(*old) + " is older than Turing");
    }
    if (latest != nullptr) {
      return take(Flavour::kOpen, name_of(*latest) + " has no others");
    }
    if (has_failing_gsp(host_)) return choose_for_failing_gsp();
    if (choice_.branch < kFirstOpenByDefault) {
      return take(
          Flavour::kProprietary,
          fmt::format("the usual ones before branch {}", kFirstOpenByDefault));
    }
    return take(Flavour::kOpen, "what NVIDIA recommends from Turing on");
  }

  /// Out of a repository that has proprietary ones alone.
  Result<void> choose_ready_made(const PciGpu* latest) {
    if (latest != nullptr) {
      return refuse(
          fmt::format("{} has open modules alone, and NVIDIA's ready-made ones "
                      "are proprietary: say `source: nvidia-cuda-repo`, whose "
                      "modules DKMS builds",
                      name_of(*latest)));
    }
    if (wish_.is_flavour_given && wish_.flavour == Flavour::kOpen) {
      return refuse(
          "NVIDIA's ready-made modules are proprietary, and the file wants "
          "open "
          "ones: say `flavour: auto`, or `source: nvidia-cuda-repo`, whose "
          "modules DKMS builds");
    }
    if (has_failing_gsp(host_) && choice_.branch <= kLastProprietary) {
      return choose_for_failing_gsp();
    }
    return take(Flavour::kProprietary, "NVIDIA has no others ready-made");
  }

  Result<void> choose_for_failing_gsp() {
    if (choice_.branch > kLastProprietary) {
      return take(
          Flavour::kOpen,
          fmt::format("branch {} has no others; the GSP of {} is known "
                      "to hang (Xid 119), and only branches up to {} "
                      "can do without it",
                      choice_.branch, host_.machine.product, kLastProprietary));
    }
    TRY_VOID(take(Flavour::kProprietary,
                  fmt::format("the GSP hangs on {} (Xid 119), and only these "
                              "can do without it",
                              host_.machine.product)));
    spare_gsp();
    return {};
  }

  /// With the flavour that is settled.
  void spare_gsp() {
    if (choice_.flavour == Flavour::kOpen) {
      reason(fmt::format(
          "the GSP hangs on {} (Xid 119), and open modules cannot do without "
          "it: say `flavour: auto`{}",
          host_.machine.product,
          choice_.branch > kLastProprietary
              ? fmt::format(" and a branch up to {}", kLastProprietary)
              : std::string()));
      return;
    }
    if (wish_.module_options.contains(kGspOption)) return;
    choice_.module_options[kGspOption] = "0";
    reason(fmt::format("{}=0: the GSP hangs on {} (Xid 119)", kGspOption,
                       host_.machine.product));
  }

  void choose_options() {
    const bool is_coherent = host_.kernel.machine == "aarch64" &&
                             std::ranges::any_of(gpus_, [](const PciGpu* gpu) {
                               return device::module_rule_of(gpu->device_id) ==
                                      ModuleRule::kOpenOnly;
                             });
    if (is_coherent && choice_.branch >= kFirstCoherentMode) {
      choice_.module_options["NVreg_CoherentGPUMemoryMode"] = "driver";
      reason(
          "NVreg_CoherentGPUMemoryMode=driver: a GPU's memory is not the "
          "kernel's to hand out on a Kubernetes node");
    }
    for (const auto& [name, value] : wish_.module_options) {
      choice_.module_options[name] = value;
    }
  }

  const HostFacts& host_;
  const distribution::Distribution& row_;
  const Wish& wish_;
  std::vector<const PciGpu*> gpus_;
  Choice choice_;
};

}  // namespace

bool is_hosts_own(const facts::PciGpu& gpu) {
  return gpu.driver.find("vfio") == std::string::npos &&
         gpu.condition.physical_function.empty();
}

bool is_countable(const PciGpu& gpu) {
  return !gpu.is_switch && is_hosts_own(gpu) && !gpu.condition.is_lost;
}

int count_own_gpus(const facts::HostFacts& host) {
  return static_cast<int>(std::ranges::count_if(host.gpus, is_countable));
}

bool has_nvswitch(const facts::HostFacts& host) {
  return host.machine.manages_nvlink ||
         std::ranges::any_of(host.gpus, [](const PciGpu& gpu) {
           return gpu.is_switch && is_hosts_own(gpu);
         });
}

Result<Choice> choose_driver(const facts::HostFacts& host,
                             const distribution::Distribution& distribution,
                             const Wish& wish) {
  return Chooser(host, distribution, wish).choose();
}

}  // namespace gpunode::driver
