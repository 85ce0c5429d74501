#include "node/distribution/precompiled.h"

#include <algorithm>
#include <array>
#include <utility>

namespace gpunode::distribution {
namespace {

constexpr std::string_view kPrefix = "kmod-nvidia-";
// driver_packages.cc: KMPs end with it in NVIDIA's repository.
constexpr int kLastKmp = 570;

bool is_number(char c) {
  return c >= '0' && c <= '9';
}

Error refuse(std::string words) {
  return {ErrorCode::kUnsupported, std::move(words)};
}

/// "580.95.05": a branch has three digits, where a kernel's first number has
/// one or two.
bool is_version(std::string_view text) {
  const std::size_t dot = text.find('.');
  return dot == 3 && std::ranges::all_of(
                         text, [](char c) { return is_number(c) || c == '.'; });
}

/// "el9" or "el9_6".
bool is_red_hats(std::string_view dist) {
  if (!dist.starts_with("el")) return false;
  dist.remove_prefix(2);
  const std::size_t bar = dist.find('_');
  const auto is_all_numbers = [](std::string_view part) {
    return !part.empty() && std::ranges::all_of(part, is_number);
  };
  if (bar == std::string_view::npos) return is_all_numbers(dist);
  return is_all_numbers(dist.substr(0, bar)) &&
         is_all_numbers(dist.substr(bar + 1));
}

/// Where a person finds modules that come built instead.
std::string way_out(const Distribution& row) {
  if (row.family == Family::kUbuntu) {
    return "say `source: distro`, whose modules Canonical builds and signs, or "
           "`source: nvidia-cuda-repo`, whose modules DKMS builds";
  }
  if (row.repository == "rhel10") {
    return "say `source: nvidia-cuda-repo`, whose modules DKMS builds; or take "
           "those that Red Hat signs (repository "
           "rhel-10-for-x86_64-extensions-rpms) by hand and say `source: "
           "preinstalled`";
  }
  return "say `source: nvidia-cuda-repo`, whose modules DKMS builds";
}

}  // namespace

std::optional<PrecompiledKmod> parse_precompiled_kmod(
    std::string_view package) {
  if (!package.starts_with(kPrefix)) return std::nullopt;
  package.remove_prefix(kPrefix.size());
  const std::size_t dash = package.find('-');
  if (dash == std::string_view::npos) return std::nullopt;
  const PrecompiledKmod kmod{package.substr(0, dash), package.substr(dash + 1)};
  const bool has_kernel = !kmod.kernel.empty() && is_number(kmod.kernel[0]) &&
                          kmod.kernel.find('-') != std::string_view::npos;
  if (!is_version(kmod.version) || !has_kernel) return std::nullopt;
  return kmod;
}

Result<std::string> precompiled_name(std::string_view release) {
  constexpr std::string_view kMachine = ".x86_64";
  const std::string whole(release);
  const auto no = [&]() {
    return refuse(
        "NVIDIA's ready-made modules are for Red Hat's own kernels, whose "
        "release ends like \"570.17.1.el9_6.x86_64\", and this one is " +
        whole +
        ": boot such a kernel, or say `source: nvidia-cuda-repo`, whose "
        "modules DKMS builds");
  };
  if (!release.ends_with(kMachine)) return no();
  release.remove_suffix(kMachine.size());
  const std::size_t dot = release.rfind('.');
  if (dot == std::string_view::npos || !is_red_hats(release.substr(dot + 1))) {
    return no();
  }
  release = release.substr(0, dot);
  if (release.find('-') == std::string_view::npos) return no();
  return std::string(kPrefix) + "*-" + std::string(release);
}

Result<void> check_precompiled(const Distribution& row,
                               std::string_view machine, int branch) {
  const std::string place =
      std::string(row.id) + " " + std::string(row.version);
  if (row.family == Family::kSuse) {
    if (branch <= kLastKmp) return {};
    const auto repository = repository_of(row, machine, kBaseUrl);
    const bool has_kmp = repository && repository->first_branch <= kLastKmp;
    return refuse(
        "branch " + std::to_string(branch) +
        " has no modules that come built in NVIDIA's repository for " + place +
        ", they end with " + std::to_string(kLastKmp) +
        (has_kmp ? ": say that `branch`, or `source: " : ": say `source: ") +
        "nvidia-cuda-repo`, whose modules DKMS builds");
  }
  if (!is_precompiled_proprietary(row)) {
    return refuse(
        "NVIDIA has ready-made modules for Enterprise Linux 8 and 9 "
        "alone, and this is " +
        place + ": " + way_out(row));
  }
  if (machine != "x86_64") {
    return refuse(
        "NVIDIA's ready-made modules are for x86_64 alone, and this machine "
        "is " +
        std::string(machine) + ": " + way_out(row));
  }
  return {};
}

bool is_precompiled_proprietary(const Distribution& row) {
  return row.repository == "rhel8" || row.repository == "rhel9";
}

Result<DriverPackages> precompiled_packages(const Distribution& row, int branch,
                                            Flavour flavour, Profile profile,
                                            std::string_view release) {
  TRY(DriverPackages driver,
      driver_packages(row.family, flavour, branch, profile));
  if (!is_precompiled_proprietary(row)) return driver;
  TRY(std::string name, precompiled_name(release));
  driver.stream = std::to_string(branch);
  std::ranges::replace(driver.packages, driver.module, name);
  driver.module = std::move(name);
  driver.rivals = {"kmod-nvidia-latest-dkms", "kmod-nvidia-open-dkms"};
  return driver;
}

}  // namespace gpunode::distribution
