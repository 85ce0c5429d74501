// Whether a disk may be mounted at its path on this very host.

#include <fmt/format.h>

#include "node/provision/mount_place.h"
#include "node/provision/steps/storage/storage.h"

namespace gpunode::provision {

bool plan_mount_place(const PlanInput& input, const StorageSpec& entry,
                      StepPlan& plan) {
  const auto tree = input.facts.trees.find(entry.path);
  if (tree != input.facts.trees.end() && !tree->second.link.empty()) {
    plan = StepPlan::blocked(
        fmt::format("{} is a symbolic link, and where it leads to may change; "
                    "systemd mounts nothing through one",
                    tree->second.link),
        fmt::format("give mount.path the directory itself: `realpath -m {}` "
                    "says which it is",
                    entry.path));
    return false;
  }
  for (const std::string* needed : {&input.spec.program, &input.spec.path}) {
    if (needed->empty() || !is_within(*needed, entry.path)) continue;
    plan = StepPlan::blocked(
        fmt::format("a disk over {} would hide {}, which a boot needs before "
                    "the disk is there",
                    entry.path, *needed),
        "move it, as to /usr/local/bin or /etc/gpunode, or give this entry "
        "another mount.path");
    return false;
  }
  return true;
}

}  // namespace gpunode::provision
