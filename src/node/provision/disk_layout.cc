#include "node/provision/disk_layout.h"

#include <algorithm>
#include <chrono>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/host/blank_proof.h"
#include "base/host/disk_claim.h"
#include "base/host/disk_lineage.h"
#include "base/host/storage_view.h"
#include "node/provision/storage_choice.h"

namespace gpunode::provision {
namespace {

using host::BlockDevice;

constexpr const char* kMdadm = "/sbin/mdadm";
constexpr std::chrono::minutes kTimeout{5};

/// Names that arrays and volume groups get: of the file system, so that two
/// hosts' disks in one chassis never collide.
std::string name_for(const std::string& uuid) {
  return "gn" + uuid.substr(0, 8);
}

Result<void> run(host::CommandRunner& runner, std::vector<std::string> argv) {
  host::Command command;
  command.argv = std::move(argv);
  command.timeout = kTimeout;
  TRY_VOID(runner.output(command));
  return {};
}

struct Found {
  BlockDevice device;
  std::vector<host::DiskUse> uses;
};

Result<Found> find(const host::StorageView& view,
                   const DiskIdentity& identity) {
  std::optional<Found> found;
  for (const host::DiskLineage& lineage : host::disk_lineages(view)) {
    const BlockDevice& device = *lineage.device;
    if (identity_serial(device) == identity.serial &&
        device.model == identity.model &&
        device.size_bytes == identity.size_bytes) {
      if (found) {
        return Error(ErrorCode::kUnavailable,
                     fmt::format("disk {} is there twice; nothing was written",
                                 identity.serial));
      }
      found = Found{device, lineage.uses};
    }
  }
  if (found) return *std::move(found);
  return Error(ErrorCode::kUnavailable,
               fmt::format("disk {} is not there any more; nothing was "
                           "written, plan anew",
                           identity.serial));
}

/// Each disk free, and blank unless confirmed; their paths.
Result<std::vector<std::string>> prove_all(const host::HostRoot& host,
                                           const MakeFilesystem& action) {
  TRY(const host::StorageView view, host::read_storage(host));
  std::vector<std::string> paths;
  std::string proofs;
  for (const DiskIdentity& identity : action.disks) {
    TRY(const Found found, find(view, identity));
    if (!found.uses.empty()) {
      return Error(ErrorCode::kUnavailable,
                   fmt::format("disk {} is in use: {}; nothing was written",
                               identity.serial, found.uses.front().words));
    }
    TRY(const host::DiskClaim claim,
        host::DiskClaim::take(host, found.device.path, found.device.number,
                              host::DiskClaim::Access::kRead));
    DiskIdentity known = identity;
    if (known.serial.starts_with('/')) known.serial.clear();
    TRY(const host::BlankProof proof, host::prove_blank(claim.fd(), known, {}));
    if (!proof.is_blank() && !action.wipe) {
      return Error(ErrorCode::kUnavailable,
                   fmt::format("disk {} is no longer blank: it {}; nothing "
                               "was written",
                               identity.serial, proof.refusal()));
    }
    proofs += proof.digest() + "\n";
    paths.push_back(found.device.path);
  }
  if (proofs != action.proof) {
    return Error(ErrorCode::kUnavailable,
                 "the disks are not as the plan saw them; nothing was "
                 "written, plan anew");
  }
  return paths;
}

/// What an interrupted run put together already, by its name.
std::optional<std::string> existing(const host::HostRoot& host,
                                    const std::string& name,
                                    const std::string& layout) {
  const std::string path =
      layout == "raid0" ? "/dev/md/" + name : fmt::format("/dev/{0}/{0}", name);
  if (host.exists(path)) return path;
  return std::nullopt;
}

Result<std::string> assemble_raid(host::CommandRunner& runner,
                                  const std::string& name,
                                  const MakeFilesystem& action,
                                  const std::vector<std::string>& paths) {
  const std::string device = "/dev/md/" + name;
  // --run: nobody is there to answer. The name is without a host's, so that
  // the device is called the same after a boot.
  std::vector<std::string> argv = {
      kMdadm,
      "--create",
      device,
      "--run",
      "--level=0",
      "--metadata=1.2",
      "--homehost=any",
      "--name=" + name,
      fmt::format("--raid-devices={}", paths.size())};
  if (action.wipe) argv.emplace_back("--force");
  argv.insert(argv.end(), paths.begin(), paths.end());
  TRY_VOID(run(runner, std::move(argv)));
  return device;
}

Result<std::string> assemble_lvm(host::CommandRunner& runner,
                                 const std::string& name,
                                 const MakeFilesystem& action,
                                 const std::vector<std::string>& paths) {
  const std::string answer = action.wipe ? "--yes" : "-qq";
  std::vector<std::string> volumes = {"/sbin/pvcreate", answer};
  volumes.insert(volumes.end(), paths.begin(), paths.end());
  TRY_VOID(run(runner, std::move(volumes)));
  std::vector<std::string> group = {"/sbin/vgcreate", answer, name};
  group.insert(group.end(), paths.begin(), paths.end());
  TRY_VOID(run(runner, std::move(group)));
  TRY_VOID(run(runner, {"/sbin/lvcreate", answer, "--wipesignatures", "n",
                        fmt::format("--stripes={}", paths.size()),
                        "--extents=100%FREE", "--name=" + name, name}));
  return fmt::format("/dev/{0}/{0}", name);
}

}  // namespace

Result<void> make_layout(
    const host::HostRoot& host, host::CommandRunner& runner,
    const MakeFilesystem& action,
    const std::function<Result<void>(const std::string& device)>& make) {
  const std::string name = name_for(action.uuid);
  std::optional<std::string> device = existing(host, name, action.layout);
  if (!device) {
    TRY(const auto paths, prove_all(host, action));
    auto assembled = action.layout == "raid0"
                         ? assemble_raid(runner, name, action, paths)
                         : assemble_lvm(runner, name, action, paths);
    if (!assembled) return std::move(assembled).error();
    device = *std::move(assembled);
  }
  return make(*device);
}

Result<void> take_layout_down(const host::HostRoot& host,
                              host::CommandRunner& runner,
                              const WipeFilesystem& action) {
  if (action.layout == "single") return {};
  const std::string name = name_for(action.uuid);
  if (!existing(host, name, action.layout)) return {};
  if (action.layout == "raid0") {
    return run(runner, {kMdadm, "--stop", "/dev/md/" + name});
  }
  return run(runner, {"/sbin/vgremove", "--force", "--yes", name});
}

}  // namespace gpunode::provision
