#include "node/provision/packages/distribution_repositories.h"

#include <algorithm>
#include <array>

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

// Rows of one distribution and version stand together. CRB comes before EPEL:
// packages of EPEL need it.
constexpr auto kRows = std::to_array<ExtraRepository>({
    {"rhel", 8, 10, kDnf, kRegistration,
     "codeready-builder-for-rhel-{major}-{arch}-rpms", "what EPEL needs",
     kEpelDocs},
    {"rhel", 8, 10, kDnf, kPackageUrl,
     "https://dl.fedoraproject.org/pub/epel/"
     "epel-release-latest-{major}.noarch.rpm",
     "DKMS", kEpelDocs},
    {"rocky", 8, 8, kDnf, kEnable, "powertools", "what EPEL needs", kEpelDocs},
    {"rocky", 8, 8, kDnf, kPackage, "epel-release", "DKMS", kEpelDocs},
    {"rocky", 9, 10, kDnf, kEnable, "crb", "what EPEL needs", kEpelDocs},
    {"rocky", 9, 10, kDnf, kPackage, "epel-release", "DKMS", kEpelDocs},
    {"almalinux", 8, 8, kDnf, kEnable, "powertools", "what EPEL needs",
     kEpelDocs},
    {"almalinux", 8, 8, kDnf, kPackage, "epel-release", "DKMS", kEpelDocs},
    {"almalinux", 9, 10, kDnf, kEnable, "crb", "what EPEL needs", kEpelDocs},
    {"almalinux", 9, 10, kDnf, kPackage, "epel-release", "DKMS", kEpelDocs},
    {"centos", 8, 8, kDnf, kEnable, "powertools", "what EPEL needs", kEpelDocs},
    {"centos", 8, 8, kDnf, kPackage, "epel-release", "DKMS", kEpelDocs},
    {"centos", 9, 9, kDnf, kEnable, "crb", "what EPEL needs", kEpelDocs},
    {"centos", 9, 9, kDnf, kPackage, "epel-release", "DKMS", kEpelDocs},
    {"centos", 9, 9, kDnf, kPackage, "epel-next-release",
     "EPEL built for Stream", kEpelDocs},
    {"centos", 10, 10, kDnf, kEnable, "crb", "what EPEL needs", kEpelDocs},
    {"centos", 10, 10, kDnf, kPackage, "epel-release", "DKMS", kEpelDocs},
    {"ol", 8, 10, kDnf, kEnable, "ol{major}_codeready_builder",
     "what EPEL needs", kOracle},
    {"ol", 8, 10, kDnf, kPackage, "oracle-epel-release-el{major}", "DKMS",
     kOracle},
    {"amzn", 2023, 2023, kDnf, kNone, "", "its own repository has dkms",
     "https://docs.aws.amazon.com/linux/al2023/ug/epel.html"},
    {"fedora", 40, 99, kDnf, kNone, "", "its own repository has dkms",
     "https://packages.fedoraproject.org/pkgs/dkms/dkms/"},
    {"ubuntu", 20, 99, kApt, kComponents, "universe restricted",
     "DKMS and Canonical's drivers", kUbuntu},
    {"debian", 11, 11, kApt, kComponents, "contrib non-free",
     "what the driver needs", kSourcesList},
    {"debian", 12, 99, kApt, kComponents, "contrib non-free non-free-firmware",
     "what the driver needs", kSourcesList},
    {"sles", 15, 15, kZypper, kRegistration, "PackageHub/{version}/{arch}",
     "DKMS, where KMPs are not used", kSuse},
    {"opensuse-leap", 15, 16, kZypper, kNone, "", "its own repository has dkms",
     "https://software.opensuse.org/package/dkms"},
});

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

}  // namespace gpunode::packages
