// Images that attack the hook: one test for each lesson of docs/security.md.
#include <sched.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>
#include <vector>

#include <elf.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "apps/runtime/hook_fixture.h"
#include "container/hook/own_mounts_test.h"

namespace gpunode::runtime {
namespace {

using testing::HasSubstr;
using testing::Not;

namespace fs = std::filesystem;

const std::vector<std::string> kApply = {
    "apply",
    "--link",
    "libgpunode-fixture.so.1::/opt/driver/libgpunode-fixture.so",
    "--link",
    "x::/usr/lib/deep/er/x",
    "--folder",
    "/opt/driver",
    "--host-driver-version",
    "550.1",
    "--device-node-policy",
    "--application-profile"};

std::string content(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

class HookAttack : public testing::Test {
 protected:
  std::string outside(const std::string& name = "") const {
    return fixture_.tree().path("outside" + (name.empty() ? "" : "/" + name));
  }

  /// Whether it fails or not is the image's own affair.
  void apply_and_expect_nothing_outside() const {
    fixture_.install_driver();
    const auto done = fixture_.run(kApply);
    EXPECT_LE(done.status, 1) << done.err;
    fixture_.expect_outside_as_it_was();
  }

  const HookFixture fixture_{HookFixture::With::kNames};
};

// CVE-2025-23266: the container's environment reached a program of the host.
TEST_F(HookAttack, ByPreloadedLibrary) {
  const std::string environment =
      "LD_PRELOAD=" + std::string(GPUNODE_EVIL_LIBRARY);
#ifdef GPUNODE_HOOK_IS_STATIC
  const auto done =
      fixture_.run({"noop"}, {environment, "LD_LIBRARY_PATH=/proc/self/cwd",
                              "LD_AUDIT=" GPUNODE_EVIL_LIBRARY,
                              "EVIL_MARKER=" + outside("marker")});
  EXPECT_EQ(done.status, 0);
  fixture_.expect_outside_as_it_was();
  // The library does its evil where a loader takes it.
  host::SystemCommandRunner runner;
  host::Command command;
  command.argv = {"/bin/true"};
  command.env = {environment, "EVIL_MARKER=" + outside("marker")};
  ASSERT_TRUE(runner.run(command));
  EXPECT_TRUE(fs::exists(outside("marker")));
#else
  GTEST_SKIP() << "the program is not static under a sanitizer";
#endif
}

// The same: no loader is named in the program at all.
TEST_F(HookAttack, FindsNoDynamicLoader) {
#ifdef GPUNODE_HOOK_IS_STATIC
  const std::string bytes = content(GPUNODE_RUNTIME);
  Elf64_Ehdr header{};
  ASSERT_GT(bytes.size(), sizeof header);
  std::memcpy(&header, bytes.data(), sizeof header);
  for (unsigned i = 0; i < header.e_phnum; ++i) {
    Elf64_Phdr segment{};
    std::memcpy(&segment, bytes.data() + header.e_phoff + i * sizeof segment,
                sizeof segment);
    EXPECT_NE(segment.p_type, static_cast<unsigned>(PT_INTERP));
  }
#else
  GTEST_SKIP() << "the program is not static under a sanitizer";
#endif
}

// CVE-2024-0135 to 0137: programs of the image were run.
TEST_F(HookAttack, ByItsOwnLdconfig) {
  const std::string script = "#!/bin/sh\ntouch " + outside("marker") + "\n";
  for (const char* path :
       {"sbin/ldconfig", "sbin/ldconfig.real", "usr/sbin/ldconfig", "bin/sh"}) {
    fixture_.file(path, script);
    fs::permissions(fixture_.root(path), fs::perms::all);
  }
  apply_and_expect_nothing_outside();
  const auto done =
      fixture_.run({"update-ldcache", "--ldconfig-path",
                    fixture_.root("sbin/ldconfig"), "--folder", "/opt/driver"});
  EXPECT_EQ(done.status, 0) << done.err;
  fixture_.expect_outside_as_it_was();
}

// CVE-2024-0133, CVE-2024-0134, CVE-2025-23267: links led the writer out.
TEST_F(HookAttack, ByLinksAtEveryName) {
  for (const char* name :
       {"etc", "opt", "opt/driver", "usr", "usr/lib", "etc/ld.so.conf.d",
        "etc/ld.so.cache", "etc/ld.so.conf", "etc/nvidia", "lib", "proc", "dev",
        "etc/ld.so.conf.d/00-gpunode.conf", "etc/.ld.so.cache.gpunode-new",
        "opt/driver/.libgpunode-fixture.so.gpunode-new"}) {
    for (const std::string& target :
         {outside(), outside("file"), outside("new"),
          std::string("../../../../../../..") + outside(),
          std::string("../../outside"), std::string("/proc/self/cwd"),
          std::string("/proc/self/root") + outside(), std::string(name)}) {
      SCOPED_TRACE(std::string(name) + " -> " + target);
      const HookFixture fixture(HookFixture::With::kNames);
      fixture.install_driver();
      fixture.remove(name);
      fixture.link(name, target);
      const auto done = fixture.run(kApply);
      EXPECT_LE(done.status, 1) << done.err;
      fixture.expect_outside_as_it_was();
      fixture_.expect_outside_as_it_was();
    }
  }
}

// CVE-2025-23359 and CVE-2024-0132: compat libraries through a link.
TEST_F(HookAttack, ByCompatOutside) {
  fs::copy_file(GPUNODE_FIXTURE_LIBRARY, outside("libcuda.so.570.1"));
  fixture_.link("usr/local/cuda/compat", outside());
  fixture_.install_driver();
  EXPECT_EQ(fixture_.run(kApply).status, 0);
  EXPECT_FALSE(
      fs::exists(fixture_.root("etc/ld.so.conf.d/00-gpunode-compat.conf")));
  EXPECT_THAT(content(fixture_.root("etc/ld.so.cache")), Not(HasSubstr("570")));
}

// CVE-2026-24260, CVE-2024-0132: time of check is not time of use. Another
// container shares a volume, and swaps what we look at.
TEST_F(HookAttack, ByNamesThatChangeMeanwhile) {
  fixture_.install_driver();
  std::atomic<bool> stop{false};
  std::atomic<unsigned> swaps{0};
  std::thread attacker([&] {
    const std::string etc = fixture_.root("etc");
    const std::string folder = fixture_.root("opt/driver");
    const std::string cache = fixture_.root("etc/ld.so.cache");
    fs::create_directory_symlink(outside("etc"), etc + ".link");
    fs::create_directory_symlink("../../../outside", folder + ".link");
    while (!stop) {
      for (const std::string& name : {etc, folder}) {
        ::rename(name.c_str(), (name + ".aside").c_str());
        ::rename((name + ".link").c_str(), name.c_str());
        ::rename(name.c_str(), (name + ".link").c_str());
        ::rename((name + ".aside").c_str(), name.c_str());
      }
      ::unlink(cache.c_str());
      static_cast<void>(!::symlink(outside("file").c_str(), cache.c_str()));
      ++swaps;
    }
  });
  while (swaps == 0) std::this_thread::yield();
  for (int i = 0; i < 200; ++i) {
    const auto done = fixture_.run(kApply);
    EXPECT_LE(done.status, 1) << done.err;
  }
  stop = true;
  attacker.join();
  fixture_.expect_outside_as_it_was();
}

// No read may hang, take memory, or take what is not the image's.
TEST_F(HookAttack, ByFilesThatAreNone) {
  fixture_.install_driver();
  fixture_.file("etc/ld.so.conf",
                "include /etc/fifo\ninclude /etc/sparse\ninclude "
                "/proc/self/environ\ninclude /proc/kmsg\ninclude /etc/ld*\n");
  ASSERT_EQ(::mkfifo(fixture_.root("etc/fifo").c_str(), 0666), 0);
  fixture_.file("etc/sparse", "");
  fs::resize_file(fixture_.root("etc/sparse"), std::uintmax_t{1} << 30);
  ASSERT_EQ(::mkfifo(fixture_.root("opt/driver/libfifo.so.1").c_str(), 0666),
            0);
  fixture_.file("opt/driver/libsparse.so.1",
                "\x7f"
                "ELF");
  fs::resize_file(fixture_.root("opt/driver/libsparse.so.1"),
                  std::uintmax_t{1} << 40);
  const auto done = fixture_.run(kApply);
  EXPECT_EQ(done.status, 0) << done.err;
  EXPECT_EQ(fixture_
                .run({"update-ldcache", "--folder", "/opt/driver"},
                     {"SECRET=/tmp/secret"})
                .err.find("secret"),
            std::string::npos);
}

// What is logged on the host is no way in either.
TEST_F(HookAttack, ByTextForTheLog) {
  fixture_.file("etc/ld.so.conf", "include /etc/evil*\n");
  fs::create_directory(fixture_.root("etc/evil\n\x1b[31mW1124 fake]"));
  const auto done = fixture_.run({"update-ldcache", "--folder", "/opt/driver"});
  EXPECT_EQ(done.status, 0);
  EXPECT_EQ(done.err.find('\x1b'), std::string::npos);
  EXPECT_THAT(done.err, HasSubstr("evil\\x0a\\x1b[31m"));
}

/// Runs the hook until it has entered `calls` system calls, and kills it.
/// False if it ended before.
bool kill_after(const std::vector<std::string>& arguments,
                const std::string& state_path, int calls) {
  std::vector<char*> argv;
  static const std::string kProgram = GPUNODE_RUNTIME;
  argv.push_back(const_cast<char*>(kProgram.c_str()));
  argv.push_back(const_cast<char*>("hook"));
  for (const auto& text : arguments) {
    argv.push_back(const_cast<char*>(text.c_str()));
  }
  argv.push_back(nullptr);
  const pid_t child = ::fork();
  if (child == 0) {
    ::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
    static_cast<void>(!std::freopen(state_path.c_str(), "r", stdin));
    static_cast<void>(!std::freopen("/dev/null", "w", stderr));
    ::execv(kProgram.c_str(), argv.data());
    ::_exit(127);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  for (int i = 0; i < 2 * calls && WIFSTOPPED(status); ++i) {
    ::ptrace(PTRACE_SYSCALL, child, nullptr, nullptr);
    ::waitpid(child, &status, 0);
  }
  if (!WIFSTOPPED(status)) return false;
  ::kill(child, SIGKILL);
  ::waitpid(child, &status, 0);
  return true;
}

/// Kills the hook after its first, second, … system call, each time on a new
/// root, and looks with `expect_right` at what the next start makes of it.
/// `prepare` readies the root for either start. Returns how often it was
/// killed.
template <class Prepare, class Expect>
int kill_everywhere(Prepare prepare, Expect expect_right) {
  int points = 0;
  for (bool was_killed = true; was_killed && !testing::Test::HasFailure();) {
    const HookFixture fixture(HookFixture::With::kNames);
    fixture.install_driver();
    fixture.tree().file("bundle/state.json", fixture.state());
    prepare(fixture);
    was_killed = kill_after(kApply, fixture.tree().path("bundle/state.json"),
                            points + 1);
    if (was_killed) ++points;
    prepare(fixture);
    const auto done = fixture.run(kApply);
    EXPECT_EQ(done.status, 0) << done.err << " after call " << points;
    expect_right(fixture, points);
  }
  return points;
}

#ifdef GPUNODE_HOOK_IS_STATIC
constexpr bool kMayTrace = true;
#else
constexpr bool kMayTrace = false;  // A sanitizer does not like it.
#endif

// A hook that is killed anywhere leaves nothing that the next start does not
// put right.
TEST(HookKilled, LeavesNothingForTheNextStart) {
  if (!kMayTrace) GTEST_SKIP() << "a sanitizer does not like to be traced";
  const HookFixture reference(HookFixture::With::kNames);
  reference.install_driver();
  ASSERT_EQ(reference.run(kApply).status, 0);
  const std::size_t expected = listing(reference.root()).size();
  const std::string cache = content(reference.root("etc/ld.so.cache"));
  const int points = kill_everywhere(
      [](const HookFixture&) {},
      [&](const HookFixture& fixture, int point) {
        EXPECT_EQ(listing(fixture.root()).size(), expected) << point;
        EXPECT_EQ(content(fixture.root("etc/ld.so.cache")), cache) << point;
      });
  EXPECT_GT(points, 100);
}

/// Makes the fixture's root read-only, without what was mounted in it: mounts
/// go with the container that was not to be.
void mount_read_only(const HookFixture& fixture) {
  const std::string root = fixture.root();
  ::umount2(root.c_str(), MNT_DETACH);
  ASSERT_EQ(::mount(root.c_str(), root.c_str(), nullptr, MS_BIND, nullptr), 0);
  ASSERT_EQ(::mount(nullptr, root.c_str(), nullptr,
                    MS_REMOUNT | MS_BIND | MS_RDONLY, nullptr),
            0);
}

// The same where files are made on the host, to be mounted.
TEST(HookKilled, LeavesNothingOnTheHost) {
  if (!kMayTrace) GTEST_SKIP() << "a sanitizer does not like to be traced";
  IN_OWN_MOUNTS([] {
    ASSERT_EQ(::mount("none", "/run", "tmpfs", 0, nullptr), 0);
    const auto prepare = [](const HookFixture& fixture) {
      if (!fs::exists(fixture.root("etc/ld.so.cache"))) {
        fixture.file("etc/ld.so.cache", "");
      }
      mount_read_only(fixture);
    };
    const int points =
        kill_everywhere(prepare, [&](const HookFixture& fixture, int point) {
          EXPECT_THAT(content(fixture.root("etc/ld.so.cache")),
                      HasSubstr(kFixtureFile))
              << point;
          EXPECT_TRUE(fs::is_empty("/run")) << point;
          ASSERT_EQ(::umount2(fixture.root().c_str(), MNT_DETACH), 0);
        });
    EXPECT_GT(points, 100);
  });
}

}  // namespace
}  // namespace gpunode::runtime
