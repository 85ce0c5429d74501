#include "agent/plugin/config_link.h"

#include <filesystem>
#include <fstream>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/host/host_tree.h"

namespace gpunode::plugin {
namespace {

namespace fs = std::filesystem;
using testing::StartsWith;

class ConfigLink : public testing::Test {
 protected:
  ConfigLink() {
    tree_.file("maps/..1/a", "version: v1\n");
    tree_.file("maps/..1/b", "version: v1\n");
    tree_.link("maps/..data", "..1");
    tree_.link("maps/a", "..data/a");
    tree_.link("maps/b", "..data/b");
    tree_.directory("config");
  }

  std::string source(const std::string& key) const {
    return tree_.path("maps/" + key);
  }
  std::string link() const { return tree_.path("config/config.yaml"); }
  std::string error_of(const std::string& from, const std::string& to) const {
    const auto made = link_config(from, to);
    return made ? "none" : made.error().message();
  }

  host::HostTree tree_;
};

TEST_F(ConfigLink, IsMadeAndChanged) {
  EXPECT_TRUE(*link_config(link(), source("a")));
  EXPECT_EQ(fs::read_symlink(link()), source("a"));
  EXPECT_FALSE(*link_config(link(), source("a")));
  EXPECT_TRUE(*link_config(link(), source("b")));
  EXPECT_EQ(fs::read_symlink(link()), source("b"));
  EXPECT_TRUE(*link_config(link(), "/dev/null"));
  EXPECT_FALSE(*link_config(link(), "/dev/null"));
}

TEST_F(ConfigLink, IsTheSameByAnotherWay) {
  fs::create_symlink(tree_.path("maps/..1/a"), link());
  EXPECT_FALSE(*link_config(link(), source("a")));
}

TEST_F(ConfigLink, ReplacesWhatIsInItsPlace) {
  std::ofstream(link()) << "somebody's";
  EXPECT_TRUE(*link_config(link(), source("a")));
  fs::remove(link());
  fs::create_symlink("nowhere", link());
  EXPECT_TRUE(*link_config(link(), source("a")));
  EXPECT_EQ(fs::read_symlink(link()), source("a"));
}

TEST_F(ConfigLink, SurvivesWhatAKilledOneLeft) {
  fs::create_symlink("nowhere", link() + ".new");
  EXPECT_TRUE(*link_config(link(), source("a")));
  EXPECT_FALSE(fs::is_symlink(link() + ".new"));
}

TEST_F(ConfigLink, LeavesNothingHalfDone) {
  ASSERT_TRUE(*link_config(link(), source("a")));
  EXPECT_THAT(error_of(link(), source("gone")),
              StartsWith("error evaluating realpath of '"));
  EXPECT_EQ(fs::read_symlink(link()), source("a"));
  tree_.directory("config/folder/inside");
  EXPECT_THAT(error_of(tree_.path("config/folder"), source("a")),
              StartsWith("error creating symlink: "));
  EXPECT_FALSE(fs::is_symlink(tree_.path("config/folder.new")));
  EXPECT_THAT(error_of(tree_.path("nowhere/config.yaml"), source("a")),
              StartsWith("error creating symlink: "));
}

}  // namespace
}  // namespace gpunode::plugin
