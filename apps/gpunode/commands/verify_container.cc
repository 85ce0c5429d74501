#include "apps/gpunode/commands/verify_container.h"

#include <unistd.h>

#include <array>
#include <filesystem>
#include <system_error>
#include <utility>
#include <vector>

#include <fmt/format.h>

namespace gpunode::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::array<const char*, 2> kCtr = {"/usr/bin/ctr",
                                             "/usr/local/bin/ctr"};
constexpr std::array<const char*, 2> kLoaders = {"/lib64/ld-linux-x86-64.so.2",
                                                 "/lib/ld-linux-aarch64.so.1"};
/// What gpunode-vectoradd and libcuda are linked to.
constexpr std::array<const char*, 5> kLibraries = {
    "libc.so.6", "libm.so.6", "libdl.so.2", "libpthread.so.0", "librt.so.1"};
constexpr const char* kProgram = "/usr/bin/gpunode-vectoradd";

Result<void> copy_in(const std::string& from, const fs::path& to) {
  std::error_code error;
  fs::create_directories(to.parent_path(), error);
  if (!error) {
    fs::copy_file(from, to, fs::copy_options::overwrite_existing, error);
  }
  if (!error) return {};
  return Error(ErrorCode::kInternal, fmt::format("copy {} to {}: {}", from,
                                                 to.string(), error.message()));
}

/// A directory of this run's that goes with it. Not below /run, from which many
/// distributions let nothing be executed.
class TrialRoot {
 public:
  TrialRoot()
      : path_(fs::path("/var/lib/gpunode") /
              fmt::format("verify-{}", getpid())) {}
  TrialRoot(const TrialRoot&) = delete;
  TrialRoot& operator=(const TrialRoot&) = delete;
  ~TrialRoot() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }

  const fs::path& path() const { return path_; }

  Result<void> fill(const std::string& vectoradd) const {
    std::error_code problem;
    fs::create_directories(path_, problem);
    if (!problem) {
      fs::permissions(path_, fs::perms::owner_all, problem);
    }
    if (problem) {
      return Error::from_errno("make " + path_.string(), problem.value());
    }
    TRY_VOID(copy_in(vectoradd, below(kProgram)));
    for (const char* loader : kLoaders) {
      if (!fs::exists(loader)) continue;
      TRY_VOID(copy_in(loader, below(loader)));
      // The C library is where its loader really is.
      const fs::path directory = fs::canonical(loader).parent_path();
      for (const char* name : kLibraries) {
        const fs::path library = directory / name;
        if (!fs::exists(library)) continue;  // As of one that libc took in.
        TRY_VOID(copy_in(library.string(), below(library)));
      }
    }
    // Where runc mounts, and gpunode-runtime's hook writes.
    std::error_code error;
    for (const char* directory : {"proc", "dev", "sys", "etc", "tmp"}) {
      fs::create_directories(path_ / directory, error);
    }
    return {};
  }

 private:
  fs::path below(const fs::path& path) const {
    return path_ / path.relative_path();
  }

  fs::path path_;
};

std::string find_ctr() {
  for (const char* path : kCtr) {
    if (access(path, X_OK) == 0) return path;
  }
  return {};
}

/// Why no container is tried here; "": it is.
std::string why_not(const ContainerOptions& options, const host::HostRoot& host,
                    const std::string& ctr) {
  if (host.prefix() != "/") return "of another root no container is started";
  if (geteuid() != 0) return "it needs root";
  if (ctr.empty()) {
    return "there is no ctr, which comes with containerd; other engines are "
           "not "
           "tried";
  }
  for (const std::string& path : {options.runtime, options.vectoradd}) {
    if (access(path.c_str(), X_OK) != 0) {
      return fmt::format("there is no {}", path);
    }
  }
  return {};
}

}  // namespace

diagnose::ContainerTrial try_container(const ContainerOptions& options,
                                       const host::HostRoot& host,
                                       host::CommandRunner& runner) {
  const std::string ctr = find_ctr();
  if (std::string reason = why_not(options, host, ctr); !reason.empty()) {
    return {.skipped = std::move(reason)};
  }
  const TrialRoot root;
  if (auto filled = root.fill(options.vectoradd); !filled) {
    return {.end = std::move(filled).error()};
  }
  const std::string id = fmt::format("gpunode-verify-{}", getpid());
  const auto command = [&](std::vector<std::string> words) {
    host::Command made;
    made.argv = {ctr, "--namespace", "gpunode-verify"};
    made.argv.insert(made.argv.end(), words.begin(), words.end());
    made.timeout = options.timeout;
    return made;
  };
  auto end = runner.run(command(
      {"run", "--rm", "--rootfs", "--runc-binary", options.runtime, "--env",
       "NVIDIA_VISIBLE_DEVICES=all", root.path().string(), id, kProgram}));
  if (!end || end->status != 0) {
    // What a container that failed or hung left; where nothing is, no matter.
    (void)runner.run(command({"tasks", "delete", "--force", id}));
    (void)runner.run(command({"containers", "delete", id}));
  }
  return {.end = std::move(end)};
}

}  // namespace gpunode::cli
