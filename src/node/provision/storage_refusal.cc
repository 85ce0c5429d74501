#include "node/provision/storage_refusal.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "base/core/ascii.h"

namespace gpunode::provision {
namespace {

/// Of a unit's or a word's name; "x*" stands for all that begin so.
bool fits(std::string_view pattern, std::string_view name) {
  if (!pattern.ends_with('*')) return pattern == name;
  return name.starts_with(pattern.substr(0, pattern.size() - 1));
}

struct Option {
  std::string_view pattern;
  std::string_view why;
};

constexpr std::string_view kBoot =
    "says how a boot goes, and that is gpunode's to say: one wrong, the "
    "machine does not come up";
constexpr std::string_view kOther = "mounts something else than the disk";

constexpr std::array kOptions = {
    Option{"x-*", kBoot},
    Option{"X-*", kBoot},
    Option{"comment=*", kBoot},
    Option{"noauto", kBoot},
    Option{"auto", kBoot},
    Option{"nofail", "is added where it is needed"},
    Option{"fail", kBoot},
    Option{"_netdev", kBoot},
    Option{"_rnetdev", kBoot},
    Option{"errors=panic", "stops the whole machine for one bad block"},
    Option{"bind", kOther},
    Option{"rbind", kOther},
    Option{"move", kOther},
    Option{"remount", kOther},
    Option{"loop", kOther},
    Option{"loop=*", kOther},
    Option{"offset=*", kOther},
    Option{"sizelimit=*", kOther},
    Option{"ro", "leaves nothing to write to"},
    Option{"user", "lets anybody mount it, and implies noexec and nosuid"},
    Option{"users", "lets anybody mount it, and implies noexec and nosuid"},
    Option{"owner", "lets others mount it, and implies nosuid"},
    Option{"group", "lets others mount it, and implies nosuid"},
};

/// Services without which nobody gets into the machine, or the machine not up:
/// where their disk does not come they must start all the same.
constexpr std::array<std::string_view, 51> kNeeded = {
    "ssh",
    "ssh@*",
    "sshd",
    "sshd@*",
    "sshd-*",
    "dropbear",
    "dropbear@*",
    "tailscaled",
    "dbus",
    "dbus-*",
    "systemd-*",
    "init",
    "NetworkManager*",
    "network",
    "networking",
    "wicked*",
    "connman",
    "dhcpcd*",
    "dhclient*",
    "netplan*",
    "ifup@*",
    "iwd",
    "wpa_supplicant*",
    "getty@*",
    "serial-getty@*",
    "console-getty",
    "container-getty@*",
    "autovt@*",
    "display-manager",
    "gdm*",
    "lightdm",
    "sddm",
    "user@*",
    "user-runtime-dir@*",
    "emergency",
    "rescue",
    "polkit",
    "sssd*",
    "nscd",
    "nslcd",
    "winbind",
    "cloud-init*",
    "cloud-config",
    "cloud-final",
    "amazon-ssm-agent",
    "google-guest-agent*",
    "walinuxagent",
    "waagent",
    "qemu-guest-agent",
    "lvm2-*",
    "udev",
};

}  // namespace

std::string why_no_mount_option(std::string_view option) {
  const bool is_plain =
      !option.empty() && std::ranges::all_of(option, [](char c) {
        return is_alphanumeric(c) || c == '=' || c == '-' || c == '_' ||
               c == '.' || c == ':';
      });
  if (!is_plain) {
    return fmt::format(
        "\"{}\" is no mount option; one item of the list is one option",
        option);
  }
  for (const Option& one : kOptions) {
    if (!fits(one.pattern, option)) continue;
    return fmt::format("mount option \"{}\" {}; leave it out", option, one.why);
  }
  return "";
}

std::string why_no_storage_user(std::string_view user) {
  const std::string_view stem = user.substr(0, user.rfind('.'));
  if (fits("gpunode*", stem)) {
    return fmt::format("{} is gpunode's own, and may be what makes the disk",
                       user);
  }
  if (std::ranges::none_of(kNeeded, [&](std::string_view pattern) {
        return fits(pattern, stem);
      })) {
    return "";
  }
  return fmt::format(
      "{} is needed to get into the machine or to bring it up: without the "
      "disk it would not start, and nobody could mend it",
      user);
}

}  // namespace gpunode::provision
