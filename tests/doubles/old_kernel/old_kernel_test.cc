#include "tests/doubles/old_kernel/old_kernel.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

#include <gtest/gtest.h>

#include "base/host/command_runner.h"

namespace gpunode::old_kernel {
namespace {

/// Whether a kernel of `release` has the call, asked with arguments that no
/// call accepts. In a child: a filter can't be taken off.
bool has_call(Release release, long number) {
  const pid_t child = ::fork();
  if (child == 0) {
    if (become(release) != 0) ::_exit(2);
    errno = 0;
    ::syscall(number, -1, -1, -1, -1, -1, -1);
    ::_exit(errno == ENOSYS ? 1 : 0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) != 2);
  return WEXITSTATUS(status) == 0;
}

TEST(OldKernel, LacksWhatCameAfter4_18) {
  for (const long number :
       {SYS_openat2, SYS_close_range, SYS_pidfd_open, SYS_pidfd_getfd,
        SYS_clone3, SYS_faccessat2, SYS_io_uring_setup, SYS_io_uring_enter,
        SYS_epoll_pwait2, SYS_mount_setattr}) {
    EXPECT_FALSE(has_call(Release::kLinux418, number)) << number;
    EXPECT_FALSE(has_call(Release::kLinux310, number)) << number;
  }
}

TEST(OldKernel, LacksWhatCameBetween3_10And4_18) {
  for (const long number : {SYS_statx, SYS_memfd_create, SYS_getrandom,
                            SYS_renameat2, SYS_copy_file_range, SYS_execveat}) {
    EXPECT_TRUE(has_call(Release::kLinux418, number)) << number;
    EXPECT_FALSE(has_call(Release::kLinux310, number)) << number;
  }
}

TEST(OldKernel, HasWhatEveryKernelHas) {
  for (const long number :
       {SYS_openat, SYS_inotify_init1, SYS_prlimit64, SYS_process_vm_readv}) {
    EXPECT_TRUE(has_call(Release::kLinux310, number)) << number;
  }
}

Result<host::Completed> run_program(std::vector<std::string> arguments) {
  host::Command command;
  command.argv = std::move(arguments);
  command.argv.insert(command.argv.begin(), OLD_KERNEL_PROGRAM);
  return host::SystemCommandRunner().run(command);
}

TEST(OldKernelProgram, RunsProgramsUnderTheFilter) {
  // Processes, pipes and files work: libc falls back, as it does there.
  for (const char* release : {"3.10", "4.18"}) {
    const auto done = run_program(
        {"--kernel", release, "/bin/sh", "-c", "ls / | grep -c etc; exit 5"});
    ASSERT_TRUE(done) << done.error().message();
    EXPECT_EQ(done->out, "1\n");
    EXPECT_EQ(done->status, 5);
  }
}

TEST(OldKernelProgram, RefusesACommandLineItDoesNotKnow) {
  EXPECT_EQ(run_program({})->status, 2);
  EXPECT_EQ(run_program({"--kernel", "9.9", "/bin/true"})->status, 2);
  EXPECT_EQ(run_program({"--kernel", "4.18"})->status, 2);
  EXPECT_EQ(run_program({"--kernel", "4.18", "/no/program"})->status, 1);
}

}  // namespace
}  // namespace gpunode::old_kernel
