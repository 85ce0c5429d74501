#include "node/provision/offline/bundle_maker.h"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "base/core/ascii.h"
#include "base/digest/digest.h"
#include "base/host/file.h"
#include "base/host/host_root.h"
#include "node/provision/offline/checksums.h"

namespace gpunode::offline {
namespace {

namespace fs = std::filesystem;

constexpr const char* kSkopeo = "/usr/bin/skopeo";
constexpr const char* kCtr = "/usr/bin/ctr";
constexpr const char* kContainerdSocket = "/run/containerd/containerd.sock";
constexpr auto kImageTimeout = std::chrono::minutes(30);

/// What a failed attempt leaves is taken away.
class Attempt {
 public:
  explicit Attempt(std::string directory) : directory_(std::move(directory)) {}
  Attempt(const Attempt&) = delete;
  Attempt& operator=(const Attempt&) = delete;
  ~Attempt() {
    std::error_code ignored;
    if (is_done_) {
      fs::remove_all(work(), ignored);
      return;
    }
    for (const fs::directory_entry& entry :
         fs::directory_iterator(directory_, ignored)) {
      fs::remove_all(entry.path(), ignored);
    }
  }

  std::string work() const { return directory_ + "/.work"; }
  void succeed() { is_done_ = true; }

 private:
  std::string directory_;
  bool is_done_ = false;
};

Result<void> make_directory(const std::string& path) {
  std::error_code problem;
  fs::create_directories(path, problem);
  if (!problem) return {};
  return Error::from_errno("make " + path, problem.value());
}

Result<void> check_empty(const std::string& directory) {
  std::error_code problem;
  const bool is_empty = fs::is_empty(directory, problem);
  if (problem)
    return Error::from_errno("look at " + directory, problem.value());
  if (is_empty) return {};
  return Error(ErrorCode::kAlreadyExists,
               directory + " has something in it; name a new directory");
}

Result<std::vector<std::string>> copy_keys(const BundleRequest& request,
                                           const std::string& work) {
  std::vector<std::string> names;
  const std::string keys = fmt::format("{}/{}", request.directory, kKeysName);
  TRY_VOID(make_directory(keys));
  for (const std::string& path : key_files(request.download, work)) {
    const std::string name = fs::path(path).filename();
    std::error_code problem;
    fs::copy_file(path, keys + "/" + name, fs::copy_options::overwrite_existing,
                  problem);
    if (problem) return Error::from_errno("copy " + path, problem.value());
    if (std::ranges::find(names, name) == names.end()) names.push_back(name);
  }
  return names;
}

Result<void> run(std::vector<std::string> argv, const std::string& what,
                 host::CommandRunner& runner) {
  host::Command command;
  command.argv = std::move(argv);
  command.timeout = kImageTimeout;
  TRY(const host::Completed done, runner.run(command));
  if (done.status == 0) return {};
  return Error(
      ErrorCode::kUnavailable,
      fmt::format("{}: {}", what, done.err.empty() ? done.out : done.err));
}

Result<void> fetch_image(const std::string& reference, const std::string& file,
                         host::CommandRunner& runner) {
  const std::string what = "fetch the image " + reference;
  const host::HostRoot here;
  if (here.exists(kSkopeo)) {
    return run({kSkopeo, "copy", "docker://" + reference,
                fmt::format("oci-archive:{}:{}", file, reference)},
               what, runner);
  }
  if (here.exists(kCtr) && here.exists(kContainerdSocket)) {
    TRY_VOID(run({kCtr, "images", "pull", reference}, what, runner));
    return run({kCtr, "images", "export", file, reference}, what, runner);
  }
  return Error(ErrorCode::kUnsupported,
               what +
                   ": neither skopeo nor a running containerd is here; "
                   "install skopeo");
}

Result<std::vector<BundledImage>> fetch_images(const BundleRequest& request,
                                               host::CommandRunner& runner) {
  std::vector<BundledImage> images;
  if (request.images.empty()) return images;
  const std::string directory =
      fmt::format("{}/{}", request.directory, kImagesName);
  TRY_VOID(make_directory(directory));
  for (const std::string& reference : request.images) {
    const std::string name = fmt::format("{}.tar", images.size());
    TRY_VOID(fetch_image(reference, directory + "/" + name, runner));
    images.push_back({reference, name});
  }
  return images;
}

/// Of one Step once, in the order of the plan.
std::vector<BundledStep> steps_of(const BundleRequest& request,
                                  const Downloaded& fetched) {
  std::vector<BundledStep> steps = request.steps;
  for (std::size_t i = 0; i < fetched.sets.size(); ++i) {
    const std::string& id = request.download.sets[i].step;
    auto found = std::ranges::find(steps, id, &BundledStep::step);
    if (found == steps.end()) found = steps.insert(steps.end(), {id, {}});
    found->packages.insert(found->packages.end(), fetched.sets[i].begin(),
                           fetched.sets[i].end());
  }
  return steps;
}

}  // namespace

Result<void> check_image(const std::string& reference) {
  const bool is_plain =
      !reference.empty() && reference.front() != '-' &&
      reference.size() < 512 && std::ranges::all_of(reference, [](char c) {
        return is_alphanumeric(c) ||
               std::string_view("._:/@-").find(c) != std::string_view::npos;
      });
  // Without a registry skopeo and containerd mean different ones.
  const std::string first = reference.substr(0, reference.find('/'));
  const bool has_registry = first.size() < reference.size() &&
                            first.find_first_of(".:") != std::string::npos;
  if (is_plain && has_registry) return {};
  return Error(ErrorCode::kInvalidArgument,
               "\"" + reference +
                   "\" is no image with its registry, such as "
                   "registry.k8s.io/pause:3.10");
}

Result<MadeBundle> make_bundle(const BundleRequest& request,
                               host::CommandRunner& runner) {
  TRY_VOID(check_download(request.download));
  for (const std::string& image : request.images) {
    TRY_VOID(check_image(image));
  }
  TRY_VOID(make_directory(request.directory));
  TRY_VOID(check_empty(request.directory));
  Attempt attempt(request.directory);
  const std::string packages =
      fmt::format("{}/{}", request.directory, kPackagesName);
  TRY_VOID(make_directory(packages));
  TRY_VOID(make_directory(attempt.work()));
  MadeBundle made;
  made.manifest.distribution = request.download.os.id;
  made.manifest.version = request.download.os.version_id;
  made.manifest.machine = request.machine;
  made.manifest.wanted = request.download.wanted;
  made.manifest.gaps = request.gaps;
  TRY(Downloaded fetched,
      download_packages(request.download, attempt.work(), packages, runner));
  made.manifest.packages = std::move(fetched.files);
  made.manifest.steps = steps_of(request, fetched);
  TRY(made.manifest.keys, copy_keys(request, attempt.work()));
  TRY(made.manifest.images, fetch_images(request, runner));
  std::error_code problem;
  fs::remove_all(attempt.work(), problem);
  TRY_VOID(host::write_file_atomic(
      fmt::format("{}/{}", request.directory, kManifestName),
      to_json(made.manifest), 0644, host::Durability::kDurable));
  TRY(const Sums sums, sum_directory(request.directory, runner));
  const std::string text = sums_text(sums);
  TRY_VOID(host::write_file_atomic(
      fmt::format("{}/{}", request.directory, kSumsName), text, 0644,
      host::Durability::kDurable));
  made.sums_digest = digest::sha256(text);
  attempt.succeed();
  return made;
}

}  // namespace gpunode::offline
