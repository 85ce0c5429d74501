// runtime.engine: containerd is installed, and starts at boot.

#include <optional>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "node/distribution/names.h"
#include "node/provision/bundle_plan.h"
#include "node/provision/file_plan.h"
#include "node/provision/packages/mirrors.h"
#include "node/provision/packages/package_set.h"
#include "node/provision/packages/repository.h"
#include "node/provision/steps/runtime/docker_source.h"
#include "node/provision/steps/runtime/engine_version.h"
#include "node/provision/steps/runtime/runtime.h"

namespace gpunode::provision {
namespace {

constexpr const char* kUnit = "containerd.service";
constexpr const char* kDistributions = "containerd";
constexpr const char* kDockers = "containerd.io";

bool is_of_red_hat(const facts::OsRelease& os) {
  return os.id != "amzn" &&
         (os.id == "rhel" || os.id == "centos" || os.is_like("rhel"));
}

std::string remove_command(const facts::OsRelease& os, const char* name) {
  using distribution::Manager;
  const auto manager = os.package_manager();
  if (manager == Manager::kApt) return fmt::format("apt-get remove {}", name);
  if (manager == Manager::kZypper) return fmt::format("zypper remove {}", name);
  return fmt::format("dnf remove {}", name);
}

/// One plan of this Step.
class EnginePlanning {
 public:
  explicit EnginePlanning(const PlanInput& input)
      : input_(input),
        spec_(input.spec.runtime),
        installed_(installed_engine(input.facts)) {}

  StepPlan plan();

 private:
  bool is_docker() const { return spec_.source == EngineSource::kDocker; }
  const char* wanted() const { return is_docker() ? kDockers : kDistributions; }

  void blocked(std::string why, std::string fix) {
    plan_ = StepPlan::blocked(std::move(why), std::move(fix));
  }
  bool is_blocked() const { return plan_.state == StepState::kBlocked; }
  void change(std::string why) {
    if (plan_.state == StepState::kOk) plan_.state = StepState::kChange;
    if (plan_.why.empty()) plan_.why = std::move(why);
  }

  /// Our file of the repository is looked after as long as it is there.
  bool is_ours_there() const;
  void check_preinstalled();
  void check_conflict();
  void check_host();
  void check_skew();
  void plan_repository();
  void plan_package();
  void plan_unit();

  const PlanInput& input_;
  const RuntimeSpec& spec_;
  const char* installed_;
  StepPlan plan_;
};

bool EnginePlanning::is_ours_there() const {
  for (const auto& [path, content] : input_.history.written) {
    if (path.find(kDockerRepository) != std::string::npos && !content.empty()) {
      return true;
    }
  }
  return false;
}

void EnginePlanning::check_preinstalled() {
  const auto unit = input_.facts.units.find(kUnit);
  if (unit != input_.facts.units.end() &&
      (unit->second.load_state == "loaded" ||
       unit->second.load_state == "masked")) {
    return;
  }
  blocked("containerd is not there, and `source: preinstalled` says that it is",
          "install it with its unit containerd.service, or say `install: "
          "{source: distribution}` or `{source: docker-ce}`");
}

/// Both packages are the same programs: they can't be there together, and the
/// one in the place of the other would take the containers along.
void EnginePlanning::check_conflict() {
  const facts::OsRelease& os = input_.facts.os;
  if (installed_ != nullptr && installed_ != std::string_view(wanted())) {
    blocked(
        fmt::format("{} is installed, and `source: {}` means {}: the two have "
                    "the same files, and only one can be there",
                    installed_, is_docker() ? "docker-ce" : "distribution",
                    wanted()),
        fmt::format("keep it with `install: {{source: {}}}`; or drain the node "
                    "and take it away with `{}`, then apply again",
                    is_docker() ? "distribution" : "docker-ce",
                    remove_command(os, installed_)));
    return;
  }
  // containerd.io brings a runc, and conflicts with the distribution's.
  if (is_docker() && installed_ == nullptr &&
      input_.facts.packages.contains("runc")) {
    blocked(
        "runc of the distribution is installed, and Docker's containerd.io "
        "brings its own: the two packages conflict",
        fmt::format("take it away with `{}`, which tells what goes with "
                    "it, or say `install: {{source: distribution}}`",
                    remove_command(os, "runc")));
  }
}

void EnginePlanning::check_host() {
  const facts::OsRelease& os = input_.facts.os;
  if (!os.package_manager()) {
    blocked(fmt::format("no package manager is known for {}", os.pretty_name),
            "install containerd by hand and say `install: {source: "
            "preinstalled}`");
    return;
  }
  if (!is_docker() && is_of_red_hat(os) && input_.spec.bundle.empty()) {
    blocked(fmt::format("{} has no package containerd", os.pretty_name),
            "say `install: {source: docker-ce}`: Docker's repository has one "
            "for it");
  }
}

void EnginePlanning::check_skew() {
  const std::string& kubernetes = input_.spec.kubernetes.version;
  auto engine = engine_version(input_.facts);
  bool is_said = false;
  if (spec_.source != EngineSource::kPreinstalled && !spec_.version.empty()) {
    engine = parse_engine_version(spec_.version);
    is_said = true;
  }
  if (!engine) return;
  EngineSkew skew = engine_skew(*engine, kubernetes);
  if (!skew.note.empty()) plan_.notes.push_back(std::move(skew.note));
  if (skew.trouble.empty()) return;
  const bool is_old = engine->major < 2;
  blocked(skew.trouble,
          is_said ? fmt::format("say another `version` in `spec.runtime."
                                "install`, \"{}\" for one",
                                is_old ? "2.1" : "1.7")
          : is_old
              ? "say `install: {source: docker-ce}`, which has newer ones, or "
                "another `version` in `spec.kubernetes`"
              : "say `install: {source: docker-ce, version: \"1.7\"}`, or "
                "another `version` in `spec.kubernetes`");
}

void EnginePlanning::plan_repository() {
  auto docker = docker_repository(input_);
  if (!docker) {
    blocked(docker.error().message(),
            "say `install: {source: distribution}`, or install containerd by "
            "hand and say `{source: preinstalled}`");
    return;
  }
  auto other = docker_source(input_.facts.files, kDockerBase);
  if (!other) {
    const std::string mirror =
        packages::mirrored(kDockerBase, input_.spec.mirrors);
    other = docker_source(input_.facts.files, mirror);
  }
  if (other && !other->is_checked) {
    blocked(fmt::format("Docker's repository in {} takes packages that nobody "
                        "signed",
                        other->path),
            fmt::format("remove it with `rm {}`: gpunode writes its own",
                        other->path));
    return;
  }
  if (other) {
    plan_.notes.push_back(fmt::format(
        "{} has Docker's repository already, and it is used as it is",
        other->path));
    return;
  }
  const std::string key =
      packages::repository_key_path(docker->tool, kDockerRepository, true);
  const auto known = input_.facts.files.find(key);
  const bool has_key =
      known != input_.facts.files.end() && known->second.content &&
      packages::check_key(*known->second.content, {docker->fingerprint}, 0);
  if (!has_key) {
    change(fmt::format("{} is missing, or not Docker's", key));
    plan_.actions.emplace_back(
        FetchKey{docker->key_url, key, {docker->fingerprint}});
  }
  const auto file =
      packages::repository_file(docker->tool, docker->repository, key);
  if (!file) {
    blocked(file.error().message(), "mend spec.mirrors");
    return;
  }
  plan_managed_file(input_, file->path, file->content, plan_);
}

void EnginePlanning::plan_package() {
  const std::string& asked = spec_.version;
  if (installed_ != nullptr) {
    const std::string now(
        packages::upstream_of(input_.facts.packages.at(installed_).version));
    if (packages::is_of(now, asked)) return;
    change(fmt::format("{} is {}", installed_, now));
  } else {
    change(fmt::format("{} is missing", wanted()));
  }
  if (auto lacks = bundle_lacks(input_, {wanted()}, asked)) {
    plan_ = *std::move(lacks);
  } else if (asked.empty()) {
    plan_.actions.emplace_back(InstallPackages{{wanted()}});
  } else {
    plan_.actions.emplace_back(
        InstallSet{.packages = {wanted()}, .version = asked});
  }
}

/// Started by runtime.config, with the file that it is to have.
void EnginePlanning::plan_unit() {
  const auto known = input_.facts.units.find(kUnit);
  const facts::UnitFacts unit =
      known == input_.facts.units.end() ? facts::UnitFacts{} : known->second;
  const bool is_masked = unit.load_state == "masked";
  if (!is_masked &&
      (unit.unit_file_state == "enabled" || unit.unit_file_state == "static")) {
    return;
  }
  change(is_masked ? "containerd.service is masked"
                   : "containerd.service is not started at boot");
  plan_.actions.emplace_back(
      SetUnit{.unit = kUnit,
              .enabled = Wish::kYes,
              .masked = is_masked ? Wish::kNo : Wish::kAsIs});
}

StepPlan EnginePlanning::plan() {
  if (spec_.source == EngineSource::kPreinstalled) {
    check_preinstalled();
  } else {
    check_conflict();
    if (!is_blocked() && installed_ == nullptr) check_host();
  }
  if (!is_blocked()) check_skew();
  if (is_blocked()) return std::move(plan_);
  if (spec_.source != EngineSource::kPreinstalled) {
    // What is installed already needs no repository but for another version.
    const bool needs_source =
        installed_ == nullptr || !spec_.version.empty() || is_ours_there();
    if (is_docker() && input_.spec.bundle.empty() && needs_source) {
      plan_repository();
    }
    if (is_blocked()) return std::move(plan_);
    plan_package();
    if (is_blocked()) return std::move(plan_);
  }
  plan_unit();
  return std::move(plan_);
}

class Engine final : public Step {
 public:
  std::string_view id() const override { return "runtime.engine"; }
  std::string_view title() const override {
    return "containerd is installed and starts at boot";
  }
  std::string_view reason() const override {
    return "the kubelet has containers run by it, and speaks to some versions "
           "alone";
  }
  std::vector<std::string> counts_on() const override {
    return {"prep.repositories", "prep.bundle"};
  }

  facts::Wanted wants(const NodeSpec& spec) const override {
    if (!spec.runtime.is_wanted) return {};
    facts::Wanted wanted;
    wanted.packages = {kDistributions, kDockers, "runc"};
    wanted.units = {kUnit};
    wanted.add(bundle_wants(spec));
    if (spec.runtime.source == EngineSource::kDocker) {
      wanted.add(docker_wants());
    }
    return wanted;
  }

  StepPlan plan(const PlanInput& input) const override {
    if (!input.spec.runtime.is_wanted) {
      return StepPlan::not_wanted("the file has no `spec.runtime`");
    }
    return EnginePlanning(input).plan();
  }
};

}  // namespace

std::unique_ptr<Step> make_runtime_engine() {
  return std::make_unique<Engine>();
}

}  // namespace gpunode::provision
