// gpunode bundle: what a machine with the internet fetches for one without.

#include <algorithm>
#include <array>
#include <filesystem>
#include <memory>
#include <set>
#include <string>
#include <string_view>
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
with all that they need, whatever this machine has of them: the driver, the
kubelet and containerd in the versions that it would take now, too. Nothing is
installed. DIGEST is what the first call prints. What the file asks for and could
not be planned here is named, kept in the bundle's manifest, and makes the exit
code 5. `spec.bundle` of the file is for the host: here it means nothing.)";

/// The Steps that bring packages, or repositories that packages come from: what
/// hinders another leaves nothing out of a bundle.
constexpr auto kBringers = std::to_array<std::string_view>(
    {"prep.repositories", "prep.packages", "prep.time", "kernel.target",
     "kernel.build", "driver.repository", "driver.packages", "driver.hold",
     "cuda.extras", "runtime.engine", "kubernetes.packages"});

/// What pins the versions that a set is chosen in.
bool is_preferences(std::string_view path) {
  return path.starts_with("/etc/apt/preferences.d/");
}

/// What the plan writes of repositories and keys, for the manager to read.
void add_repository_file(const provision::WriteFile& file,
                         offline::Download& download) {
  const bool is_key = file.path.starts_with("/etc/pki/rpm-gpg/") ||
                      file.path.starts_with("/etc/apt/keyrings/") ||
                      file.path.starts_with("/usr/share/keyrings/");
  if (!is_key && !is_preferences(file.path) &&
      !packages::is_repository_file(file.path)) {
    return;
  }
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

/// What could not be planned: its packages are missing.
void add_gap(const provision::PlannedStep& step,
             offline::BundleRequest& request) {
  const bool is_hindered = step.plan.state == provision::StepState::kBlocked ||
                           step.plan.state == provision::StepState::kRefused;
  if (!is_hindered ||
      std::ranges::find(kBringers, step.id) == kBringers.end()) {
    return;
  }
  request.gaps.push_back(
      {step.id, fmt::format("{}; next: {}", step.plan.why, step.plan.fix)});
}

/// Packages and repositories of the plan.
Result<void> add_plan(const provision::Plan& plan, provision::KeyActions& keys,
                      offline::BundleRequest& request) {
  offline::Download& download = request.download;
  std::set<std::string> wanted(download.wanted.begin(), download.wanted.end());
  for (const provision::PlannedStep& step : plan.steps) {
    add_gap(step, request);
    for (const provision::Action& action : step.plan.actions) {
      if (const auto* install =
              std::get_if<provision::InstallPackages>(&action)) {
        wanted.insert(install->packages.begin(), install->packages.end());
        request.steps.push_back({step.id, install->packages});
      } else if (const auto* set =
                     std::get_if<provision::InstallSet>(&action)) {
        download.sets.push_back({.step = step.id,
                                 .names = set->packages,
                                 .others = set->others,
                                 .version = set->version,
                                 .from = set->from});
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
  offline::BundleManifest manifest;
  manifest.distribution = theirs.os.id;
  manifest.version = theirs.os.version_id;
  manifest.machine = theirs.kernel.machine;
  const std::string words =
      offline::misfit(manifest, ours.os, ours.kernel.machine);
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
  TRY(provision::NodeSpec spec, load_spec(options));
  // The host's place for what is made here.
  spec.bundle.clear();
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
                    request));
  const bool runs_containers =
      spec.runtime.is_wanted || spec.kubernetes.is_wanted;
  if (runs_containers && options.images.empty()) {
    request.gaps.push_back(
        {"runtime.images",
         "no image was named, and no Pod starts without its sandbox's; next: "
         "--image registry.k8s.io/pause:VERSION, as `kubeadm config images "
         "list` tells it, and one for each of the agent's"});
  }
  if (request.download.wanted.empty() && request.download.sets.empty()) {
    std::string why =
        "the plan for this host installs nothing; name packages with --package "
        "to have them all the same";
    for (const offline::BundleGap& gap : request.gaps) {
      why += fmt::format("; {} could not be planned: {}", gap.step, gap.why);
    }
    return Error(ErrorCode::kNotFound, std::move(why));
  }
  return request;
}

Result<void> make(const Options& options, Session& session) {
  TRY(const offline::BundleRequest request, request_of(options, session));
  std::size_t count = request.download.wanted.size();
  for (const offline::SetToFetch& set : request.download.sets) {
    count += set.names.size() + set.others.size();
  }
  fmt::print(stderr, "gpunode: fetching {} packages with all that they need\n",
             count);
  TRY(const offline::MadeBundle made,
      offline::make_bundle(request, session.runner));
  if (!made.manifest.gaps.empty()) session.outcome = ExitCode::kPersonNeeded;
  return print(fmt::format(
      "{}: {} packages, {} keys, {} images for {} {} {}.\n{}"
      "SHA256SUMS {}\n"
      "Next: carry the directory over, and `gpunode bundle DIR --check` with "
      "this digest there.\n",
      request.directory, made.manifest.packages.size(),
      made.manifest.keys.size(), made.manifest.images.size(),
      made.manifest.distribution, made.manifest.version, made.manifest.machine,
      harmless(offline::contents_text(made.manifest)), made.sums_digest));
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
  return print(fmt::format("{} is as it was made, for {} {} {}.\n{}", directory,
                           manifest.distribution, manifest.version,
                           manifest.machine,
                           harmless(offline::contents_text(manifest))));
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
