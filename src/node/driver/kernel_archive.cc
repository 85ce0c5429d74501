#include "node/driver/kernel_archive.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include <fmt/format.h>

#include "base/core/ascii.h"

namespace gpunode::driver {
namespace {

constexpr std::string_view kRocky = "https://dl.rockylinux.org/vault/rocky/";
constexpr std::string_view kAlma = "https://vault.almalinux.org/";
constexpr std::string_view kCentos = "https://vault.centos.org/";
constexpr std::string_view kDebian = "https://snapshot.debian.org/archive/";
constexpr std::string_view kUbuntu = "https://snapshot.ubuntu.com/ubuntu/";

/// Of CentOS 7 every point release kept to one kernel of RHEL's, whose first
/// number tells it: the directories of vault.centos.org.
constexpr auto kCentos7 =
    std::to_array<std::pair<int, std::string_view>>({{1160, "7.9.2009"},
                                                     {1127, "7.8.2003"},
                                                     {1062, "7.7.1908"},
                                                     {957, "7.6.1810"},
                                                     {862, "7.5.1804"},
                                                     {693, "7.4.1708"},
                                                     {514, "7.3.1611"},
                                                     {327, "7.2.1511"},
                                                     {229, "7.1.1503"},
                                                     {123, "7.0.1406"}});

constexpr auto kCentos8 =
    std::to_array<std::pair<std::string_view, std::string_view>>(
        {{"8.5", "8.5.2111"},
         {"8.4", "8.4.2105"},
         {"8.3", "8.3.2011"},
         {"8.2", "8.2.2004"},
         {"8.1", "8.1.1911"},
         {"8.0", "8.0.1905"}});

Error no_archive(const std::string& words) {
  return {ErrorCode::kUnsupported, words};
}

/// 957 of "3.10.0-957.12.2.el7.x86_64".
int build_of(std::string_view release) {
  const std::size_t dash = release.find('-');
  if (dash == std::string_view::npos) return 0;
  release.remove_prefix(dash + 1);
  int number = 0;
  std::from_chars(release.data(), release.data() + release.size(), number);
  return number;
}

/// kernel-devel lies in AppStream from 9 on, the kernel itself in BaseOS.
std::vector<ArchiveRepository> base_and_stream(const std::string& directory,
                                               const std::string& machine) {
  return {
      {"baseos", fmt::format("{}/BaseOS/{}/os/", directory, machine)},
      {"appstream", fmt::format("{}/AppStream/{}/os/", directory, machine)}};
}

Result<std::vector<ArchiveRepository>> centos(const facts::HostFacts& host,
                                              std::string_view release) {
  const std::string& machine = host.kernel.machine;
  const bool is_of_7 = host.os.major_version() == 7 && machine == "x86_64";
  const auto found = std::ranges::find_if(kCentos7, [&](const auto& one) {
    return is_of_7 && build_of(release) >= one.first;
  });
  if (found != kCentos7.end()) {
    const std::string base = fmt::format("{}{}", kCentos, found->second);
    return std::vector<ArchiveRepository>{
        {"os", base + "/os/x86_64/"}, {"updates", base + "/updates/x86_64/"}};
  }
  const std::string point = point_release_of(host.os, release);
  for (const auto& [short_form, directory] : kCentos8) {
    if (point == short_form) {
      return base_and_stream(fmt::format("{}{}", kCentos, directory), machine);
    }
  }
  return no_archive(fmt::format(
      "CentOS has no archive of a kernel {} for {}: CentOS Stream keeps its "
      "newest alone; next: update the kernel",
      release, machine));
}

Result<std::vector<ArchiveRepository>> of_point_release(
    const facts::HostFacts& host, std::string_view release) {
  const std::string& id = host.os.id;
  const std::string& machine = host.kernel.machine;
  const std::string point = point_release_of(host.os, release);
  if (id == "rocky") {
    return base_and_stream(fmt::format("{}{}", kRocky, point), machine);
  }
  if (id == "almalinux") {
    return base_and_stream(fmt::format("{}{}", kAlma, point), machine);
  }
  if (id == "centos") return centos(host, release);
  if (id == "rhel") {
    return no_archive(fmt::format(
        "Red Hat keeps every kernel where it is; next: say "
        "`subscription-manager "
        "release --set={}`, and take `archive` out of spec.host.kernel",
        point));
  }
  if (id == "ol") {
    return no_archive(
        "Oracle's repositories keep every kernel; next: take `archive` out of "
        "spec.host.kernel");
  }
  if (id == "amzn") {
    return no_archive(
        "Amazon's older kernels are in the repositories of the release that "
        "they came with; next: put its version into /etc/dnf/vars/releasever, "
        "and take `archive` out of spec.host.kernel");
  }
  if (id == "fedora") {
    return no_archive(
        "Fedora has its older kernels in a repository of its own; next: "
        "install fedora-repos-archive, and take `archive` out of "
        "spec.host.kernel");
  }
  return no_archive(fmt::format(
      "no archive by point releases is known for {}; next: take `archive` out "
      "of spec.host.kernel{}",
      host.os.pretty_name.empty() ? id : host.os.pretty_name,
      id == "debian" || id == "ubuntu"
          ? ", or say the day at which the package was there, \"20240905\""
          : ""));
}

}  // namespace

bool is_archive_day(std::string_view text) {
  if (text.size() != 8 || !is_number(text)) return false;
  const auto number = [&](std::size_t at) {
    return (text[at] - '0') * 10 + (text[at + 1] - '0');
  };
  const int month = number(4);
  const int day = number(6);
  // snapshot.debian.org begins in 2005.
  return text.substr(0, 4) >= "2005" && month >= 1 && month <= 12 && day >= 1 &&
         day <= 31;
}

std::string point_release_of(const facts::OsRelease& os,
                             std::string_view release) {
  constexpr std::string_view kEl = ".el";
  const std::size_t at = release.find(kEl);
  if (at == std::string_view::npos) return os.version_id;
  release.remove_prefix(at + kEl.size());
  const std::string_view point = release.substr(0, release.find('.'));
  const std::size_t line = point.find('_');
  if (line == std::string_view::npos) return os.version_id;
  const std::string_view major = point.substr(0, line);
  const std::string_view minor = point.substr(line + 1);
  if (!is_number(major) || !is_number(minor)) return os.version_id;
  return fmt::format("{}.{}", major, minor);
}

Result<std::vector<ArchiveRepository>> kernel_archive(
    const facts::HostFacts& host, std::string_view release,
    std::string_view wanted) {
  const std::string& id = host.os.id;
  if (wanted == kPointRelease) return of_point_release(host, release);
  const std::string stamp = fmt::format("{}T000000Z/", wanted);
  const std::string& codename = host.os.codename;
  const bool has_days = id == "debian" || id == "ubuntu";
  if (!has_days || codename.empty()) {
    return no_archive(fmt::format(
        "no archive by days is known for {}; next: say `archive: {}` in "
        "spec.host.kernel where there is one by point releases, or nothing",
        host.os.pretty_name.empty() ? id : host.os.pretty_name, kPointRelease));
  }
  if (id == "ubuntu") {
    return std::vector<ArchiveRepository>{
        {"",
         fmt::format("{}{}", kUbuntu, stamp),
         {codename, codename + "-updates", codename + "-security"}}};
  }
  return std::vector<ArchiveRepository>{
      {"",
       fmt::format("{}debian/{}", kDebian, stamp),
       {codename, codename + "-updates"}},
      {"security",
       fmt::format("{}debian-security/{}", kDebian, stamp),
       {codename + "-security"}}};
}

}  // namespace gpunode::driver
