// Which driver a host gets: flavour, branch and what goes with it.
//
// Pure: GPUs, machine, distribution and what the owner wishes in, a choice with
// its reasons out. Nothing is guessed; what cannot be is refused in words.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/result.h"
#include "node/distribution/distribution.h"
#include "node/distribution/driver_packages.h"
#include "node/facts/host_facts.h"

namespace gpunode::driver {

using distribution::Flavour;

/// What the owner of the host asks for, as far as the choice is concerned.
struct Wish {
  int branch = 0;       ///< 0: ours to choose.
  std::string version;  ///< "" or one of the branch.
  bool is_flavour_given = false;
  Flavour flavour = Flavour::kOpen;  ///< If given.
  bool is_precompiled = false;       ///< Modules that come built.
  std::map<std::string, std::string> module_options;
  std::optional<bool> fabric_manager;  ///< Nothing: as the machine needs it.
  bool imex = false;
  /// Out of the distribution's archive: what NVIDIA's repository has does not
  /// matter.
  bool is_distributions = false;
};

struct Choice {
  Flavour flavour = Flavour::kOpen;
  int branch = 0;
  std::string version;  ///< "": the newest of the branch.
  /// Of the module nvidia; the owner's come before ours.
  std::map<std::string, std::string> module_options;
  bool needs_fabric_manager = false;  ///< NVSwitch: CUDA is 802 without it.
  /// Fifth-generation NVLink: the subnet manager and its packages, too.
  bool needs_subnet_manager = false;
  /// One sentence each, in the order of decision: "A10G on a g5: …".
  std::vector<std::string> reasons;
};

/// The branch that is taken where nobody says: NVIDIA's production branch that
/// knows everything from Maxwell to Blackwell.
inline constexpr int kUsualBranch = 580;

/// The newest that NVIDIA's Driver Installation Guide had when this was
/// written: one that is newer may be a slip.
inline constexpr int kNewestBranch = 620;

/// kNotFound if there is no GPU, kUnsupported for combinations that no driver
/// serves (an open module on Maxwell, proprietary ones of 620, old and new
/// chips together), with the way out in the words.
Result<Choice> choose_driver(const facts::HostFacts& host,
                             const distribution::Distribution& distribution,
                             const Wish& wish);

/// Whether the host's own driver will have it: not one that vfio keeps for
/// virtual machines, and no virtual function of another (SR-IOV).
bool is_hosts_own(const facts::PciGpu& gpu);

/// GPUs that containers may get: the host's own ones that answer on the bus.
int count_own_gpus(const facts::HostFacts& host);

/// Whether count_own_gpus() counts it.
bool is_countable(const facts::PciGpu& gpu);

/// A machine with GPUs behind NVSwitches, or on NVLink 5 (Blackwell, whose
/// switches are not on the PCI bus of the host).
bool has_nvswitch(const facts::HostFacts& host);

}  // namespace gpunode::driver
