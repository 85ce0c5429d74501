#include "base/host/host_root.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/host/host_tree.h"

namespace gpunode::host {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(HostRoot, ReadsFilesUnderItsPrefix) {
  const HostTree host{{"proc/modules", "nvidia 1 0\n"}};
  EXPECT_EQ(*host.root().read_file("proc/modules"), "nvidia 1 0\n");
  EXPECT_EQ(*host.root().read_file("/proc/modules"), "nvidia 1 0\n");
  EXPECT_EQ(*HostRoot(host.path() + "//").read_file("proc/modules"),
            "nvidia 1 0\n");
}

TEST(HostRoot, NamesThePathAsThisProcessSeesIt) {
  const HostTree host;
  const auto read = host.root().read_file("/proc/modules");
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code(), ErrorCode::kNotFound);
  EXPECT_EQ(read.error().message(),
            "open " + host.path() + "/proc/modules: no such file or directory");
  EXPECT_EQ(HostRoot().outside("proc"), "/proc");
  EXPECT_EQ(HostRoot("").outside("/proc"), "/proc");
  EXPECT_EQ(HostRoot("/driver-root/").outside("usr"), "/driver-root/usr");
}

TEST(HostRoot, SaysWhenTheRootItselfIsMissing) {
  const HostTree host;
  const HostRoot gone(host.path("not-mounted"));
  EXPECT_EQ(gone.read_file("x").error().message(),
            "open " + host.path("not-mounted") + ": no such file or directory");
}

TEST(HostRoot, ReadsProcFilesThatClaimToBeEmpty) {
  const auto status = HostRoot().read_file("/proc/self/status");
  ASSERT_TRUE(status);
  EXPECT_THAT(*status, HasSubstr("Name:"));
  EXPECT_TRUE(HostRoot("/proc").read_file("version"));
}

TEST(HostRoot, StopsReadingAtTheLimit) {
  const HostTree host{{"big", std::string(100000, 'x')}};
  EXPECT_EQ(host.root().read_file("big", 100000)->size(), 100000U);
  const auto read = host.root().read_file("big", 99999);
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code(), ErrorCode::kCorrupt);
  EXPECT_THAT(read.error().message(), HasSubstr("larger than 99999 bytes"));
}

TEST(HostRoot, DoesNotWaitForAFifoOrDrainADevice) {
  const HostTree host;
  ASSERT_EQ(::mkfifo(host.path("fifo").c_str(), 0600), 0);
  const auto fifo = host.root().read_file("fifo");
  ASSERT_FALSE(fifo);
  EXPECT_THAT(fifo.error().message(), HasSubstr("not a regular file"));
  EXPECT_FALSE(HostRoot().read_file("/dev/zero"));
  EXPECT_FALSE(host.root().read_file("/"));
}

TEST(HostRoot, NeverCreatesFiles) {
  const HostTree host;
  EXPECT_FALSE(host.root().open("new", O_WRONLY | O_CREAT));
  EXPECT_FALSE(host.root().exists("new"));
}

TEST(HostRoot, RefusesPathsWithAHiddenEnd) {
  const HostTree host{{"etc/passwd", "x"}};
  const std::string path("etc/passwd\0.txt", 15);
  EXPECT_FALSE(host.root().read_file(path));
}

TEST(HostRoot, TellsDevicesApart) {
  const auto null = HostRoot("/dev").status("null");
  ASSERT_TRUE(null);
  EXPECT_EQ(null->kind, FileKind::kCharDevice);
  EXPECT_EQ(null->device_major, 1U);
  EXPECT_EQ(null->device_minor, 3U);
  const HostTree host{{"file", "12345"}};
  ASSERT_EQ(::chmod(host.path("file").c_str(), 0640), 0);
  EXPECT_EQ(host.root().status("file")->kind, FileKind::kRegular);
  EXPECT_EQ(host.root().status("file")->mode, 0640U);
  EXPECT_EQ(host.root().status("file")->size_bytes, 5U);
  EXPECT_EQ(host.root().status("/")->kind, FileKind::kDirectory);
  EXPECT_EQ(host.root().status("x").error().code(), ErrorCode::kNotFound);
}

TEST(HostRoot, ExistsFollowsLinksInside) {
  const HostTree host{{"real", ""}};
  host.link("good", "/real");
  host.link("dangling", "/nowhere");
  host.link("escape", "/etc/passwd");
  EXPECT_TRUE(host.root().exists("good"));
  EXPECT_FALSE(host.root().exists("dangling"));
  EXPECT_FALSE(host.root().exists("escape"));
}

TEST(HostRoot, ReadsLinksWithoutFollowingThem) {
  const HostTree host{{"file", ""}};
  host.link("link", "/some/where");
  EXPECT_EQ(*host.root().read_link("link"), "/some/where");
  EXPECT_EQ(host.root().read_link("file").error().code(),
            ErrorCode::kInvalidArgument);
  EXPECT_EQ(host.root().read_link("x").error().code(), ErrorCode::kNotFound);
  EXPECT_TRUE(HostRoot().read_link("/proc/self/exe"));
}

TEST(HostRoot, ResolvesLinksToAPathOfThisProcess) {
  const HostTree host{{"usr/lib/libx.so.1.2", ""}};
  host.link("usr/lib/libx.so.1", "libx.so.1.2");
  host.link("lib", "/usr/lib");
  EXPECT_EQ(*host.root().resolve("/lib/libx.so.1"),
            host.path("usr/lib/libx.so.1.2"));
  EXPECT_EQ(host.root().resolve("/lib/liby.so").error().code(),
            ErrorCode::kNotFound);
}

TEST(HostRoot, ListsDirectoriesInOrder) {
  const HostTree host{{"d/b", ""}, {"d/a", ""}, {"d/.hidden", ""}};
  host.directory("d/c");
  EXPECT_THAT(*host.root().list_directory("d"),
              ElementsAre(".hidden", "a", "b", "c"));
  EXPECT_THAT(*host.root().list_directory("d/c"), ElementsAre());
  EXPECT_EQ(host.root().list_directory("d/a").error().code(),
            ErrorCode::kInvalidArgument);
}

TEST(HostRoot, ReadsExtendedAttributes) {
  const HostTree host{{"d/a", ""}};
  EXPECT_EQ(host.root().read_attribute("none", "user.x").error().code(),
            ErrorCode::kNotFound);
  EXPECT_EQ(host.root().read_attribute("d/a", "user.x").error().code(),
            ErrorCode::kNotFound);
  if (::setxattr(host.path("d/a").c_str(), "user.x", "a\0b", 3, 0) != 0) {
    GTEST_SKIP() << "no attributes on this file system";
  }
  host.link("link", "d/a");
  EXPECT_EQ(*host.root().read_attribute("/d/a", "user.x"),
            std::string("a\0b", 3));
  EXPECT_EQ(*host.root().read_attribute("/link", "user.x"),
            std::string("a\0b", 3));
}

TEST(HostRoot, CountsEntriesUpToALimit) {
  const HostTree host{{"d/b", ""}, {"d/a", ""}, {"d/.hidden", ""}};
  EXPECT_EQ(*host.root().count_entries("d", 100), 3U);
  EXPECT_EQ(*host.root().count_entries("d", 3), 3U);
  EXPECT_EQ(*host.root().count_entries("d", 2), 2U);
  EXPECT_EQ(*host.root().count_entries("d", 0), 0U);
  EXPECT_EQ(host.root().count_entries("none", 9).error().code(),
            ErrorCode::kNotFound);
}

}  // namespace
}  // namespace gpunode::host
