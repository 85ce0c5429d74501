#include "node/provision/packages/repository.h"

#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "node/provision/packages/distribution_repositories.h"
#include "node/provision/packages/openpgp_key.h"

namespace gpunode::packages {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

/// A throw-away key made on 2020-01-01 by gpg 2.2, good for a year.
constexpr const char* kKey =
    "-----BEGIN PGP PUBLIC KEY BLOCK-----\n"
    "\n"
    "mQENBF4L4QABCADRiyIuNNNS+6CnSSB1JnOrfu9q3Qb7FTvkJxXi0131uOVMjpn9\n"
    "xBjVXNTsPy4p6dKTyBvPThtoUoQqb+oKTdJfWMaEk9i3yL+i1DHc+46vskMgs7oP\n"
    "ZBytgDW3I7NWl9zLWmfCp3gRRFN68+A8vwZfPEDsG4EBYeEEWFn0Pw0/9SOyWRvI\n"
    "l4u3AgVpYYHXGmHKVP1Muomj7OgFLzJf09MjrUlg7LrumxfgDS0265jbUeZytpqd\n"
    "KyEMrV4cVHPOmfZHNLC+WoCLi7jT/VJ4ukj2VFdaJrFPGSIpSKBgyDK69LELH+ST\n"
    "pRMExUxDZDTNYLE1/wni3AiH5N5Zk0PodBBdABEBAAG0I1N0dWIgZXhwaXJlZCA8\n"
    "ZXhwaXJlZEBzdHViLmludmFsaWQ+iQFUBBMBCgA+FiEE/DtDYS3s42Ck60bTdL9+\n"
    "DP8ZwrEFAl4L4QACGwMFCQHhM4AFCwkIBwIGFQoJCAsCBBYCAwECHgECF4AACgkQ\n"
    "dL9+DP8ZwrEk4QgAm8C6M7bJZ0OKjaTQH5SlsiD6cWkY7jXXa4yJwniDVI5ZpmJ2\n"
    "IHBe6ohMP6mJp0D2HJ6MOUbDJ/5wONVOqrFDQo6QCuwlrFKB4+FhuWqIrgAsQQOY\n"
    "n3hB2sXqHQL2DCNail0TI7YHuXIJH1TOJ4+rhZt838aD/tgjkrNPnO6m4cqvgIWG\n"
    "3spRgjuFXvV7UGQx/o2QjjgAvOy5e0A9q0kOgGLn18M0vIQTd76IBOlkEz4iwbSz\n"
    "QRQT2pOPaX1qJJ1nU5g83fe8J8iqBjWbswjD9QFvlQQOnMR8roA3+nW5LTQBLOQI\n"
    "1nBAl7JqNrDE1/lH1Zuvp2Tix3chaUVKo0CQRA==\n"
    "=yOXk\n"
    "-----END PGP PUBLIC KEY BLOCK-----\n";
constexpr const char* kFingerprint = "FC3B43612DECE360A4EB46D374BF7E0CFF19C2B1";
constexpr std::int64_t kWhenGood = 1600000000;     // September 2020.
constexpr std::int64_t kWhenExpired = 1700000000;  // November 2023.

TEST(OpenPgpKey, SaysWhatGpgSays) {
  const auto keys = parse_openpgp_keys(kKey);
  ASSERT_TRUE(keys) << keys.error().message();
  ASSERT_THAT(*keys, SizeIs(1));
  EXPECT_EQ((*keys)[0].fingerprint, kFingerprint);
  EXPECT_EQ((*keys)[0].user, "Stub expired <expired@stub.invalid>");
  EXPECT_EQ((*keys)[0].created, 1577836800);
  EXPECT_EQ((*keys)[0].expires, 1577836800 + 365 * 86400);
  EXPECT_FALSE((*keys)[0].is_weakly_bound);
}

TEST(OpenPgpKey, TwoKeysInOneFileAreTwo) {
  const auto keys = parse_openpgp_keys(std::string(kKey) + kKey);
  ASSERT_TRUE(keys) << keys.error().message();
  EXPECT_THAT(*keys, SizeIs(2));
}

TEST(OpenPgpKey, DamageIsAnError) {
  EXPECT_FALSE(parse_openpgp_keys(""));
  EXPECT_FALSE(parse_openpgp_keys("<html>404</html>"));
  const std::string whole = kKey;
  EXPECT_FALSE(parse_openpgp_keys(whole.substr(0, whole.size() / 2)));
  // One bit of the key itself makes another fingerprint, or no key.
  EXPECT_TRUE(rc::check(
      [](const std::string& noise, unsigned short at, unsigned char bit) {
        (void)parse_openpgp_keys(noise);
        std::string damaged = kKey;
        const std::size_t begin = damaged.find("\n\n") + 10;
        const std::size_t i = begin + at % 300;
        const char was = damaged[i];
        damaged[i] = static_cast<char>('A' + bit % 26);
        const auto keys = parse_openpgp_keys(damaged);
        // RC_ASSERT evaluates both sides of an ||.
        const bool is_seen = !keys || keys->front().fingerprint != kFingerprint;
        RC_ASSERT(is_seen || damaged[i] == was || was == '\n');
      }));
}

Repository cuda() {
  Repository repository;
  repository.id = "cuda-rhel9-x86_64";
  repository.name = "CUDA for RHEL 9";
  repository.urls = {
      "https://developer.download.nvidia.com/compute/cuda/repos/"
      "rhel9/x86_64/"};
  repository.key = kKey;
  repository.fingerprints = {kFingerprint};
  return repository;
}

TEST(Repository, AsDnfReadsIt) {
  Repository repository = cuda();
  repository.has_hotfixes = true;
  repository.excludes = {"cuda-drivers", "nvidia-settings*"};
  repository.priority = 50;
  const auto files = repository_files(Tool::kDnf, repository, kWhenGood);
  ASSERT_TRUE(files) << files.error().message();
  ASSERT_THAT(*files, SizeIs(2));
  EXPECT_EQ((*files)[0].path, "/etc/pki/rpm-gpg/RPM-GPG-KEY-cuda-rhel9-x86_64");
  EXPECT_EQ((*files)[0].content, kKey);
  EXPECT_EQ((*files)[1].path, "/etc/yum.repos.d/cuda-rhel9-x86_64.repo");
  EXPECT_EQ((*files)[1].content,
            "[cuda-rhel9-x86_64]\n"
            "name=CUDA for RHEL 9\n"
            "baseurl=https://developer.download.nvidia.com/compute/cuda/repos/"
            "rhel9/x86_64/\n"
            "enabled=1\n"
            "gpgcheck=1\n"
            "repo_gpgcheck=0\n"
            "gpgkey=file:///etc/pki/rpm-gpg/RPM-GPG-KEY-cuda-rhel9-x86_64\n"
            "priority=50\n"
            "module_hotfixes=1\n"
            "excludepkgs=cuda-drivers,nvidia-settings*\n");
}

TEST(Repository, AsZypperReadsIt) {
  const auto files = repository_files(Tool::kZypper, cuda(), kWhenGood);
  ASSERT_TRUE(files) << files.error().message();
  EXPECT_EQ((*files)[1].path, "/etc/zypp/repos.d/cuda-rhel9-x86_64.repo");
  EXPECT_THAT((*files)[1].content, HasSubstr("gpgcheck=1\n"));
  EXPECT_THAT((*files)[1].content, HasSubstr("type=rpm-md\n"));
}

TEST(Repository, AsAptReadsIt) {
  Repository repository = cuda();
  repository.name.clear();
  repository.suite = "stable";
  repository.components = {"main", "contrib"};
  repository.architectures = {"amd64"};
  const auto files = repository_files(Tool::kApt, repository, kWhenGood);
  ASSERT_TRUE(files) << files.error().message();
  EXPECT_EQ((*files)[0].path, "/etc/apt/keyrings/cuda-rhel9-x86_64.asc");
  EXPECT_EQ((*files)[1].path,
            "/etc/apt/sources.list.d/cuda-rhel9-x86_64.sources");
  EXPECT_EQ((*files)[1].content,
            "Types: deb\n"
            "URIs: https://developer.download.nvidia.com/compute/cuda/repos/"
            "rhel9/x86_64/\n"
            "Suites: stable\n"
            "Components: main contrib\n"
            "Architectures: amd64\n"
            "Signed-By: /etc/apt/keyrings/cuda-rhel9-x86_64.asc\n");
}

TEST(Repository, AKeyThatIsNotPinnedOrHasExpiredIsNotWritten) {
  Repository repository = cuda();
  const auto expired = repository_files(Tool::kDnf, repository, kWhenExpired);
  ASSERT_FALSE(expired);
  EXPECT_EQ(expired.error().code(), ErrorCode::kPermissionDenied);
  EXPECT_THAT(expired.error().message(),
              HasSubstr("expired at 2020-12-31T00:00:00Z"));
  repository.fingerprints = {
      "EB69 3B30 35CD 5710 E231  E123 A4B4 6996 3BF8 "
      "63CC"};
  const auto other = repository_files(Tool::kDnf, repository, kWhenGood);
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().code(), ErrorCode::kPermissionDenied);
  EXPECT_THAT(other.error().message(),
              HasSubstr("EB693B3035CD5710E231E123A4B469963BF863CC"));
  repository.fingerprints.clear();
  EXPECT_FALSE(repository_files(Tool::kDnf, repository, kWhenGood));
}

TEST(Repository, ValuesThatWouldMeanSomethingElseInTheFile) {
  const auto is_refused = [](const Repository& repository) {
    for (const Tool tool : {Tool::kApt, Tool::kDnf, Tool::kZypper}) {
      const auto files = repository_files(tool, repository, kWhenGood);
      if (files || files.error().code() != ErrorCode::kInvalidArgument) {
        return false;
      }
    }
    return true;
  };
  for (const char* id : {"", "a/b", "../x", "a]", "a b", ".hidden", "a\nb"}) {
    Repository repository = cuda();
    repository.id = id;
    EXPECT_TRUE(is_refused(repository)) << id;
  }
  for (const char* url :
       {"", "https://h/\ngpgcheck=0", "https://h/ [trusted=yes]", "nothing"}) {
    Repository repository = cuda();
    repository.urls = {url};
    EXPECT_TRUE(is_refused(repository)) << url;
  }
  Repository repository = cuda();
  repository.name = "x\ngpgcheck=0";
  EXPECT_TRUE(is_refused(repository));
}

TEST(Repository, PinsForApt) {
  const auto file = apt_preferences_file(
      "gpunode-nvidia", {{{"nvidia-open", "libnvidia-*"}, "580.65*", 1001},
                         {{"kubelet"}, "1.25.0-1", 999}});
  ASSERT_TRUE(file) << file.error().message();
  EXPECT_EQ(file->path, "/etc/apt/preferences.d/gpunode-nvidia.pref");
  EXPECT_EQ(file->content,
            "Package: nvidia-open libnvidia-*\n"
            "Pin: version 580.65*\n"
            "Pin-Priority: 1001\n"
            "\n"
            "Package: kubelet\n"
            "Pin: version 1.25.0-1\n"
            "Pin-Priority: 999\n");
  EXPECT_FALSE(apt_preferences_file("x", {{{"a b"}, "1", 1}}));
  EXPECT_FALSE(apt_preferences_file("x", {{{}, "1", 1}}));
}

TEST(DistributionRepositories, EveryDistributionIsInOnePiece) {
  // Found in one piece, or its second half would never be read.
  for (const ExtraRepository& row : extra_repositories()) {
    std::size_t all = 0;
    for (const ExtraRepository& other : extra_repositories()) {
      all += other.distribution == row.distribution &&
             other.first <= row.first && row.first <= other.last;
    }
    EXPECT_THAT(extra_repositories(row.distribution, row.first), SizeIs(all))
        << row.distribution << " " << row.first;
    EXPECT_FALSE(row.cited.empty());
    EXPECT_EQ(row.what.empty(), row.source == Source::kNone);
  }
  EXPECT_THAT(extra_repositories("gentoo", 2), IsEmpty());
  EXPECT_THAT(extra_repositories("rocky", 7), IsEmpty());
}

TEST(DistributionRepositories, TheSeedsMachine) {
  const auto rows = extra_repositories("rocky", 8);
  ASSERT_THAT(rows, SizeIs(2));
  EXPECT_EQ(rows[0].what, "powertools");
  EXPECT_EQ(rows[1].what, "epel-release");
  EXPECT_EQ(filled_in("codeready-builder-for-rhel-{major}-{arch}-rpms", 9,
                      "9.4", "x86_64"),
            "codeready-builder-for-rhel-9-x86_64-rpms");
  EXPECT_EQ(filled_in("PackageHub/{version}/{arch}{x}", 15, "15.6", "aarch64"),
            "PackageHub/15.6/aarch64{x}");
}

}  // namespace
}  // namespace gpunode::packages
