#include "base/host/root_directory.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/host/host_tree.h"

namespace gpunode::host {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

namespace fs = std::filesystem;

std::string content(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::vector<std::string> names_in(const std::string& path) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(path)) {
    names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

/// A root beside a directory that nothing may touch.
class ARoot : public testing::Test {
 protected:
  ARoot() {
    tree_.directory("root");
    tree_.file("outside/file", "outside");
    auto opened = RootDirectory::open(tree_.path("root"));
    if (!opened) std::abort();
    root_.emplace(*std::move(opened));
  }

  std::string inside(const std::string& name) const {
    return tree_.path("root/" + name);
  }
  void link(const std::string& name, const std::string& target) const {
    tree_.link("root/" + name, target);
  }
  void expect_outside_as_it_was() const {
    EXPECT_THAT(names_in(tree_.path()), ElementsAre("outside", "root"));
    EXPECT_THAT(names_in(tree_.path("outside")), ElementsAre("file"));
    EXPECT_EQ(content(tree_.path("outside/file")), "outside");
  }

  const HostTree tree_;
  std::optional<RootDirectory> root_;
};

TEST_F(ARoot, ThatIsTheHostsIsRefused) {
  for (const char* path : {"/", "", "//", "/proc/self/root", "/proc/..",
                           "relative", "/proc/1/../../"}) {
    const auto root = RootDirectory::open(path);
    ASSERT_FALSE(root) << path;
    EXPECT_EQ(root.error().code(), ErrorCode::kInvalidArgument) << path;
  }
  EXPECT_FALSE(RootDirectory::open(tree_.path("missing")));
  EXPECT_FALSE(RootDirectory::open(tree_.path("outside/file")));
}

TEST_F(ARoot, GetsFilesWithTheirParents) {
  const auto made = root_->replace_file("/etc/a/b.conf", "text", 0644);
  ASSERT_TRUE(made) << made.error().message();
  EXPECT_EQ(*made, Change::kMade);
  EXPECT_EQ(content(inside("etc/a/b.conf")), "text");
  struct stat status {};
  ASSERT_EQ(::stat(inside("etc/a/b.conf").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777U, 0644U);
  EXPECT_THAT(names_in(inside("etc/a")), ElementsAre("b.conf"));
}

TEST_F(ARoot, IsNotTouchedWhenThereIsNothingToDo) {
  ASSERT_TRUE(root_->replace_file("f", "text", 0600));
  ASSERT_TRUE(root_->replace_link("l", "anywhere"));
  const auto before = fs::last_write_time(inside(""));
  EXPECT_EQ(*root_->replace_file("f", "text", 0600), Change::kNone);
  EXPECT_EQ(*root_->replace_link("l", "anywhere"), Change::kNone);
  EXPECT_EQ(*root_->remove_file("missing"), Change::kNone);
  EXPECT_EQ(*root_->remove_file("missing/too"), Change::kNone);
  EXPECT_EQ(fs::last_write_time(inside("")), before);
  EXPECT_EQ(*root_->replace_file("f", "texT", 0600), Change::kMade);
  EXPECT_EQ(*root_->replace_file("f", "texT", 0644), Change::kMade);
  EXPECT_EQ(*root_->replace_file("f", "", 0644), Change::kMade);
}

TEST_F(ARoot, HasLinksReplacedNotFollowed) {
  link("absolute", tree_.path("outside/file"));
  link("relative", "../outside/file");
  link("dangling", "../outside/new");
  for (const char* name : {"absolute", "relative", "dangling"}) {
    ASSERT_TRUE(root_->replace_file(name, "mine", 0644)) << name;
    EXPECT_TRUE(fs::is_regular_file(fs::symlink_status(inside(name)))) << name;
  }
  link("again", "../outside/file");
  ASSERT_TRUE(root_->replace_link("again", "/lib/x"));
  EXPECT_EQ(fs::read_symlink(inside("again")), "/lib/x");
  expect_outside_as_it_was();
}

TEST_F(ARoot, KeepsWhatIsMadeThroughLinksInside) {
  link("etc", tree_.path("outside"));
  ASSERT_TRUE(root_->replace_file("etc/file", "mine", 0644));
  expect_outside_as_it_was();
  EXPECT_EQ(content(inside(tree_.path("outside/file"))), "mine");

  link("up", "../../../../outside");
  ASSERT_TRUE(root_->replace_link("up/file", "x"));
  expect_outside_as_it_was();
  EXPECT_EQ(fs::read_symlink(inside("outside/file")), "x");
}

TEST_F(ARoot, IsNotLeftByPathsWithDots) {
  ASSERT_TRUE(root_->replace_file("../outside/file", "mine", 0644));
  ASSERT_TRUE(root_->replace_file("a/../../../b", "mine", 0644));
  expect_outside_as_it_was();
  EXPECT_EQ(content(inside("outside/file")), "mine");
  EXPECT_EQ(content(inside("b")), "mine");
  EXPECT_FALSE(fs::exists(inside("a"))) << "dots are taken as text";
}

TEST_F(ARoot, MakesWhatALinkPromises) {
  tree_.directory("root/var");
  link("var/run", "../run");
  ASSERT_TRUE(root_->make_directories("var/run/nvidia"));
  EXPECT_TRUE(fs::is_directory(inside("run/nvidia")));
  link("deep", "/a/b/c");
  ASSERT_TRUE(root_->replace_file("deep/f", "x", 0644));
  EXPECT_EQ(content(inside("a/b/c/f")), "x");
}

TEST_F(ARoot, RefusesLoops) {
  link("a", "b");
  link("b", "a");
  link("self", "self/x");
  link("grow", "grow2/x/y");
  link("grow2", "grow/z");
  for (const char* path : {"a/f", "self/f", "grow/f"}) {
    EXPECT_FALSE(root_->replace_file(path, "x", 0644)) << path;
    EXPECT_FALSE(root_->make_directories(path)) << path;
  }
}

TEST_F(ARoot, LeavesNothingBehindWhenItFails) {
  tree_.directory("root/taken");
  EXPECT_FALSE(root_->replace_file("taken", "x", 0644));
  EXPECT_FALSE(root_->replace_link("taken", "x"));
  EXPECT_FALSE(root_->replace_file("", "x", 0644));
  EXPECT_FALSE(root_->replace_link("l", ""));
  EXPECT_FALSE(root_->replace_link(std::string("l\0m", 3), "x"));
  EXPECT_THAT(names_in(inside("")), ElementsAre("taken"));
}

TEST_F(ARoot, ClearsWhatAKilledRunLeft) {
  tree_.file("root/.f.gpunode-new", "half");
  tree_.file("root/.l.gpunode-new", "half");
  ASSERT_TRUE(root_->replace_file("f", "whole", 0644));
  ASSERT_TRUE(root_->replace_link("l", "f"));
  EXPECT_THAT(names_in(inside("")), ElementsAre("f", "l"));
}

TEST_F(ARoot, HasOnlyRegularFilesRead) {
  tree_.file("root/f", "text");
  tree_.directory("root/d");
  ASSERT_EQ(::mkfifo(inside("fifo").c_str(), 0600), 0);
  link("out", tree_.path("outside/file"));
  link("environ", "/proc/self/environ");
  EXPECT_EQ(*root_->read_file("f", 4), "text");
  EXPECT_FALSE(root_->read_file("f", 3));
  EXPECT_FALSE(root_->read_file("fifo", 100)) << "and did not hang";
  EXPECT_FALSE(root_->read_file("d", 100));
  EXPECT_FALSE(root_->read_file("out", 100));
  EXPECT_FALSE(root_->read_file("environ", 100));
}

TEST_F(ARoot, HasNoFilesOfTheKernelRead) {
  const auto proc = RootDirectory::open("/proc/self");
  ASSERT_TRUE(proc);
  EXPECT_TRUE(proc->exists("environ"));
  EXPECT_EQ(proc->read_file("environ", 100000).error().code(),
            ErrorCode::kInvalidArgument);
}

TEST_F(ARoot, ListsNamesUpToALimit) {
  tree_.file("root/d/b", "");
  tree_.file("root/d/a", "");
  EXPECT_THAT(*root_->list_directory("d", 2), ElementsAre("a", "b"));
  EXPECT_EQ(root_->list_directory("d", 1).error().code(), ErrorCode::kCorrupt);
}

TEST_F(ARoot, RemovesALinkNotItsTarget) {
  link("l", tree_.path("outside/file"));
  link("d", tree_.path("outside"));
  EXPECT_EQ(*root_->remove_file("l"), Change::kMade);
  EXPECT_EQ(*root_->remove_file("d/file"), Change::kNone);
  expect_outside_as_it_was();
}

TEST_F(ARoot, TellsWhereAPathLeadsInsideIt) {
  tree_.file("root/srv/a", "text");
  link("etc", tree_.path("outside"));
  link("var/here", "../srv");
  link("var/b", "here/a");
  EXPECT_EQ(*root_->resolve("/var/b"), "/srv/a");
  EXPECT_EQ(*root_->resolve("var/here/.."), "/var");
  EXPECT_EQ(*root_->resolve("/"), "/");
  EXPECT_EQ(root_->resolve("/etc/file").error().code(), ErrorCode::kNotFound);
  EXPECT_EQ(*RootDirectory(UniqueFd(::open("/", O_PATH))).resolve("/etc"),
            "/etc");
}

TEST_F(ARoot, GetsFilesOfTheOwnerThatIsGiven) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root gives files away";
  const FileForm form{04640, FileOwner{12, 34}, Durability::kDurable};
  ASSERT_TRUE(root_->replace_file("a", "text", form));
  struct stat status {};
  ASSERT_EQ(::stat(inside("a").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777U, 04640U);
  EXPECT_EQ(status.st_uid, 12U);
  EXPECT_EQ(status.st_gid, 34U);
  EXPECT_EQ(*root_->replace_file("a", "text", form), Change::kNone);
  EXPECT_EQ(*root_->replace_file("a", "text", {04640, FileOwner{12, 35}}),
            Change::kMade);
}

TEST_F(ARoot, GetsDeviceNodesWhereNothingIs) {
  link("dev", tree_.path("outside"));
  const auto made =
      root_->make_device("/dev/null0", S_IFCHR | 0666, makedev(1, 3));
  if (!made && made.error().code() == ErrorCode::kPermissionDenied) {
    GTEST_SKIP() << "may not make device nodes here";
  }
  ASSERT_TRUE(made) << made.error().message();
  expect_outside_as_it_was();
  struct stat status {};
  const std::string node = inside(tree_.path("outside") + "/null0");
  ASSERT_EQ(::stat(node.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode, S_IFCHR | 0666U);
  EXPECT_EQ(status.st_rdev, makedev(1, 3));
  link("a", "nowhere");
  for (const char* taken : {"/dev/null0", "/a"}) {
    const auto again = root_->make_device(taken, S_IFCHR | 0666, makedev(1, 5));
    ASSERT_FALSE(again) << taken;
    EXPECT_EQ(again.error().code(), ErrorCode::kAlreadyExists) << taken;
  }
  EXPECT_FALSE(fs::exists(inside("nowhere")));
}

TEST_F(ARoot, HasNamesEscapedInErrors) {
  const auto file = root_->read_file("a\nb\x1b[31m", 1);
  ASSERT_FALSE(file);
  EXPECT_THAT(file.error().message(), HasSubstr("a\\x0ab\\x1b[31m"));
  EXPECT_EQ(printable(std::string(300, 'x')), std::string(256, 'x') + "...");
}

/// Swaps `name` between a directory and a link for as long as it lives.
class Swapper {
 public:
  Swapper(std::string name, const std::string& target)
      : name_(std::move(name)), thread_([this, target] {
          const std::string link = name_ + ".link";
          const std::string aside = name_ + ".dir";
          fs::create_symlink(target, link);
          fs::create_directory(name_);
          while (!stop_) {
            // Directory away, link in; link away, directory in.
            ::rename(name_.c_str(), aside.c_str());
            ::rename(link.c_str(), name_.c_str());
            ::rename(name_.c_str(), link.c_str());
            ::rename(aside.c_str(), name_.c_str());
            ++swaps_;
          }
        }) {
    while (swaps_ == 0) std::this_thread::yield();
  }
  ~Swapper() {
    stop_ = true;
    thread_.join();
  }

 private:
  std::string name_;
  std::atomic<bool> stop_{false};
  std::atomic<unsigned> swaps_{0};
  std::thread thread_;
};

TEST_F(ARoot, IsNotLeftThroughDirectoriesThatAreSwapped) {
  tree_.directory("root/a");
  {
    const Swapper absolute(inside("a/b"), tree_.path("outside"));
    const Swapper relative(inside("c"), "../outside");
    for (int i = 0; i < 2000; ++i) {
      // What happens inside is the attacker's own affair; failing is allowed.
      static_cast<void>(root_->replace_file("a/b/file", "mine", 0644));
      static_cast<void>(root_->replace_link("a/b/link", "mine"));
      static_cast<void>(root_->make_directories("a/b/x/y"));
      static_cast<void>(root_->replace_file("c/new", "mine", 0644));
      static_cast<void>(root_->remove_file("c/file"));
      const auto read = root_->read_file("a/b/file", 100);
      ASSERT_TRUE(!read || *read != "outside");
    }
  }
  expect_outside_as_it_was();
}

TEST(RootDirectoryForm, AFileMadeLikeAnotherHasItsModeOwnerAndAttributes) {
  const HostTree tree{{"etc/fstab", "old\n"}};
  const std::string path = tree.path("etc/fstab");
  ASSERT_EQ(::chmod(path.c_str(), 0640), 0);
  if (::setxattr(path.c_str(), "user.note", "a\0b", 3, 0) != 0) {
    GTEST_SKIP() << "no extended attributes here";
  }
  const auto root = RootDirectory::open(tree.path());
  ASSERT_TRUE(root);
  auto form = root->form_of("/etc/fstab");
  ASSERT_TRUE(form) << form.error().message();
  EXPECT_EQ(form->mode, 0640U);
  EXPECT_EQ(form->owner->user, ::geteuid());

  ASSERT_TRUE(root->replace_file("/etc/fstab", "new\n", *form));
  EXPECT_EQ(content(path), "new\n");
  const auto after = root->form_of("/etc/fstab");
  ASSERT_TRUE(after);
  EXPECT_EQ(after->mode, 0640U);
  EXPECT_EQ(after->attributes, form->attributes);
  EXPECT_THAT(after->attributes, testing::Contains(FileAttribute{
                                     "user.note", std::string("a\0b", 3)}));
}

TEST(RootDirectoryForm, OfWhatIsNoFileIsAnError) {
  const HostTree tree;
  const auto root = RootDirectory::open(tree.path());
  ASSERT_TRUE(root);
  EXPECT_EQ(root->form_of("/etc/fstab").error().code(), ErrorCode::kNotFound);
}

}  // namespace
}  // namespace gpunode::host
