#include "node/provision/packages/distribution_repositories.h"

#include <algorithm>
#include <array>
#include <charconv>

namespace gpunode::packages {
namespace {

using enum Source;
using enum Tool;

constexpr std::string_view kEpelDocs =
    "https://docs.fedoraproject.org/en-US/epel/getting-started/";
constexpr std::string_view kSourcesList =
    "https://wiki.debian.org/SourcesList#Component";
constexpr std::string_view kUbuntu =
    "https://help.ubuntu.com/community/Repositories/Ubuntu";
constexpr std::string_view kOracle = "https://docs.oracle.com/en/learn/ol-dnf/";
constexpr std::string_view kSuse = "https://packagehub.suse.com/how-to-use/";
constexpr std::string_view kAmazon2 =
    "https://docs.aws.amazon.com/linux/al2/ug/al2-extras.html";

constexpr std::string_view kEpelUrl =
    "https://dl.fedoraproject.org/pub/epel/{major}/Everything/$basearch/";
// "10" is built for what CentOS Stream has now; for the newest release of RHEL
// there is "10z". https://gitlab.com/CentOS/infra/tracker/-/issues/1764
constexpr std::string_view kEpel10Url =
    "https://dl.fedoraproject.org/pub/epel/10z/Everything/$basearch/";
constexpr std::string_view kEpelArchiveUrl =
    "https://archives.fedoraproject.org/pub/archive/epel/7/$basearch/";
constexpr std::string_view kCrbNeed = "what EPEL needs";

// Red Hat's own ids: "codeready-builder-for-rhel-9-x86_64-rpms" by
// subscription-manager; in clouds "codeready-builder-for-rhel-9-rhui-rpms"
// (AWS), "…-x86_64-rhui-rpms" (Azure), "rhui-codeready-…" (Google).
constexpr std::string_view kCodeready =
    "codeready-builder-for-rhel-{major}-*rpms "
    "rhui-codeready-builder-for-rhel-{major}-*rpms";

// Rows of one distribution and version stand together. CRB comes before EPEL:
// packages of EPEL need it. Its id was "PowerTools" on CentOS 8 before 8.3.
// EPEL Next (CentOS Stream) is left out: DKMS is not in it.
constexpr auto kRows = std::to_array<ExtraRepository>({
    {"rhel", 7, 7, kDnf, kFile, "epel", "epel", kEpelArchiveUrl, "DKMS",
     kEpelDocs},
    {"centos", 7, 7, kDnf, kFile, "epel", "epel", kEpelArchiveUrl, "DKMS",
     kEpelDocs},
    {"rhel", 8, 9, kDnf, kSubscription,
     "codeready-builder-for-rhel-{major}-{arch}-rpms", kCodeready, "", kCrbNeed,
     kEpelDocs},
    {"rhel", 8, 9, kDnf, kFile, "epel", "epel", kEpelUrl, "DKMS", kEpelDocs},
    {"rhel", 10, 10, kDnf, kSubscription,
     "codeready-builder-for-rhel-{major}-{arch}-rpms", kCodeready, "", kCrbNeed,
     kEpelDocs},
    {"rhel", 10, 10, kDnf, kFile, "epel", "epel", kEpel10Url, "DKMS",
     kEpelDocs},
    {"rocky", 8, 8, kDnf, kEnable, "powertools", "powertools", "", kCrbNeed,
     kEpelDocs},
    {"rocky", 8, 8, kDnf, kPackage, "epel-release", "epel", kEpelUrl, "DKMS",
     kEpelDocs},
    {"rocky", 9, 9, kDnf, kEnable, "crb", "crb", "", kCrbNeed, kEpelDocs},
    {"rocky", 9, 9, kDnf, kPackage, "epel-release", "epel", kEpelUrl, "DKMS",
     kEpelDocs},
    {"rocky", 10, 10, kDnf, kEnable, "crb", "crb", "", kCrbNeed, kEpelDocs},
    {"rocky", 10, 10, kDnf, kPackage, "epel-release", "epel", kEpel10Url,
     "DKMS", kEpelDocs},
    {"almalinux", 8, 8, kDnf, kEnable, "powertools", "powertools", "", kCrbNeed,
     kEpelDocs},
    {"almalinux", 8, 8, kDnf, kPackage, "epel-release", "epel", kEpelUrl,
     "DKMS", kEpelDocs},
    {"almalinux", 9, 9, kDnf, kEnable, "crb", "crb", "", kCrbNeed, kEpelDocs},
    {"almalinux", 9, 9, kDnf, kPackage, "epel-release", "epel", kEpelUrl,
     "DKMS", kEpelDocs},
    {"almalinux", 10, 10, kDnf, kEnable, "crb", "crb", "", kCrbNeed, kEpelDocs},
    {"almalinux", 10, 10, kDnf, kPackage, "epel-release", "epel", kEpel10Url,
     "DKMS", kEpelDocs},
    {"centos", 8, 8, kDnf, kEnable, "powertools", "powertools PowerTools", "",
     kCrbNeed, kEpelDocs},
    {"centos", 8, 8, kDnf, kPackage, "epel-release", "epel", kEpelUrl, "DKMS",
     kEpelDocs},
    {"centos", 9, 10, kDnf, kEnable, "crb", "crb", "", kCrbNeed, kEpelDocs},
    {"centos", 9, 10, kDnf, kPackage, "epel-release", "epel", kEpelUrl, "DKMS",
     kEpelDocs},
    {"ol", 8, 10, kDnf, kEnable, "ol{major}_codeready_builder",
     "ol{major}_codeready_builder", "", kCrbNeed, kOracle},
    {"ol", 8, 10, kDnf, kPackage, "oracle-epel-release-el{major}",
     "ol{major}_*developer_EPEL", "", "DKMS", kOracle},
    {"amzn", 2, 2, kDnf, kExtras, "epel", "amzn2extra-epel", "",
     "the package that brings EPEL", kAmazon2},
    {"amzn", 2, 2, kDnf, kPackage, "epel-release", "epel", "", "DKMS",
     kAmazon2},
    {"amzn", 2023, 2023, kDnf, kNone, "", "", "", "its own repository has dkms",
     "https://docs.aws.amazon.com/linux/al2023/ug/epel.html"},
    {"fedora", 40, 99, kDnf, kNone, "", "", "", "its own repository has dkms",
     "https://packages.fedoraproject.org/pkgs/dkms/dkms/"},
    {"ubuntu", 18, 99, kApt, kComponents, "universe restricted multiverse", "",
     "", "DKMS, Canonical's drivers and the fabric manager", kUbuntu},
    {"debian", 10, 11, kApt, kComponents, "contrib non-free", "", "",
     "what the driver needs", kSourcesList},
    {"debian", 12, 99, kApt, kComponents, "contrib non-free non-free-firmware",
     "", "", "what the driver needs", kSourcesList},
    {"sles", 15, 15, kZypper, kModule, "PackageHub/{version}/{arch}",
     "*Package_Hub* *PackageHub*", "", "DKMS, where KMPs are not used", kSuse},
    {"opensuse-leap", 15, 16, kZypper, kNone, "", "", "",
     "its own repository has dkms",
     "https://software.opensuse.org/package/dkms"},
});

/// `text` fits `pattern`, in which "*" stands for anything.
bool fits(std::string_view text, std::string_view pattern) {
  const std::size_t star = pattern.find('*');
  if (star == std::string_view::npos) return text == pattern;
  if (!text.starts_with(pattern.substr(0, star))) return false;
  const std::string_view rest = pattern.substr(star + 1);
  for (std::size_t i = star; i <= text.size(); ++i) {
    if (fits(text.substr(i), rest)) return true;
  }
  return false;
}

}  // namespace

std::span<const ExtraRepository> extra_repositories() {
  return kRows;
}

std::span<const ExtraRepository> extra_repositories(
    std::string_view distribution, int major) {
  const auto is_its = [&](const ExtraRepository& row) {
    return row.distribution == distribution && row.first <= major &&
           major <= row.last;
  };
  const auto begin = std::find_if(kRows.begin(), kRows.end(), is_its);
  const auto end = std::find_if_not(begin, kRows.end(), is_its);
  return {begin, end};
}

std::span<const ExtraRepository> extra_repositories(
    const distribution::Table& table, std::string_view id,
    std::string_view version) {
  const auto own = extra_repositories(id, major_of(version));
  if (!own.empty()) return own;
  const distribution::Distribution* kin = table.kin_of(id, version);
  if (kin == nullptr) return {};
  return extra_repositories(kin->id, major_of(kin->version));
}

int major_of(std::string_view version) {
  int major = 0;
  std::from_chars(version.data(), version.data() + version.size(), major);
  return major;
}

std::string filled_in(std::string_view text, int major,
                      std::string_view version, std::string_view arch) {
  std::string filled;
  for (std::size_t i = 0; i < text.size();) {
    const auto put = [&](std::string_view mark, std::string_view value) {
      if (text.substr(i, mark.size()) != mark) return false;
      filled += value;
      i += mark.size();
      return true;
    };
    if (put("{major}", std::to_string(major)) || put("{version}", version) ||
        put("{arch}", arch)) {
      continue;
    }
    filled += text[i++];
  }
  return filled;
}

bool is_one_of(std::string_view id, std::string_view ids) {
  constexpr std::array<std::string_view, 9> kSiblings = {
      "debug", "source", "Debug", "Source", "-beta-",
      "-eus-", "-e4s-",  "-aus-", "-tus-"};
  while (!ids.empty()) {
    const std::string_view pattern = ids.substr(0, ids.find(' '));
    ids.remove_prefix(std::min(pattern.size() + 1, ids.size()));
    if (!fits(id, pattern)) continue;
    const bool is_sibling =
        pattern.find('*') != std::string_view::npos &&
        std::any_of(kSiblings.begin(), kSiblings.end(),
                    [&](std::string_view mark) {
                      return id.find(mark) != std::string_view::npos;
                    });
    if (!is_sibling) return true;
  }
  return false;
}

}  // namespace gpunode::packages
