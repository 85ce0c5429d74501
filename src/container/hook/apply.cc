#include "container/hook/apply.h"

#include <iterator>
#include <optional>
#include <utility>

#include "container/hook/application_profile.h"
#include "container/hook/confinement.h"
#include "container/hook/device_policy.h"
#include "container/hook/loader_paths.h"
#include "container/hook/preload.h"

namespace gpunode::hook {
namespace {

/// What needs mounts.
Result<void> apply_mounts(const Task& task, const host::HostRoot& host,
                          const host::RootDirectory& root) {
  if (task.forbids_device_nodes) {
    TRY_VOID(forbid_device_node_changes(host, root));
  }
  // The last to be merged is the first to be loaded.
  const std::vector<std::string> order(task.preloads.rbegin(),
                                       task.preloads.rend());
  for (const std::string& library : order) {
    TRY_VOID(preload_library(root, library));
  }
  return {};
}

class Application {
 public:
  Application(const Task& task, const host::RootDirectory& root)
      : task_(task), root_(root) {}

  Result<std::vector<std::string>> run() {
    if (task_.writes_application_profile) {
      needless(write_application_profile(root_));
    }
    for (const Link& link : task_.links) TRY_VOID(make(link));
    if (task_.chooses_compat) choose_compat();
    if (task_.updates_loader) TRY_VOID(update_loader());
    return std::move(warnings_);
  }

 private:
  void needless(const Result<host::Change>& change) {
    if (!change) warnings_.push_back(change.error().message());
  }

  /// A container whose root cannot be written to starts without its links: the
  /// loader's cache leads past the ones for sonames.
  Result<void> make(const Link& link) {
    auto change = make_link(root_, link);
    if (!change && !root_.is_read_only(link.path)) {
      return std::move(change).error();
    }
    needless(change);
    return {};
  }

  void choose_compat() {
    compat_ = find_compat(root_, task_.compat_directory, task_.host_versions,
                          warnings_);
    if (!has_glibc_loader(root_)) return;
    const auto change = remember_compat_folder(root_, compat_);
    if (!change && compat_) needless(change);
  }

  Result<void> update_loader() {
    LoaderPaths paths;
    paths.folders = task_.folders;
    paths.compat_folder =
        task_.chooses_compat ? compat_ : remembered_compat_folder(root_);
    for (const Link& link : task_.links) paths.links.push_back(link.path);
    TRY(auto more, update_loader_paths(root_, paths));
    warnings_.insert(warnings_.end(), std::make_move_iterator(more.begin()),
                     std::make_move_iterator(more.end()));
    return {};
  }

  const Task& task_;
  const host::RootDirectory& root_;
  std::optional<std::string> compat_;
  std::vector<std::string> warnings_;
};

}  // namespace

Result<std::vector<std::string>> apply(const Task& task,
                                       const host::HostRoot& host,
                                       const host::RootDirectory& root,
                                       bool may_drop) {
  TRY_VOID(apply_mounts(task, host, root));
  if (may_drop && !root.is_read_only("/etc/ld.so.cache")) {
    TRY_VOID(give_up_mounting());
  }
  return Application(task, root).run();
}

}  // namespace gpunode::hook
