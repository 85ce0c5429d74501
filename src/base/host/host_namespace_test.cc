#include "base/host/host_namespace.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/core/unique_fd.h"
#include "base/host/host_tree.h"

namespace gpunode::host {
namespace {

/// A process with mounts of its own: a tmpfs over `tree` with the file "there".
/// It lives until this is destroyed.
class Neighbour {
 public:
  explicit Neighbour(const HostTree& tree) {
    std::array<int, 2> ready{};
    std::array<int, 2> end{};
    if (::pipe2(ready.data(), O_CLOEXEC) != 0 ||
        ::pipe2(end.data(), O_CLOEXEC) != 0) {
      return;
    }
    pid_ = ::fork();
    if (pid_ == 0) {
      const std::string file = tree.path("there");
      ::close(end[1]);
      char word = 'n';
      if (::unshare(CLONE_NEWNS) == 0 &&
          ::mount("", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
          ::mount("none", tree.path().c_str(), "tmpfs", 0, nullptr) == 0 &&
          ::close(::open(file.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600)) ==
              0) {
        word = 'y';
      }
      (void)!::write(ready[1], &word, 1);
      (void)!::read(end[0], &word, 1);  // Until nobody holds the other end.
      ::_exit(0);
    }
    ::close(ready[1]);
    ::close(end[0]);
    end_ = UniqueFd(end[1]);
    char word = 'n';
    is_there_ = ::read(ready[0], &word, 1) == 1 && word == 'y';
    ::close(ready[0]);
  }
  ~Neighbour() {
    end_ = UniqueFd();
    if (pid_ > 0) ::waitpid(pid_, nullptr, 0);
  }
  Neighbour(const Neighbour&) = delete;
  Neighbour& operator=(const Neighbour&) = delete;

  bool is_there() const { return is_there_; }
  std::string mounts() const {
    return "/proc/" + std::to_string(pid_) + "/ns/mnt";
  }

 private:
  pid_t pid_ = -1;
  UniqueFd end_;
  bool is_there_ = false;
};

/// What `work` returns in a process of its own, 0 to 255.
template <class Work>
int in_child(Work work) {
  const pid_t pid = ::fork();
  if (pid == 0) ::_exit(work());
  int status = 0;
  ::waitpid(pid, &status, 0);
  return WEXITSTATUS(status);
}

TEST(MountNamespace, OfAnotherProcessIsSeen) {
  const HostTree tree;
  const Neighbour neighbour(tree);
  if (!neighbour.is_there()) GTEST_SKIP() << "needs root and namespaces";
  const std::string file = tree.path("there");
  EXPECT_NE(::access(file.c_str(), F_OK), 0);
  EXPECT_EQ(in_child([&] {
              if (!enter_mount_namespace(neighbour.mounts())) return 1;
              std::array<char, 16> where{};
              if (::getcwd(where.data(), where.size()) == nullptr) return 2;
              if (std::string(where.data()) != "/") return 3;
              return ::access(file.c_str(), F_OK) == 0 ? 0 : 4;
            }),
            0);
}

TEST(MountNamespace, OfOnesOwnIsEnteredWithoutRights) {
  EXPECT_EQ(in_child([] {
              if (::geteuid() == 0 && ::setuid(65534) != 0) return 2;
              return enter_mount_namespace("/proc/self/ns/mnt") ? 0 : 1;
            }),
            0);
}

TEST(MountNamespace, ThatIsNotThereSaysSo) {
  const auto entered = enter_mount_namespace("/proc/1/ns/none");
  ASSERT_FALSE(entered);
  EXPECT_THAT(entered.error().message(), testing::HasSubstr("/proc/1/ns/none"));
}

}  // namespace
}  // namespace gpunode::host
