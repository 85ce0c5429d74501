#include "base/host/host_file.h"

#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "base/host/host_tree.h"

namespace gpunode::host {
namespace {

// As every host with systemd has it.
TEST(HostFile, IsTheHostsThoughALinkOfItIsAbsolute) {
  const HostTree host;
  const HostTree elsewhere;
  host.directory("var");
  host.link("var/run", elsewhere.path());
  ASSERT_TRUE(replace_host_file(host.root(), "/var/run/cdi/a.json", "x",
                                {.mode = 0644}));
  EXPECT_FALSE(elsewhere.root().exists("/cdi"));
  // The link's text is a path of the host.
  EXPECT_EQ(*host.root().read_file("/var/run/cdi/a.json"), "x");
  EXPECT_EQ(*host.root().read_file(elsewhere.path() + "/cdi/a.json"), "x");
  EXPECT_EQ(host.root().status("/var/run/cdi/a.json")->mode, 0644U);
  ASSERT_TRUE(remove_host_file(host.root(), "/var/run/cdi/a.json"));
  EXPECT_FALSE(host.root().exists("/var/run/cdi/a.json"));
  EXPECT_TRUE(remove_host_file(host.root(), "/var/run/cdi/a.json"));
}

TEST(HostFile, OfTheOwnHostIsAnyFile) {
  const HostTree tree;
  const HostRoot own;
  ASSERT_TRUE(replace_host_file(own, tree.path("a/b"), "x", {.mode = 0600}));
  EXPECT_EQ(*own.read_file(tree.path("a/b")), "x");
  ASSERT_TRUE(remove_host_file(own, tree.path("a/b")));
  EXPECT_TRUE(remove_host_file(own, tree.path("a/b")));
}

TEST(HostFile, IsWholeWhoeverWritesItAtTheSameTime) {
  const HostTree host;
  std::vector<std::thread> writers;
  for (const char letter : {'a', 'b', 'c'}) {
    writers.emplace_back([&host, letter] {
      const std::string text(10000, letter);
      for (int i = 0; i < 50; ++i) {
        EXPECT_TRUE(replace_host_file(host.root(), "/f", text, {}));
        const std::string now = *host.root().read_file("/f");
        EXPECT_EQ(now, std::string(10000, now[0]));
      }
    });
  }
  for (std::thread& writer : writers) writer.join();
  EXPECT_EQ(*host.root().list_directory("/"), std::vector<std::string>{"f"});
}

TEST(HostFile, ThatCannotBeMadeIsAnError) {
  const HostTree tree;
  tree.file("a", "");
  EXPECT_FALSE(
      replace_host_file(HostRoot(), tree.path("a/b"), "x", {.mode = 0600}));
  EXPECT_FALSE(replace_host_file(tree.root(), "/a/b", "x", {.mode = 0600}));
  EXPECT_FALSE(replace_host_file(HostRoot(tree.path("none")), "/a", "x",
                                 {.mode = 0600}));
}

}  // namespace
}  // namespace gpunode::host
