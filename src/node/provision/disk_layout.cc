#include "node/provision/disk_layout.h"

#include <algorithm>
#include <chrono>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/core/at_once.h"
#include "base/host/disk_claim.h"
#include "base/host/disk_lineage.h"
#include "base/host/disk_signature.h"
#include "base/host/storage_view.h"
#include "node/provision/disk_eraser.h"
#include "node/provision/disk_proof.h"
#include "node/provision/layout_identity.h"
#include "node/provision/layout_members.h"

namespace gpunode::provision {
namespace {

using host::DiskClaim;

constexpr std::chrono::minutes kTimeout{5};

constexpr std::size_t kProofsAtOnce = 8;

/// LVM would write below /etc, where nothing changes without our knowing:
/// copies of what it wrote, and on EL 9 a list of devices where there is none,
/// by which it would see no others from then on (lvmdevices(8)).
std::string lvm_settings(const host::HostRoot& host) {
  std::string settings = "backup{backup=0 archive=0}";
  if (!host.exists("/etc/lvm/devices/system.devices")) {
    settings += " devices{use_devicesfile=0}";
  }
  return settings;
}

/// A disk of the layout that is held.
struct HeldDisk {
  DiskIdentity identity;
  std::string path;
  DiskClaim claim;
};

Error not_as_planned(const DiskIdentity& disk, std::string_view how) {
  return {ErrorCode::kUnavailable,
          fmt::format("disk {} {}; nothing was written, plan anew", disk.serial,
                      how)};
}

Result<void> run(host::CommandRunner& runner, std::vector<std::string> argv) {
  host::Command command;
  command.argv = std::move(argv);
  command.timeout = kTimeout;
  TRY_VOID(runner.output(command));
  return {};
}

/// The proof of each disk, one a line.
std::vector<std::string> proofs_of(const MakeFilesystem& action) {
  std::vector<std::string> proofs;
  std::string_view text = action.proof;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    proofs.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return proofs;
}

/// All disks of the action, or an Error that names the one that is missing.
Result<std::vector<LayoutMember>> find_all(const host::StorageView& view,
                                           const MakeFilesystem& action) {
  TRY(auto members, find_members(view, action.disks));
  for (const DiskIdentity& identity : action.disks) {
    const bool is_there =
        std::ranges::any_of(members, [&](const LayoutMember& member) {
          return member.identity == identity;
        });
    if (!is_there) return not_as_planned(identity, "is not there any more");
  }
  return members;
}

/// What an attempt of ours left standing on the disks goes.
Result<void> stop_unfinished(const host::HostRoot& host,
                             host::CommandRunner& runner,
                             const MakeFilesystem& action) {
  TRY(const host::StorageView view, host::read_storage(host));
  TRY(const auto members, find_all(view, action));
  const std::vector<std::string> proofs = proofs_of(action);
  std::vector<LayoutMember> unfinished;
  for (std::size_t i = 0; i < members.size(); ++i) {
    if (proofs[i] == unfinished_proof(action.uuid)) {
      unfinished.push_back(members[i]);
    }
  }
  // Of those alone: the others are proved blank or to be erased as confirmed.
  if (unfinished.size() == members.size()) {
    TRY_VOID(
        start_to_look(host, runner, unfinished, action.layout, action.uuid));
  }
  TRY(const host::StorageView now, host::read_storage(host));
  std::vector<DiskIdentity> disks;
  for (const LayoutMember& member : unfinished)
    disks.push_back(member.identity);
  TRY(const auto looked_at, find_members(now, disks));
  return stop_volumes(host, runner, now, looked_at, action.uuid);
}

Result<HeldDisk> hold(const host::HostRoot& host,
                      const host::DiskLineage& lineage,
                      const DiskIdentity& identity) {
  if (!lineage.is_free()) return not_as_planned(identity, lineage.refusal());
  const host::BlockDevice& device = *lineage.device;
  TRY(DiskClaim claim, DiskClaim::take(host, device.path, device.number,
                                       DiskClaim::Access::kReadWrite));
  return HeldDisk{identity, device.path, std::move(claim)};
}

Result<std::vector<HeldDisk>> hold_all(const host::HostRoot& host,
                                       const MakeFilesystem& action) {
  TRY(const host::StorageView view, host::read_storage(host));
  TRY(const auto members, find_all(view, action));
  const auto lineages = host::disk_lineages(view);
  std::vector<HeldDisk> held;
  for (const LayoutMember& member : members) {
    for (const host::DiskLineage& lineage : lineages) {
      if (lineage.device != member.device) continue;
      TRY(HeldDisk disk, hold(host, lineage, member.identity));
      held.push_back(std::move(disk));
    }
  }
  return held;
}

/// Proves again, on the disk that is held, what the plan saw.
Result<void> prove(const HeldDisk& disk, const MakeFilesystem& action,
                   const std::string& planned, const ProofTeller& teller) {
  if (planned == unfinished_proof(action.uuid)) {
    TRY(const auto signatures,
        host::find_disk_signatures(disk.claim.fd(), disk.identity.size_bytes));
    if (is_our_member(signatures, action.uuid, disk.identity)) return {};
    return not_as_planned(disk.identity,
                          "is not as an interrupted run of gpunode left it");
  }
  return prove_as_planned(disk.claim.fd(), disk.identity, planned, action.wipe,
                          teller.part());
}

/// All of them, several at a time; of several Errors, the first disk's.
Result<void> prove_all(const std::vector<HeldDisk>& disks,
                       const MakeFilesystem& action, WorkWatch* watch) {
  const std::vector<std::string> proofs = proofs_of(action);
  std::uint64_t bytes = 0;
  for (const HeldDisk& disk : disks) bytes += disk.identity.size_bytes;
  const ProofTeller teller(watch, bytes);
  std::vector<Result<void>> outcomes(disks.size());
  at_once(disks.size(), kProofsAtOnce, [&](std::size_t i) {
    outcomes[i] = prove(disks[i], action, proofs[i], teller);
  });
  for (Result<void>& outcome : outcomes) TRY_VOID(std::move(outcome));
  return {};
}

/// What must still be so of a disk when a tool is about to open it.
using LastLook = std::function<Result<void>(int fd, const HeldDisk& disk)>;

/// Runs `work` with the O_EXCL claims of all disks lent to it.
Result<void> lend_all(std::span<HeldDisk> disks, DiskClaim::After after,
                      const LastLook& look,
                      const std::function<Result<void>()>& work) {
  if (disks.empty()) return work();
  return disks.front().claim.lend(
      [&](int fd) -> Result<void> {
        TRY_VOID(look(fd, disks.front()));
        TRY_VOID(disks.front().claim.check_name());
        return lend_all(disks.subspan(1), after, look, work);
      },
      after);
}

Result<void> look_blank(int fd, const HeldDisk& disk) {
  TRY(const auto signatures,
      host::find_disk_signatures(fd, disk.identity.size_bytes));
  if (signatures.empty()) return {};
  return not_as_planned(disk.identity, "holds " + signatures.front().words);
}

Result<void> assemble_raid(host::CommandRunner& runner,
                           const MakeFilesystem& action,
                           std::vector<HeldDisk>& disks) {
  const std::string name = layout_name(action.uuid);
  // --run: nobody is there to answer. The name is without a host's, so that
  // the device is called the same after a boot.
  std::vector<std::string> argv = {
      "/sbin/mdadm",
      "--create",
      "/dev/md/" + name,
      "--run",
      "--level=0",
      "--metadata=1.2",
      "--homehost=any",
      "--name=" + name,
      "--uuid=" + mdadm_uuid(array_uuid(action.uuid)),
      fmt::format("--raid-devices={}", disks.size())};
  for (const HeldDisk& disk : disks) argv.push_back(disk.path);
  return lend_all(disks, DiskClaim::After::kGiveUp, look_blank,
                  [&] { return run(runner, argv); });
}

Result<void> assemble_lvm(const host::HostRoot& host,
                          host::CommandRunner& runner,
                          const MakeFilesystem& action,
                          std::vector<HeldDisk>& disks) {
  const std::string name = layout_name(action.uuid);
  const std::string settings = lvm_settings(host);
  std::vector<std::string> paths;
  for (HeldDisk& disk : disks) {
    paths.push_back(disk.path);
    const std::vector<std::string> argv = {
        "/sbin/pvcreate",  "-qq",
        "--config",        settings,
        "--norestorefile", "--uuid=" + volume_uuid(action.uuid, disk.identity),
        disk.path};
    TRY_VOID(lend_all({&disk, 1}, DiskClaim::After::kTakeAgain, look_blank,
                      [&] { return run(runner, argv); }));
  }
  const LastLook look_ours = [&](int fd, const HeldDisk& disk) -> Result<void> {
    TRY(const auto signatures,
        host::find_disk_signatures(fd, disk.identity.size_bytes));
    if (is_our_member(signatures, action.uuid, disk.identity)) return {};
    return not_as_planned(disk.identity, "was changed by somebody else");
  };
  std::vector<std::string> group = {"/sbin/vgcreate", "-qq", "--config",
                                    settings, name};
  group.insert(group.end(), paths.begin(), paths.end());
  TRY_VOID(lend_all(disks, DiskClaim::After::kTakeAgain, look_ours,
                    [&] { return run(runner, group); }));
  return lend_all(disks, DiskClaim::After::kGiveUp, look_ours, [&] {
    return run(runner,
               {"/sbin/lvcreate", "-qq", "--config", settings,
                "--wipesignatures=n", fmt::format("--stripes={}", disks.size()),
                "--extents=100%FREE", "--name=" + name, name});
  });
}

/// Proves the disks and puts them together.
Result<void> assemble(const host::HostRoot& host, host::CommandRunner& runner,
                      const MakeFilesystem& action, WorkWatch* watch) {
  TRY(auto disks, hold_all(host, action));
  TRY_VOID(prove_all(disks, action, watch));
  if (action.wipe) {
    for (const HeldDisk& disk : disks) {
      TRY_VOID(erase_signatures(disk.claim.fd(), disk.identity.size_bytes,
                                disk.path));
    }
  }
  return action.layout == "raid0" ? assemble_raid(runner, action, disks)
                                  : assemble_lvm(host, runner, action, disks);
}

}  // namespace

Result<void> make_layout(const host::HostRoot& host,
                         host::CommandRunner& runner,
                         const MakeFilesystem& action, const LayoutUse& make,
                         WorkWatch* watch) {
  if (proofs_of(action).size() != action.disks.size()) {
    return Error(ErrorCode::kInvalidArgument,
                 "the plan does not say how it saw each disk; plan anew");
  }
  TRY_VOID(stop_unfinished(host, runner, action));
  TRY_VOID(assemble(host, runner, action, watch));
  TRY(const host::StorageView view, host::read_storage(host));
  TRY(const auto members, find_all(view, action));
  if (const auto* volume = volume_of(view, members)) return make(*volume);
  return Error(ErrorCode::kInternal,
               fmt::format("{} succeeded, but the kernel has nothing that "
                           "stands on these disks",
                           action.layout == "raid0" ? "mdadm" : "lvcreate"));
}

Result<void> take_layout_down(const host::HostRoot& host,
                              host::CommandRunner& runner,
                              const WipeFilesystem& action) {
  if (action.layout == "single") return {};
  TRY(const host::StorageView before, host::read_storage(host));
  TRY(const auto there, find_members(before, action.disks));
  if (there.size() == action.disks.size()) {
    TRY_VOID(start_to_look(host, runner, there, action.layout, action.uuid));
  }
  TRY(const host::StorageView view, host::read_storage(host));
  TRY(const auto members, find_members(view, action.disks));
  return stop_volumes(host, runner, view, members, action.uuid);
}

}  // namespace gpunode::provision
