// File systems and migrations by the Actions of a plan, on loop devices, with
// the host's own mkfs, cp and find.
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/host/blank_proof.h"
#include "base/host/disk_claim.h"
#include "base/host/filesystem_maker.h"
#include "base/host/host_tree.h"
#include "node/provision/disk_actions.h"
#include "node/provision/tree_actions.h"
#include "tests/storage/test_disk.h"

namespace gpunode::storage_test {
namespace {

using provision::MakeFilesystem;
using provision::MigrateTree;
using testing::HasSubstr;

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20U;
constexpr const char* kPath = "/var/lib/c";
constexpr const char* kAside = "/var/lib/c.before-gpunode";

/// Everything that two copies of a file must share, but what a copy cannot keep
/// (inode, change time).
std::string facts_of(const std::string& path, const struct stat& status) {
  std::string text = std::to_string(status.st_mode) + " " +
                     std::to_string(status.st_uid) + ":" +
                     std::to_string(status.st_gid) + " " +
                     std::to_string(status.st_mtim.tv_sec) + "." +
                     std::to_string(status.st_mtim.tv_nsec);
  if (!S_ISDIR(status.st_mode)) {
    text += " links " + std::to_string(status.st_nlink);
  }
  if (S_ISCHR(status.st_mode) || S_ISBLK(status.st_mode)) {
    text += " device " + std::to_string(status.st_rdev);
  }
  if (S_ISLNK(status.st_mode)) {
    text += " to " + std::filesystem::read_symlink(path).string();
  }
  std::string names(65536, '\0');
  const ssize_t size = ::llistxattr(path.c_str(), names.data(), names.size());
  std::map<std::string, std::string> attributes;
  for (std::size_t at = 0; size > 0 && at < static_cast<std::size_t>(size);) {
    const std::string name = names.c_str() + at;
    std::string value(65536, '\0');
    const ssize_t n =
        ::lgetxattr(path.c_str(), name.c_str(), value.data(), value.size());
    attributes[name] = value.substr(0, n < 0 ? 0 : static_cast<std::size_t>(n));
    at += name.size() + 1;
  }
  for (const auto& [name, value] : attributes) text += " " + name + "=" + value;
  return text;
}

/// Relative name -> facts and content; hard links by the first name of theirs.
std::map<std::string, std::string> digest_of(const std::string& root) {
  std::map<std::string, std::string> digest;
  std::map<ino_t, std::string> first;
  std::vector<std::string> names;
  for (const auto& entry :
       std::filesystem::recursive_directory_iterator(root)) {
    names.push_back(entry.path().string().substr(root.size()));
  }
  std::sort(names.begin(), names.end());
  for (const std::string& name : names) {
    if (name.starts_with("/lost+found")) continue;
    struct stat status {};
    if (::lstat((root + name).c_str(), &status) != 0) continue;
    std::string text = facts_of(root + name, status);
    if (S_ISREG(status.st_mode)) {
      text += " as " + first.try_emplace(status.st_ino, name).first->second;
      std::string content(static_cast<std::size_t>(status.st_size), '\0');
      const UniqueFd fd(::open((root + name).c_str(), O_RDONLY));
      EXPECT_EQ(::read(fd.get(), content.data(), content.size()),
                static_cast<ssize_t>(content.size()));
      text += " " + std::to_string(std::hash<std::string>{}(content));
      // Holes stay holes.
      text += status.st_blocks * 512 < status.st_size / 2 ? " sparse" : "";
    }
    digest[name] = text;
  }
  return digest;
}

/// Runs programs, and ends the process before or after one of them.
class EndingRunner final : public host::CommandRunner {
 public:
  explicit EndingRunner(int end_at) : left_(end_at) {}
  Result<host::Completed> run(const host::Command& command) override {
    end_if_due();
    if (left_ == 1 && command.argv[0] == "/bin/cp") {
      // Half a copy: the directory alone.
      host::Command part = command;
      part.argv[part.argv.size() - 2] += "/dir";
      (void)real_.run(part);
    }
    end_if_due();
    auto done = real_.run(command);
    end_if_due();
    return done;
  }

 private:
  void end_if_due() {
    if (left_ > 0 && --left_ == 0) ::_exit(42);
  }
  int left_;
  host::SystemCommandRunner real_;
};

/// A host below a directory of its own, in a mount namespace of its own, with
/// this machine's devices and a loop device for a disk.
class TreeWork : public testing::Test {
 protected:
  void SetUp() override {
    std::string reason;
    loop_ = LoopDevice::over(image_, reason);
    if (!loop_) GTEST_SKIP() << reason;
    ASSERT_EQ(::unshare(CLONE_NEWNS), 0);
    ASSERT_EQ(::mount("", "/", nullptr, MS_REC | MS_PRIVATE, nullptr), 0);
    for (const char* name : {"dev", "sys", "proc", "usr", "run"}) {
      tree_.directory(name);
      if (name == std::string("run")) continue;
      ASSERT_EQ(
          ::mount((std::string("/") + name).c_str(), tree_.path(name).c_str(),
                  nullptr, MS_BIND | MS_REC, nullptr),
          0)
          << name;
    }
    tree_.directory("var/lib/gpunode");
    uuid_ = *host::random_uuid();
  }
  void TearDown() override {
    for (const char* name : {"dev", "sys", "proc", "usr"}) {
      ::umount2(tree_.path(name).c_str(), MNT_DETACH);
    }
  }

  MakeFilesystem make_action(const std::string& type) const {
    const auto claim =
        host::DiskClaim::take(host_(), loop_->path(), loop_->number(),
                              host::DiskClaim::Access::kRead);
    EXPECT_TRUE(claim);
    const auto proof =
        host::prove_blank(claim->fd(), {"", "", image_.size_bytes()}, {});
    EXPECT_TRUE(proof);
    return {.disks = {{"", loop_->path(), image_.size_bytes()}},
            .type = type,
            .label = "gn-test",
            .uuid = uuid_,
            .proof = proof->digest() + "\n"};
  }

  void make(const std::string& type) {
    const provision::DiskActions actions(host_(), runner_);
    const auto made = actions.perform(make_action(type));
    ASSERT_TRUE(made) << made.error().message();
  }

  MigrateTree migrate_action(const std::string& type) const {
    return {.path = kPath, .uuid = uuid_, .type = type, .aside = kAside};
  }

  Result<void> migrate(const std::string& type) {
    return provision::TreeActions(host_(), runner_)
        .perform(migrate_action(type));
  }

  /// What is on the disk now.
  std::map<std::string, std::string> on_disk(const std::string& type) const {
    const std::string point = image_.beside("look");
    std::filesystem::create_directory(point);
    EXPECT_EQ(
        ::mount(loop_->path().c_str(), point.c_str(), type.c_str(), 0, nullptr),
        0);
    auto digest = digest_of(point);
    EXPECT_EQ(::umount2(point.c_str(), 0), 0);
    return digest;
  }

  std::string said_by(std::vector<std::string> argv) {
    host::Command command;
    command.argv = std::move(argv);
    auto said = runner_.output(command);
    return said ? *std::move(said) : said.error().message();
  }

  std::string at(const std::string& name) const {
    return tree_.path(std::string(kPath).substr(1) + "/" + name);
  }
  void populate() const;

  host::HostRoot host_() const { return tree_.root(); }

  host::HostTree tree_;
  host::SystemCommandRunner runner_;
  ImageFile image_{320 * kMiB};
  std::optional<LoopDevice> loop_;
  std::string uuid_;
};

void TreeWork::populate() const {
  const std::string dir = std::string(kPath).substr(1) + "/dir";
  tree_.file(dir + "/file", "layer");
  tree_.file(dir + "/a b\nc\t*;$(touch x)\xff", "hostile");
  tree_.file(dir + "/-rf", "");
  tree_.directory(dir + "/other");
  ASSERT_EQ(::link(at("dir/file").c_str(), at("dir/other/link").c_str()), 0);
  ASSERT_EQ(::symlink("../../../../etc", at("dir/up").c_str()), 0);
  ASSERT_EQ(::symlink("/nowhere", at("dir/dangling").c_str()), 0);
  ASSERT_EQ(::mknod(at("dir/whiteout").c_str(), S_IFCHR, makedev(0, 0)), 0);
  ASSERT_EQ(::mkfifo(at("dir/fifo").c_str(), 0600), 0);
  const UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM, 0));
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  const std::string path = at("s");
  ASSERT_LT(path.size(), sizeof name.sun_path);
  path.copy(name.sun_path, path.size());
  ASSERT_EQ(
      ::bind(socket.get(), reinterpret_cast<sockaddr*>(&name), sizeof name), 0);
  ASSERT_EQ(::chown(at("dir/file").c_str(), 1234, 5678), 0);
  ASSERT_EQ(::chmod(at("dir/file").c_str(), 04711), 0);
  ASSERT_EQ(::chmod(at("dir/other").c_str(), 01777), 0);
  tree_.file(dir + "/sparse", "x");
  ASSERT_EQ(::truncate(at("dir/sparse").c_str(), 100 << 20), 0);
  std::string deep = dir;
  for (int i = 0; i < 60; ++i) deep += "/" + std::string(20, 'd');
  tree_.file(deep + "/end", "deep");
  tree_.file(dir + "/" + std::string(255, 'n'), "long");
  for (const auto& [key, value] : std::map<std::string, std::string>{
           {"trusted.overlay.opaque", "y"},
           {"trusted.overlay.redirect", "/a b"},
           {"user.note", std::string("with\0nul", 8)}}) {
    ASSERT_EQ(::setxattr(at("dir/other").c_str(), key.c_str(), value.data(),
                         value.size(), 0),
              0)
        << key;
  }
  // CAP_NET_RAW, version 2, as ping has it.
  const std::string capability("\1\0\0\2\0\x20\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
                               20);
  ASSERT_EQ(::setxattr(at("dir/-rf").c_str(), "security.capability",
                       capability.data(), capability.size(), 0),
            0);
  // An ACL: owner rwx, user 1000 r, group r, mask rwx, others none.
  const std::string acl(
      "\2\0\0\0"
      "\1\0\7\0\xff\xff\xff\xff"
      "\2\0\4\0\xe8\3\0\0"
      "\4\0\4\0\xff\xff\xff\xff"
      "\x10\0\7\0\xff\xff\xff\xff"
      "\x20\0\0\0\xff\xff\xff\xff",
      44);
  ASSERT_EQ(::setxattr(at("dir/other/link").c_str(), "system.posix_acl_access",
                       acl.data(), acl.size(), 0),
            0);
}

TEST_F(TreeWork, XfsByAnActionIsAsTheHostsToolsSeeIt) {
  const MakeFilesystem action = make_action("xfs");
  const provision::DiskActions actions(host_(), runner_);
  const auto made = actions.perform(action);
  ASSERT_TRUE(made) << made.error().message();
  const std::string blkid =
      said_by({"/sbin/blkid", "-p", "-o", "export", loop_->path()});
  EXPECT_THAT(blkid, HasSubstr("TYPE=xfs\n"));
  EXPECT_THAT(blkid, HasSubstr("UUID=" + uuid_ + "\n"));
  EXPECT_THAT(blkid, HasSubstr("LABEL=gn-test\n"));
  const std::string version =
      said_by({"/usr/sbin/xfs_db", "-r", "-c", "version", loop_->path()});
  EXPECT_THAT(version, HasSubstr("FTYPE"));
  const auto repair = run_program({"xfs_repair", "-n", loop_->path()});
  EXPECT_EQ(repair, "");
  // Once more it is there already, whatever the plan of before said.
  EXPECT_TRUE(actions.perform(action));
  MakeFilesystem other = action;
  other.uuid = *host::random_uuid();
  const auto refused = actions.perform(other);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message(), HasSubstr("no longer blank"));
  // Back to blank, by what the journal would have.
  const auto inverse = provision::DiskActions::prepare(action);
  ASSERT_TRUE(actions.perform(
      std::get<provision::WipeFilesystem>(inverse->actions.front())));
  const auto claim = host::DiskClaim::take(
      host_(), loop_->path(), loop_->number(), host::DiskClaim::Access::kRead);
  ASSERT_TRUE(claim);
  const auto proof =
      host::prove_blank(claim->fd(), {"", "", image_.size_bytes()},
                        {.depth = host::BlankDepth::kFull});
  EXPECT_TRUE(proof && proof->is_blank());
}

TEST_F(TreeWork, OptionsAreProvedAndNothingIsLeftMounted) {
  make("ext4");
  const provision::TreeActions actions(host_(), runner_);
  const auto prove = [&](std::vector<std::string> options) {
    return actions.perform(
        provision::ProveMount{uuid_, "ext4", std::move(options)});
  };
  for (const auto& good : {std::vector<std::string>{},
                           std::vector<std::string>{"noatime", "commit=30"}}) {
    const auto proved = prove(good);
    EXPECT_TRUE(proved) << proved.error().message();
  }
  const auto refused = prove({"noatime", "comit=30"});
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message(), HasSubstr("noatime,comit=30"));
  EXPECT_THAT(refused.error().message(), HasSubstr("filesystem.options"));
  EXPECT_FALSE(host_().exists("/run/gpunode-stage-" + uuid_));
  // A disk that is mounted anywhere is nobody's to claim.
  EXPECT_TRUE(host::DiskClaim::take(host_(), loop_->path(), loop_->number(),
                                    host::DiskClaim::Access::kRead));
  EXPECT_TRUE(on_disk("ext4").empty());
}

TEST_F(TreeWork, ACopyIsTheSameInEverything) {
  populate();
  ASSERT_FALSE(HasFatalFailure());
  make("ext4");
  const auto before = digest_of(tree_.path("var/lib/c"));
  EXPECT_GT(before.size(), 70U);
  const auto moved = migrate("ext4");
  ASSERT_TRUE(moved) << moved.error().message();
  EXPECT_EQ(on_disk("ext4"), before);
  EXPECT_EQ(digest_of(tree_.path("var/lib/c.before-gpunode")), before);
  EXPECT_TRUE(host_().list_directory(kPath)->empty());
  EXPECT_TRUE(migrate("ext4"));  // Twice is as once.
}

TEST_F(TreeWork, EndedAnywhereTheSourceIsWholeUntilTheCopyIs) {
  populate();
  ASSERT_FALSE(HasFatalFailure());
  make("ext4");
  const auto before = digest_of(tree_.path("var/lib/c"));
  int ended = 0;
  for (int end_at = 1;; ++end_at) {
    SCOPED_TRACE(testing::Message() << "ended at " << end_at);
    const pid_t child = ::fork();
    if (child == 0) {
      EndingRunner runner(end_at);
      const auto done = provision::TreeActions(host_(), runner)
                            .perform(migrate_action("ext4"));
      ::_exit(done ? 0 : 1);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFEXITED(status));
    if (WEXITSTATUS(status) == 0) break;
    ASSERT_EQ(WEXITSTATUS(status), 42);
    ++ended;
    EXPECT_EQ(digest_of(tree_.path("var/lib/c")), before);
    // Half a copy is marked as one.
    EXPECT_TRUE(host_().exists(provision::unfinished_path(kPath)));
  }
  EXPECT_GE(ended, 3);
  EXPECT_EQ(on_disk("ext4"), before);
  EXPECT_FALSE(host_().exists(provision::unfinished_path(kPath)));
}

TEST_F(TreeWork, TooSmallADiskLosesNothing) {
  make("ext4");
  tree_.file("var/lib/c/big", std::string(340 * kMiB, 'x'));
  const auto before = digest_of(tree_.path("var/lib/c"));
  const auto refused = migrate("ext4");
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message(), HasSubstr("use a larger disk"));
  EXPECT_EQ(digest_of(tree_.path("var/lib/c")), before);
  EXPECT_FALSE(host_().exists(kAside));
}

TEST_F(TreeWork, TooFewInodesAreToldBeforeACopyThatCannotEnd) {
  ASSERT_EQ(
      run_program({"mkfs.ext4", "-q", "-N", "48", "-U", uuid_, loop_->path()}),
      "");
  for (int i = 0; i < 1000; ++i) {
    tree_.file("var/lib/c/layer" + std::to_string(i), "");
  }
  const auto before = digest_of(tree_.path("var/lib/c"));
  const auto refused = migrate("ext4");
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message(), HasSubstr("1000 files"));
  EXPECT_THAT(refused.error().message(), HasSubstr("use a larger disk"));
  EXPECT_EQ(digest_of(tree_.path("var/lib/c")), before);
  EXPECT_FALSE(host_().exists(kAside));
}

/// Something else takes all but 8 MiB of the disk as soon as the copy begins.
class FillingRunner final : public host::CommandRunner {
 public:
  Result<host::Completed> run(const host::Command& command) override {
    if (command.argv[0] == "/bin/cp") fill(command.argv.back());
    return real_.run(command);
  }

 private:
  static void fill(const std::string& stage) {
    struct statvfs space {};
    ASSERT_EQ(::statvfs(stage.c_str(), &space), 0);
    const UniqueFd fd(::open((stage + "/lost+found/theirs").c_str(),
                             O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    ASSERT_EQ(::posix_fallocate(fd.get(), 0,
                                static_cast<off_t>(
                                    space.f_bfree * space.f_frsize - 8 * kMiB)),
              0);
  }
  host::SystemCommandRunner real_;
};

TEST_F(TreeWork, ADiskThatFillsUpAmidACopyLosesNothing) {
  populate();
  ASSERT_FALSE(HasFatalFailure());
  tree_.file("var/lib/c/big", std::string(40 * kMiB, 'x'));
  make("ext4");
  const auto before = digest_of(tree_.path("var/lib/c"));
  // As long as there is no room that is told, and nothing else happens.
  for (int attempt = 0; attempt < 2; ++attempt) {
    FillingRunner filling;
    const auto full = provision::TreeActions(host_(), filling)
                          .perform(migrate_action("ext4"));
    ASSERT_FALSE(full);
    EXPECT_EQ(full.error().code(), ErrorCode::kUnavailable);
    for (const char* part :
         {"copy /var/lib/c to its new disk: it is full",
          "/var/lib/c is as it was", "`gpunode apply` copies anew",
          "No space left on device"}) {
      EXPECT_THAT(full.error().message(), HasSubstr(part));
    }
    EXPECT_EQ(digest_of(tree_.path("var/lib/c")), before);
    EXPECT_FALSE(host_().exists(kAside));
    EXPECT_TRUE(host_().exists(provision::unfinished_path(kPath)));
  }
  // Room again: half a copy is no part of the whole one.
  const auto moved = migrate("ext4");
  ASSERT_TRUE(moved) << moved.error().message();
  EXPECT_EQ(on_disk("ext4"), before);
  EXPECT_FALSE(host_().exists(provision::unfinished_path(kPath)));
}

/// Dies, as by SIGKILL, as soon as cp has begun; cp itself goes on: it is a
/// sleep, where cp would work.
class OrphaningRunner final : public host::CommandRunner {
 public:
  Result<host::Completed> run(const host::Command& command) override {
    if (command.argv[0] != "/bin/cp") return real_.run(command);
    if (::fork() == 0) {
      EXPECT_EQ(::chdir(command.directory.c_str()), 0);
      ::execl("/bin/sleep", "sleep", "600", nullptr);
    }
    ::_exit(42);
  }

 private:
  host::SystemCommandRunner real_;
};

pid_t child_at_work_in(const std::string& directory) {
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    std::error_code none;
    const auto works =
        std::filesystem::read_symlink(entry.path() / "cwd", none);
    if (works == directory) return std::stoi(entry.path().filename());
  }
  return -1;
}

TEST_F(TreeWork, ACopyThatOutlivesItsRunHasNoSecondBesideIt) {
  populate();
  ASSERT_FALSE(HasFatalFailure());
  make("ext4");
  const auto before = digest_of(tree_.path("var/lib/c"));
  const pid_t killed = ::fork();
  if (killed == 0) {
    OrphaningRunner runner;
    (void)provision::TreeActions(host_(), runner)
        .perform(migrate_action("ext4"));
    ::_exit(1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(killed, &status, 0), killed);
  ASSERT_EQ(WEXITSTATUS(status), 42);
  const std::string stage = tree_.path("run/gpunode-stage-" + uuid_);
  // It may be on its way there still.
  pid_t copy = -1;
  while (copy < 0) copy = child_at_work_in(stage);
  const auto beside = migrate("ext4");
  EXPECT_FALSE(beside);
  EXPECT_THAT(beside.error().message(),
              testing::AllOf(HasSubstr("still at work"), HasSubstr("fuser")));
  EXPECT_EQ(digest_of(tree_.path("var/lib/c")), before);
  ASSERT_EQ(::kill(copy, SIGKILL), 0);
  // Nobody's child but the first process's: gone when its directory is.
  while (child_at_work_in(stage) == copy) ::sched_yield();
  const auto moved = migrate("ext4");
  ASSERT_TRUE(moved) << moved.error().message();
  EXPECT_EQ(on_disk("ext4"), before);
}

/// Cuts a migration off as its copy begins, with half of it on the disk.
class HalfwayRunner final : public host::CommandRunner {
 public:
  Result<host::Completed> run(const host::Command& command) override {
    if (command.argv[0] != "/bin/cp") return real_.run(command);
    std::ofstream(command.argv.back() + "/half") << "half";
    return Error(ErrorCode::kUnavailable, "cut off");
  }

 private:
  host::SystemCommandRunner real_;
};

TEST_F(TreeWork, DiscardedAfterHalfACopyTheDiskIsEmpty) {
  populate();
  ASSERT_FALSE(HasFatalFailure());
  make("ext4");
  HalfwayRunner halfway;
  ASSERT_FALSE(
      provision::TreeActions(host_(), halfway).perform(migrate_action("ext4")));
  EXPECT_THAT(on_disk("ext4"), testing::Contains(testing::Key("/half")));
  MigrateTree discard = migrate_action("ext4");
  discard.discard = true;
  const auto done = provision::TreeActions(host_(), runner_).perform(discard);
  ASSERT_TRUE(done) << done.error().message();
  EXPECT_THAT(on_disk("ext4"),
              testing::Not(testing::Contains(testing::Key("/half"))));
  EXPECT_FALSE(host_().exists(provision::unfinished_path(kPath)));
  EXPECT_TRUE(host_().exists(kAside));
}

TEST_F(TreeWork, UndoneAfterHalfACopyNothingKeepsTheDiskFromBeingMounted) {
  populate();
  ASSERT_FALSE(HasFatalFailure());
  make("ext4");
  const auto before = digest_of(tree_.path("var/lib/c"));
  HalfwayRunner halfway;
  ASSERT_FALSE(
      provision::TreeActions(host_(), halfway).perform(migrate_action("ext4")));
  EXPECT_TRUE(host_().exists(provision::unfinished_path(kPath)));
  const auto undone =
      provision::TreeActions(host_(), runner_)
          .perform(provision::RestoreTree{kPath, kAside, uuid_, "ext4"});
  ASSERT_TRUE(undone) << undone.error().message();
  EXPECT_FALSE(host_().exists(provision::unfinished_path(kPath)));
  EXPECT_EQ(digest_of(tree_.path("var/lib/c")), before);
  EXPECT_THAT(on_disk("ext4"),
              testing::Not(testing::Contains(testing::Key("/half"))));
}

// The mount failed after the data had moved: what was there is used again.
TEST_F(TreeWork, ACopyThatItsMakerTakesBackIsMadeAnewTheNextTime) {
  populate();
  ASSERT_FALSE(HasFatalFailure());
  make("ext4");
  const auto before = digest_of(tree_.path("var/lib/c"));
  provision::TreeActions maker(host_(), runner_);
  const auto moved = maker.perform(migrate_action("ext4"));
  ASSERT_TRUE(moved) << moved.error().message();
  const auto back =
      maker.perform(provision::RestoreTree{kPath, kAside, uuid_, "ext4"});
  ASSERT_TRUE(back) << back.error().message();
  EXPECT_EQ(digest_of(tree_.path("var/lib/c")), before);
  EXPECT_FALSE(host_().exists(kAside));
  EXPECT_TRUE(host_().exists(provision::unfinished_path(kPath)));
  tree_.file("var/lib/c/since", "written since");
  const auto now = digest_of(tree_.path("var/lib/c"));
  const auto again = migrate("ext4");
  ASSERT_TRUE(again) << again.error().message();
  EXPECT_EQ(on_disk("ext4"), now);
  EXPECT_FALSE(host_().exists(provision::unfinished_path(kPath)));
}

// By a rollback, days later: containers may have written to it.
TEST_F(TreeWork, ACopyThatWasUsedStaysWhenItIsUndone) {
  populate();
  ASSERT_FALSE(HasFatalFailure());
  make("ext4");
  ASSERT_TRUE(migrate("ext4"));
  const auto copy = on_disk("ext4");
  const auto back =
      provision::TreeActions(host_(), runner_)
          .perform(provision::RestoreTree{kPath, kAside, uuid_, "ext4"});
  ASSERT_TRUE(back) << back.error().message();
  EXPECT_FALSE(host_().exists(provision::unfinished_path(kPath)));
  EXPECT_EQ(on_disk("ext4"), copy);
}

TEST_F(TreeWork, WhatOthersPutOnTheDiskIsNotMixedIn) {
  make("ext4");
  tree_.file("var/lib/c/a", "a");
  const std::string point = image_.beside("look");
  std::filesystem::create_directory(point);
  ASSERT_EQ(::mount(loop_->path().c_str(), point.c_str(), "ext4", 0, nullptr),
            0);
  const UniqueFd fd(
      ::open((point + "/theirs").c_str(), O_CREAT | O_RDWR, 0600));
  ASSERT_EQ(::umount2(point.c_str(), MNT_DETACH), 0);
  const auto refused = migrate("ext4");
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message(), HasSubstr("did not put there"));
  EXPECT_TRUE(host_().exists("/var/lib/c/a"));
}

}  // namespace
}  // namespace gpunode::storage_test
