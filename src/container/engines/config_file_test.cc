#include "container/engines/config_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/host/host_tree.h"

namespace gpunode::engines {
namespace {

using host::HostTree;
using ::testing::HasSubstr;

TEST(ConfigFile, KeepsModeAndOwner) {
  const HostTree host{{"etc/c.toml", "a = 1\n"}};
  ASSERT_EQ(::chmod(host.path("etc/c.toml").c_str(), 0640), 0);
  const bool is_root = ::geteuid() == 0;
  if (is_root) {
    ASSERT_EQ(::chown(host.path("etc/c.toml").c_str(), 12, 34), 0);
  }
  ASSERT_TRUE(write_config(host.root(), "/etc/c.toml", "a = 2\n"));
  struct stat status {};
  ASSERT_EQ(::stat(host.path("etc/c.toml").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777U, 0640U);
  if (is_root) {
    EXPECT_EQ(status.st_uid, 12U);
    EXPECT_EQ(status.st_gid, 34U);
  }
  EXPECT_EQ(*host.root().read_file("etc/c.toml"), "a = 2\n");
}

TEST(ConfigFile, FollowsALinkAndLeavesItALink) {
  const HostTree host{{"srv/real.toml", "a = 1\n"}};
  host.directory("etc");
  host.link("etc/c.toml", "/srv/real.toml");
  EXPECT_EQ(**read_config(host.root(), "/etc/c.toml"), "a = 1\n");
  ASSERT_TRUE(write_config(host.root(), "/etc/c.toml", "a = 2\n"));
  EXPECT_EQ(*host.root().read_link("etc/c.toml"), "/srv/real.toml");
  EXPECT_EQ(*host.root().read_file("srv/real.toml"), "a = 2\n");
}

TEST(ConfigFile, RefusesALinkThatLeadsNowhere) {
  const HostTree host;
  host.link("c.toml", "/nowhere");
  const auto text = read_config(host.root(), "/c.toml");
  ASSERT_FALSE(text);
  EXPECT_THAT(text.error().message(), HasSubstr("is a link to /nowhere"));
  EXPECT_FALSE(write_config(host.root(), "/c.toml", "x"));
  EXPECT_FALSE(host.root().exists("nowhere"));
}

TEST(ConfigFile, MakesFoldersAndTakesFilesAway) {
  const HostTree host;
  EXPECT_FALSE(read_config(host.root(), "/etc/x/y/c.toml")->has_value());
  ASSERT_TRUE(write_config(host.root(), "/etc/x/y/c.toml", "a\n"));
  const auto status = host.root().status("etc/x/y/c.toml");
  ASSERT_TRUE(status);
  EXPECT_EQ(status->mode, 0644U);
  EXPECT_EQ(host.root().status("etc/x/y")->mode, 0755U);
  ASSERT_TRUE(write_config(host.root(), "/etc/x/y/c.toml", std::nullopt));
  EXPECT_FALSE(host.root().exists("etc/x/y/c.toml"));
  EXPECT_TRUE(write_config(host.root(), "/etc/x/y/c.toml", std::nullopt));
}

TEST(ConfigFile, SaysWhichFileCouldNotBeWritten) {
  const HostTree host{{"etc", "a file where a folder should be"}};
  const auto written = write_config(host.root(), "/etc/c.toml", "a\n");
  ASSERT_FALSE(written);
  EXPECT_THAT(written.error().message(), HasSubstr("below " + host.path()));
  EXPECT_THAT(written.error().message(), HasSubstr("/etc/c.toml"));
}

/// A mounted host, and beside it a directory that is not the host's.
class AMountedHost : public ::testing::Test {
 protected:
  host::HostRoot root() const { return host::HostRoot(tree_.path("host")); }
  const HostTree tree_{{"ours/c.toml", "ours\n"}, {"host/run/x", ""}};
};

// As every host with systemd has /var/run.
TEST_F(AMountedHost, HasItsLinksFollowedInside) {
  tree_.link("host/var/run", "/run");
  tree_.link("host/etc/engine", "../srv/engine");
  tree_.directory("host/srv/engine");
  ASSERT_TRUE(write_config(root(), "/var/run/a/c.toml", "new\n"));
  EXPECT_EQ(*tree_.root().read_file("host/run/a/c.toml"), "new\n");
  ASSERT_TRUE(write_config(root(), "/etc/engine/c.toml", "new\n"));
  EXPECT_EQ(*tree_.root().read_file("host/srv/engine/c.toml"), "new\n");
  ASSERT_TRUE(write_config(root(), "/etc/engine/c.toml", std::nullopt));
  EXPECT_FALSE(tree_.root().exists("host/srv/engine/c.toml"));
}

TEST_F(AMountedHost, IsNotLeftByALinkThatLeadsOut) {
  // Of the directory, absolute and relative, and of the file itself.
  tree_.link("host/etc/absolute", tree_.path("ours"));
  tree_.link("host/etc/relative", "../../ours");
  tree_.link("host/etc/c.toml", tree_.path("ours/c.toml"));
  for (const char* path : {"/etc/absolute/c.toml", "/etc/relative/c.toml",
                           "/etc/relative/new/c.toml"}) {
    ASSERT_TRUE(write_config(root(), path, "theirs\n")) << path;
    EXPECT_EQ(**read_config(root(), path), "theirs\n") << path;
    ASSERT_TRUE(write_config(root(), path, std::nullopt)) << path;
  }
  EXPECT_FALSE(write_config(root(), "/etc/c.toml", "theirs\n"));
  EXPECT_EQ(*tree_.root().list_directory("ours"),
            std::vector<std::string>{"c.toml"});
  EXPECT_EQ(*tree_.root().read_file("ours/c.toml"), "ours\n");
}

}  // namespace
}  // namespace gpunode::engines
