#include "base/host/root_walk.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <optional>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "base/host/host_tree.h"

namespace gpunode::host {
namespace {

using Opener = OpenOutcome (*)(int, const std::string&, int);

/// What both ways in must have in common.
class InRoot : public testing::TestWithParam<Opener> {
 protected:
  InRoot()
      : outside_{{"secret", "outside"}},
        root_(::open(tree_.path().c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)) {}

  OpenOutcome open(const std::string& path, int flags = O_RDONLY) const {
    return GetParam()(root_.get(), path, flags);
  }

  /// The content of the file that `path` leads to, or "errno N".
  std::string read(const std::string& path) const {
    const OpenOutcome outcome = open(path);
    if (!outcome.fd) return "errno " + std::to_string(outcome.error);
    std::array<char, 64> bytes{};
    const ssize_t n = ::read(outcome.fd.get(), bytes.data(), bytes.size());
    return n < 0 ? "errno " + std::to_string(errno)
                 : std::string(bytes.data(), static_cast<std::size_t>(n));
  }

  static std::string error(int number) {
    return "errno " + std::to_string(number);
  }

  HostTree tree_;
  HostTree outside_;
  UniqueFd root_;
};

TEST_P(InRoot, OpensPlainPathsWithAndWithoutTheSlash) {
  tree_.file("a/b/c", "inside");
  EXPECT_EQ(read("a/b/c"), "inside");
  EXPECT_EQ(read("/a/b/c"), "inside");
  EXPECT_EQ(read("//a/./b//c"), "inside");
  EXPECT_EQ(read("a/b/x"), error(ENOENT));
  EXPECT_EQ(read("a/b/c/d"), error(ENOTDIR));
  EXPECT_EQ(read("a/b/c/"), error(ENOTDIR));
  EXPECT_EQ(read(""), error(ENOENT));
}

TEST_P(InRoot, TurnsParentsOfTheRootIntoTheRoot) {
  tree_.file("etc/passwd", "inside");
  EXPECT_EQ(read("../../../../etc/passwd"), "inside");
  EXPECT_EQ(read("etc/../../etc/passwd"), "inside");
  tree_.link("up", "../../../../../../..");
  EXPECT_EQ(read("up/etc/passwd"), "inside");
}

TEST_P(InRoot, AnswersAbsoluteLinksInside) {
  tree_.file("real/file", "inside");
  tree_.link("absolute", "/real/file");
  tree_.link("dir", "/real");
  tree_.link("slash", "/");
  EXPECT_EQ(read("absolute"), "inside");
  EXPECT_EQ(read("dir/file"), "inside");
  EXPECT_EQ(read("slash/slash/slash/absolute"), "inside");
  tree_.link("escape", outside_.path("secret"));
  tree_.link("escape_dir", outside_.path());
  EXPECT_EQ(read("escape"), error(ENOENT));
  EXPECT_EQ(read("escape_dir/secret"), error(ENOENT));
}

TEST_P(InRoot, ResolvesRelativeLinksWhereTheyStand) {
  tree_.file("lib/real.so", "inside");
  tree_.link("lib/link.so", "real.so");
  tree_.link("usr/lib", "../lib");
  EXPECT_EQ(read("usr/lib/link.so"), "inside");
  // The parent of what the link led to, not of the link.
  tree_.file("top", "top");
  EXPECT_EQ(read("usr/lib/../top"), "top");
}

TEST_P(InRoot, GivesUpOnLoops) {
  tree_.link("self", "self");
  tree_.link("ping", "pong");
  tree_.link("pong", "ping");
  tree_.link("deep", "deep/x");
  EXPECT_EQ(read("self"), error(ELOOP));
  EXPECT_EQ(read("ping"), error(ELOOP));
  EXPECT_EQ(read("deep"), error(ELOOP));
}

TEST_P(InRoot, OpensALinkItselfOnRequest) {
  tree_.link("link", "/nowhere");
  const OpenOutcome outcome = open("link", O_PATH | O_NOFOLLOW);
  ASSERT_TRUE(outcome.fd);
  struct stat status {};
  ASSERT_EQ(::fstat(outcome.fd.get(), &status), 0);
  EXPECT_TRUE(S_ISLNK(status.st_mode));
  EXPECT_EQ(open("link", O_RDONLY | O_NOFOLLOW).error, ELOOP);
}

TEST_P(InRoot, OpensTheRootByAnyOfItsNames) {
  tree_.directory("a");
  struct stat expected {};
  ASSERT_EQ(::fstat(root_.get(), &expected), 0);
  for (const char* name : {"/", ".", "..", "a/..", "a/../.."}) {
    const OpenOutcome outcome = open(name, O_RDONLY | O_DIRECTORY);
    ASSERT_TRUE(outcome.fd) << name;
    struct stat status {};
    ASSERT_EQ(::fstat(outcome.fd.get(), &status), 0);
    EXPECT_EQ(status.st_ino, expected.st_ino) << name;
  }
}

TEST_P(InRoot, NeverInheritsADescriptor) {
  tree_.file("file", "");
  const OpenOutcome outcome = open("file");
  ASSERT_TRUE(outcome.fd);
  EXPECT_EQ(::fcntl(outcome.fd.get(), F_GETFD), FD_CLOEXEC);
}

TEST_P(InRoot, RefusesMagicLinks) {
  const UniqueFd proc(::open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC));
  ASSERT_TRUE(proc);
  EXPECT_EQ(GetParam()(proc.get(), "self/exe", O_RDONLY).error, ELOOP);
  EXPECT_EQ(GetParam()(proc.get(), "self/root/etc", O_PATH).error, ELOOP);
  EXPECT_EQ(GetParam()(proc.get(), "self/cwd/x", O_PATH).error, ELOOP);
  // /proc/self and /proc/mounts are plain links.
  EXPECT_TRUE(GetParam()(proc.get(), "mounts", O_RDONLY).fd);
}

TEST_P(InRoot, StaysInsideWhileDirectoriesAreSwappedForLinks) {
  tree_.file("real/secret", "inside");
  tree_.file("a/keep", "");
  tree_.link("b", outside_.path());
  tree_.directory("real/sub");
  const std::string real = tree_.path("real");
  const std::string link = tree_.path("b");
  std::atomic<bool> stop{false};
  std::thread swapper([&] {
    while (!stop) {
      ::renameat2(AT_FDCWD, real.c_str(), AT_FDCWD, link.c_str(),
                  RENAME_EXCHANGE);
    }
  });
  int inside = 0;
  for (int i = 0; i < 3000; ++i) {
    const std::string got = read(i % 2 == 0 ? "real/secret" : "b/../b/secret");
    if (got == "inside") ++inside;
    if (got == "outside") ADD_FAILURE() << "left the root in round " << i;
  }
  stop = true;
  swapper.join();
  EXPECT_GT(inside, 0);
}

INSTANTIATE_TEST_SUITE_P(Ways, InRoot,
                         testing::Values(&open_in_root, &walk_in_root),
                         [](const auto& way) {
                           return way.index == 0 ? "Call" : "Walk";
                         });

/// A path of a few short names, so that random ones meet.
rc::Gen<std::string> random_path() {
  const auto piece = rc::gen::element<std::string>("a", "b", "c", "..", ".",
                                                   "a", "b", "c", "d", "");
  return rc::gen::map(
      rc::gen::pair(rc::gen::element<std::string>("", "/"),
                    rc::gen::container<std::vector<std::string>>(piece)),
      [](const std::pair<std::string, std::vector<std::string>>& parts) {
        std::string path = parts.first;
        for (const std::string& name : parts.second) path += name + "/";
        if (!parts.second.empty()) path.pop_back();
        return path.substr(0, 60);
      });
}

/// Where `fd` is, as a path of this process.
std::string place_of(int fd) {
  std::error_code error;
  return std::filesystem::read_symlink("/proc/self/fd/" + std::to_string(fd),
                                       error)
      .string();
}

void build_random_tree(const HostTree& tree) {
  const auto names = *rc::gen::container<std::vector<std::string>>(
      6, rc::gen::element<std::string>("a", "b", "c", "a/b", "b/a", "c/d",
                                       "a/c", "b/b", "d"));
  for (const std::string& name : names) {
    std::error_code error;
    const std::filesystem::path path = tree.path(name);
    std::filesystem::create_directories(path.parent_path(), error);
    if (error || std::filesystem::is_symlink(path.parent_path())) continue;
    if (*rc::gen::arbitrary<bool>()) {
      std::filesystem::create_directory(path, error);
    } else {
      const std::string target = *random_path();
      if (!target.empty()) {
        std::filesystem::create_symlink(target, path, error);
      }
    }
  }
}

TEST(RootWalk, NeverLeavesRandomTreesAndAgreesWithTheKernel) {
  EXPECT_TRUE(rc::check([] {
    const HostTree tree;
    build_random_tree(tree);
    const UniqueFd root(
        ::open(tree.path().c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    const std::string path = *random_path();
    const OpenOutcome by_call = open_in_root(root.get(), path, O_PATH);
    const OpenOutcome by_walk = walk_in_root(root.get(), path, O_PATH);
    RC_ASSERT(by_call.error == by_walk.error);
    if (by_walk.fd) {
      const std::string place = place_of(by_walk.fd.get());
      RC_ASSERT(place == place_of(by_call.fd.get()));
      RC_ASSERT(place.compare(0, tree.path().size(), tree.path()) == 0);
    }
  }));
}

}  // namespace
}  // namespace gpunode::host
