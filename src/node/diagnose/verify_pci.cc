#include <algorithm>
#include <map>
#include <string>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "node/diagnose/verify_levels.h"
#include "node/driver/driver_choice.h"

namespace gpunode::diagnose {
namespace {

using facts::PciGpu;
using procfs::PciMemory;

template <class Fits>
std::string addresses_where(const facts::HostFacts& host, Fits fits) {
  std::vector<std::string> found;
  for (const PciGpu& gpu : host.gpus) {
    if (!gpu.is_switch && fits(gpu)) found.push_back(gpu.address);
  }
  return fmt::format("{}", fmt::join(found, ", "));
}

VerifyCheck check_gpus(const facts::HostFacts& host) {
  std::map<std::string, int> products;
  for (const PciGpu& gpu : host.gpus) ++products[gpu.product];
  std::vector<std::string> words;
  for (const auto& [product, count] : products) {
    words.push_back(fmt::format("{} x {}", count, product));
  }
  const bool has_gpu = std::ranges::any_of(
      host.gpus, [](const PciGpu& gpu) { return !gpu.is_switch; });
  if (has_gpu) {
    return {0, "pci.gpus", Verdict::kPass,
            fmt::format("{}", fmt::join(words, ", "))};
  }
  return {0, "pci.gpus", Verdict::kFail,
          "there is no NVIDIA GPU on the PCI bus",
          "look whether the machine has one (lspci -d 10de:), and whether the "
          "hypervisor passes it on"};
}

VerifyCheck check_count(const facts::HostFacts& host,
                        const ExpectedGpus& expected) {
  if (expected.count == 0) {
    return {0, "pci.count", Verdict::kSkip,
            expected.unknown.empty() ? "no GPUNode file says how many there "
                                       "are to be (spec.gpu.count)"
                                     : expected.unknown};
  }
  const int count = driver::count_own_gpus(host);
  const std::string seen =
      fmt::format("{} on the bus, {} by spec.gpu.count", count, expected.count);
  if (count >= expected.count) return {0, "pci.count", Verdict::kPass, seen};
  return {0, "pci.count", Verdict::kFail, seen,
          "`gpunode facts` lists them; look at power and slots, and switch the "
          "machine off and on; of those that vfio keeps, see modprobe.d"};
}

VerifyCheck check_kinds(const facts::HostFacts& host,
                        const ExpectedGpus& expected) {
  if (expected.kinds.empty()) {
    return {0, "pci.kinds", Verdict::kSkip,
            expected.unknown.empty() ? "no GPUNode file says which there are "
                                       "to be (spec.gpu.expect)"
                                     : expected.unknown};
  }
  const auto others = driver::unexpected_gpus(host, expected.kinds);
  if (others.empty()) {
    return {0, "pci.kinds", Verdict::kPass, "as spec.gpu.expect says"};
  }
  return {
      0, "pci.kinds", Verdict::kFail,
      fmt::format("not those of spec.gpu.expect: {}", fmt::join(others, "; ")),
      "`gpunode facts` lists them; look whether this is the machine that "
      "the file is for, and, where some lack, at power and slots"};
}

VerifyCheck check_present(const facts::HostFacts& host) {
  const std::string lost = addresses_where(
      host, [](const PciGpu& gpu) { return gpu.condition.is_lost; });
  if (lost.empty()) {
    return {0, "pci.present", Verdict::kPass, "every GPU answers on the bus"};
  }
  return {0, "pci.present", Verdict::kFail,
          "fallen off the bus: GPU at " + lost,
          "switch the machine off and on; if it comes again, have the card "
          "replaced"};
}

VerifyCheck check_memory(const facts::HostFacts& host) {
  const std::string lacking = addresses_where(host, [](const PciGpu& gpu) {
    return gpu.condition.memory == PciMemory::kLacking;
  });
  if (!lacking.empty()) {
    return {0, "pci.memory", Verdict::kFail,
            "memory regions (BARs) without an address: GPU at " + lacking,
            "switch on \"Above 4G Decoding\" in the firmware; in a virtual "
            "machine, enlarge its 64-bit MMIO window"};
  }
  const std::string unknown = addresses_where(host, [](const PciGpu& gpu) {
    return gpu.condition.memory == PciMemory::kUnknown;
  });
  if (!unknown.empty()) {
    return {0, "pci.memory", Verdict::kSkip,
            "the kernel does not say it of the GPU at " + unknown};
  }
  return {0, "pci.memory", Verdict::kPass,
          "every memory region (BAR) has an address"};
}

std::string link_words(const procfs::PciLink& link) {
  return fmt::format("x{} at {:g} GT/s", link.width, link.speed_mts / 1000.0);
}

/// The width is that of the slot and its contacts. The speed follows the load,
/// so it is shown and not judged.
VerifyCheck check_link(const facts::HostFacts& host) {
  std::vector<std::string> narrow;
  std::vector<std::string> links;
  for (const PciGpu& gpu : host.gpus) {
    const procfs::PciLink& now = gpu.condition.link;
    const procfs::PciLink& most = gpu.condition.link_most;
    if (gpu.is_switch || now.width == 0 || most.width == 0) continue;
    const std::string words = fmt::format("{} {} of {}", gpu.address,
                                          link_words(now), link_words(most));
    links.push_back(words);
    if (now.width < most.width) narrow.push_back(words);
  }
  if (!narrow.empty()) {
    return {0, "pci.link", Verdict::kWarn,
            fmt::format("{}", fmt::join(narrow, ", ")),
            "fewer lanes than card and slot have: reseat the card, look at "
            "the riser and at bifurcation in the firmware; a virtual machine "
            "may show what its hypervisor makes up"};
  }
  if (links.empty()) {
    return {0, "pci.link", Verdict::kSkip,
            "the kernel does not know the links, as in most virtual machines"};
  }
  return {0, "pci.link", Verdict::kPass,
          fmt::format("{}", fmt::join(links, ", "))};
}

}  // namespace

VerifyChecks verify_pci(const facts::HostFacts& host,
                        const ExpectedGpus& expected) {
  const VerifyCheck gpus = check_gpus(host);
  if (gpus.verdict == Verdict::kFail) {
    VerifyChecks checks = skipped_level(0, "there is no GPU");
    checks[0] = gpus;
    return checks;
  }
  return {gpus,
          check_count(host, expected),
          check_kinds(host, expected),
          check_present(host),
          check_memory(host),
          check_link(host)};
}

}  // namespace gpunode::diagnose
