// What the host's own mkfs.xfs leaves on a device where it is ended anywhere:
// it must say whose it is, or be blank.
#include <fcntl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/host/blank_proof.h"
#include "base/host/disk_claim.h"
#include "base/host/filesystem_maker.h"
#include "tests/storage/test_disk.h"

namespace gpunode::storage_test {
namespace {

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20U;
constexpr std::uint64_t kDiskBytes = 320 * kMiB;
constexpr const char* kUuid = "01234567-89ab-8def-8123-456789abcdef";

/// The child is about to write.
bool is_write(pid_t child) {
  __ptrace_syscall_info info{};
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-vararg): ptrace(2) is.
  if (::ptrace(PTRACE_GET_SYSCALL_INFO, child, sizeof info, &info) <= 0) {
    return false;
  }
  return info.op == PTRACE_SYSCALL_INFO_ENTRY &&
         (info.entry.nr == SYS_pwrite64 || info.entry.nr == SYS_write);
}

/// Runs a program and kills it as it is about to write for the time `last`.
/// False if it came to its end, with success.
bool is_cut_off_at(std::vector<std::string> argv, int last) {
  std::vector<char*> words;
  for (std::string& word : argv) words.push_back(word.data());
  words.push_back(nullptr);
  const pid_t child = ::fork();
  if (child == 0) {
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-vararg)
    ::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
    ::execv(words[0], words.data());
    ::_exit(127);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-vararg)
  ::ptrace(PTRACE_SETOPTIONS, child, nullptr,
           PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL);
  int writes = 0;
  while (WIFSTOPPED(status)) {
    if (is_write(child) && ++writes == last) {
      ::kill(child, SIGKILL);
      ::waitpid(child, &status, 0);
      return true;
    }
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-vararg)
    ::ptrace(PTRACE_SYSCALL, child, nullptr, nullptr);
    ::waitpid(child, &status, 0);
  }
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  return false;
}

class MkfsCut : public testing::Test {
 protected:
  void SetUp() override {
    std::string reason;
    loop_ = LoopDevice::over(image_, reason);
    if (!loop_) GTEST_SKIP() << reason;
    mkfs_ = find_program("mkfs.xfs");
    if (mkfs_.empty()) GTEST_SKIP() << "no mkfs.xfs";
  }

  void zero(std::uint64_t size) const {
    const UniqueFd fd(::open(loop_->path().c_str(), O_RDWR | O_CLOEXEC));
    const std::string zeros(size, '\0');
    ASSERT_EQ(::pwrite(fd.get(), zeros.data(), zeros.size(), 0),
              static_cast<ssize_t>(size));
  }

  host::BlankProof proof() const {
    const auto claim =
        host::DiskClaim::take(host_, loop_->path(), loop_->number(),
                              host::DiskClaim::Access::kReadWrite);
    EXPECT_TRUE(claim);
    const auto proof = host::prove_blank(claim->fd(), {"", "", kDiskBytes}, {});
    EXPECT_TRUE(proof) << proof.error().message();
    return *proof;
  }

  static bool is_known(const host::BlankProof& proof) {
    if (proof.is_blank()) return true;
    if (proof.signatures.empty()) return proof.data->xfs_uuid == kUuid;
    return std::ranges::all_of(proof.signatures, [](const auto& signature) {
      return signature.uuid == kUuid;
    });
  }

  host::HostRoot host_;
  ImageFile image_{kDiskBytes};
  std::optional<LoopDevice> loop_;
  std::string mkfs_;
};

TEST_F(MkfsCut, AnywhereWhatItLeavesSaysWhoseItIs) {
  const host::FilesystemWish wish{.type = host::FilesystemType::kXfs,
                                  .uuid = kUuid,
                                  .label = "gn-ctrd",
                                  .overwrite = true};
  auto command = host::filesystem_command(host_, wish, loop_->path());
  ASSERT_TRUE(command);
  int cuts = 0;
  int with_marks = 0;
  while (is_cut_off_at(command->argv, cuts + 1)) {
    ++cuts;
    SCOPED_TRACE(testing::Message() << "write " << cuts);
    const host::BlankProof left = proof();
    EXPECT_TRUE(is_known(left)) << left.refusal();
    if (!left.is_blank()) ++with_marks;
    // As the next run leaves it, if it is cut off between erasing and mkfs.
    zero(kMiB);
    const host::BlankProof headless = proof();
    EXPECT_TRUE(is_known(headless)) << headless.refusal();
  }
  // Zeros at both ends come first; then the superblock, and all else after it.
  EXPECT_GT(cuts, 20);
  EXPECT_GT(with_marks, 20);
}

}  // namespace
}  // namespace gpunode::storage_test
