// gpunode bundle: what a machine with the internet fetches for one without.

#include <filesystem>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "apps/gpunode/commands/commands.h"
#include "apps/gpunode/commands/host_source.h"
#include "apps/gpunode/commands/node_run.h"
#include "node/facts/observe.h"
#include "node/facts/recording.h"
#include "node/provision/key_actions.h"
#include "node/provision/offline/bundle_maker.h"
#include "node/provision/offline/checksums.h"
#include "node/provision/package_actions.h"
#include "node/provision/packages/repository.h"
#include "node/provision/steps/steps.h"

namespace gpunode::cli {
namespace {

struct Options : NodeOptions {
  std::string directory;
  std::string from;  ///< A recorded host (facts --export); empty: this one.
  std::vector<std::string> packages;
  std::vector<std::string> images;
  std::string checked_sums;  ///< Not empty: check, and fetch nothing.
};

constexpr const char* kExamples = R"(
Examples:
  # On a machine (or in a container) with the internet and the distribution of
  # the host that has none:
  gpunode bundle /srv/bundle -f node.yaml --image registry.k8s.io/pause:3.10

  # After it was carried over: whether every file is what it was.
  gpunode bundle /srv/bundle --check DIGEST

Fetched are the packages that `gpunode plan` of the file would install there,
with all that they need, whatever this machine has of them. Nothing is
installed. DIGEST is what the first call prints.)";

/// What the plan writes of repositories and keys, for the manager to read.
void add_repository_file(const provision::WriteFile& file,
                         offline::Download& download) {
  const bool is_key = file.path.starts_with("/etc/pki/rpm-gpg/") ||
                      file.path.starts_with("/etc/apt/keyrings/") ||
                      file.path.starts_with("/usr/share/keyrings/");
  if (!is_key && !packages::is_repository_file(file.path)) return;
  download.repository_files.push_back({file.path, file.content, 0644});
}

/// The key of a repository, fetched and held against its fingerprints as on the
/// host itself.
Result<void> add_key(const provision::FetchKey& key,
                     provision::KeyActions& keys, offline::Download& download) {
  TRY(const std::string text, keys.content_of(key));
  download.repository_files.push_back({key.path, text, 0644});
  return {};
}

/// Packages and repositories of the plan for `facts`; what it could not plan
/// is said, since its packages are missing then.
Result<void> add_plan(const provision::Plan& plan, provision::KeyActions& keys,
                      offline::Download& download) {
  std::set<std::string> wanted(download.wanted.begin(), download.wanted.end());
  for (const provision::PlannedStep& step : plan.steps) {
    if (step.plan.state == provision::StepState::kBlocked ||
        step.plan.state == provision::StepState::kRefused) {
      fmt::print(stderr,
                 "gpunode: warning: {} cannot be planned here, and what it "
                 "would install is not fetched: {}\n",
                 step.id, harmless(step.plan.why));
    }
    for (const provision::Action& action : step.plan.actions) {
      if (const auto* install =
              std::get_if<provision::InstallPackages>(&action)) {
        wanted.insert(install->packages.begin(), install->packages.end());
      } else if (const auto* file =
                     std::get_if<provision::WriteFile>(&action)) {
        add_repository_file(*file, download);
      } else if (const auto* stream =
                     std::get_if<provision::SetModuleStream>(&action)) {
        if (stream->stream.empty()) continue;
        download.module_streams.push_back(
            fmt::format("{}:{}", stream->module, stream->stream));
      } else if (const auto* key = std::get_if<provision::FetchKey>(&action)) {
        TRY_VOID(add_key(*key, keys, download));
      }
    }
  }
  download.wanted.assign(wanted.begin(), wanted.end());
  return {};
}

/// What the plan follows from: this machine, or one that was recorded, of the
/// same distribution, since this one's repositories are asked.
Result<facts::HostFacts> facts_of(const Options& options,
                                  const facts::Wanted& wanted,
                                  Session& session) {
  const host::HostRoot here(options.root);
  if (options.from.empty()) {
    return facts::observe(here, session.runner, wanted);
  }
  TRY(facts::Recording loaded, load_bundle(options.from));
  const auto recording =
      std::make_shared<const facts::Recording>(std::move(loaded));
  facts::ReplayingRunner replaying(recording);
  TRY(facts::HostFacts theirs,
      facts::observe(facts::replayed(recording), replaying, wanted));
  TRY(const facts::HostFacts ours, facts::observe(here, session.runner, {}));
  const std::string words = offline::misfit({.distribution = theirs.os.id,
                                             .version = theirs.os.version_id,
                                             .machine = theirs.kernel.machine,
                                             .wanted = {},
                                             .packages = {},
                                             .keys = {},
                                             .images = {}},
                                            ours.os, ours.kernel.machine);
  if (!words.empty()) {
    return Error(ErrorCode::kUnsupported,
                 fmt::format("{} can't be served from here: {}; run this in a "
                             "container of its distribution",
                             options.from, words));
  }
  for (const std::string& gap : theirs.gaps) {
    fmt::print(stderr, "gpunode: warning: {}\n", harmless(gap));
  }
  return theirs;
}

Result<offline::BundleRequest> request_of(const Options& options,
                                          Session& session) {
  TRY(const provision::NodeSpec spec, load_spec(options));
  const provision::Steps steps = provision::steps_for(spec);
  TRY(const facts::HostFacts facts,
      facts_of(options, provision::wanted_by(steps, spec), session));
  offline::BundleRequest request;
  request.directory =
      std::filesystem::absolute(options.directory).lexically_normal();
  while (request.directory.ends_with('/')) request.directory.pop_back();
  request.machine = facts.kernel.machine;
  request.images = options.images;
  TRY(request.download.tool, provision::package_tool(facts.os));
  request.download.os = facts.os;
  request.download.wanted = options.packages;
  provision::KeyActions keys(host::HostRoot(options.root), session.runner,
                             provision::package_settings(spec));
  TRY_VOID(add_plan(provision::make_plan(steps, {facts, spec, {}, {}}), keys,
                    request.download));
  if (request.download.wanted.empty()) {
    return Error(ErrorCode::kNotFound,
                 "the plan for this host installs nothing; name packages with "
                 "--package to have them all the same");
  }
  return request;
}

Result<void> make(const Options& options, Session& session) {
  TRY(const offline::BundleRequest request, request_of(options, session));
  fmt::print(stderr, "gpunode: fetching {} packages with all that they need\n",
             request.download.wanted.size());
  TRY(const offline::MadeBundle made,
      offline::make_bundle(request, session.runner));
  return print(fmt::format(
      "{}: {} packages, {} keys, {} images for {} {} {}.\n"
      "SHA256SUMS {}\n"
      "Next: carry the directory over, and `gpunode bundle DIR --check` with "
      "this digest there.\n",
      request.directory, made.manifest.packages.size(),
      made.manifest.keys.size(), made.manifest.images.size(),
      made.manifest.distribution, made.manifest.version, made.manifest.machine,
      made.sums_digest));
}

Result<void> check(const Options& options, Session& session) {
  const std::string directory =
      std::filesystem::absolute(options.directory).lexically_normal();
  TRY_VOID(offline::check_directory(directory, options.checked_sums,
                                    session.runner));
  const host::HostRoot bundle(directory);
  TRY(const std::string text,
      bundle.read_file(fmt::format("/{}", offline::kManifestName)));
  TRY(const offline::BundleManifest manifest, offline::parse_manifest(text));
  return print(fmt::format("{} is as it was made, for {} {} {}.\n", directory,
                           manifest.distribution, manifest.version,
                           manifest.machine));
}

}  // namespace

void add_bundle(CLI::App& gpunode, Session& session) {
  CLI::App* verb = gpunode.add_subcommand(
      "bundle", "Fetch what a machine without the internet needs");
  const auto options = std::make_shared<Options>();
  options->spec_path = provision::kDefaultSpecPath;
  verb->add_option("directory", options->directory,
                   "Where to put it: a new directory")
      ->required();
  verb->add_option("-f,--file", options->spec_path,
                   "What the host is to become (kind: GPUNode)")
      ->capture_default_str();
  verb->add_option("--from", options->from,
                   "The host that it is for, as `gpunode facts --export` "
                   "recorded it; this machine by default");
  verb->add_option("--package", options->packages,
                   "One more package; once for each")
      ->allow_extra_args(false);
  verb->add_option("--image", options->images,
                   "An image to fetch, with its registry; once for each. By "
                   "skopeo, or a running containerd")
      ->allow_extra_args(false);
  verb->add_option("--check", options->checked_sums,
                   "Fetch nothing: whether the directory is the one of this "
                   "digest");
  verb->footer(kExamples);
  verb->callback([options, &session] {
    const auto done = options->checked_sums.empty() ? make(*options, session)
                                                    : check(*options, session);
    if (!done) session.fail(done.error());
  });
}

}  // namespace gpunode::cli
