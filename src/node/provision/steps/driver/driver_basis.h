// What the Steps of NVIDIA's packages plan from: the choice, and its packages.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "node/distribution/driver_packages.h"
#include "node/distribution/table.h"
#include "node/driver/driver_choice.h"
#include "node/provision/packages/package.h"
#include "node/provision/step.h"
#include "node/provision/steps/driver/cuda_sources.h"

namespace gpunode::provision {

/// The name of our repository: its file, its key and its id.
inline constexpr const char* kCudaRepository = "gpunode-cuda";
inline constexpr const char* kNvidiaModule = "nvidia-driver";
inline constexpr const char* kNvidiaModuleFile =
    "/etc/dnf/modules.d/nvidia-driver.module";

struct DriverBasis {
  distribution::Table table;  ///< Where `row` is.
  const distribution::Distribution* row = nullptr;
  packages::Tool tool = packages::Tool::kDnf;
  /// Out of NVIDIA's repository; else the distribution's own.
  bool is_nvidias = true;
  distribution::Repository repository;  ///< Before mirrors.
  std::string url;                      ///< After them.
  std::string key_url;
  driver::Choice choice;
  distribution::DriverPackages driver;
  distribution::Companions beside;
  /// Sources of the same repository that others wrote and that are used.
  std::optional<CudaSource> source;
  /// Not empty: packages come from a bundle, and this tells it (bundle_plan.h).
  std::string bundle;

  /// All that must be of one version: the driver, and what stands beside it. A
  /// module that comes built has "*" for its version (packages/package_set.h).
  std::vector<std::string> set() const;
  /// Those that an update could change: a name with its version stays itself.
  std::vector<std::string> held() const;
  /// "580.178.04" or "580".
  std::string version() const;
  /// InstallSet::from.
  std::string from() const;
};

/// Nothing where there is no driver to install; `plan` says why then.
std::optional<DriverBasis> driver_basis(const PlanInput& input, StepPlan& plan);

/// What driver_basis() looks at.
facts::Wanted basis_wants();

/// The upstream versions that a package of set() is installed in; more than one
/// if its name has the version in it.
std::vector<std::string> installed_upstreams(const PlanInput& input,
                                             const std::string& name);

}  // namespace gpunode::provision
