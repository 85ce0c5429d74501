#include "node/driver/kernel_archive.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gpunode::driver {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

facts::HostFacts host_of(const char* id, const char* version,
                         const char* codename = "") {
  facts::HostFacts host;
  host.os.id = id;
  host.os.version_id = version;
  host.os.codename = codename;
  host.kernel.machine = "x86_64";
  return host;
}

std::vector<std::string> urls_of(const facts::HostFacts& host,
                                 const char* release,
                                 const char* wanted = kPointRelease) {
  const auto archive = kernel_archive(host, release, wanted);
  EXPECT_TRUE(archive) << archive.error().message();
  std::vector<std::string> urls;
  if (!archive) return urls;
  for (const ArchiveRepository& one : *archive) urls.push_back(one.url);
  return urls;
}

TEST(KernelArchive, HasADirectoryForTheKernelsOwnPointRelease) {
  EXPECT_THAT(
      urls_of(host_of("rocky", "8.10"), "4.18.0-513.5.1.el8_9.x86_64"),
      ElementsAre("https://dl.rockylinux.org/vault/rocky/8.9/BaseOS/x86_64/os/",
                  "https://dl.rockylinux.org/vault/rocky/8.9/AppStream/x86_64/"
                  "os/"));
  EXPECT_THAT(
      urls_of(host_of("almalinux", "9.4"), "5.14.0-362.8.1.el9_3.x86_64"),
      ElementsAre("https://vault.almalinux.org/9.3/BaseOS/x86_64/os/",
                  "https://vault.almalinux.org/9.3/AppStream/x86_64/os/"));
  EXPECT_THAT(
      urls_of(host_of("centos", "8"), "4.18.0-348.7.1.el8_5.x86_64"),
      ElementsAre("https://vault.centos.org/8.5.2111/BaseOS/x86_64/os/",
                  "https://vault.centos.org/8.5.2111/AppStream/x86_64/os/"));
}

TEST(KernelArchive, OfCentOS7IsToldByTheKernelsNumber) {
  const auto host = host_of("centos", "7");
  EXPECT_THAT(urls_of(host, "3.10.0-1160.119.1.el7.x86_64"),
              ElementsAre("https://vault.centos.org/7.9.2009/os/x86_64/",
                          "https://vault.centos.org/7.9.2009/updates/x86_64/"));
  EXPECT_THAT(urls_of(host, "3.10.0-957.12.2.el7.x86_64"),
              ElementsAre("https://vault.centos.org/7.6.1810/os/x86_64/",
                          "https://vault.centos.org/7.6.1810/updates/x86_64/"));
}

TEST(KernelArchive, OfADayHasThatDaysSuites) {
  const auto debian = kernel_archive(host_of("debian", "12", "bookworm"),
                                     "6.1.0-25-amd64", "20240905");
  ASSERT_TRUE(debian) << debian.error().message();
  EXPECT_THAT(
      *debian,
      ElementsAre(ArchiveRepository{"",
                                    "https://snapshot.debian.org/archive/"
                                    "debian/20240905T000000Z/",
                                    {"bookworm", "bookworm-updates"}},
                  ArchiveRepository{"security",
                                    "https://snapshot.debian.org/archive/"
                                    "debian-security/20240905T000000Z/",
                                    {"bookworm-security"}}));
  EXPECT_THAT(
      urls_of(host_of("ubuntu", "22.04", "jammy"), "5.15.0-100-generic",
              "20240905"),
      ElementsAre("https://snapshot.ubuntu.com/ubuntu/20240905T000000Z/"));
}

TEST(KernelArchive, ThatIsNoneIsRefusedWithWhatToDo) {
  struct Case {
    facts::HostFacts host;
    const char* wanted;
    const char* words;
  };
  for (const Case& one :
       {Case{host_of("rhel", "9.4"), kPointRelease, "release --set=9.4"},
        Case{host_of("ol", "9.4"), kPointRelease, "keep every kernel"},
        Case{host_of("amzn", "2023"), kPointRelease, "releasever"},
        Case{host_of("fedora", "42"), kPointRelease, "fedora-repos-archive"},
        Case{host_of("centos", "9"), kPointRelease, "newest alone"},
        Case{host_of("debian", "12", "bookworm"), kPointRelease,
             "say the day at which"},
        Case{host_of("rocky", "9.4"), "20240905", "archive: point-release"},
        Case{host_of("debian", "12"), "20240905", "no archive by days"},
        Case{host_of("sles", "15.6"), kPointRelease, "no archive by point"}}) {
    const auto archive = kernel_archive(one.host, "5.14.0-1", one.wanted);
    ASSERT_FALSE(archive) << one.host.os.id;
    EXPECT_EQ(archive.error().code(), ErrorCode::kUnsupported);
    EXPECT_THAT(archive.error().message(), HasSubstr(one.words));
  }
}

TEST(KernelArchive, KnowsADayFromWhatIsNone) {
  for (const char* const day : {"20240905", "20051231"}) {
    EXPECT_TRUE(is_archive_day(day)) << day;
  }
  for (const char* const other :
       {"", "2024-09-05", "20241305", "20240900", "20240932", "19990101",
        "2024090", "latest", "20240905/../../x"}) {
    EXPECT_FALSE(is_archive_day(other)) << other;
  }
}

}  // namespace
}  // namespace gpunode::driver
