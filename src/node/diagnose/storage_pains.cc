// Pains 9 to 13 of docs/doctor.md: disks by changing names, and data that is
// not where it should be.
#include <algorithm>
#include <array>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "base/core/ascii.h"
#include "base/host/mount_table.h"
#include "node/diagnose/pains.h"

namespace gpunode::diagnose {
namespace {

using facts::FstabLine;

std::string quote(const FstabLine& line) {
  return fmt::format("/etc/fstab:{}: {} {} {} {}", line.line, line.source,
                     line.target, line.type, line.options);
}

/// "/dev/nvme1n1" and what is on it: named by the order of finding.
bool is_by_order(std::string_view source) {
  constexpr std::string_view kNvme = "/dev/nvme";
  return source.starts_with(kNvme) && source.size() > kNvme.size() &&
         is_digit(source[kNvme.size()]);
}

bool is_present(const DoctorLook& look, std::string_view source) {
  return std::ranges::any_of(look.host.storage.disks, [&](const auto& disk) {
    return disk.device.path == source ||
           std::ranges::any_of(disk.device.partitions, [&](const auto& part) {
             return part.path == source;
           });
  });
}

/// "/dev/nvme0n11" of a disk nvme0n1: the "p" of "nvme0n1p1" is missing.
std::string disk_with_digit(const DoctorLook& look, std::string_view source) {
  for (const auto& disk : look.host.storage.disks) {
    const std::string& path = disk.device.path;
    if (source.size() > path.size() && source.starts_with(path) &&
        std::ranges::all_of(source.substr(path.size()), is_digit)) {
      return path;
    }
  }
  return {};
}

void check_names(const DoctorLook& look, const FstabLine& line,
                 Findings& found) {
  if (!is_by_order(line.source)) return;
  const bool is_here = is_present(look, line.source);
  const std::string disk = is_here ? "" : disk_with_digit(look, line.source);
  if (!disk.empty()) {
    const std::string partition =
        fmt::format("{}p{}", disk, line.source.substr(disk.size()));
    found.push_back({"disk.partition",
                     fmt::format("{} is no partition of {}: that would be {}",
                                 line.source, disk, partition),
                     "write UUID= and what `blkid -o value -s UUID " +
                         partition + "` says in its place",
                     Severity::kBad, quote(line),
                     "NVMe disks end with a digit, and their partitions have "
                     "a p before the number; cloud-init once left it out"});
    return;
  }
  found.push_back(
      {"disk.names",
       fmt::format("{} is mounted by the name {}, which another disk may have "
                   "after the next boot",
                   line.target, line.source),
       "write UUID= and what `blkid -o value -s UUID " + line.source +
           "` says in its place",
       Severity::kWarning, quote(line),
       "the kernel numbers NVMe disks in the order in which it finds them"});
}

constexpr std::array<std::string_view, 4> kDataPaths = {
    "/var/lib/containerd", "/var/lib/docker", "/var/lib/kubelet",
    "/var/lib/containers"};

/// A directory of the engine, one above it, or one below.
bool is_data_path(std::string_view target) {
  return std::ranges::any_of(kDataPaths, [&](std::string_view path) {
    return target == path || path.starts_with(std::string(target) + "/") ||
           target.starts_with(std::string(path) + "/");
  });
}

std::string running_engine(const DoctorLook& look) {
  for (const char* unit :
       {"containerd.service", "docker.service", "crio.service"}) {
    const auto found = look.host.units.find(unit);
    if (found != look.host.units.end() &&
        found->second.active_state == "active") {
      return unit;
    }
  }
  return {};
}

/// What fstab wants, and nobody mounted. Of another root nothing is mounted.
void check_mounted(const DoctorLook& look, const FstabLine& line,
                   Findings& found) {
  const auto& mounts = look.host.storage.mounts;
  const bool knows = std::ranges::any_of(
      mounts, [](const auto& mount) { return mount.mount_point == "/"; });
  if (!knows || !line.target.starts_with('/') || line.target == "/" ||
      line.type == "swap" || host::has_option(line.options, "noauto") ||
      host::has_option(line.options, "x-systemd.automount") ||
      !is_data_path(line.target)) {
    return;
  }
  std::string target = line.target;
  while (target.size() > 1 && target.ends_with('/')) target.pop_back();
  if (std::ranges::any_of(mounts, [&](const auto& mount) {
        return mount.mount_point == target;
      })) {
    return;
  }
  const std::string engine = running_engine(look);
  Finding finding;
  finding.severity = Severity::kBad;
  finding.seen = quote(line);
  if (!engine.empty()) {
    finding.check = "runtime.order";
    finding.what = fmt::format(
        "{} is not mounted, and {} runs: it writes to the disk below", target,
        engine);
    finding.why =
        "the engine started before the mount, or the mount failed; what is on "
        "that disk is hidden or gone";
    finding.next = fmt::format(
        "`systemctl stop {0} kubelet`, `mount {1}`, start them again; keep "
        "the order with RequiresMountsFor={1} in a drop-in (gpunode's storage "
        "does)",
        engine, target);
  } else {
    finding.check = "disk.missing";
    finding.what = fmt::format("{} is not mounted", target);
    finding.why = look.host.machine.cloud.empty()
                      ? "its disk is not there or has no file system"
                      : "a cloud's ephemeral disk is blank after a stop and "
                        "start: the file system that fstab names is gone";
    finding.next = fmt::format(
        "`lsblk -f` and `journalctl -b -u '*.mount'`; a disk that may be made "
        "anew at each boot is spec.storage with onBootBlank: reformat");
  }
  found.push_back(finding);
}

void check_entry_types(const DoctorLook& look, Findings& found) {
  const auto mark = std::ranges::find(look.kernel_log, LogSign::kNoEntryTypes,
                                      &LogMark::sign);
  if (mark == look.kernel_log.end()) return;
  found.push_back(
      {"xfs.ftype",
       "the file system below an overlay keeps no types in its directories "
       "(xfs with ftype=0): containers fail or lose files",
       "`xfs_info /var/lib/containerd`; make it anew with `mkfs.xfs -n "
       "ftype=1`, which loses what is on it",
       Severity::kBad, look.kernel_log_source + ": " + mark->line,
       "mkfs.xfs of before 2015 did so by default"});
}

}  // namespace

Findings find_storage_pains(const DoctorLook& look) {
  Findings found;
  for (const FstabLine& line : look.host.fstab) {
    check_names(look, line, found);
    check_mounted(look, line, found);
  }
  check_entry_types(look, found);
  return found;
}

}  // namespace gpunode::diagnose
