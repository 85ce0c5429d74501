// The hook as a low-level runtime starts it: arguments, state, exit code, and
// what is in the root afterwards.
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "apps/runtime/hook_fixture.h"
#include "container/hook/own_mounts_test.h"

namespace gpunode::runtime {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

namespace fs = std::filesystem;

std::string content(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

class HookProgram : public testing::Test {
 protected:
  /// Runs a hook that must succeed, without a word.
  void do_quietly(const std::vector<std::string>& arguments) const {
    const auto done = fixture_.run(arguments);
    EXPECT_EQ(done.status, 0) << done.err;
    EXPECT_EQ(done.err, "");
  }

  void expect_driver_found() const {
    const int status = fixture_.ask_driver();
    if (status == -1) GTEST_SKIP() << "may not chroot here";
    EXPECT_EQ(status, 0);
  }

  const HookFixture fixture_;
};

TEST_F(HookProgram, TellsItsVersionAsNvidiasDoes) {
  for (const char* flag : {"--version", "-v", "-version"}) {
    const auto done = fixture_.run({flag});
    EXPECT_EQ(done.status, 0);
    EXPECT_THAT(done.out,
                testing::MatchesRegex("NVIDIA CDI Hook version [0-9.]+\n"));
    EXPECT_EQ(done.err, "");
  }
  // After a hook's name it is a flag that no hook has.
  EXPECT_EQ(fixture_.run({"noop", "--version"}).status, 1);
}

TEST_F(HookProgram, ThatIsNotKnownDoesNotStopAContainer) {
  const auto unknown = fixture_.run({"from-the-future", "--flag"});
  EXPECT_EQ(unknown.status, 0);
  EXPECT_THAT(unknown.err, HasSubstr("Unsupported CDI hook: from-the-future"));
  for (const auto& arguments : std::vector<std::vector<std::string>>{
           {}, {"--from-the-future", "noop"}, {"--debug"}}) {
    const auto none = fixture_.run(arguments);
    EXPECT_EQ(none.status, 0);
    EXPECT_THAT(none.err, HasSubstr("No CDI hook specified"));
  }
}

TEST_F(HookProgram, AnswersToNvidiasName) {
  fixture_.tree().link("bundle/nvidia-cdi-hook", GPUNODE_RUNTIME);
  host::SystemCommandRunner runner;
  host::Command command;
  command.argv = {fixture_.tree().path("bundle/nvidia-cdi-hook"), "--debug",
                  "create-symlinks", "--link=a::/b"};
  command.input = fixture_.state();
  const auto done = runner.run(command);
  ASSERT_TRUE(done);
  EXPECT_EQ(done->status, 0) << done->err;
  EXPECT_EQ(fs::read_symlink(fixture_.root("b")), "a");
}

TEST_F(HookProgram, WithAWrongFlagFails) {
  for (const auto& arguments : std::vector<std::vector<std::string>>{
           {"update-ldcache", "--nosuch"},
           {"create-symlinks", "--link", "no-separator"},
           {"chmod", "--path", "/x"},
           {"chmod", "--mode", "9", "--path", "/x"},
           {"update-ldcache", "--folder", "relative"}}) {
    const auto done = fixture_.run(arguments);
    EXPECT_EQ(done.status, 1) << arguments.at(0);
    EXPECT_THAT(done.err, Not(IsEmpty()));
  }
  EXPECT_THAT(fixture_.run({"noop", "--nosuch"}).err,
              HasSubstr("flag provided but not defined: -nosuch"));
  EXPECT_EQ(fixture_.run({"apply", "--help"}).status, 0);
  EXPECT_EQ(fixture_.run({"--help"}).status, 0);
}

TEST_F(HookProgram, OnAHostsRootOrNoneFails) {
  for (const std::string state :
       {"", "{}", "not JSON", R"({"bundle":"/nonexistent"})",
        R"({"bundle":"/x","root":"/"})", R"({"bundle":"/x","root":"/proc/.."})",
        R"({"bundle":"/x","root":"/proc/self/root"})"}) {
    const auto done =
        fixture_.run_with_state({"update-ldcache", "--folder", "/x"}, state);
    EXPECT_EQ(done.status, 1) << state;
    EXPECT_EQ(std::count(done.err.begin(), done.err.end(), '\n'), 1)
        << done.err;
  }
}

TEST_F(HookProgram, ReadsTheStateFromAFileToo) {
  fixture_.install_driver();
  fixture_.tree().file("state.json", fixture_.state());
  const auto done = fixture_.run_with_state(
      {"create-symlinks", "--container-spec",
       fixture_.tree().path("state.json"), "--link", "a::/b"},
      "");
  EXPECT_EQ(done.status, 0) << done.err;
  EXPECT_EQ(fs::read_symlink(fixture_.root("b")), "a");
}

TEST_F(HookProgram, NeedsNoConfigJsonIfTheStateHasARoot) {
  // Rootless podman: config.json cannot be read from the user namespace.
  fixture_.tree().directory("bundle/config.json");
  do_quietly({"create-symlinks", "--link", "a::/b"});
}

TEST_F(HookProgram, AppliesAllAtOnce) {
  fixture_.install_driver();
  EXPECT_EQ(fixture_.ask_driver() == 0, false);
  do_quietly({"apply", "--link",
              "libgpunode-fixture.so.1::/opt/driver/libgpunode-fixture.so",
              "--folder", "/opt/driver", "--host-driver-version", "550.1",
              "--device-node-policy", "--application-profile"});
  EXPECT_EQ(fs::read_symlink(fixture_.root("opt/driver/libgpunode-fixture.so")),
            "libgpunode-fixture.so.1");
  EXPECT_EQ(
      fs::read_symlink(fixture_.root("opt/driver/libgpunode-fixture.so.1")),
      kFixtureFile);
  fixture_.expect_outside_as_it_was();
  expect_driver_found();
}

TEST_F(HookProgram, DoesTheSameUnderNvidiasNames) {
  fixture_.install_driver();
  do_quietly(
      {"create-symlinks", "--link",
       std::string(kFixtureFile) + "::/opt/driver/libgpunode-fixture.so.1"});
  do_quietly({"enable-cuda-compat", "--host-driver-version=550.1"});
  do_quietly({"update-ldcache", "--ldconfig-path", "/sbin/ldconfig", "--folder",
              "/opt/driver"});
  do_quietly({"disable-device-node-modification"});
  do_quietly({"update-application-profile"});
  do_quietly({"chmod", "--mode", "755", "--path", "/opt/driver"});
  for (const char* idle : {"noop", "apply-cuda-memory-limits"}) {
    EXPECT_EQ(fixture_.run({idle}).status, 0) << idle;
  }
  expect_driver_found();
}

TEST_F(HookProgram, ChoosesCompatForTheCacheThatComesAfter) {
  fixture_.install_driver();
  fixture_.tree().directory("bundle/rootfs/usr/local/cuda/compat");
  fs::copy_file(GPUNODE_FIXTURE_LIBRARY,
                fixture_.root("usr/local/cuda/compat/libcuda.so.570.1"));
  const std::string note =
      fixture_.root("etc/ld.so.conf.d/00-gpunode-compat.conf");
  do_quietly({"enable-cuda-compat", "--host-driver-version", "550.1"});
  EXPECT_THAT(content(note), HasSubstr("\n/usr/local/cuda/compat\n"));
  do_quietly({"update-ldcache", "--folder", "/opt/driver"});
  EXPECT_THAT(content(fixture_.root("etc/ld.so.cache")),
              HasSubstr("/usr/local/cuda/compat/libcuda.so.570.1"));
  // The host has got a newer driver since.
  do_quietly({"enable-cuda-compat", "--host-driver-version", "580.1"});
  do_quietly({"update-ldcache", "--folder", "/opt/driver"});
  EXPECT_FALSE(fs::exists(note));
  EXPECT_THAT(content(fixture_.root("etc/ld.so.cache")),
              Not(HasSubstr("compat")));
}

TEST_F(HookProgram, StartedAHundredTimesLeavesOneTree) {
  fixture_.install_driver();
  const std::vector<std::string> arguments = {
      "apply",
      "--link",
      "libgpunode-fixture.so.1::/usr/lib/a",
      "--folder",
      "/opt/driver",
      "--host-driver-version",
      "550.1",
      "--application-profile"};
  do_quietly(arguments);
  const auto first = listing(fixture_.root());
  struct stat before {};
  ASSERT_EQ(::stat(fixture_.root("etc/ld.so.cache").c_str(), &before), 0);
  for (int i = 0; i < 100; ++i) do_quietly(arguments);
  EXPECT_EQ(listing(fixture_.root()), first);
  struct stat after {};
  ASSERT_EQ(::stat(fixture_.root("etc/ld.so.cache").c_str(), &after), 0);
  EXPECT_EQ(before.st_ino, after.st_ino) << "not even written again";
}

/// The driver's file in a procfs; a tmpfs at /proc/driver stands for a driver.
void mount_driver_proc(const std::string& proc) {
  const std::string driver = proc + "/driver";
  ASSERT_EQ(::mount("none", driver.c_str(), "tmpfs", 0, nullptr), 0);
  fs::create_directory(driver + "/nvidia");
  std::ofstream(driver + "/nvidia/params") << "A: 1\nModifyDeviceFiles: 1\n";
}

TEST_F(HookProgram, KeepsLibrariesFromMakingDeviceNodes) {
  IN_OWN_MOUNTS([&] {
    mount_driver_proc("/proc");
    ASSERT_EQ(
        ::mount("proc", fixture_.root("proc").c_str(), "proc", 0, nullptr), 0);
    mount_driver_proc(fixture_.root("proc"));
    for (int i = 0; i < 2; ++i) {
      do_quietly({"disable-device-node-modification"});
      EXPECT_EQ(content(fixture_.root("proc/driver/nvidia/params")),
                "A: 1\nModifyDeviceFiles: 0\n");
    }
    std::ofstream change(fixture_.root("proc/driver/nvidia/params"));
    EXPECT_FALSE(change.is_open()) << "it can be taken back";
    EXPECT_EQ(content("/proc/driver/nvidia/params"),
              "A: 1\nModifyDeviceFiles: 1\n");
  });
}

// By which each C library finds the driver's: a ConfigMap may be mounted there.
TEST_F(HookProgram, LeavesAFileThatTheContainerMountsAlone) {
  fixture_.install_driver();
  fixture_.file("lib/ld-musl-x86_64.so.1", "");
  for (const char* name : {"etc/ld.so.cache", "etc/ld-musl-x86_64.path"}) {
    fixture_.file(name, "");
    fixture_.file("opt/own", "/own\n");
    IN_OWN_MOUNTS([&] {
      ASSERT_EQ(::mount(fixture_.root("opt/own").c_str(),
                        fixture_.root(name).c_str(), nullptr, MS_BIND, nullptr),
                0);
      const auto done =
          fixture_.run({"update-ldcache", "--folder", "/opt/driver"});
      EXPECT_EQ(done.status, 0) << done.err;
      EXPECT_THAT(done.err, AllOf(HasSubstr(name),
                                  HasSubstr("mounts a file of its own")));
    });
    EXPECT_EQ(content(fixture_.root("opt/own")), "/own\n");
  }
}

TEST_F(HookProgram, RefusesAProcThatIsALink) {
  fixture_.remove("proc");
  fixture_.link("proc", "/opt");
  fixture_.file("opt/driver/nvidia/params", "ModifyDeviceFiles: 1\n");
  IN_OWN_MOUNTS([&] {
    mount_driver_proc("/proc");
    EXPECT_EQ(fixture_.run({"disable-device-node-modification"}).status, 1);
  });
}

TEST_F(HookProgram, LeavesAnEmptyRootEmpty) {
  for (const char* name : {"etc", "lib", "lib64", "bin", "opt"}) {
    fixture_.remove(name);
  }
  const auto before = listing(fixture_.root());
  do_quietly({"update-ldcache", "--folder", "/usr/lib64"});
  do_quietly({"apply", "--folder", "/usr/lib64", "--host-driver-version",
              "550.1", "--device-node-policy", "--application-profile"});
  EXPECT_EQ(listing(fixture_.root()), before);
}

TEST_F(HookProgram, TellsMuslWhereTheDriverIs) {
  fixture_.remove("lib64");
  fixture_.remove("lib");
  fixture_.file("lib/ld-musl-x86_64.so.1", "");
  do_quietly({"update-ldcache", "--folder", "/opt/driver"});
  EXPECT_EQ(content(fixture_.root("etc/ld-musl-x86_64.path")),
            "/lib:/usr/local/lib:/usr/lib\n/opt/driver\n");
}

/// A socket at /dev/log, in mounts of our own.
UniqueFd listen_at_dev_log() {
  UniqueFd log(::socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strcpy(address.sun_path, "/dev/log");
  EXPECT_EQ(::bind(log.get(), reinterpret_cast<const sockaddr*>(&address),
                   sizeof address),
            0);
  return log;
}

std::string next_datagram(const UniqueFd& log) {
  std::array<char, 4096> buffer{};
  const ssize_t size = ::recv(log.get(), buffer.data(), buffer.size(), 0);
  return size < 0 ? "" : std::string(buffer.data(), static_cast<size_t>(size));
}

TEST_F(HookProgram, SaysWhatItLeftUndoneWhereItIsKept) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root";
  fixture_.file("etc/ld.so.conf", "include /etc/evil*\n");
  fs::create_directory(fixture_.root("etc/evil\n"));
  IN_OWN_MOUNTS([&] {
    for (const char* place : {"/dev", "/etc"}) {
      ASSERT_EQ(::mount("none", place, "tmpfs", 0, nullptr), 0);
    }
    const UniqueFd log = listen_at_dev_log();
    const std::string file = fixture_.tree().path("bundle/runtime.log");
    fs::create_directory("/etc/nvidia-container-runtime");
    std::ofstream("/etc/nvidia-container-runtime/config.toml")
        << "[nvidia-container-runtime]\ndebug = \"" << file << "\"\n";

    const auto done =
        fixture_.run({"update-ldcache", "--folder", "/opt/driver"});
    EXPECT_EQ(done.status, 0) << done.err;
    const std::string said = "hook update-ldcache: ";
    const std::string where = fixture_.tree().path("bundle");
    EXPECT_THAT(content(file),
                testing::AllOf(HasSubstr("level=warning"), HasSubstr(said),
                               HasSubstr("evil\\\\x0a"), HasSubstr(where)));
    EXPECT_THAT(next_datagram(log),
                testing::AllOf(testing::StartsWith("<28>gpunode-runtime["),
                               HasSubstr(said), HasSubstr(where),
                               Not(HasSubstr("\n"))));

    // Why it failed as well: crun passes on nothing that a hook says.
    fixture_.tree().remove("bundle/runtime.log");
    EXPECT_EQ(
        fixture_.run_with_state({"noop"}, R"({"bundle":"/nonexistent/bundle"})")
            .status,
        0);
    EXPECT_EQ(next_datagram(log), "");
    EXPECT_EQ(
        fixture_
            .run_with_state({"apply"}, R"({"bundle":"/nonexistent/bundle"})")
            .status,
        1);
    EXPECT_THAT(content(file),
                testing::AllOf(HasSubstr("level=error"),
                               HasSubstr("/nonexistent/bundle/config.json")));
    EXPECT_THAT(next_datagram(log), HasSubstr("hook apply: "));

    // Nothing to say: no file is opened, nobody is told.
    fixture_.remove("etc/evil\n");
    fixture_.tree().remove("bundle/runtime.log");
    do_quietly({"update-ldcache", "--folder", "/opt/driver"});
    EXPECT_FALSE(fs::exists(file));
    EXPECT_EQ(next_datagram(log), "");
  });
}

}  // namespace
}  // namespace gpunode::runtime
