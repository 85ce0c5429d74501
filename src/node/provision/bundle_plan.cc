#include "node/provision/bundle_plan.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "node/provision/offline/bundle_manifest.h"
#include "node/provision/packages/tool_runner.h"

namespace gpunode::provision {
namespace {

std::string manifest_path(const NodeSpec& spec) {
  return fmt::format("{}/{}", spec.bundle, offline::kManifestName);
}

}  // namespace

facts::Wanted bundle_wants(const NodeSpec& spec) {
  facts::Wanted wanted;
  if (!spec.bundle.empty()) wanted.files.insert(manifest_path(spec));
  return wanted;
}

std::string bundle_source(const NodeSpec& spec, packages::Tool tool) {
  if (tool != packages::Tool::kApt) return packages::kBundleRepository;
  return fmt::format("{}/{}", spec.bundle, offline::kPackagesName);
}

std::optional<StepPlan> bundle_lacks(const PlanInput& input,
                                     const std::vector<std::string>& names,
                                     std::string_view version) {
  const std::string& bundle = input.spec.bundle;
  if (bundle.empty()) return std::nullopt;
  const auto file = input.facts.files.find(manifest_path(input.spec));
  if (file == input.facts.files.end() || !file->second.content) {
    return StepPlan::blocked(
        fmt::format("packages come from the bundle at {}, and there is none",
                    bundle),
        "carry it there: `gpunode bundle` makes one, on a machine with the "
        "internet");
  }
  const auto manifest = offline::parse_manifest(*file->second.content);
  if (!manifest) {
    return StepPlan::blocked(manifest.error().message(),
                             "make the bundle anew with this gpunode");
  }
  const auto missing = offline::missing_of(*manifest, names, version);
  if (missing.empty()) return std::nullopt;
  std::string why = fmt::format("the bundle at {} was made without {}", bundle,
                                fmt::join(missing, ", "));
  if (!version.empty()) why += fmt::format(" in version {}", version);
  for (const offline::BundleGap& gap : manifest->gaps) {
    why += fmt::format("; when it was made {} could not be planned: {}",
                       gap.step, gap.why);
  }
  return StepPlan::blocked(
      std::move(why),
      "make it anew for this file and this host: `gpunode facts --export "
      "HOST.tar` here, `gpunode bundle DIR -f FILE --from HOST.tar` on a "
      "machine with the internet");
}

}  // namespace gpunode::provision
