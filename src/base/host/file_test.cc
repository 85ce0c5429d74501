#include "base/host/file.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/host/host_tree.h"

namespace gpunode::host {
namespace {

using testing::ElementsAre;

TEST(WriteFileAtomic, ReplacesContentAndMode) {
  const HostTree tree{{"f", "a much longer content than the new one"}};
  for (const Durability durability :
       {Durability::kVolatile, Durability::kDurable}) {
    ASSERT_TRUE(write_file_atomic(tree.path("f"), "new", 0644, durability));
    EXPECT_EQ(*tree.root().read_file("f"), "new");
    EXPECT_EQ(tree.root().status("f")->mode, 0644U);
    EXPECT_THAT(*tree.root().list_directory("/"), ElementsAre("f"));
  }
}

TEST(WriteFileAtomic, GivesTheModeWhateverTheUmask) {
  const HostTree tree;
  const mode_t before = ::umask(0077);
  const auto written =
      write_file_atomic(tree.path("f"), "x", 0666, Durability::kVolatile);
  ::umask(before);
  ASSERT_TRUE(written);
  EXPECT_EQ(tree.root().status("f")->mode, 0666U);
}

TEST(WriteFileAtomic, KeepsTheOldFileForThoseWhoHaveItOpen) {
  const HostTree tree{{"f", "old"}};
  const UniqueFd reader(::open(tree.path("f").c_str(), O_RDONLY | O_CLOEXEC));
  ASSERT_TRUE(
      write_file_atomic(tree.path("f"), "new", 0600, Durability::kVolatile));
  std::array<char, 8> bytes{};
  ASSERT_EQ(::read(reader.get(), bytes.data(), bytes.size()), 3);
  EXPECT_STREQ(bytes.data(), "old");
}

TEST(WriteFileAtomic, ReplacesALinkInsteadOfFollowingIt) {
  const HostTree tree{{"target", "untouched"}};
  tree.link("f", "target");
  ASSERT_TRUE(
      write_file_atomic(tree.path("f"), "new", 0600, Durability::kVolatile));
  EXPECT_EQ(*tree.root().read_file("target"), "untouched");
  EXPECT_FALSE(tree.root().read_link("f"));
}

TEST(WriteFileAtomic, LeavesNothingBehindWhenTheRenameFails) {
  const HostTree tree;
  tree.directory("f");
  const auto written =
      write_file_atomic(tree.path("f"), "new", 0600, Durability::kVolatile);
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().message(),
            "write " + tree.path("f") + ": is a directory");
  EXPECT_THAT(*tree.root().list_directory("/"), ElementsAre("f"));
}

TEST(WriteFileAtomic, SaysThatTheDirectoryIsMissing) {
  const HostTree tree;
  const auto written =
      write_file_atomic(tree.path("no/f"), "new", 0600, Durability::kVolatile);
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().code(), ErrorCode::kNotFound);
}

/// Runs `body` in a child, so that its limits and ids are its own. The body
/// returns whether all is well.
template <class Body>
bool in_child(Body body) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(body() ? 0 : 1);
  int status = 0;
  return ::waitpid(child, &status, 0) == child && WIFEXITED(status) &&
         WEXITSTATUS(status) == 0;
}

TEST(WriteFileAtomic, KeepsTheOldFileWhenTheDiskIsFull) {
  const HostTree tree{{"f", "old"}};
  const std::string path = tree.path("f");
  EXPECT_TRUE(in_child([&] {
    // A size limit fails write(2) half-way, as a full disk does.
    std::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{4096, 4096};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    const auto written = write_file_atomic(path, std::string(10000, 'x'), 0600,
                                           Durability::kVolatile);
    return !written.has_value() &&
           written.error().message() == "write " + path + ": file too large";
  }));
  EXPECT_EQ(*tree.root().read_file("f"), "old");
  EXPECT_THAT(*tree.root().list_directory("/"), ElementsAre("f"));
}

TEST(WriteFileAtomic, SaysThatADirectoryIsReadOnly) {
  const HostTree tree{{"d/f", "old"}};
  ASSERT_EQ(::chmod(tree.path("d").c_str(), 0555), 0);
  ASSERT_EQ(::chmod(tree.path().c_str(), 0755), 0);
  EXPECT_TRUE(in_child([&] {
    // Root may write anywhere.
    if (::geteuid() == 0 && ::setuid(65534) != 0) return false;
    const auto written =
        write_file_atomic(tree.path("d/f"), "new", 0600, Durability::kVolatile);
    return !written.has_value() &&
           written.error().code() == ErrorCode::kPermissionDenied;
  }));
  EXPECT_EQ(*tree.root().read_file("d/f"), "old");
  EXPECT_THAT(*tree.root().list_directory("d"), ElementsAre("f"));
}

}  // namespace
}  // namespace gpunode::host
