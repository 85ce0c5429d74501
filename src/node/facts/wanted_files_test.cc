#include "node/facts/wanted_files.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/host/fake_command_runner.h"
#include "base/host/host_tree.h"

namespace gpunode::facts {
namespace {

using host::HostTree;
using testing::ElementsAre;
using testing::IsEmpty;

FileFacts file_of(const HostTree& host, const std::string& path,
                  std::vector<std::string>* gaps = nullptr) {
  HostFacts facts;
  read_wanted_files(host.root(), {.files = {path}}, facts);
  if (gaps != nullptr) *gaps = facts.gaps;
  return facts.files.at(path);
}

TEST(WantedFiles, HaveContentModeAndLink) {
  const HostTree host{{"etc/real.toml", "a = 1\n"}};
  ASSERT_EQ(::chmod(host.path("etc/real.toml").c_str(), 0640), 0);
  host.link("etc/named.toml", "/etc/real.toml");
  std::vector<std::string> gaps;
  const FileFacts file = file_of(host, "/etc/named.toml", &gaps);
  EXPECT_TRUE(file.exists());
  EXPECT_EQ(file.content, "a = 1\n");
  EXPECT_EQ(file.mode, 0640U);
  EXPECT_EQ(file.link_target, "/etc/real.toml");
  EXPECT_THAT(gaps, IsEmpty());
  EXPECT_EQ(file_of(host, "/etc/real.toml").link_target, "");
}

TEST(WantedFiles, ThatAreAbsentAreNoGap) {
  const HostTree host;
  host.link("etc/dangling", "nowhere");
  std::vector<std::string> gaps;
  EXPECT_FALSE(file_of(host, "/etc/none", &gaps).exists());
  EXPECT_THAT(gaps, IsEmpty());
  const FileFacts dangling = file_of(host, "/etc/dangling", &gaps);
  EXPECT_FALSE(dangling.exists());
  EXPECT_EQ(dangling.link_target, "nowhere");
  EXPECT_THAT(gaps, IsEmpty());
}

// As systemd has files of its directories put out of use.
TEST(WantedFiles, OfAPatternThatLeadToNothingAreEmpty) {
  const HostTree host{{"etc/a.d/y.conf", "y = 1\n"}};
  host.link("etc/a.d/x.conf", "/dev/null");
  HostFacts facts;
  read_wanted_files(host.root(), {.files = {"/etc/a.d/*.conf"}}, facts);
  EXPECT_EQ(facts.files.at("/etc/a.d/x.conf").content, "");
  EXPECT_EQ(facts.files.at("/etc/a.d/x.conf").link_target, "/dev/null");
  EXPECT_EQ(facts.files.at("/etc/a.d/y.conf").content, "y = 1\n");
  EXPECT_THAT(facts.gaps, IsEmpty());
}

TEST(WantedFiles, OfAProgramOnlyTheDigestIsKept) {
  const HostTree host{{"usr/bin/abc", "abc"},
                      {"usr/bin/long", std::string(kFileLimitBytes + 1, 'x')}};
  std::vector<std::string> gaps;
  // FIPS 180-2, B.1.
  EXPECT_EQ(file_of(host, "/usr/bin/abc#sha256", &gaps).content,
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(file_of(host, "/usr/bin/long#sha256", &gaps).content->size(), 64U);
  EXPECT_FALSE(file_of(host, "/usr/bin/none#sha256", &gaps).exists());
  EXPECT_THAT(gaps, IsEmpty());
  host.directory("usr/bin/dir");
  EXPECT_FALSE(file_of(host, "/usr/bin/dir#sha256", &gaps).content);
  EXPECT_FALSE(gaps.empty());
}

TEST(WantedFiles, AreReadToAMebibyteAndNoFurther) {
  const HostTree host{{"fits", std::string(kFileLimitBytes, 'x')},
                      {"huge", std::string(kFileLimitBytes + 1, 'x')}};
  EXPECT_EQ(file_of(host, "/fits").content->size(), kFileLimitBytes);
  std::vector<std::string> gaps;
  const FileFacts file = file_of(host, "/huge", &gaps);
  EXPECT_TRUE(file.exists());
  EXPECT_EQ(file.content, std::nullopt);
  EXPECT_EQ(file.error, "larger than 1048576 bytes");
  EXPECT_THAT(gaps, ElementsAre("read /huge: larger than 1048576 bytes"));
}

TEST(WantedFiles, ThatAreNoTextKeepTheirBytesAndAreAGap) {
  const HostTree host{{"etc/fstab", std::string("a\0b\xff", 4)}};
  std::vector<std::string> gaps;
  EXPECT_EQ(file_of(host, "/etc/fstab", &gaps).content,
            std::string("a\0b\xff", 4));
  EXPECT_THAT(gaps, ElementsAre("/etc/fstab is no text: it has a byte 0"));
}

TEST(WantedFiles, ThatAreKeyringsAreMeantToBeNoText) {
  const HostTree host{{"usr/share/keyrings/k.gpg", std::string("\x99\0", 2)}};
  std::vector<std::string> gaps;
  EXPECT_EQ(file_of(host, "/usr/share/keyrings/k.gpg", &gaps).content,
            std::string("\x99\0", 2));
  EXPECT_THAT(gaps, ElementsAre());
}

TEST(WantedFiles, ThatAreFifosOrDirectoriesHoldNobodyUp) {
  const HostTree host;
  host.directory("etc/directory");
  ASSERT_EQ(::mkfifo(host.path("etc/fifo").c_str(), 0600), 0);
  std::vector<std::string> gaps;
  EXPECT_EQ(file_of(host, "/etc/fifo", &gaps).error, "not a regular file");
  EXPECT_THAT(gaps, ElementsAre("read /etc/fifo: not a regular file"));
  EXPECT_EQ(file_of(host, "/etc/directory").error, "not a regular file");
}

TEST(WantedFiles, ThatLeadInCirclesAreAGap) {
  const HostTree host;
  host.directory("etc");
  host.link("etc/a", "b");
  host.link("etc/b", "a");
  std::vector<std::string> gaps;
  const FileFacts file = file_of(host, "/etc/a", &gaps);
  EXPECT_EQ(file.error, "too many levels of symbolic links");
  EXPECT_EQ(file.link_target, "b");
  EXPECT_THAT(gaps, testing::SizeIs(1));
}

TEST(WantedFiles, ThatMayNotBeReadAreAGap) {
  if (::geteuid() == 0) GTEST_SKIP() << "root may read all";
  const HostTree host{{"etc/secret", "x"}};
  ASSERT_EQ(::chmod(host.path("etc/secret").c_str(), 0), 0);
  EXPECT_EQ(file_of(host, "/etc/secret").error, "permission denied");
}

TEST(WantedFiles, LeadNoReaderOutOfTheHost) {
  const HostTree outer{{"secret", "x"}};
  outer.directory("host/etc");
  outer.link("host/etc/out", "../../secret");
  HostFacts facts;
  read_wanted_files(host::HostRoot(outer.path("host")), {.files = {"/etc/out"}},
                    facts);
  EXPECT_FALSE(facts.files.at("/etc/out").exists());
}

TreeFacts tree_of(const HostTree& host, const std::string& path) {
  HostFacts facts;
  host::Mount mount;
  mount.mount_point = "/var/lib/my pods";
  facts.storage.mounts.push_back(mount);
  read_wanted_trees(host.root(), {.trees = {path}}, facts);
  EXPECT_THAT(facts.gaps, IsEmpty());
  return facts.trees.at(path);
}

std::string policy_label_at_root(bool is_loaded, const host::HostRoot& host,
                                 host::FakeCommandRunner& runner) {
  HostFacts facts;
  facts.machine.selinux = is_loaded;
  facts.trees["/srv/disk"] = {};
  read_policy_labels(host, runner, facts);
  return facts.trees.at("/srv/disk").selinux_policy_label;
}

TEST(WantedFiles, ThePolicyIsAskedWhereOneIsLoaded) {
  host::FakeCommandRunner runner;
  EXPECT_EQ(policy_label_at_root(false, host::HostRoot(), runner), "");
  // A recorded host's policy is not this one's.
  const HostTree other;
  EXPECT_EQ(policy_label_at_root(true, other.root(), runner), "");
  EXPECT_THAT(runner.commands(), IsEmpty());
  runner.script("/usr/sbin/matchpathcon /srv/disk",
                host::Completed{0, "/srv/disk\tu:object_r:disk_t:s0\n", ""});
  EXPECT_EQ(policy_label_at_root(true, host::HostRoot(), runner),
            "u:object_r:disk_t:s0");
}

TEST(WantedFiles, OfAPatternAreThoseThatThereAre) {
  const HostTree host{{"etc/r.d/a.repo", "a"},
                      {"etc/r.d/b.repo", "b"},
                      {"etc/r.d/.hidden.repo", "h"},
                      {"etc/r.d/c.repo.rpmsave", "c"},
                      {"etc/r.d/deep/d.repo", "d"}};
  host.directory("etc/r.d/e.repo");
  HostFacts facts;
  read_wanted_files(host.root(), {.files = {"/etc/r.d/*.repo", "/none/*.x"}},
                    facts);
  ASSERT_EQ(facts.files.size(), 3U);
  EXPECT_EQ(facts.files.at("/etc/r.d/a.repo").content, "a");
  EXPECT_EQ(facts.files.at("/etc/r.d/b.repo").content, "b");
  EXPECT_EQ(facts.files.at("/etc/r.d/e.repo").error, "not a regular file");
  EXPECT_THAT(facts.gaps,
              ElementsAre("read /etc/r.d/e.repo: not a regular file"));
}

TEST(WantedFiles, OfAPatternHaveAnEnd) {
  const HostTree host;
  for (std::size_t i = 0; i <= kPatternLimit; ++i) {
    host.file("etc/r.d/" + std::to_string(i) + ".repo", "");
  }
  HostFacts facts;
  read_wanted_files(host.root(), {.files = {"/etc/r.d/*.repo"}}, facts);
  EXPECT_EQ(facts.files.size(), kPatternLimit);
  EXPECT_THAT(facts.gaps,
              ElementsAre("/etc/r.d has more than 256 files *.repo"));
}

TEST(WantedTrees, AreDirectoriesWithSoManyEntries) {
  const HostTree host{{"var/lib/containerd/a", ""},
                      {"var/lib/containerd/.b/c", ""},
                      {"var/lib/file", ""}};
  host.directory("var/lib/my pods");
  EXPECT_EQ(tree_of(host, "/var/lib/containerd"),
            (TreeFacts{.exists = true,
                       .is_directory = true,
                       .is_mount_point = false,
                       .entries = 2}));
  EXPECT_EQ(tree_of(host, "/var/lib/my pods"),
            (TreeFacts{.exists = true,
                       .is_directory = true,
                       .is_mount_point = true,
                       .entries = 0}));
  EXPECT_EQ(tree_of(host, "/var/lib/file"), (TreeFacts{.exists = true,
                                                       .is_directory = false,
                                                       .is_mount_point = false,
                                                       .entries = 0}));
  EXPECT_EQ(tree_of(host, "/var/lib/none"), TreeFacts());
  host.link("srv", "var/lib");
  host.link("var/dangling", "nowhere");
  EXPECT_EQ(tree_of(host, "/srv/none").link, "/srv");
  EXPECT_EQ(tree_of(host, "/srv/file").link, "/srv");
  EXPECT_EQ(tree_of(host, "/var/dangling/a/b").link, "/var/dangling");
  EXPECT_EQ(tree_of(host, "/var/dangling").link, "/var/dangling");
}

TEST(WantedTrees, AreNotCountedFurtherThanMatters) {
  const HostTree host;
  for (std::uint64_t i = 0; i < kEntryLimit + 10; ++i) {
    host.file("many/" + std::to_string(i), "");
  }
  EXPECT_EQ(tree_of(host, "/many").entries, kEntryLimit);
}

}  // namespace
}  // namespace gpunode::facts
