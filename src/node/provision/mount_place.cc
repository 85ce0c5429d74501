#include "node/provision/mount_place.h"

#include <algorithm>
#include <array>
#include <span>

#include <fmt/format.h>

namespace gpunode::provision {
namespace {

/// Of a distribution, with all that is below: the Filesystem Hierarchy
/// Standard 3.0, and what image-based hosts, snaps and boot loaders add.
constexpr auto kTop = std::to_array<std::string_view>(
    {"afs",    "bin",   "boot",    "cdrom",         "cgroup",     "dev",
     "efi",    "esp",   "etc",     "gnu",           "initrd",     "lib",
     "lib32",  "lib64", "libo32",  "libx32",        "lost+found", "nix",
     "ostree", "proc",  "root",    "run",           "sbin",       "selinux",
     "snap",   "sys",   "sysroot", "system-update", "tmp",        "usr"});

/// Directories for others to put theirs in: never they themselves.
constexpr auto kShared = std::to_array<std::string_view>(
    {"/home", "/media", "/opt", "/var", "/var/lib", "/var/log", "/var/opt"});

/// Below /var, with all that is below.
constexpr auto kVar = std::to_array<std::string_view>(
    {"account",  "adm",   "backups",  "cache", "crash",      "db",   "empty",
     "ftp",      "games", "kerberos", "lock",  "lost+found", "mail", "nis",
     "preserve", "run",   "snap",     "spool", "tmp",        "yp"});

/// Below /var/lib, with all that is below: read before mounts are there,
/// written by package managers, or what a host is known by. Ours too.
constexpr auto kState = std::to_array<std::string_view>({"AccountsService",
                                                         "NetworkManager",
                                                         "PackageKit",
                                                         "alternatives",
                                                         "apparmor",
                                                         "apt",
                                                         "aptitude",
                                                         "authselect",
                                                         "bluetooth",
                                                         "chrony",
                                                         "cloud",
                                                         "color",
                                                         "dbus",
                                                         "dhclient",
                                                         "dhcp",
                                                         "dhcpcd",
                                                         "dkms",
                                                         "dnf",
                                                         "dpkg",
                                                         "extensions",
                                                         "flatpak",
                                                         "fwupd",
                                                         "gpunode",
                                                         "grub",
                                                         "initscripts",
                                                         "initramfs-tools",
                                                         "iscsi",
                                                         "kdump",
                                                         "logrotate",
                                                         "machines",
                                                         "misc",
                                                         "nfs",
                                                         "os-prober",
                                                         "pam",
                                                         "pkgtools",
                                                         "plymouth",
                                                         "polkit-1",
                                                         "portables",
                                                         "private",
                                                         "rhsm",
                                                         "rpcbind",
                                                         "rpm",
                                                         "rpm-state",
                                                         "rsyslog",
                                                         "selinux",
                                                         "shim-signed",
                                                         "snapd",
                                                         "sss",
                                                         "sudo",
                                                         "swcatalog",
                                                         "sysimage",
                                                         "systemd",
                                                         "tpm",
                                                         "tpm2-tss",
                                                         "ucf",
                                                         "unattended-upgrades",
                                                         "update-manager",
                                                         "update-notifier",
                                                         "waagent",
                                                         "wicked",
                                                         "xfs",
                                                         "yum",
                                                         "zypp"});

/// Of the boot itself.
constexpr std::string_view kBootJournal = "/var/log/journal";

/// The first part below `directory` ("/var/"); "" if `path` is not below it.
std::string_view part_below(std::string_view path, std::string_view directory) {
  if (!path.starts_with(directory)) return "";
  path.remove_prefix(directory.size());
  return path.substr(0, path.find('/'));
}

bool is_among(std::string_view part, std::span<const std::string_view> names) {
  return std::ranges::find(names, part) != names.end();
}

bool is_of_the_host(std::string_view path) {
  const std::string_view top = part_below(path, "/");
  return top.empty() || top.starts_with('.') || is_among(top, kTop) ||
         is_among(part_below(path, "/var/"), kVar) ||
         is_among(part_below(path, "/var/lib/"), kState) ||
         is_within(path, kBootJournal);
}

}  // namespace

bool is_within(std::string_view inner, std::string_view outer) {
  return inner == outer || outer == "/" ||
         (inner.starts_with(outer) && inner[outer.size()] == '/');
}

std::string why_no_mount_place(std::string_view path) {
  constexpr std::string_view kFits =
      "what fits: a directory below /var/lib, /var/log, /opt or /home that is "
      "not the distribution's, /srv, /mnt, or one of your own, as /data";
  if (is_among(path, kShared)) {
    return fmt::format(
        "a disk over {0} would take the host's own files away: name a "
        "directory below it; {1}",
        path, kFits);
  }
  if (!is_of_the_host(path)) return "";
  return fmt::format("a disk over {} would take the host's own files away; {}",
                     path, kFits);
}

}  // namespace gpunode::provision
