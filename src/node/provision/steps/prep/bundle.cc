// prep.bundle: packages come from a directory that was carried here, checked.

#include <string_view>

#include <fmt/format.h>

#include "base/digest/digest.h"
#include "node/provision/file_plan.h"
#include "node/provision/offline/bundle_manifest.h"
#include "node/provision/offline/checksums.h"
#include "node/provision/package_actions.h"
#include "node/provision/steps/steps.h"

namespace gpunode::provision {
namespace {

constexpr std::uint64_t kCheckSeconds = 3600;

std::string path_below(const NodeSpec& spec, const char* name) {
  return fmt::format("{}/{}", spec.bundle, name);
}

std::string list_path() {
  return fmt::format("/etc/apt/sources.list.d/{}.list",
                     packages::kBundleRepository);
}
std::string repo_path() {
  return fmt::format("/etc/yum.repos.d/{}.repo", packages::kBundleRepository);
}

/// Its packages are checked as a whole before: Debian's are not signed.
std::string list_text(const NodeSpec& spec, const std::string& digest) {
  return fmt::format("# {} {}\ndeb [trusted=yes] file:{}/{} ./\n",
                     offline::kSumsName, digest, spec.bundle,
                     offline::kPackagesName);
}

std::string repo_text(const NodeSpec& spec, const std::string& digest,
                      const offline::BundleManifest& manifest) {
  std::string keys;
  for (const std::string& key : manifest.keys) {
    keys += fmt::format("{}file://{}/{}/{}", keys.empty() ? "" : " ",
                        spec.bundle, offline::kKeysName, key);
  }
  return fmt::format(
      "# {} {}\n[{}]\nname=Packages that gpunode bundle fetched\n"
      "baseurl=file://{}/{}\nenabled=1\ngpgcheck=1\ngpgkey={}\n",
      offline::kSumsName, digest, packages::kBundleRepository, spec.bundle,
      offline::kPackagesName, keys);
}

const std::string* content_of(const PlanInput& input, const std::string& path) {
  const auto found = input.facts.files.find(path);
  if (found == input.facts.files.end() || !found->second.content) {
    return nullptr;
  }
  return &*found->second.content;
}

class Bundle final : public Step {
 public:
  std::string_view id() const override { return "prep.bundle"; }
  std::string_view title() const override {
    return "packages come from the bundle";
  }
  std::string_view reason() const override {
    return "this host has no internet; what was carried here is checked before "
           "it is used";
  }

  facts::Wanted wants(const NodeSpec& spec) const override {
    facts::Wanted wanted;
    wanted.files = {list_path(), repo_path()};
    if (spec.bundle.empty()) return wanted;
    wanted.files.insert(path_below(spec, offline::kManifestName));
    wanted.files.insert(path_below(spec, offline::kSumsName));
    return wanted;
  }

  StepPlan plan(const PlanInput& input) const override {
    const NodeSpec& spec = input.spec;
    if (spec.bundle.empty()) return taken(input);
    const std::string* text =
        content_of(input, path_below(spec, offline::kManifestName));
    const std::string* sums =
        content_of(input, path_below(spec, offline::kSumsName));
    if (text == nullptr || sums == nullptr) {
      return StepPlan::blocked(
          fmt::format("there is no bundle at {}", spec.bundle),
          fmt::format(
              "carry it there: `gpunode bundle` makes one, on a machine "
              "with the internet"));
    }
    const auto manifest = offline::parse_manifest(*text);
    if (!manifest) {
      return StepPlan::blocked(manifest.error().message(),
                               "make the bundle anew with this gpunode");
    }
    const std::string misfit =
        offline::misfit(*manifest, input.facts.os, input.facts.kernel.machine);
    if (!misfit.empty()) {
      return StepPlan::blocked(
          fmt::format("the bundle at {} does not fit: {}", spec.bundle, misfit),
          "make one for this host: `gpunode bundle --from`, with what `gpunode "
          "facts --export` records here");
    }
    return use(input, *manifest, digest::sha256(*sums));
  }

 private:
  /// Checked whenever the repository's file is to change, which has the digest
  /// of all checksums in it.
  static StepPlan use(const PlanInput& input,
                      const offline::BundleManifest& manifest,
                      const std::string& digest) {
    StepPlan plan;
    const auto tool = package_tool(input.facts.os);
    if (!tool || *tool == packages::Tool::kZypper) {
      return StepPlan::blocked("zypper is not served by bundles",
                               "name a mirror in spec.mirrors");
    }
    if (*tool == packages::Tool::kApt) {
      plan_managed_file(input, list_path(), list_text(input.spec, digest),
                        plan);
    } else {
      plan_managed_file(input, repo_path(),
                        repo_text(input.spec, digest, manifest), plan);
    }
    if (plan.actions.empty() || !plan_can_start_program(input, plan)) {
      return plan;
    }
    plan.actions.insert(
        plan.actions.begin(),
        RunProgram{.argv = {input.spec.program, "bundle", input.spec.bundle,
                            "--check", digest},
                   .timeout_seconds = kCheckSeconds});
    return plan;
  }

  /// What we wrote once goes, when it is no longer asked for.
  static StepPlan taken(const PlanInput& input) {
    StepPlan plan;
    plan_no_managed_file(input, list_path(), plan);
    plan_no_managed_file(input, repo_path(), plan);
    if (plan.actions.empty()) {
      return StepPlan::not_wanted("spec.bundle names none");
    }
    return plan;
  }
};

}  // namespace

std::unique_ptr<Step> make_prep_bundle() {
  return std::make_unique<Bundle>();
}

}  // namespace gpunode::provision
