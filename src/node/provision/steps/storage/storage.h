// What the Steps of one entry of spec.storage have in common.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "node/provision/journal.h"
#include "node/provision/plan.h"
#include "node/provision/step.h"

namespace gpunode::provision {

inline constexpr std::string_view kMachineIdPath = "/etc/machine-id";

inline constexpr const char* kFstabPath = "/etc/fstab";

/// The UUID of the entry's file system on this host.
std::string uuid_of(const PlanInput& input, const StorageSpec& entry);

/// Blocks `plan` if no disk may be mounted at the entry's path on this host: a
/// part of the path is a symbolic link, or what a boot needs of ours lies below
/// it. True if one may. mount_place.h has
/// what is so of any host.
bool plan_mount_place(const PlanInput& input, const StorageSpec& entry,
                      StepPlan& plan);

/// Takes away a unit below /etc/systemd/system that we wrote, and what starts
/// it at a boot. Not wanted, because of `why`, if there is none.
StepPlan taken_unit(const PlanInput& input, const std::string& unit,
                    std::string why);

/// Adds what path_label() and plan_path_rule() want to know.
void want_path_rule(const StorageSpec& entry, facts::Wanted& wanted);

/// The label that SELinux's policy has for the entry's path once
/// plan_path_rule() is carried out; "" if it is not known. Pure.
std::string path_label(const PlanInput& input, const StorageSpec& entry);

/// Where the policy knows nothing of the entry's path, adds a rule that it is
/// as the place where the policy expects what lives there: /var/lib/containerd
/// for containerd.service, and so on. A rule that is there stays. Where there
/// is no such place, or the policy is not known, a note says what a person can
/// do. Comes before a relabelling. Pure.
void plan_path_rule(const PlanInput& input, const StorageSpec& entry,
                    StepPlan& plan);

/// Gives everything below the path the label that SELinux's policy has for it.
RunProgram relabel_tree(const std::string& path);

/// /etc/fstab as the Steps of all entries, and those before them, leave it.
std::string storage_fstab(const PlanInput& input);

/// A file that a Step of ours wrote for an entry.
struct StorageFile {
  std::string path;
  std::string content;  ///< Ours; "" if nothing may keep it.
};

/// What earlier runs left for entries, paths and users that the file no longer
/// has.
struct StorageLeftovers {
  std::vector<StorageFile> files;
  std::set<std::string> paths;    ///< Where their disks may be mounted.
  std::set<std::string> entries;  ///< Gone ones that had a line of fstab.

  bool empty() const { return files.empty() && entries.empty(); }
};

/// By the journal. Pure.
StorageLeftovers storage_leftovers(const NodeSpec& spec,
                                   const std::vector<JournalLine>& lines);

/// The Steps of one entry, in order.
Steps storage_steps(const StorageSpec& entry);

// One Step a file.
std::unique_ptr<Step> make_storage_leftovers(StorageLeftovers left);
std::unique_ptr<Step> make_storage_disk(const StorageSpec& entry);
std::unique_ptr<Step> make_storage_boot(const StorageSpec& entry);
std::unique_ptr<Step> make_storage_mount(const StorageSpec& entry);
std::unique_ptr<Step> make_storage_users(const StorageSpec& entry);
std::unique_ptr<Step> make_storage_label(const StorageSpec& entry);

}  // namespace gpunode::provision
