#include "apps/runtime/requirement_check.h"

#include <algorithm>
#include <optional>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "container/oci/requirement.h"
#include "gpu/device/product.h"
#include "gpu/procfs/gpu_list.h"
#include "gpu/procfs/kernel_module.h"
#include "gpu/procfs/pci.h"

namespace gpunode::runtime {
namespace {

using oci::RequirementFacts;
using oci::Verdict;

RequirementFacts facts_of_driver(const host::HostRoot& host) {
  RequirementFacts facts;
  if (const auto module = procfs::load_kernel_module(host)) {
    facts.driver_version = module->version;
    const oci::DriverCuda cuda = oci::cuda_of_driver(module->version);
    facts.cuda_version = cuda.version;
    facts.is_cuda_at_least = cuda.is_at_least;
  }
  return facts;
}

bool has_node(std::span<const cdi::ContainerEdits> edits,
              const std::string& path) {
  return std::any_of(edits.begin(), edits.end(), [&](const auto& edit) {
    return std::any_of(edit.device_nodes.begin(), edit.device_nodes.end(),
                       [&](const auto& node) { return node.path == path; });
  });
}

/// The driver's facts with those of each GPU of the container. GPUs of one kind
/// count once.
std::vector<RequirementFacts> facts_of_gpus(
    const RequirementFacts& driver, std::span<const cdi::ContainerEdits> edits,
    const host::HostRoot& host) {
  std::vector<RequirementFacts> all;
  const auto inventory = procfs::list_gpus(host);
  if (!inventory) return all;
  const std::vector<procfs::PciGpu> functions = procfs::list_pci_gpus(host);
  for (const device::Gpu& gpu : inventory->gpus) {
    if (!has_node(edits, fmt::format("/dev/nvidia{}", gpu.minor.value))) {
      continue;
    }
    RequirementFacts facts = driver;
    for (const std::string_view brand : device::brands_of(gpu.name)) {
      facts.brands.emplace_back(brand);
    }
    const auto function =
        std::find_if(functions.begin(), functions.end(),
                     [&](const auto& f) { return f.bus_id == gpu.pci_bus_id; });
    if (function != functions.end()) {
      facts.compute_capability =
          device::compute_capability_of(function->device);
    }
    if (std::find(all.begin(), all.end(), facts) == all.end()) {
      all.push_back(std::move(facts));
    }
  }
  return all;
}

std::string or_unknown(const std::string& text) {
  return text.empty() ? "unknown" : text;
}

std::string describe(const RequirementFacts& facts) {
  return fmt::format(
      "driver {}, CUDA {}{}, arch {}, brand {}",
      or_unknown(facts.driver_version), or_unknown(facts.cuda_version),
      facts.is_cuda_at_least ? " or newer" : "",
      or_unknown(facts.compute_capability),
      or_unknown(fmt::format("{}", fmt::join(facts.brands, " or "))));
}

/// The least of what the GPUs are judged, and those facts.
Result<std::pair<Verdict, const RequirementFacts*>> judge_all(
    const std::string& expression, std::span<const RequirementFacts> gpus) {
  std::pair<Verdict, const RequirementFacts*> worst = {Verdict::kMet, nullptr};
  for (const RequirementFacts& facts : gpus) {
    TRY(const Verdict verdict, oci::judge(expression, facts));
    if (verdict == Verdict::kMet || worst.first == Verdict::kUnmet) continue;
    worst = {verdict, &facts};
  }
  return worst;
}

Result<void> conclude(const std::string& expression, Verdict verdict,
                      const RequirementFacts& facts, Report& report) {
  constexpr std::size_t kShown = 300;
  const std::string shown = expression.substr(0, kShown);
  if (verdict == Verdict::kUnmet) {
    return Error(
        ErrorCode::kUnsupported,
        fmt::format("requirement error: unsatisfied condition: {}, please "
                    "update your driver to a newer version, or use an "
                    "earlier cuda container (here: {})",
                    shown, describe(facts)));
  }
  if (verdict == Verdict::kUnknown) {
    report.warn(
        fmt::format("cannot tell whether this host meets {}; the "
                    "container is started (here: {})",
                    shown, describe(facts)));
  }
  return {};
}

}  // namespace

Result<void> check_requirements(std::span<const std::string> requirements,
                                std::span<const cdi::ContainerEdits> edits,
                                const host::HostRoot& host, Report& report) {
  if (requirements.empty()) return {};
  const RequirementFacts driver = facts_of_driver(host);
  std::optional<std::vector<RequirementFacts>> gpus;
  for (const std::string& expression : requirements) {
    TRY(const Verdict verdict, oci::judge(expression, driver));
    if (verdict == Verdict::kUnknown) {
      if (!gpus) gpus = facts_of_gpus(driver, edits, host);
    }
    if (verdict != Verdict::kUnknown || gpus->empty()) {
      TRY_VOID(conclude(expression, verdict, driver, report));
      continue;
    }
    TRY(const auto worst, judge_all(expression, *gpus));
    if (worst.second == nullptr) continue;
    TRY_VOID(conclude(expression, worst.first, *worst.second, report));
  }
  return {};
}

}  // namespace gpunode::runtime
