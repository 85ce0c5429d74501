#include "node/provision/steps/driver/driver_request.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <string_view>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "node/driver/gpu_services.h"
#include "node/provision/driver_wish.h"
#include "node/provision/steps/kernel/kernel.h"

namespace gpunode::provision {
namespace {

/// What else the driver's own services start, under names that the kernel cuts
/// at 15 characters.
constexpr auto kServiceProcesses =
    std::to_array<std::string_view>({"nvidia-fabricma", "nvlsm"});

/// Whether driver.load stops it, by stopping its service.
bool is_of_service(const facts::HostFacts& host, std::string_view process) {
  if (std::ranges::find(kServiceProcesses, process) !=
      kServiceProcesses.end()) {
    return true;
  }
  return std::ranges::any_of(
      driver::gpu_services(), [&](const driver::GpuService& service) {
        if (service.process != process) return false;
        const auto unit = host.units.find(std::string(service.unit));
        return service.is_drivers || (unit != host.units.end() &&
                                      unit->second.active_state == "active");
      });
}

constexpr std::string_view kParameterPrefix = "NVreg_";

/// "0x12" and "18" are one; what is no number is compared as text. The kernel
/// prints its 32 bits unsigned.
std::optional<std::uint32_t> number_of(std::string_view text) {
  const bool is_hex = text.starts_with("0x");
  if (is_hex) text.remove_prefix(2);
  std::int64_t number = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] =
      std::from_chars(text.data(), end, number, is_hex ? 16 : 10);
  if (text.empty() || error != std::errc() || stop != end) return std::nullopt;
  return static_cast<std::uint32_t>(number);
}

bool is_same_value(const std::string& a, const std::string& b) {
  const auto x = number_of(a);
  const auto y = number_of(b);
  return x && y ? *x == *y : a == b;
}

/// An option of the module that the loaded one was not given; "" if all were.
std::string missed_option(const facts::DriverFacts& loaded,
                          const driver::Choice& choice) {
  for (const auto& [name, value] : choice.module_options) {
    if (!name.starts_with(kParameterPrefix)) continue;
    const auto param = loaded.params.find(name.substr(kParameterPrefix.size()));
    if (param == loaded.params.end()) continue;
    if (!is_same_value(param->second, value)) {
      return fmt::format("has {}={} and not {}", name, param->second, value);
    }
  }
  return "";
}

}  // namespace

Result<DriverRequest> request_for(const PlanInput& input) {
  DriverRequest request;
  TRY(request.distribution, distribution_row(input));
  TRY(request.choice,
      driver::choose_driver(input.facts, *request.distribution.row,
                            make_wish(input.spec.driver)));
  return request;
}

StepPlan no_driver(const Error& error) {
  if (error.code() == ErrorCode::kNotFound) {
    return StepPlan::not_wanted(error.message());
  }
  return StepPlan::blocked(
      fmt::format("no driver is possible here: {}", error.message()),
      "change what the file says of it, or say `source: preinstalled` and "
      "see to the driver by hand");
}

std::optional<DriverRequest> request_driver(const PlanInput& input,
                                            StepPlan& plan) {
  const DriverSpec& spec = input.spec.driver;
  if (!spec.is_wanted) {
    plan = StepPlan::not_wanted("the file has no section `driver`");
    return std::nullopt;
  }
  if (spec.source == DriverSource::kPreinstalled) {
    plan = StepPlan::not_wanted(
        "`source: preinstalled`: the driver is its owner's");
    return std::nullopt;
  }
  auto request = request_for(input);
  if (request) return *std::move(request);
  plan = StepPlan::not_wanted(
      request.error().code() == ErrorCode::kNotFound
          ? request.error().message()
          : "no driver is possible here: driver.obstacles says why");
  return std::nullopt;
}

std::optional<driver::Choice> requested_driver(const PlanInput& input,
                                               StepPlan& plan) {
  auto request = request_driver(input, plan);
  if (!request) return std::nullopt;
  return std::move(request->choice);
}

std::string name_of(const driver::Choice& choice) {
  return choice.version.empty() ? std::to_string(choice.branch)
                                : choice.version;
}

bool is_of(const driver::Choice& choice, const std::string& version) {
  if (!choice.version.empty()) return version == choice.version;
  return version.starts_with(std::to_string(choice.branch) + ".");
}

std::vector<std::string> kernels_to_build(const PlanInput& input) {
  const driver::TargetKernel target = target_kernel(input);
  std::vector<std::string> kernels;
  if (!target.release.empty()) kernels.push_back(target.release);
  // Modules that come built are packages, and asked for this kernel alone.
  if (input.spec.driver.source != DriverSource::kNvidia) return kernels;
  for (const facts::KernelImage& image : input.facts.kernels.images) {
    if (image.has_devel && image.release != target.release) {
      kernels.push_back(image.release);
    }
  }
  return kernels;
}

std::string reload_reason(const PlanInput& input,
                          const driver::Choice& choice) {
  const facts::DriverFacts& loaded = input.facts.driver;
  const std::string& version = loaded.loaded_version;
  if (version.empty()) return "";
  if (!is_of(choice, version)) {
    return fmt::format("is {} and not {}", version, name_of(choice));
  }
  const bool is_open = choice.flavour == driver::Flavour::kOpen;
  if (loaded.is_loaded_open != is_open) {
    return fmt::format("has {} modules and not {} ones",
                       is_open ? "proprietary" : "open",
                       is_open ? "open" : "proprietary");
  }
  if (!loaded.library.empty() && loaded.library != version) {
    return fmt::format(
        "is {} and its libraries are {}: every program fails with \"API "
        "mismatch\"",
        version, loaded.library);
  }
  return missed_option(loaded, choice);
}

std::vector<std::string> others_on_gpus(const facts::HostFacts& host) {
  std::vector<std::string> others;
  for (const std::string& holder : host.driver.holders) {
    const std::string name = holder.substr(0, holder.rfind(" ("));
    if (!is_of_service(host, name)) others.push_back(holder);
  }
  return others;
}

bool refuse_in_use(const PlanInput& input, const std::string& reason,
                   StepPlan& plan) {
  const std::vector<std::string> others = others_on_gpus(input.facts);
  if (others.empty()) return false;
  const std::string node = input.spec.name.empty() ? "NODE" : input.spec.name;
  plan = StepPlan::refused(
      fmt::format("the loaded driver {}, and it is in use: {}", reason,
                  fmt::join(others, ", ")),
      fmt::format("`kubectl drain {} --ignore-daemonsets "
                  "--delete-emptydir-data` moves the Pods away; what a "
                  "DaemonSet or a login runs on a GPU must be stopped as well; "
                  "then apply again",
                  node));
  return true;
}

facts::Wanted driver_wants() {
  facts::Wanted wanted;
  wanted.driver = true;
  return wanted;
}

facts::Wanted reload_wants() {
  facts::Wanted wanted = driver_wants();
  for (const driver::GpuService& service : driver::gpu_services()) {
    wanted.units.emplace(service.unit);
  }
  return wanted;
}

std::vector<std::string> driver_services(const NodeSpec& spec,
                                         const driver::Choice& choice) {
  std::vector<std::string> units;
  if (spec.driver.persistence)
    units.emplace_back("nvidia-persistenced.service");
  if (wants_fabric_manager(spec.driver, choice)) {
    units.emplace_back("nvidia-fabricmanager.service");
  }
  if (wants_imex(spec.driver)) units.emplace_back("nvidia-imex.service");
  return units;
}

}  // namespace gpunode::provision
