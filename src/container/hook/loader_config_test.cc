#include "container/hook/loader_config.h"

#include <sys/stat.h>
#include <unistd.h>

#include <string>
#include <string_view>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/host/host_tree.h"

namespace gpunode::hook {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;
using Kind = LoaderLine::Kind;

bool nothing_is_ours(std::string_view /*path*/) {
  return false;
}

class LoaderConfigOf : public testing::Test {
 protected:
  LoaderConfig read() const {
    const auto root = host::RootDirectory::open(tree_.path());
    return read_loader_config(*root, nothing_is_ours);
  }

  const host::HostTree tree_;
};

TEST(LoaderLine, IsReadAsLdconfigDoes) {
  const auto directory = [](std::string_view line) {
    const LoaderLine parsed = parse_loader_line(line);
    return parsed.kind == Kind::kDirectory ? parsed.values.at(0) : "-";
  };
  EXPECT_EQ(directory("/usr/lib"), "/usr/lib");
  EXPECT_EQ(directory("  \t/usr/lib//\r"), "/usr/lib");
  EXPECT_EQ(directory("/opt/lib # the vendor's"), "/opt/lib");
  EXPECT_EQ(directory("/usr/lib=libc6"), "/usr/lib");
  EXPECT_EQ(directory("/a b/lib"), "/a b/lib");
  EXPECT_EQ(directory("#/usr/lib"), "-");
  EXPECT_EQ(directory("/"), "-");
  EXPECT_EQ(directory("relative"), "-");
  EXPECT_EQ(directory("hwcap 1 nosegneg"), "-");
  EXPECT_EQ(directory(std::string_view("/a\0/b", 5)), "/a");
  EXPECT_EQ(directory(""), "-");
  const LoaderLine include = parse_loader_line("include a.conf\t/b/*.conf");
  EXPECT_EQ(include.kind, Kind::kInclude);
  EXPECT_THAT(include.values, ElementsAre("a.conf", "/b/*.conf"));
  EXPECT_EQ(parse_loader_line("include").kind, Kind::kNothing);
  EXPECT_EQ(parse_loader_line("includes x").kind, Kind::kNothing);
}

TEST_F(LoaderConfigOf, ARootIncludesInOrder) {
  tree_.file("etc/ld.so.conf",
             "/first\ninclude /etc/ld.so.conf.d/*.conf\n/last");
  tree_.file("etc/ld.so.conf.d/b.conf", "/b\n");
  tree_.file("etc/ld.so.conf.d/a.conf", "/a\ninclude more/*\n");
  tree_.file("etc/ld.so.conf.d/more/x", "/x");
  tree_.file("etc/ld.so.conf.d/c.txt", "/c\n");
  tree_.file("etc/ld.so.conf.d/.hidden.conf", "/hidden\n");
  const LoaderConfig config = read();
  EXPECT_THAT(config.directories,
              ElementsAre("/first", "/a", "/x", "/b", "/last"));
  EXPECT_THAT(config.warnings, IsEmpty());
}

TEST_F(LoaderConfigOf, ARootWithoutOneIsEmpty) {
  const LoaderConfig config = read();
  EXPECT_THAT(config.directories, IsEmpty());
  EXPECT_THAT(config.warnings, IsEmpty());
}

TEST_F(LoaderConfigOf, AHostileRootIsIgnoredInPart) {
  tree_.file("etc/ld.so.conf",
             "/good\ninclude /etc/fifo\ninclude /etc/big\n"
             "include /etc/dir\ninclude /etc/out\n/also-good\n");
  ASSERT_EQ(::mkfifo(tree_.path("etc/fifo").c_str(), 0600), 0);
  tree_.file("etc/big", "/big\n");
  ASSERT_EQ(::truncate(tree_.path("etc/big").c_str(), off_t{1} << 30), 0);
  tree_.directory("etc/dir");
  tree_.link("etc/out", "/etc/../../../../etc/hostname");
  const LoaderConfig config = read();
  EXPECT_THAT(config.directories, ElementsAre("/good", "/also-good"));
  EXPECT_THAT(config.warnings, SizeIs(3));
}

TEST_F(LoaderConfigOf, ARootThatIncludesItselfEnds) {
  tree_.file("etc/ld.so.conf", "/x\ninclude /etc/ld.so.*\ninclude /etc/ld*\n");
  const LoaderConfig config = read();
  EXPECT_THAT(config.directories, Not(IsEmpty()));
  EXPECT_LE(config.directories.size(), 1024U);
  EXPECT_LE(config.warnings.size(), 16U);
}

TEST_F(LoaderConfigOf, ARootIsFoundThroughItsOwnLinksOnly) {
  const host::HostTree outside{{"ld.so.conf", "/host\n"},
                               {"ld.so.conf.d/a.conf", "/host\n"}};
  tree_.link("etc", outside.path());
  EXPECT_THAT(read().directories, IsEmpty());
  tree_.remove("etc");
  tree_.file("etc/ld.so.conf", "include /etc/ld.so.conf.d/*.conf\n");
  tree_.link("etc/ld.so.conf.d", outside.path("ld.so.conf.d"));
  EXPECT_THAT(read().directories, IsEmpty());
}

TEST_F(LoaderConfigOf, ARootWithWildcardsInTheMiddle) {
  tree_.file("opt/a/conf/x", "");
  tree_.file("opt/b/conf/y", "");
  tree_.file("opt/b/other/z", "");
  const auto root = host::RootDirectory::open(tree_.path());
  EXPECT_THAT(glob_in_root(*root, "/opt/*/con?/*"),
              ElementsAre("/opt/a/conf/x", "/opt/b/conf/y"));
  EXPECT_THAT(glob_in_root(*root, "/opt/[!a]/conf"),
              ElementsAre("/opt/b/conf"));
  EXPECT_THAT(glob_in_root(*root, "/opt/a"), ElementsAre("/opt/a"));
  EXPECT_THAT(glob_in_root(*root, "/missing"), IsEmpty());
  EXPECT_THAT(glob_in_root(*root, ""), IsEmpty());
}

TEST_F(LoaderConfigOf, ARootsSystemDirectoriesFollowItsLayout) {
  const auto root = host::RootDirectory::open(tree_.path());
  EXPECT_THAT(system_directories(*root),
              ElementsAre("/lib", "/lib64", "/libx32", "/usr/lib", "/usr/lib64",
                          "/usr/libx32"));
#if defined(__x86_64__)
  tree_.directory("usr/lib/x86_64-linux-gnu");
  EXPECT_THAT(system_directories(*root),
              ElementsAre("/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu",
                          "/lib", "/usr/lib"));
#endif
}

}  // namespace
}  // namespace gpunode::hook
