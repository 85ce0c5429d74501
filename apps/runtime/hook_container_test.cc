// The hook in containers that the real runc makes: glibc's root, one without
// links or configuration, musl's, an empty one, one that cannot be written to,
// and one with hostile links; as root and in a user namespace.
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

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

using testing::HasSubstr;

namespace fs = std::filesystem;

std::string find_runc() {
  for (const char* path : {"/usr/local/sbin/runc", "/usr/local/bin/runc",
                           "/usr/sbin/runc", "/usr/bin/runc"}) {
    if (::access(path, X_OK) == 0) return path;
  }
  return "";
}

std::string quoted_list(const std::vector<std::string>& values) {
  std::string list;
  for (const std::string& value : values) {
    list += (list.empty() ? "\"" : ",\"") + value + "\"";
  }
  return "[" + list + "]";
}

/// How one container differs from the plain one.
struct Container {
  std::string program = "/bin/asks-driver";
  std::vector<std::string> hook = {
      "gpunode-runtime",
      "hook",
      "apply",
      "--link",
      "libgpunode-fixture.so.1::/opt/driver/libgpunode-fixture.so",
      "--folder",
      "/opt/driver",
      "--host-driver-version",
      "550.1",
      "--device-node-policy",
      "--application-profile"};
  bool read_only = false;
  bool user_namespace = false;
  /// Where the driver's library is mounted, in the container.
  std::string driver = std::string("/opt/driver/") + kFixtureFile;
};

// Root of a container in a user namespace, on the host.
constexpr unsigned kMappedRoot = 100000;

class HookContainer : public testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0 || find_runc().empty()) {
      GTEST_SKIP() << "needs root and runc";
    }
    write(
        {.program = "/bin/none", .hook = {"gpunode-runtime", "hook", "noop"}});
    const auto done = run();
    // A runtime that gets as far as its program works here.
    if (done.err.find("/bin/none") == std::string::npos) {
      GTEST_SKIP() << "runc makes no containers here: " << done.err;
    }
  }

  void write(const Container& container) const {
    const std::string mapping = R"([{"containerID":0,"hostID":)" +
                                std::to_string(kMappedRoot) +
                                R"(,"size":65536}])";
    std::string config =
        R"({"ociVersion":"1.0.2","process":{"terminal":false,"user":{"uid":0,)"
        R"("gid":0},"args":[")" +
        container.program +
        R"("],"env":["PATH=/bin","LD_PRELOAD=)" GPUNODE_EVIL_LIBRARY
        R"("],"cwd":"/"},"root":{"path":"rootfs","readonly":)" +
        (container.read_only ? "true" : "false") +
        R"(},"hooks":{"createContainer":[{"path":")" GPUNODE_RUNTIME
        R"(","args":)" +
        quoted_list(container.hook) +
        R"(,"env":["PATH=/usr/sbin:/usr/bin:/sbin:/bin"]}]},"mounts":[)"
        R"({"destination":"/proc","type":"proc","source":"proc"},)"
        R"({"destination":"/dev","type":"tmpfs","source":"tmpfs",)"
        R"("options":["nosuid","mode=755"]},{"destination":")" +
        container.driver + R"(","type":"bind","source":")" +
        fixture_.tree().path(std::string("driver/") + kFixtureFile) +
        R"(","options":["bind","ro","nosuid","nodev"]}],"linux":{)"
        R"("namespaces":[{"type":"pid"},{"type":"ipc"},{"type":"uts"},)"
        R"({"type":"mount"})" +
        (container.user_namespace
             ? R"(,{"type":"user"}],"uidMappings":)" + mapping +
                   R"(,"gidMappings":)" + mapping + "}}"
             : "]}}");
    fixture_.tree().file("bundle/config.json", config);
  }

  host::Completed run() const {
    host::SystemCommandRunner runner;
    host::Command command;
    command.argv = {find_runc(),
                    "--root",
                    fixture_.tree().path("bundle/state"),
                    "run",
                    "--bundle",
                    fixture_.tree().path("bundle"),
                    "gpunode-hook-" + std::to_string(::getpid())};
    auto done = runner.run(command);
    if (!done) return {255, "", done.error().message()};
    return *std::move(done);
  }

  /// The container's program found the driver.
  void expect_works(const Container& container) const {
    write(container);
    const auto done = run();
    EXPECT_EQ(done.status, 0) << done.err;
    fixture_.expect_outside_as_it_was();
  }

  const HookFixture fixture_;
};

TEST_F(HookContainer, FindsTheDriver) {
  expect_works({});
}

TEST_F(HookContainer, FindsTheDriverUnderNvidiasNames) {
  expect_works({.hook = {"gpunode-runtime", "hook", "update-ldcache",
                         "--folder", "/opt/driver"}});
}

TEST_F(HookContainer, DoesNotFindTheDriverWithoutTheHook) {
  write({.hook = {"gpunode-runtime", "hook", "noop"}});
  const auto done = run();
  EXPECT_EQ(done.status, 127);
  EXPECT_THAT(done.err, HasSubstr("libgpunode-fixture.so.1"));
}

TEST_F(HookContainer, FindsTheDriverInADistrolessRoot) {
  fixture_.remove("etc");
  expect_works({});
}

TEST_F(HookContainer, FindsTheDriverInASystemDirectory) {
  const std::string folder = "/usr/lib/x86_64-linux-gnu";
  expect_works(
      {.hook = {"gpunode-runtime", "hook", "apply", "--folder", folder},
       .driver = folder + "/" + kFixtureFile});
}

TEST_F(HookContainer, FindsTheDriverWithARootThatBecomesReadOnly) {
  expect_works({.read_only = true});
}

TEST_F(HookContainer, FindsTheDriverInAUserNamespace) {
  fixture_.give_root_to(kMappedRoot);
  write({.program = "/bin/none",
         .hook = {"gpunode-runtime", "hook", "noop"},
         .user_namespace = true});
  const auto probe = run();
  if (probe.err.find("/bin/none") == std::string::npos) {
    GTEST_SKIP() << "no user namespaces here: " << probe.err;
  }
  expect_works({.user_namespace = true});
}

TEST_F(HookContainer, StartsAHundredTimesTheSame) {
  expect_works({});
  const auto first = listing(fixture_.root());
  for (int i = 0; i < 99; ++i) {
    ASSERT_EQ(run().status, 0);
  }
  EXPECT_EQ(listing(fixture_.root()), first);
}

TEST_F(HookContainer, FindsTheDriverOnADiskThatCannotBeWritten) {
  // The image has the places to mount over, as it must; not the links.
  fixture_.file(std::string("opt/driver/") + kFixtureFile, "");
  fixture_.file("etc/ld.so.cache", "");
  IN_OWN_MOUNTS(([&] {
    const std::string root = fixture_.tree().path("bundle/rootfs");
    ASSERT_EQ(::mount(root.c_str(), root.c_str(), nullptr, MS_BIND, nullptr),
              0);
    ASSERT_EQ(::mount(nullptr, root.c_str(), nullptr,
                      MS_REMOUNT | MS_BIND | MS_RDONLY, nullptr),
              0);
    write({});
    const auto done = run();
    EXPECT_EQ(done.status, 0) << done.err;
  }));
  EXPECT_EQ(fs::file_size(fixture_.root("etc/ld.so.cache")), 0U);
}

TEST_F(HookContainer, OfMuslOrNothingStarts) {
  for (const bool is_musl : {true, false}) {
    for (const char* name : {"etc", "lib", "lib64"}) fixture_.remove(name);
    if (is_musl) fixture_.file("lib/ld-musl-x86_64.so.1", "");
    // There is no program to run: getting as far as looking for it is enough.
    write({.program = "/bin/none"});
    EXPECT_THAT(run().err, HasSubstr("/bin/none"));
    EXPECT_EQ(fs::exists(fixture_.root("etc/ld-musl-x86_64.path")), is_musl);
    EXPECT_FALSE(fs::exists(fixture_.root("etc/ld.so.cache")));
  }
}

TEST_F(HookContainer, WithHostileLinksHarmsNobody) {
  fixture_.remove("etc");
  fixture_.link("etc", fixture_.tree().path("outside/etc"));
  fixture_.link("usr/lib", "../../../outside");
  fixture_.file("sbin/ldconfig",
                "#!/bin/sh\ntouch " + fixture_.tree().path("outside/marker"));
  fs::permissions(fixture_.root("sbin/ldconfig"), fs::perms::all);
  write({});
  static_cast<void>(run());
  fixture_.expect_outside_as_it_was();
}

}  // namespace
}  // namespace gpunode::runtime
