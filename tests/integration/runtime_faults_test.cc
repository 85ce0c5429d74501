// T1: gpunode-runtime counted and ill-treated: how many system calls it makes,
// and what is left when it is killed at any of them, or the disk is full.
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/integration/runtime_process.h"

namespace gpunode::runtime {
namespace {

using testing::AllOf;
using testing::AnyOf;
using testing::HasSubstr;

/// One system call that the shim made, before it became another program.
struct Call {
  long number = 0;
  std::string path;  ///< Of open, execve and the like.
  long result = 0;
};

/// Runs a program under ptrace up to a successful execve of its own.
class Tracer {
 public:
  Tracer(std::vector<std::string> argv, std::vector<std::string> env)
      : argv_(std::move(argv)), env_(std::move(env)) {}

  /// Every call until the program becomes another one or ends. Nothing if this
  /// machine does not let us trace.
  std::optional<std::vector<Call>> trace() {
    std::vector<Call> calls;
    if (!start()) return std::nullopt;
    while (next_call(calls)) {
    }
    finish();
    return calls;
  }

  /// Kills the program when it enters its `n`th call, counted from 0. False
  /// if it does not make so many.
  bool kill_at(std::size_t n) {
    if (!start()) return false;
    for (std::size_t i = 0; i < n; ++i) {
      std::vector<Call> ignored;
      if (!next_call(ignored)) {
        finish();
        return false;
      }
    }
    const bool entered = step();
    ::kill(child_, SIGKILL);
    finish();
    return entered;
  }

 private:
  static std::vector<char*> pointers(std::vector<std::string>& texts) {
    std::vector<char*> all;
    for (std::string& text : texts) all.push_back(text.data());
    all.push_back(nullptr);
    return all;
  }

  bool start() {
    const std::vector<char*> argv = pointers(argv_);
    const std::vector<char*> env = pointers(env_);
    child_ = ::fork();
    if (child_ == 0) {
      const int null = ::open("/dev/null", O_RDWR);
      ::dup2(null, STDOUT_FILENO);
      ::dup2(null, STDERR_FILENO);
      if (::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) != 0) ::_exit(99);
      ::execve(argv[0], argv.data(), env.data());
      ::_exit(98);
    }
    int status = 0;
    ::waitpid(child_, &status, 0);
    is_alive_ = WIFSTOPPED(status);
    if (!is_alive_) return false;
    ::ptrace(PTRACE_SETOPTIONS, child_, nullptr,
             PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL);
    return true;
  }

  /// Goes on to the next entry to or return from a call. False at the end.
  bool step() {
    while (is_alive_) {
      ::ptrace(PTRACE_SYSCALL, child_, nullptr, nullptr);
      int status = 0;
      ::waitpid(child_, &status, 0);
      is_alive_ = WIFSTOPPED(status);
      if (is_alive_ && WSTOPSIG(status) == (SIGTRAP | 0x80)) return true;
    }
    return false;
  }

  /// Entry and return of one call. False when the program is another one.
  bool next_call(std::vector<Call>& calls) {
    if (!step()) return false;
    __ptrace_syscall_info info{};
    ::ptrace(PTRACE_GET_SYSCALL_INFO, child_, sizeof(info), &info);
    Call call;
    call.number = static_cast<long>(info.entry.nr);
    if (call.number == SYS_execve) call.path = text_at(info.entry.args[0]);
    if (call.number == SYS_openat) call.path = text_at(info.entry.args[1]);
#ifdef SYS_open
    if (call.number == SYS_open) call.path = text_at(info.entry.args[0]);
#endif
    if (!step()) return false;
    ::ptrace(PTRACE_GET_SYSCALL_INFO, child_, sizeof(info), &info);
    call.result = static_cast<long>(info.exit.rval);
    calls.push_back(call);
    return call.number != SYS_execve || call.result != 0;
  }

  std::string text_at(std::uint64_t address) const {
    std::string text(256, '\0');
    iovec local{text.data(), text.size()};
    iovec remote{reinterpret_cast<void*>(address), text.size()};
    const ssize_t n = ::process_vm_readv(child_, &local, 1, &remote, 1, 0);
    text.resize(n < 0 ? 0 : static_cast<std::size_t>(n));
    return text.substr(0, text.find('\0'));
  }

  void finish() {
    if (is_alive_) {
      ::kill(child_, SIGKILL);
      int status = 0;
      ::waitpid(child_, &status, 0);
    }
    is_alive_ = false;
  }

  std::vector<std::string> argv_;
  std::vector<std::string> env_;
  pid_t child_ = -1;
  bool is_alive_ = false;
};

class RuntimeFaults : public RuntimeProcess {
 protected:
  void ask_for_a_device() const {
    std::string mounts;
    for (int i = 0; i < 45; ++i) {
      const std::string path =
          "/usr/lib64/libnvidia-" + std::to_string(i) + ".so.550.163.01";
      mounts += std::string(i == 0 ? "" : ",") + R"({"hostPath":")" + path +
                R"(","containerPath":")" + path +
                R"(","options":["ro","nosuid","nodev","rbind","rprivate"]})";
    }
    tree_.file("cdi/a.json",
               R"({"cdiVersion":"0.5.0","kind":"a.com/b","devices":[
      {"name":"c","containerEdits":{"env":["A=1"]}}],
      "containerEdits":{"mounts":[)" +
                   mounts + "]}}");
    write_toml("[nvidia-container-runtime.modes.cdi]\nspec-dirs = [\"" +
               tree_.path("cdi") + "\"]\n");
    write_config(kAsking);
  }

  Tracer tracer(const std::vector<std::string>& arguments) const {
    std::vector<std::string> argv = {shim()};
    argv.insert(argv.end(), arguments.begin(), arguments.end());
    return Tracer(std::move(argv), env_);
  }

  static constexpr const char* kAsking =
      R"({"process":{"env":["NVIDIA_VISIBLE_DEVICES=a.com/b=c"]}})";
};

std::vector<std::string> opened(const std::vector<Call>& calls,
                                const std::string& part) {
  std::vector<std::string> paths;
  for (const Call& call : calls) {
    if (call.number != SYS_execve &&
        call.path.find(part) != std::string::npos) {
      paths.push_back(call.path);
    }
  }
  return paths;
}

std::size_t count(const std::vector<Call>& calls, long number) {
  return static_cast<std::size_t>(
      std::count_if(calls.begin(), calls.end(),
                    [&](const Call& call) { return call.number == number; }));
}

std::string shown(const std::vector<Call>& calls) {
  std::string lines;
  for (const Call& call : calls) {
    lines += std::to_string(call.number) + " " + call.path + "\n";
  }
  return lines;
}

#define TRACE_OR_SKIP(calls, tracer)   \
  const auto calls = (tracer).trace(); \
  if (!calls) GTEST_SKIP() << "this machine lets nobody use ptrace"

TEST_F(RuntimeFaults, APassedOnCallIsAHandfulOfSystemCalls) {
  if (GPUNODE_IS_SANITIZED) {
    GTEST_SKIP() << "a sanitizer's program has no start of its own";
  }
  write_toml("[nvidia-container-runtime]\nruntimes = [\"crun\"]\n");
  TRACE_OR_SKIP(calls, tracer({"state", "x"}));
  // execve of the shim is not seen; open, read, read (the end), execve.
  EXPECT_EQ(calls->size(), 4U) << shown(*calls);
  EXPECT_EQ(count(*calls, SYS_execve), 1U) << shown(*calls);
  EXPECT_EQ(count(*calls, SYS_mmap), 0U) << "libc has started";
}

TEST_F(RuntimeFaults, CreateWithoutARequestIsAHandfulOfSystemCalls) {
  if (GPUNODE_IS_SANITIZED) {
    GTEST_SKIP() << "a sanitizer's program has no start of its own";
  }
  write_config(R"({"process":{"env":["PATH=/bin"]}})");
  TRACE_OR_SKIP(calls, tracer(create()));
  // open of a config.toml that is not there; open, read, read (the end) and
  // close of config.json; execve.
  EXPECT_EQ(calls->size(), 6U) << shown(*calls);
  EXPECT_EQ(opened(*calls, "/config.json").size(), 1U);
  EXPECT_EQ(count(*calls, SYS_mmap), 0U) << "libc has started";
  EXPECT_EQ(count(*calls, SYS_execve), 1U);
}

// Where the ordinary start has to look: an escape that could hide anything.
TEST_F(RuntimeFaults, CreateThatTurnsOutToAskForNothingWritesNothing) {
  if (GPUNODE_IS_SANITIZED) GTEST_SKIP() << "a sanitizer's calls count too";
  write_config(R"({"process":{"env":["A=\u0041"]}})");
  TRACE_OR_SKIP(calls, tracer(create()));
  EXPECT_EQ(count(*calls, SYS_write), 0U);
  EXPECT_EQ(count(*calls, SYS_renameat), 0U);
  EXPECT_EQ(opened(*calls, "libnvidia").size(), 0U);
  EXPECT_EQ(opened(*calls, "libcuda").size(), 0U);
  EXPECT_EQ(opened(*calls, "/cdi").size(), 0U);
  EXPECT_EQ(opened(*calls, "kubelet").size(), 0U);
}

TEST_F(RuntimeFaults, CreateWithARequestWritesOnce) {
  if (GPUNODE_IS_SANITIZED) GTEST_SKIP() << "a sanitizer's calls count too";
  ask_for_a_device();
  TRACE_OR_SKIP(calls, tracer(create()));
  // To see that it asks, and to read it.
  EXPECT_EQ(opened(*calls, "/config.json").size(), 2U);
  EXPECT_EQ(count(*calls, SYS_write), 1U);
  EXPECT_EQ(count(*calls, SYS_renameat), 1U);
  EXPECT_EQ(opened(*calls, "a.json").size(), 1U);
  EXPECT_EQ(opened(*calls, "libcuda").size(), 0U);
  EXPECT_EQ(count(*calls, SYS_execve), 1U);
}

TEST_F(RuntimeFaults, KilledAtAnySystemCallTheConfigIsOldOrNew) {
  ask_for_a_device();
  TRACE_OR_SKIP(calls, tracer(create()));
  const std::string edited = read_config();
  ASSERT_NE(edited, kAsking);
  std::size_t old_ones = 0;
  std::size_t new_ones = 0;
  std::size_t n = 0;
  for (;; ++n) {
    write_config(kAsking);
    if (!tracer(create()).kill_at(n)) break;
    const std::string after = read_config();
    ASSERT_THAT(after, AnyOf(std::string(kAsking), edited)) << "call " << n;
    ++(after == edited ? new_ones : old_ones);
  }
  EXPECT_GT(old_ones, 0U);
  EXPECT_GT(new_ones, 0U) << "the last execve is after the rename";
  EXPECT_GE(n, calls->size());
}

TEST_F(RuntimeFaults, RunsInARootWithNothingElse) {
  if (GPUNODE_IS_SANITIZED) GTEST_SKIP() << "a sanitizer's program is dynamic";
  tree_.directory("root/bin");
  std::filesystem::copy_file(shim(), tree_.path("root/gpunode-runtime"));
  std::filesystem::copy_file(FAKE_RUNC, tree_.path("root/bin/runc"));
  tree_.file("root/bundle/config.json", R"({"process":{"env":[]}})");
  const std::string root = tree_.path("root");
  constexpr int kRefused = 77;
  // The fake runc ends with 7 when its last argument starts with one.
  for (const char* verb : {"kill", "create"}) {
    const pid_t child = ::fork();
    if (child == 0) {
      if (::chroot(root.c_str()) != 0 || ::chdir("/bundle") != 0) {
        ::_exit(kRefused);
      }
      ::execl("/gpunode-runtime", "gpunode-runtime", verb, "7", nullptr);
      ::_exit(1);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    ASSERT_TRUE(WIFEXITED(status));
    if (WEXITSTATUS(status) == kRefused) GTEST_SKIP() << "no chroot here";
    EXPECT_EQ(WEXITSTATUS(status), 7) << verb;
  }
}

/// Runs `body` in a child with a mount namespace of its own, where nobody sees
/// what is mounted. Nothing if that is not allowed; else what `body` returned.
std::optional<int> with_own_mounts(const std::function<int()>& body) {
  constexpr int kRefused = 77;
  const pid_t child = ::fork();
  if (child == 0) {
    if (::unshare(CLONE_NEWNS) != 0 ||
        ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
      ::_exit(kRefused);
    }
    ::_exit(body());
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  if (!WIFEXITED(status)) return -1;
  if (WEXITSTATUS(status) == kRefused) return std::nullopt;
  return WEXITSTATUS(status);
}

/// What the child found, as exit codes.
enum Outcome : int {
  kAsExpected = 0,
  kNoMount = 77,
  kWrongStatus = 1,
  kWrongWords = 2,
  kConfigChanged = 3,
  kSomethingLeft = 4,
};

class RuntimeDisk : public RuntimeFaults {
 protected:
  /// The bundle on a file system that `prepare` makes unwritable.
  std::optional<int> fails_with(const std::string& words,
                                const std::function<bool()>& prepare) {
    return with_own_mounts([&]() -> int {
      const std::string bundle = tree_.path("bundle");
      if (::mount("tmpfs", bundle.c_str(), "tmpfs", 0, "size=16k") != 0) {
        return kNoMount;
      }
      write_config(kAsking);
      if (!prepare()) return kNoMount;
      const host::Completed done = run_shim(create());
      if (done.status != 1) return kWrongStatus;
      if (done.err.find(words) == std::string::npos) return kWrongWords;
      if (read_config() != kAsking) return kConfigChanged;
      const auto names = tree_.root().list_directory("bundle");
      for (const std::string& name : *names) {
        if (name.ends_with(".tmp")) return kSomethingLeft;
      }
      return kAsExpected;
    });
  }
};

TEST_F(RuntimeDisk, AReadOnlyBundleIsNamed) {
  ask_for_a_device();
  const auto outcome = fails_with("read-only file system", [&] {
    return ::mount("none", tree_.path("bundle").c_str(), nullptr,
                   MS_REMOUNT | MS_RDONLY, nullptr) == 0;
  });
  if (!outcome) GTEST_SKIP() << "no mounts of one's own here";
  EXPECT_EQ(*outcome, kAsExpected);
}

TEST_F(RuntimeDisk, AFullDiskLeavesTheConfigAndNothingElse) {
  ask_for_a_device();
  const auto outcome = fails_with("no space left on device", [&] {
    // Three pages of four: the edited config needs two.
    tree_.file("bundle/filler", std::string(8192, 'x'));
    return true;
  });
  if (!outcome) GTEST_SKIP() << "no mounts of one's own here";
  EXPECT_EQ(*outcome, kAsExpected);
}

}  // namespace
}  // namespace gpunode::runtime
