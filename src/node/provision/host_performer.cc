#include "node/provision/host_performer.h"

#include <string>
#include <type_traits>
#include <utility>

#include <fmt/format.h>

#include "node/provision/packages/repository.h"

namespace gpunode::provision {
namespace {

template <class T, class... Among>
constexpr bool kIsOneOf = (std::is_same_v<T, Among> || ...);

template <class T>
constexpr bool kIsFile = kIsOneOf<T, WriteFile, RemoveFile, RestoreFile,
                                  MakeDirectory, RemoveDirectory>;
template <class T>
constexpr bool kIsKernel = kIsOneOf<T, SetSysctl, SetModule, SetSwap>;
template <class T>
constexpr bool kIsPackages =
    kIsOneOf<T, InstallPackages, RemovePackages, InstallSet, SetModuleStream,
             HoldPackages>;
template <class T>
constexpr bool kIsUnit = kIsOneOf<T, SetUnit, RunProgram, Reboot>;

/// Files out of which systemd makes units.
bool is_read_by_systemd(const std::string& path) {
  return path.starts_with("/etc/systemd/") || path == "/etc/fstab";
}

template <class T>
constexpr bool kIsCluster = kIsOneOf<T, JoinCluster, LeaveCluster, SetNodeMeta>;

template <class T>
Error not_here(const T& action) {
  return {ErrorCode::kUnsupported,
          fmt::format("{} is nothing that this host can do", action.kKind)};
}

}  // namespace

HostPerformer::HostPerformer(const host::HostRoot& host,
                             host::CommandRunner& runner, Options options)
    : files_(host, runner, options.overwrite_drift),
      kernel_(host, runner),
      modules_(host, runner),
      units_(host, runner),
      keys_(host, runner, options.packages),
      packages_(host, runner, std::move(options.packages)),
      builds_(host, runner),
      disks_(host, runner, options.watch),
      trees_(host, runner, options.watch),
      programs_(host),
      cluster_(host, runner, std::move(options.cluster)) {
  if (options.is_systemd_stale) units_.files_changed();
}

Result<Inverse> HostPerformer::prepare(const Action& action,
                                       std::uint64_t seq) {
  return std::visit(
      [&](const auto& one) -> Result<Inverse> {
        using T = std::decay_t<decltype(one)>;
        if constexpr (kIsOneOf<T, WriteFile, RemoveFile, MakeDirectory>) {
          return files_.prepare(one, seq);
        } else if constexpr (kIsKernel<T>) {
          return kernel_.prepare(one);
        } else if constexpr (kIsUnit<T>) {
          return units_.prepare(one);
        } else if constexpr (kIsPackages<T>) {
          return packages_.prepare(one);
        } else if constexpr (kIsOneOf<T, BuildModule>) {
          return modules_.prepare(one);
        } else if constexpr (kIsOneOf<T, ProveBuild>) {
          return BuildActions::prepare(one);
        } else if constexpr (kIsOneOf<T, FetchKey>) {
          TRY(std::string key, keys_.content_of(one));
          TRY(Inverse inverse,
              files_.prepare(
                  WriteFile{.path = one.path, .content = std::move(key)}, seq));
          TRY(auto keys, packages_.untrusted(one.fingerprints));
          if (!keys.empty()) {
            inverse.actions.emplace_back(DistrustKeys{std::move(keys)});
          }
          return inverse;
        } else if constexpr (kIsOneOf<T, MakeFilesystem>) {
          return DiskActions::prepare(one);
        } else if constexpr (kIsOneOf<T, MigrateTree, ProveMount>) {
          return TreeActions::prepare(one);
        } else if constexpr (kIsOneOf<T, InstallProgram>) {
          return programs_.prepare(one, seq);
        } else if constexpr (kIsCluster<T>) {
          return cluster_.prepare(one);
        } else {
          return not_here(one);
        }
      },
      action);
}

Result<void> HostPerformer::perform(const Action& action) {
  return std::visit(
      [&](const auto& one) -> Result<void> {
        using T = std::decay_t<decltype(one)>;
        if constexpr (kIsFile<T>) {
          if (is_read_by_systemd(one.path)) units_.files_changed();
          if (packages::is_repository_file(one.path)) {
            packages_.repositories_changed();
          }
          return files_.perform(one);
        } else if constexpr (kIsKernel<T>) {
          return kernel_.perform(one);
        } else if constexpr (kIsUnit<T>) {
          return units_.perform(one);
        } else if constexpr (kIsPackages<T>) {
          return packages_.perform(one);
        } else if constexpr (kIsOneOf<T, BuildModule>) {
          return modules_.perform(one);
        } else if constexpr (kIsOneOf<T, ProveBuild>) {
          return builds_.perform(one);
        } else if constexpr (kIsOneOf<T, FetchKey>) {
          TRY(std::string key, keys_.content_of(one));
          TRY_VOID(files_.perform(
              WriteFile{.path = one.path, .content = std::move(key)}));
          packages_.repositories_changed();
          return packages_.trust(one.path);
        } else if constexpr (kIsOneOf<T, DistrustKeys>) {
          return packages_.perform(one);
        } else if constexpr (kIsOneOf<T, MakeFilesystem, WipeFilesystem>) {
          return disks_.perform(one);
        } else if constexpr (kIsOneOf<T, ProveMount, MigrateTree,
                                      RestoreTree>) {
          return trees_.perform(one);
        } else if constexpr (kIsOneOf<T, InstallProgram>) {
          return programs_.perform(one);
        } else if constexpr (kIsCluster<T>) {
          return cluster_.perform(one);
        } else {
          return not_here(one);
        }
      },
      action);
}

}  // namespace gpunode::provision
