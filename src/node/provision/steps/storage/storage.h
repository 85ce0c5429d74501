// What the Steps of one entry of spec.storage have in common.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "node/provision/step.h"

namespace gpunode::provision {

inline constexpr std::string_view kMachineIdPath = "/etc/machine-id";

/// The UUID of the entry's file system on this host.
std::string uuid_of(const PlanInput& input, const StorageSpec& entry);

/// Blocks `plan` if no disk may be mounted at the entry's path on this host: a
/// part of the path is a symbolic link, or what a boot needs of ours lies below
/// it. True if one may. mount_place.h has
/// what is so of any host.
bool plan_mount_place(const PlanInput& input, const StorageSpec& entry,
                      StepPlan& plan);

/// Gives everything below the path the label that SELinux's policy has for it.
RunProgram relabel_tree(const std::string& path);

// One Step a file.
std::unique_ptr<Step> make_storage_disk(const StorageSpec& entry);
std::unique_ptr<Step> make_storage_boot(const StorageSpec& entry);
std::unique_ptr<Step> make_storage_mount(const StorageSpec& entry);
std::unique_ptr<Step> make_storage_users(const StorageSpec& entry);
std::unique_ptr<Step> make_storage_label(const StorageSpec& entry);

}  // namespace gpunode::provision
