// T1: a container made by the real runc through gpunode-runtime. Its only
// program comes in by a CDI mount, so it runs if, and only if, runc took the
// config.json that we wrote.
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/core/unique_fd.h"
#include "tests/integration/runtime_process.h"

namespace gpunode::runtime {
namespace {

using testing::HasSubstr;

class RuncTest : public RuntimeProcess {
 protected:
  RuncTest() {
    for (const char* path : {"/usr/sbin/runc", "/usr/bin/runc"}) {
      if (std::filesystem::exists(path)) runc_ = path;
    }
    write_toml("[nvidia-container-runtime]\nruntimes = [\"" + runc_ +
               "\"]\n[nvidia-container-runtime.modes.cdi]\nspec-dirs = [\"" +
               tree_.path("cdi") + "\"]\n");
    tree_.directory("bundle/rootfs/proc");
    tree_.directory("bundle/rootfs/dev");
    tree_.directory("runc");
  }

  void write_bundle(const std::string& variable) const {
    write_config(
        R"({"ociVersion":"1.0.2","process":{"user":{"uid":0,"gid":0},
      "args":["/probe","said"],"env":[")" +
        variable +
        R"("],"cwd":"/"},"root":{"path":"rootfs"},"mounts":[
      {"destination":"/proc","type":"proc","source":"proc"},
      {"destination":"/dev","type":"tmpfs","source":"tmpfs"}],
      "linux":{"cgroupsPath":"/gpunode-runc-test-)" +
        std::to_string(::getpid()) + R"(","namespaces":[{"type":"pid"},
      {"type":"ipc"},{"type":"uts"},{"type":"mount"}]}})");
  }

  /// create, start, and what the container printed; or why there was none.
  std::string say(const std::string& program) {
    const std::string pipe = tree_.path("output");
    tree_.remove("output");
    EXPECT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
    const UniqueFd output(
        ::open(pipe.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
    const std::string root = "--root " + tree_.path("runc") + " ";
    // The container's init keeps the standard output that it was made with.
    const host::Completed created =
        run("/bin/sh", {"-c", program + " " + root + "create --bundle " +
                                  tree_.path("bundle") + " c > " + pipe});
    if (created.status != 0) return "create: " + created.err;
    const host::Completed started =
        run(program, {"--root", tree_.path("runc"), "start", "c"});
    std::string text = started.status != 0 ? "start: " + started.err : "";
    pollfd ready{output.get(), POLLIN, 0};
    std::array<char, 4096> chunk{};
    while (::poll(&ready, 1, 30'000) > 0) {
      const ssize_t n = ::read(output.get(), chunk.data(), chunk.size());
      if (n <= 0) break;
      text.append(chunk.data(), static_cast<std::size_t>(n));
    }
    run(program, {"--root", tree_.path("runc"), "delete", "--force", "c"});
    return text;
  }

  std::string runc_;
};

TEST_F(RuncTest, TheRealRuncMakesTheContainerThatWeDescribe) {
  if (runc_.empty()) GTEST_SKIP() << "no runc on this machine";
  std::filesystem::copy_file(FAKE_RUNC, tree_.path("bundle/rootfs/probe"));
  write_bundle("FAKE_RUNC_MARK=plain");
  const std::string plain = say(runc_);
  if (plain != "/probe\nsaid\nFAKE_RUNC_MARK=plain\n") {
    GTEST_SKIP() << "runc makes no container here: " << plain;
  }

  tree_.remove("bundle/rootfs/probe");
  tree_.file("cdi/a.json",
             R"({"cdiVersion":"0.5.0","kind":"a.com/b","devices":[{"name":"c",
    "containerEdits":{"env":["FAKE_RUNC_MARK=injected"],
    "deviceNodes":[{"path":"/dev/gpu9","hostPath":"/dev/null"}],
    "mounts":[{"hostPath":")" FAKE_RUNC
             R"(","containerPath":"/probe","options":["ro","bind"]}]}}]})");
  write_bundle("NVIDIA_VISIBLE_DEVICES=a.com/b=c");
  EXPECT_EQ(say(shim()), "/probe\nsaid\nFAKE_RUNC_MARK=injected\n");
  EXPECT_THAT(read_config(), HasSubstr("/dev/gpu9"));

  write_bundle("NVIDIA_VISIBLE_DEVICES=a.com/b=z");
  EXPECT_THAT(say(shim()), HasSubstr("unresolvable CDI devices a.com/b=z"));
}

}  // namespace
}  // namespace gpunode::runtime
