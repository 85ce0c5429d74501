#include "gpu/device/module_rule.h"

#include <string_view>

#include "gpu/device/product.h"

namespace gpunode::device {
namespace {

// GM107's: what comes before is GT2xx to Kepler and in no table of ours.
constexpr std::uint16_t kFirstMaxwell = 0x1340;
constexpr std::uint16_t kFirstKepler = 0x0fc0;
constexpr std::uint16_t kFirstTuring = 0x1e00;
constexpr std::uint16_t kFirstBlackwell = 0x2900;
// GH200 and GH200 144G: the CPU's own coherent memory needs open modules
// (Driver Installation Guide, "Kernel Modules").
constexpr std::uint16_t kGraceHopper = 0x2342;
constexpr std::uint16_t kGraceHopper144 = 0x2348;

bool is_grace_hopper(std::uint16_t pci_device) {
  return pci_device == kGraceHopper || pci_device == kGraceHopper144;
}

}  // namespace

ModuleRule module_rule_of(std::uint16_t pci_device) {
  // By blocks, not by our table: chips of one generation that came after it
  // have ids between those that are in it.
  if (pci_device < kFirstTuring) return ModuleRule::kProprietaryOnly;
  if (is_grace_hopper(pci_device)) return ModuleRule::kOpenOnly;
  return pci_device < kFirstBlackwell ? ModuleRule::kEither
                                      : ModuleRule::kOpenOnly;
}

BranchRange branches_of(std::uint16_t pci_device) {
  if (pci_device < kFirstKepler) return {0, 390};
  if (pci_device < kFirstMaxwell) return {0, 470};
  if (pci_device < kFirstTuring) return {0, 580};
  const std::string_view capability = compute_capability_of(pci_device);
  const std::string_view major = capability.substr(0, capability.find('.'));
  if (is_grace_hopper(pci_device)) return {535, 0};
  if (capability == "7.5") return {410, 0};
  if (capability == "8.9" || major == "9") return {525, 0};
  if (major == "8") return {450, 0};
  if (capability == "10.3") return {580, 0};
  if (major == "10" || major == "12") return {570, 0};
  return {};
}

}  // namespace gpunode::device
