#include "apps/runtime/hook_fixture.h"

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string_view>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gpunode::runtime {
namespace {

namespace fs = std::filesystem;

#if defined(__x86_64__)
constexpr const char* kLoader = "/lib64/ld-linux-x86-64.so.2";
constexpr const char* kTriplet = "x86_64-linux-gnu";
#else
constexpr const char* kLoader = "/lib/ld-linux-aarch64.so.1";
constexpr const char* kTriplet = "aarch64-linux-gnu";
#endif

std::string content(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

/// The C library that this machine's own programs use.
fs::path libc() {
  for (const std::string& directory :
       {std::string("/lib/") + kTriplet, std::string("/lib64"),
        std::string("/usr/lib")}) {
    fs::path path = directory + "/libc.so.6";
    if (fs::exists(path)) return path;
  }
  return kLoader;
}

}  // namespace

std::map<std::string, std::string> listing(const std::string& path) {
  std::map<std::string, std::string> found;
  for (const auto& entry : fs::recursive_directory_iterator(path)) {
    struct stat status {};
    ::lstat(entry.path().c_str(), &status);
    std::string what = std::to_string(status.st_mode) + " ";
    if (entry.is_symlink()) {
      what += fs::read_symlink(entry.path()).string();
    } else if (entry.is_regular_file()) {
      what += content(entry.path());
    }
    found[entry.path().string()] = what;
  }
  return found;
}

HookFixture::HookFixture(With with) {
  tree_.file("outside/file", "outside");
  tree_.file("outside/etc/ld.so.cache", "outside");
  tree_.file("outside/etc/ld.so.conf", "/outside\n");
  for (const char* name : {"driver", "bundle/rootfs/proc", "bundle/rootfs/dev",
                           "bundle/rootfs/opt/driver"}) {
    tree_.directory(name);
  }
  file(kLoader, "");
  file(std::string("lib/") + kTriplet + "/libc.so.6", "");
  file("bin/asks-driver", "");
  file("etc/ld.so.conf", "include /etc/ld.so.conf.d/*.conf\n");
  const auto copy = [](const fs::path& from, const fs::path& to) {
    fs::copy_file(from, to, fs::copy_options::overwrite_existing);
  };
  copy(GPUNODE_FIXTURE_LIBRARY,
       tree_.path(std::string("driver/") + kFixtureFile));
  if (with == With::kNames) return;
  copy(kLoader, root(kLoader));
  copy(libc(), root(std::string("lib/") + kTriplet + "/libc.so.6"));
  copy(GPUNODE_FIXTURE_PROGRAM, root("bin/asks-driver"));
  fs::permissions(root("bin/asks-driver"), fs::perms(0755));
  fs::permissions(root(kLoader), fs::perms(0755));
}

void HookFixture::install_driver() const {
  fs::copy_file(GPUNODE_FIXTURE_LIBRARY,
                root(std::string("opt/driver/") + kFixtureFile),
                fs::copy_options::overwrite_existing);
}

void HookFixture::give_root_to(unsigned user) const {
  fs::permissions(tree_.path(), fs::perms(0755));
  static_cast<void>(!::lchown(root().c_str(), user, user));
  for (const auto& entry : fs::recursive_directory_iterator(root())) {
    static_cast<void>(!::lchown(entry.path().c_str(), user, user));
  }
}

std::string HookFixture::state() const {
  return R"({"ociVersion":"1.0.2","id":"x","status":"creating","pid":1,)"
         R"("bundle":")" +
         tree_.path("bundle") + R"(","root":")" + tree_.path("bundle/rootfs") +
         "\"}";
}

host::Completed HookFixture::run(
    const std::vector<std::string>& arguments,
    const std::vector<std::string>& environment) const {
  return run_with_state(arguments, state(), environment);
}

host::Completed HookFixture::run_with_state(
    const std::vector<std::string>& arguments, const std::string& state,
    const std::vector<std::string>& environment) const {
  host::SystemCommandRunner runner;
  host::Command command;
  command.argv = {GPUNODE_RUNTIME, "hook"};
  command.argv.insert(command.argv.end(), arguments.begin(), arguments.end());
  command.env = environment;
  command.input = state;
  auto done = runner.run(command);
  if (!done) {
    ADD_FAILURE() << done.error().message();
    return {255, "", done.error().message()};
  }
  return *std::move(done);
}

int HookFixture::ask_driver() const {
  const std::string path = tree_.path("bundle/rootfs");
  const pid_t child = ::fork();
  if (child == 0) {
    if (::chroot(path.c_str()) != 0 || ::chdir("/") != 0) ::_exit(200);
    std::string name = "asks-driver";
    const std::array<char*, 2> argv = {name.data(), nullptr};
    const std::array<char*, 1> environment = {nullptr};
    ::execve("/bin/asks-driver", argv.data(), environment.data());
    ::_exit(201);
  }
  int status = 0;
  if (child < 0 || ::waitpid(child, &status, 0) != child) return -2;
  if (!WIFEXITED(status)) return -3;
  return WEXITSTATUS(status) == 200 ? -1 : WEXITSTATUS(status);
}

void HookFixture::expect_outside_as_it_was() const {
  std::map<std::string, std::string> outside = listing(tree_.path("outside"));
  EXPECT_EQ(outside.size(), 4U);
  EXPECT_EQ(content(tree_.path("outside/file")), "outside");
  EXPECT_EQ(content(tree_.path("outside/etc/ld.so.cache")), "outside");
  EXPECT_EQ(content(tree_.path("outside/etc/ld.so.conf")), "/outside\n");
  std::vector<std::string> beside;
  for (const auto& entry : fs::directory_iterator(tree_.path())) {
    beside.push_back(entry.path().filename().string());
  }
  EXPECT_THAT(beside,
              testing::UnorderedElementsAre("bundle", "driver", "outside"));
}

}  // namespace gpunode::runtime
