#include "node/provision/layout_members.h"

#include <fcntl.h>

#include <algorithm>
#include <chrono>
#include <set>
#include <sstream>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "base/host/disk_lineage.h"
#include "base/host/disk_signature.h"
#include "node/provision/layout_identity.h"
#include "node/provision/storage_choice.h"

namespace gpunode::provision {
namespace {

using host::BlockDevice;

constexpr std::chrono::minutes kTimeout{5};

bool is_volume(const BlockDevice& device) {
  return device.subsystem == host::BlockSubsystem::kMd ||
         device.subsystem == host::BlockSubsystem::kDeviceMapper;
}

Error not_ours(const BlockDevice& volume, std::string_view why) {
  return {ErrorCode::kUnavailable,
          fmt::format("{} {}; it is left as it is, and nothing was written",
                      host::describe(volume), why)};
}

Result<std::vector<host::DiskSignature>> signatures_on(
    const host::HostRoot& host, const BlockDevice& device) {
  // An array that was never started has no size and holds nothing.
  if (device.size_bytes == 0) return std::vector<host::DiskSignature>();
  TRY(const UniqueFd fd, host.open(device.path, O_RDONLY));
  return host::find_disk_signatures(fd.get(), device.size_bytes);
}

/// Every disk of the volume is one of `members` and carries what was chosen for
/// it.
Result<void> check_disks(const host::HostRoot& host, const BlockDevice& volume,
                         const std::vector<LayoutMember>& members,
                         const std::string& uuid) {
  for (const std::string& name : volume.slaves) {
    const auto member = std::ranges::find_if(
        members,
        [&](const LayoutMember& one) { return one.device->name == name; });
    if (member == members.end()) {
      return not_ours(volume,
                      fmt::format("stands on {} as well, which is not one of "
                                  "the disks that were meant",
                                  name));
    }
    TRY(const auto signatures, signatures_on(host, *member->device));
    if (is_our_member(signatures, uuid, member->identity)) continue;
    return not_ours(
        volume,
        fmt::format("was not put together by gpunode: disk {} {}",
                    member->identity.serial,
                    signatures.empty() ? "has no signature"
                                       : "holds " + signatures.front().words));
  }
  return {};
}

Result<void> check_is_ours(const host::HostRoot& host,
                           const host::DiskLineage& lineage,
                           const std::vector<LayoutMember>& members,
                           const std::string& uuid) {
  const BlockDevice& volume = *lineage.device;
  if (!is_volume(volume)) return not_ours(volume, "stands on the disks");
  if (!lineage.is_free()) return not_ours(volume, lineage.refusal());
  const std::string name = layout_name(uuid);
  if (volume.subsystem == host::BlockSubsystem::kDeviceMapper &&
      volume.mapped_as != name + "-" + name) {
    return not_ours(volume, "is no volume that gpunode made");
  }
  TRY_VOID(check_disks(host, volume, members, uuid));
  TRY(const auto signatures, signatures_on(host, volume));
  if (is_only_filesystem(signatures, uuid)) return {};
  return not_ours(volume, "holds " + signatures.front().words);
}

/// The UUID of the volume group is in that of the mapping, after "LVM-".
std::string group_of(const BlockDevice& volume) {
  constexpr std::size_t kPrefix = 4;
  constexpr std::size_t kCharacters = 32;
  if (!volume.mapped_uuid.starts_with("LVM-")) return "";
  return in_volume_groups(
      std::string_view(volume.mapped_uuid).substr(kPrefix, kCharacters));
}

/// Nothing but what was chosen for them is on all of `members`.
Result<bool> are_all_ours(const host::HostRoot& host,
                          const std::vector<LayoutMember>& members,
                          const std::string& uuid) {
  for (const LayoutMember& member : members) {
    TRY(const auto signatures, signatures_on(host, *member.device));
    if (!is_our_member(signatures, uuid, member.identity)) return false;
  }
  return !members.empty();
}

/// UUIDs of the volume groups that these disks are in.
Result<std::set<std::string>> groups_on(
    host::CommandRunner& runner, const std::vector<LayoutMember>& members) {
  host::Command command;
  command.timeout = kTimeout;
  command.argv = {"/sbin/pvs", "--noheadings", "--options", "vg_uuid", "--"};
  for (const LayoutMember& member : members) {
    command.argv.push_back(member.device->path);
  }
  TRY(const std::string said, runner.output(command));
  std::set<std::string> groups;
  std::istringstream words(said);
  for (std::string word; words >> word;) groups.insert(word);
  return groups;
}

Result<void> start(host::CommandRunner& runner, std::vector<std::string> argv) {
  host::Command command;
  command.argv = std::move(argv);
  command.timeout = kTimeout;
  auto started = runner.output(command);
  if (started) return {};
  return std::move(started).error().with_context(
      "what stands on the disks cannot be looked at, so nothing was written");
}

Result<void> stop(host::CommandRunner& runner, const BlockDevice& volume) {
  host::Command command;
  command.timeout = kTimeout;
  if (volume.subsystem == host::BlockSubsystem::kMd) {
    command.argv = {"/sbin/mdadm", "--stop", volume.path};
  } else {
    const std::string group = group_of(volume);
    if (group.empty()) return not_ours(volume, "is no volume of LVM's");
    command.argv = {"/sbin/vgchange", "--activate", "n", "--select",
                    "vg_uuid=" + group};
  }
  TRY_VOID(runner.output(command));
  return {};
}

}  // namespace

bool is_disk(const BlockDevice& device, const DiskIdentity& identity) {
  return identity_serial(device) == identity.serial &&
         device.model == identity.model &&
         device.size_bytes == identity.size_bytes &&
         (device.wwid.empty() || identity.wwid.empty() ||
          device.wwid == identity.wwid);
}

Result<std::vector<LayoutMember>> find_members(
    const host::StorageView& view, const std::vector<DiskIdentity>& disks) {
  std::vector<LayoutMember> members;
  for (const DiskIdentity& identity : disks) {
    const BlockDevice* found = nullptr;
    for (const BlockDevice& device : view.devices) {
      if (!is_disk(device, identity)) continue;
      if (found != nullptr) {
        return Error(ErrorCode::kUnavailable,
                     fmt::format("disk {} is there twice; nothing was written",
                                 identity.serial));
      }
      found = &device;
    }
    if (found != nullptr) members.push_back({identity, found});
  }
  return members;
}

std::vector<std::string> assemble_command(std::string_view uuid) {
  return {"/sbin/mdadm", "--assemble", "/dev/md/" + layout_name(uuid),
          "--config=partitions", "--uuid=" + mdadm_uuid(array_uuid(uuid))};
}

Result<void> start_to_look(const host::HostRoot& host,
                           host::CommandRunner& runner,
                           const std::vector<LayoutMember>& members,
                           const std::string& layout, const std::string& uuid) {
  const bool is_started =
      std::ranges::any_of(members, [](const LayoutMember& member) {
        return !member.device->holders.empty();
      });
  if (is_started) return {};
  TRY(const bool is_whole, are_all_ours(host, members, uuid));
  if (!is_whole) return {};
  if (layout == "raid0") {
    auto argv = assemble_command(uuid);
    argv.emplace_back("--readonly");
    return start(runner, std::move(argv));
  }
  TRY(const auto groups, groups_on(runner, members));
  for (const std::string& group : groups) {
    TRY_VOID(start(runner, {"/sbin/vgchange", "--activate", "y", "--select",
                            "vg_uuid=" + group}));
  }
  return {};
}

const BlockDevice* volume_of(const host::StorageView& view,
                             const std::vector<LayoutMember>& members) {
  std::set<std::string> names;
  for (const LayoutMember& member : members) names.insert(member.device->name);
  for (const BlockDevice& device : view.devices) {
    const std::set<std::string> slaves(device.slaves.begin(),
                                       device.slaves.end());
    if (is_volume(device) && !slaves.empty() && slaves == names) return &device;
  }
  return nullptr;
}

Result<void> stop_volumes(const host::HostRoot& host,
                          host::CommandRunner& runner,
                          const host::StorageView& view,
                          const std::vector<LayoutMember>& members,
                          const std::string& uuid) {
  std::set<std::string> holders;
  for (const LayoutMember& member : members) {
    holders.insert(member.device->holders.begin(),
                   member.device->holders.end());
  }
  std::vector<const BlockDevice*> volumes;
  for (const host::DiskLineage& lineage : host::disk_lineages(view)) {
    if (!holders.contains(lineage.device->name)) continue;
    TRY_VOID(check_is_ours(host, lineage, members, uuid));
    volumes.push_back(lineage.device);
  }
  for (const BlockDevice* volume : volumes) TRY_VOID(stop(runner, *volume));
  return {};
}

}  // namespace gpunode::provision
