// runtime.images: containerd has the images that came with the bundle.

#include <fmt/format.h>

#include "base/digest/digest.h"
#include "node/provision/file_plan.h"
#include "node/provision/offline/bundle_manifest.h"
#include "node/provision/offline/checksums.h"
#include "node/provision/steps/runtime/runtime.h"

namespace gpunode::provision {
namespace {

/// Of which bundle they were imported.
constexpr const char* kImported = "/var/lib/gpunode/imported-images";
constexpr const char* kCtr = "/usr/bin/ctr";
/// Where the kubelet's containers have their images.
constexpr const char* kNamespace = "k8s.io";
constexpr std::uint64_t kImportSeconds = 1800;

std::string path_below(const NodeSpec& spec, const char* name) {
  return fmt::format("{}/{}", spec.bundle, name);
}

const std::string* content_of(const PlanInput& input, const std::string& path) {
  const auto found = input.facts.files.find(path);
  if (found == input.facts.files.end() || !found->second.content) {
    return nullptr;
  }
  return &*found->second.content;
}

class Images final : public Step {
 public:
  std::string_view id() const override { return "runtime.images"; }
  std::string_view title() const override {
    return "containerd has the images of the bundle";
  }
  std::string_view reason() const override {
    return "a host without the internet pulls none, and no Pod starts without "
           "its sandbox's";
  }
  std::vector<std::string> counts_on() const override {
    return {"prep.bundle", "runtime.engine", "runtime.config"};
  }

  facts::Wanted wants(const NodeSpec& spec) const override {
    facts::Wanted wanted;
    if (spec.bundle.empty()) return wanted;
    wanted.files = {kImported, path_below(spec, offline::kManifestName),
                    path_below(spec, offline::kSumsName)};
    return wanted;
  }

  StepPlan plan(const PlanInput& input) const override {
    const NodeSpec& spec = input.spec;
    if (spec.bundle.empty()) {
      return StepPlan::not_wanted("spec.bundle names none");
    }
    if (!spec.runtime.is_wanted && !spec.kubernetes.is_wanted) {
      return StepPlan::not_wanted("nothing that the file asks for needs one");
    }
    const std::string* text =
        content_of(input, path_below(spec, offline::kManifestName));
    const std::string* sums =
        content_of(input, path_below(spec, offline::kSumsName));
    const auto manifest = text == nullptr
                              ? Result<offline::BundleManifest>(Error(
                                    ErrorCode::kNotFound, "there is no bundle"))
                              : offline::parse_manifest(*text);
    if (!manifest || sums == nullptr) {
      return StepPlan::not_wanted(
          "the bundle is not to be had: see prep.bundle");
    }
    if (manifest->images.empty()) {
      return StepPlan::not_wanted("the bundle has none");
    }
    StepPlan plan;
    for (const offline::BundledImage& image : manifest->images) {
      plan.actions.emplace_back(
          RunProgram{.argv = {kCtr, "-n", kNamespace, "images", "import",
                              fmt::format("{}/{}/{}", spec.bundle,
                                          offline::kImagesName, image.file)},
                     .timeout_seconds = kImportSeconds});
    }
    StepPlan mark;
    plan_managed_file(
        input, kImported,
        fmt::format("{} {}\n", offline::kSumsName, digest::sha256(*sums)),
        mark);
    if (mark.state == StepState::kOk || mark.state == StepState::kBlocked) {
      return mark;
    }
    plan.state = mark.state;
    plan.why = fmt::format("{} images of {} are not known to be there",
                           manifest->images.size(), spec.bundle);
    plan.before = mark.before;
    for (Action& action : mark.actions) {
      plan.actions.push_back(std::move(action));
    }
    return plan;
  }
};

}  // namespace

std::unique_ptr<Step> make_runtime_images() {
  return std::make_unique<Images>();
}

}  // namespace gpunode::provision
