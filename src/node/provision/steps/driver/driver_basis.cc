#include "node/provision/steps/driver/driver_basis.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "node/distribution/names.h"
#include "node/distribution/precompiled.h"
#include "node/provision/bundle_plan.h"
#include "node/provision/driver_wish.h"
#include "node/provision/package_actions.h"
#include "node/provision/packages/mirrors.h"
#include "node/provision/packages/package_set.h"
#include "node/provision/steps/driver/driver_request.h"
#include "node/provision/steps/kernel/kernel.h"

namespace gpunode::provision {
namespace {

using distribution::Family;
using distribution::Flavour;

distribution::CompanionWish companion_wish(const DriverSpec& spec,
                                           const driver::Choice& choice) {
  distribution::CompanionWish wish;
  wish.persistence = spec.persistence;
  wish.fabric_manager = wants_fabric_manager(spec, choice);
  wish.subnet_manager = wish.fabric_manager && choice.needs_subnet_manager;
  wish.imex = wants_imex(spec);
  return wish;
}

/// Where the file says none: with a display's packages where the branch has no
/// others.
distribution::Profile profile_of(const DriverSpec& spec,
                                 const distribution::Distribution& row,
                                 const driver::Choice& choice) {
  const bool is_full =
      spec.is_profile_given
          ? spec.with_display
          : spec.with_display ||
                !distribution::has_compute_packages(row.family, choice.branch);
  return is_full ? distribution::Profile::kFull
                 : distribution::Profile::kCompute;
}

/// Ubuntu's archive: modules built and signed by Canonical, one package a
/// kernel.
void take_ubuntus(const std::string& kernel, const DriverSpec& spec,
                  DriverBasis& basis) {
  const std::string server =
      fmt::format("{}-server{}", basis.choice.branch,
                  basis.choice.flavour == Flavour::kOpen ? "-open" : "");
  const std::string branch = std::to_string(basis.choice.branch);
  basis.driver.module = "nvidia-headless-no-dkms-" + server;
  basis.driver.packages = {basis.driver.module,
                           fmt::format("nvidia-utils-{}-server", branch)};
  basis.beside = {};
  basis.beside.any = {
      fmt::format("linux-modules-nvidia-{}-{}", server, kernel)};
  if (spec.persistence) {
    basis.beside.same.push_back(
        fmt::format("nvidia-compute-utils-{}-server", branch));
  }
  if (wants_fabric_manager(spec, basis.choice)) {
    basis.beside.same.push_back("nvidia-fabricmanager-" + branch);
    basis.beside.same.push_back("libnvidia-nscq-" + branch);
  }
}

std::optional<StepPlan> take_distributions(const PlanInput& input,
                                           DriverBasis& basis) {
  basis.is_nvidias = false;
  if (basis.row->family != Family::kUbuntu) {
    return StepPlan::blocked(
        fmt::format("`source: distro` is known for Ubuntu alone, and this is "
                    "{} {}",
                    basis.row->id, basis.row->version),
        "say `source: nvidia-cuda-repo`, or install the distribution's driver "
        "by hand and say `source: preinstalled`");
  }
  if (wants_imex(input.spec.driver)) {
    return StepPlan::blocked(
        "`imex: true`, and no package of Ubuntu's for it is known",
        "say `source: nvidia-cuda-repo`, which has it, or `imex: false`");
  }
  const driver::TargetKernel kernel = target_kernel(input);
  if (!kernel.is_settled()) {
    return StepPlan::blocked(
        "which kernel the modules are for is not settled: " + kernel.blocked,
        kernel.fix);
  }
  take_ubuntus(kernel.release, input.spec.driver, basis);
  return std::nullopt;
}

/// Modules that come built for the kernel that the driver is for.
std::optional<StepPlan> take_precompiled(const PlanInput& input,
                                         DriverBasis& basis) {
  const driver::TargetKernel kernel = target_kernel(input);
  if (!kernel.is_settled()) {
    return StepPlan::blocked(
        "which kernel the modules are for is not settled: " + kernel.blocked,
        kernel.fix);
  }
  auto driver = distribution::precompiled_packages(
      *basis.row, basis.choice.branch, basis.choice.flavour,
      profile_of(input.spec.driver, *basis.row, basis.choice), kernel.release);
  if (!driver) return no_driver(driver.error());
  basis.driver = *std::move(driver);
  return std::nullopt;
}

/// The same repository in a file of somebody else's.
void find_source(const PlanInput& input, DriverBasis& basis) {
  const std::string directory = basis.repository.url.substr(
      std::string(distribution::kBaseUrl).size() + 1);
  for (CudaSource& one : cuda_sources(input.facts.files)) {
    const bool is_ours = one.path.find(kCudaRepository) != std::string::npos;
    if (is_ours || one.directory + "/" != directory) continue;
    basis.source = std::move(one);
    return;
  }
}

/// The file may say of a distribution what its os-release does not.
Result<void> check_manager(const distribution::Distribution& row,
                           const facts::OsRelease& os) {
  const auto own = os.package_manager();
  if (!own || distribution::is_same_kind(*own, row.manager)) return {};
  return Error(
      ErrorCode::kUnsupported,
      fmt::format("spec.distributions says that {} {} has {}, and ID and "
                  "ID_LIKE of its os-release say {}",
                  row.id, row.version, distribution::name_of(row.manager),
                  distribution::name_of(*own)));
}

/// What the choice means in repositories and packages.
Result<DriverBasis> with_packages(const PlanInput& input,
                                  DriverRequest request) {
  DriverBasis basis;
  const facts::HostFacts& facts = input.facts;
  basis.table = std::move(request.distribution.table);
  basis.row = request.distribution.row;
  basis.choice = std::move(request.choice);
  TRY(basis.tool, package_tool(facts.os));
  TRY_VOID(check_manager(*basis.row, facts.os));
  TRY(basis.repository,
      distribution::repository_of(*basis.row, facts.kernel.machine,
                                  distribution::kBaseUrl));
  basis.url = packages::mirrored(basis.repository.url, input.spec.mirrors);
  basis.key_url =
      packages::mirrored(basis.repository.key_url, input.spec.mirrors);
  const auto profile = profile_of(input.spec.driver, *basis.row, basis.choice);
  // Nobody asked for what that branch does not have.
  if (profile == distribution::Profile::kFull &&
      !input.spec.driver.is_profile_given) {
    basis.choice.reasons.push_back(
        fmt::format("`profile: full`: branch {} has no packages without a "
                    "display's, they begin with 560",
                    basis.choice.branch));
  }
  TRY(basis.driver,
      distribution::driver_packages(basis.row->family, basis.choice.flavour,
                                    basis.choice.branch, profile));
  basis.beside = distribution::companions(
      basis.row->family, basis.choice.branch,
      companion_wish(input.spec.driver, basis.choice), facts.kernel.machine);
  return basis;
}

}  // namespace

std::vector<std::string> DriverBasis::set() const {
  std::vector<std::string> all = driver.packages;
  all.insert(all.end(), beside.same.begin(), beside.same.end());
  return all;
}

std::vector<std::string> DriverBasis::held() const {
  std::vector<std::string> all = set();
  std::erase_if(all, packages::has_version_inside);
  return all;
}

std::string DriverBasis::version() const {
  return name_of(choice);
}

std::string DriverBasis::from() const {
  if (!bundle.empty()) return bundle;
  if (!is_nvidias) return {};
  // zypper tells a repository's name and not its id: ours has both, and what
  // somebody else called theirs does not matter, since nobody else has them.
  if (tool == packages::Tool::kZypper && source) return {};
  if (tool != packages::Tool::kApt)
    return source ? source->id : kCudaRepository;
  // apt tells the address, and not always with its scheme.
  std::string address = source ? source->directory : url;
  if (const std::size_t at = address.find("//"); at != std::string::npos) {
    address.erase(0, at + 2);
  }
  while (address.ends_with('/')) address.pop_back();
  return address;
}

std::optional<DriverBasis> driver_basis(const PlanInput& input,
                                        StepPlan& plan) {
  const DriverSpec& spec = input.spec.driver;
  const auto no = [&plan](StepPlan why) {
    plan = std::move(why);
    return std::nullopt;
  };
  auto request = request_driver(input, plan);
  if (!request) return std::nullopt;
  auto basis = with_packages(input, *std::move(request));
  if (!basis) return no(no_driver(basis.error()));
  if (!input.spec.bundle.empty()) {
    basis->bundle = bundle_source(input.spec, basis->tool);
  }
  if (spec.source == DriverSource::kPrecompiled) {
    if (auto why = take_precompiled(input, *basis)) return no(*why);
  }
  if (spec.source == DriverSource::kDistribution) {
    if (auto why = take_distributions(input, *basis)) return no(*why);
  } else if (basis->bundle.empty()) {
    find_source(input, *basis);
  }
  return *std::move(basis);
}

facts::Wanted basis_wants() {
  facts::Wanted wanted;
  wanted.driver = true;
  wanted.files = {"/etc/yum.repos.d/*.repo", "/etc/zypp/repos.d/*.repo",
                  "/etc/apt/sources.list", "/etc/apt/sources.list.d/*.list",
                  "/etc/apt/sources.list.d/*.sources"};
  return wanted;
}

std::vector<std::string> installed_upstreams(const PlanInput& input,
                                             const std::string& name) {
  std::vector<std::string> versions;
  for (const auto& [installed, package] : input.facts.packages) {
    if (packages::is_named(installed, name)) {
      versions.emplace_back(packages::upstream_of(package.version));
    }
  }
  return versions;
}

}  // namespace gpunode::provision
