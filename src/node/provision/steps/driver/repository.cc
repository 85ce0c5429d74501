// driver.repository: where NVIDIA's driver comes from, with the key that its
// packages must be signed by.

#include "node/provision/packages/repository.h"

#include <utility>

#include <fmt/format.h>

#include "node/provision/file_plan.h"
#include "node/provision/packages/mirrors.h"
#include "node/provision/steps/driver/driver_basis.h"
#include "node/provision/steps/steps.h"

namespace gpunode::provision {
namespace {

using packages::Tool;

constexpr const char* kAptKey = "/etc/apt/keyrings/gpunode-cuda.asc";
constexpr const char* kRpmKey = "/etc/pki/rpm-gpg/RPM-GPG-KEY-gpunode-cuda";

/// Whose keys are as good as NVIDIA's own: by their addresses.
CudaKeyVerdict judge(const PlanInput& input, const DriverBasis& basis,
                     const CudaSource& source) {
  return judge_keys(source, input.facts.files,
                    std::string(basis.repository.fingerprint),
                    {std::string(distribution::kBaseUrl) + "/", basis.url});
}

/// What others left that would be mixed with what we bring; true: `plan` is
/// blocked by it.
bool is_in_the_way(const PlanInput& input, const DriverBasis& basis,
                   StepPlan& plan) {
  for (const CudaSource& one : cuda_sources(input.facts.files)) {
    if (one.path.find(kCudaRepository) != std::string::npos) continue;
    std::string why;
    if (one.has_old_key) {
      why = "is by the key 7fa2af80, which NVIDIA withdrew in 2022";
    } else if (!basis.source || one.directory != basis.source->directory) {
      why = fmt::format(
          "is for {}, and this host takes {}: their packages "
          "would be mixed",
          one.directory,
          basis.repository.url.substr(
              std::string(distribution::kBaseUrl).size() + 1));
    } else if (!one.is_checked) {
      why = "takes packages that nobody signed, or that any key signed";
    } else {
      why = judge(input, basis, one).trouble;
    }
    if (why.empty()) continue;
    plan = StepPlan::blocked(
        fmt::format("NVIDIA's repository in {} {}", one.path, why),
        fmt::format("remove it with `rm {}`: gpunode writes its own",
                    one.path));
    return true;
  }
  return false;
}

bool has_key(const PlanInput& input, const std::string& path,
             const std::string& fingerprint) {
  const auto found = input.facts.files.find(path);
  // By the clock it is looked at when it is fetched; a plan has none.
  return found != input.facts.files.end() && found->second.content &&
         packages::check_key(*found->second.content, {fingerprint}, 0);
}

void add_file(const PlanInput& input, const DriverBasis& basis,
              const std::string& key, StepPlan& plan) {
  packages::Repository repository;
  repository.id = kCudaRepository;
  repository.name = fmt::format("NVIDIA CUDA for {} ({})",
                                basis.row->repository, kCudaRepository);
  std::string url = basis.url;
  // A flat repository of apt has its slash; the others do without.
  if (basis.tool != Tool::kApt) url.pop_back();
  repository.urls = {std::move(url)};
  const auto file = packages::repository_file(basis.tool, repository, key);
  if (!file) {
    plan = StepPlan::blocked(file.error().message(), "mend spec.mirrors");
    return;
  }
  plan_managed_file(input, file->path, file->content, plan);
}

class DriverRepository final : public Step {
 public:
  std::string_view id() const override { return "driver.repository"; }
  std::string_view title() const override {
    return "NVIDIA's repository for this distribution is there";
  }
  std::string_view reason() const override {
    return "the driver comes as signed packages, by a key that is pinned here";
  }
  std::vector<std::string> counts_on() const override {
    return {"prep.repositories"};
  }

  facts::Wanted wants(const NodeSpec& spec) const override {
    if (!spec.driver.is_wanted) return {};
    facts::Wanted wanted = basis_wants();
    wanted.add(key_wants());
    wanted.files.insert({kAptKey, kRpmKey});
    return wanted;
  }

  StepPlan plan(const PlanInput& input) const override {
    StepPlan plan;
    const auto basis = driver_basis(input, plan);
    if (!basis) return plan;
    if (!basis->is_nvidias) {
      return StepPlan::not_wanted("the driver comes from the distribution");
    }
    if (!basis->bundle.empty()) {
      return StepPlan::not_wanted(
          "spec.bundle has the driver's packages, and their key");
    }
    if (is_in_the_way(input, *basis, plan)) return plan;
    if (basis->source) {
      plan.notes.push_back(fmt::format(
          "{} has NVIDIA's repository already, and it is used as it is{}",
          basis->source->path,
          basis->url == basis->repository.url
              ? ""
              : ", not the mirror of the file"));
      const std::string unknown = judge(input, *basis, *basis->source).unknown;
      if (!unknown.empty()) {
        plan.notes.push_back(fmt::format(
            "whether {} holds NVIDIA's key {} alone can't be told from here; "
            "with `rm {}` gpunode writes its own file, by that key",
            unknown, basis->repository.fingerprint, basis->source->path));
      }
      return plan;
    }
    const std::string key =
        packages::repository_key_path(basis->tool, kCudaRepository, true);
    const std::string fingerprint(basis->repository.fingerprint);
    if (!has_key(input, key, fingerprint)) {
      plan.state = StepState::kChange;
      plan.why = fmt::format("{} is missing, or not NVIDIA's", key);
      plan.actions.emplace_back(FetchKey{basis->key_url, key, {fingerprint}});
    }
    add_file(input, *basis, key, plan);
    return plan;
  }
};

}  // namespace

std::unique_ptr<Step> make_driver_repository() {
  return std::make_unique<DriverRepository>();
}

}  // namespace gpunode::provision
