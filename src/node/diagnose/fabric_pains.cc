// Pain 8 of docs/doctor.md: NVSwitches and who manages them.
#include <algorithm>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "base/core/ascii.h"
#include "node/diagnose/pains.h"
#include "node/driver/driver_choice.h"

namespace gpunode::diagnose {
namespace {

constexpr std::string_view kManager = "nvidia-fabricmanager";

/// "nvidia-fabricmanager", or with the branch behind it, as Ubuntu had it;
/// not "nvidia-fabricmanager-devel".
bool is_manager(std::string_view package) {
  if (!package.starts_with(kManager)) return false;
  package.remove_prefix(kManager.size());
  return package.empty() || (package.size() > 1 && package[0] == '-' &&
                             std::ranges::all_of(package.substr(1), is_digit));
}

/// "3:580.65.06-1.el8" is of 580.65.06, and 580.65.060 is not.
bool is_of(std::string_view package_version, std::string_view driver) {
  const std::size_t epoch = package_version.find(':');
  if (epoch != std::string_view::npos) package_version.remove_prefix(epoch + 1);
  if (!package_version.starts_with(driver)) return false;
  package_version.remove_prefix(driver.size());
  return package_version.empty() ||
         (package_version[0] != '.' && !is_digit(package_version[0]));
}

Finding needless(const std::string& seen) {
  return {"fabric.needless",
          "the fabric manager fails, and this machine has no NVSwitch to "
          "manage",
          "`systemctl disable --now nvidia-fabricmanager`",
          Severity::kWarning,
          seen,
          "without NVSwitch it ends with NV_WARN_NOTHING_TO_DO"};
}

Finding idle(const std::string& seen, const std::string& driver,
             bool is_installed) {
  return {"fabric.manager",
          "NVSwitches connect the GPUs, and the fabric manager does not run: "
          "CUDA fails with error 802, though nvidia-smi looks fine",
          fmt::format("install nvidia-fabricmanager of exactly {}, then "
                      "`systemctl enable --now nvidia-fabricmanager`",
                      driver),
          Severity::kBad,
          seen,
          is_installed ? "it is installed" : "it is not installed"};
}

Finding other_version(const std::string& package, const std::string& version,
                      const std::string& driver) {
  return {"fabric.version",
          fmt::format("the fabric manager is {}, the driver {}: they must be "
                      "the same",
                      version, driver),
          fmt::format("install nvidia-fabricmanager of exactly {}, and restart "
                      "it",
                      driver),
          Severity::kBad,
          package + " " + version,
          "each release speaks to its own driver alone"};
}

}  // namespace

Findings find_fabric_pains(const facts::HostFacts& host) {
  const std::string driver = running_driver_of(host).version;
  const auto unit = host.units.find("nvidia-fabricmanager.service");
  if (unit == host.units.end() || driver.empty()) return {};
  const std::string& state = unit->second.active_state;
  if (state.empty()) return {};  // Nothing runs where this was looked at.
  const std::string seen = "nvidia-fabricmanager.service is " + state;
  if (!driver::has_nvswitch(host)) {
    return state == "failed" ? Findings{needless(seen)} : Findings{};
  }
  if (state != "active") {
    return {idle(seen, driver, unit->second.load_state != "not-found")};
  }
  for (auto package = host.packages.lower_bound(std::string(kManager));
       package != host.packages.end() && package->first.starts_with(kManager);
       ++package) {
    const std::string& version = package->second.version;
    if (is_manager(package->first) && !is_of(version, driver)) {
      return {other_version(package->first, version, driver)};
    }
  }
  return {};
}

}  // namespace gpunode::diagnose
