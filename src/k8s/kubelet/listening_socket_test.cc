#include "k8s/kubelet/listening_socket.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gpunode::kubelet {
namespace {

using testing::HasSubstr;
namespace fs = std::filesystem;

class ListeningSocketTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "kubeletXXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    directory_ = name;
    path_ = directory_ / "x.sock";
  }
  void TearDown() override { fs::remove_all(directory_); }

  fs::path directory_;
  fs::path path_;
};

TEST_F(ListeningSocketTest, IsForItsOwnerOnlyWhateverTheUmask) {
  const mode_t before = ::umask(0);
  const auto socket = ListeningSocket::bind(path_);
  ::umask(before);
  ASSERT_TRUE(socket) << socket.error().message();
  struct stat found {};
  ASSERT_EQ(::stat(path_.c_str(), &found), 0);
  EXPECT_TRUE(S_ISSOCK(found.st_mode));
  EXPECT_EQ(found.st_mode & 0777U, 0600U);
}

TEST_F(ListeningSocketTest, ReplacesAStaleSocket) {
  // Left behind by a process that was killed: nobody unlinks.
  auto killed = ListeningSocket::bind(path_);
  ASSERT_TRUE(killed);
  const auto socket = ListeningSocket::bind(path_);
  ASSERT_TRUE(socket) << socket.error().message();
  EXPECT_TRUE(socket->is_reachable());
  EXPECT_FALSE(killed->is_reachable());
  EXPECT_TRUE(connect_unix(path_, std::chrono::seconds(5)));
}

TEST_F(ListeningSocketTest, LeavesADirectoryAlone) {
  fs::create_directory(path_);
  const auto socket = ListeningSocket::bind(path_);
  ASSERT_FALSE(socket);
  EXPECT_EQ(socket.error().code(), ErrorCode::kAlreadyExists);
  EXPECT_THAT(socket.error().message(), HasSubstr("is a directory"));
  EXPECT_TRUE(fs::is_directory(path_));
}

TEST_F(ListeningSocketTest, LeavesAFileAlone) {
  std::ofstream(path_) << "data";
  const auto socket = ListeningSocket::bind(path_);
  ASSERT_FALSE(socket);
  EXPECT_EQ(socket.error().code(), ErrorCode::kAlreadyExists);
  EXPECT_THAT(socket.error().message(), HasSubstr("is a regular file"));
  EXPECT_EQ(fs::file_size(path_), 4U);
}

TEST_F(ListeningSocketTest, LeavesASymbolicLinkToASocketAlone) {
  const auto target = ListeningSocket::bind(directory_ / "target.sock");
  ASSERT_TRUE(target);
  fs::create_symlink("target.sock", path_);
  const auto socket = ListeningSocket::bind(path_);
  ASSERT_FALSE(socket);
  EXPECT_THAT(socket.error().message(), HasSubstr("is a symbolic link"));
  EXPECT_TRUE(target->is_reachable());
}

TEST_F(ListeningSocketTest, RefusesAPathThatTheAddressCannotHold) {
  const fs::path fits =
      directory_ / std::string(107 - directory_.string().size() - 1, 'a');
  EXPECT_TRUE(ListeningSocket::bind(fits));
  const auto socket = ListeningSocket::bind(fits.string() + "a");
  ASSERT_FALSE(socket);
  EXPECT_EQ(socket.error().code(), ErrorCode::kInvalidArgument);
  EXPECT_THAT(socket.error().message(), HasSubstr("107"));
}

TEST_F(ListeningSocketTest, SaysWhyADirectoryDoesNotTakeIt) {
  const auto socket = ListeningSocket::bind(directory_ / "missing" / "x.sock");
  ASSERT_FALSE(socket);
  EXPECT_EQ(socket.error().code(), ErrorCode::kNotFound);
  EXPECT_THAT(socket.error().message(),
              HasSubstr("x.sock: no such file or directory"));
}

TEST_F(ListeningSocketTest, SaysThatADirectoryIsReadOnly) {
  // A directory that even root may not write: procfs'.
  const auto socket = ListeningSocket::bind("/proc/self/x.sock");
  ASSERT_FALSE(socket);
  EXPECT_THAT(socket.error().message(),
              HasSubstr("listen on /proc/self/x.sock"));
}

TEST_F(ListeningSocketTest, RemovesItsFileAtTheEnd) {
  { ASSERT_TRUE(ListeningSocket::bind(path_)); }
  EXPECT_FALSE(fs::exists(fs::symlink_status(path_)));
}

TEST_F(ListeningSocketTest, LeavesASuccessorsFileAtTheEnd) {
  auto old = ListeningSocket::bind(path_);
  ASSERT_TRUE(old);
  const auto successor = ListeningSocket::bind(path_);
  ASSERT_TRUE(successor);
  *old = ListeningSocket();
  EXPECT_TRUE(successor->is_reachable());
}

TEST_F(ListeningSocketTest, MoveAssignmentReleasesWhatWasHeld) {
  auto first = ListeningSocket::bind(path_);
  auto second = ListeningSocket::bind(directory_ / "y.sock");
  ASSERT_TRUE(first);
  ASSERT_TRUE(second);
  const int fd = first->fd();
  *first = *std::move(second);
  EXPECT_FALSE(fs::exists(fs::symlink_status(path_)));
  EXPECT_EQ(::fcntl(fd, F_GETFD), -1);
  EXPECT_TRUE(first->is_reachable());
}

TEST_F(ListeningSocketTest, ConnectingToNobodyIsUnavailable) {
  const auto missing = connect_unix(path_, std::chrono::seconds(5));
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code(), ErrorCode::kUnavailable);
  std::ofstream(path_) << "no socket";
  const auto file = connect_unix(path_, std::chrono::seconds(5));
  ASSERT_FALSE(file);
  EXPECT_EQ(file.error().code(), ErrorCode::kUnavailable);
}

TEST_F(ListeningSocketTest, ConnectingToAFullBacklogEndsByItsTimeout) {
  const auto socket = ListeningSocket::bind(path_);
  ASSERT_TRUE(socket);
  ASSERT_EQ(::listen(socket->fd(), 0), 0);
  std::vector<UniqueFd> waiting;
  for (;;) {
    auto fd = connect_unix(path_, std::chrono::milliseconds(20));
    if (!fd) {
      EXPECT_EQ(fd.error().code(), ErrorCode::kUnavailable);
      break;
    }
    waiting.push_back(*std::move(fd));
    ASSERT_LT(waiting.size(), 100U);
  }
}

}  // namespace
}  // namespace gpunode::kubelet
