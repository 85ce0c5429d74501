#include "node/provision/build_actions.h"

#include <filesystem>
#include <functional>
#include <string>
#include <system_error>
#include <utility>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/host/host_tree.h"

namespace gpunode::provision {
namespace {

using host::Completed;
using host::HostTree;
using testing::HasSubstr;

constexpr const char* kKernel = "4.18.0-513.5.1.el8_9.x86_64";

std::string module_for(const std::string& kernel) {
  using namespace std::string_literals;
  return "\x7f"
         "ELF\0license=GPL\0vermagic="s +
         kernel + " SMP mod_unload modversions \0name=x\0"s;
}

/// make, as far as it matters: what it leaves in the directory it is given.
class Make final : public host::CommandRunner {
 public:
  using Work = std::function<Result<Completed>(const std::string& directory)>;
  explicit Make(Work work) : work_(std::move(work)) {}

  Result<Completed> run(const host::Command& command) override {
    last = command;
    return work_(command.argv.at(3).substr(2));
  }

  host::Command last;

 private:
  Work work_;
};

class ProveBuildTest : public testing::Test {
 protected:
  ProveBuildTest() {
    host_.file(std::string("lib/modules/") + kKernel + "/build/Makefile", "");
  }

  bool has_directory() const { return host_.root().exists(kProofDirectory); }

  Result<void> prove(Make& make, const std::string& compiler = "") const {
    return BuildActions(host_.root(), make).perform({kKernel, compiler});
  }

  std::string inside(const std::string& name) const {
    return std::string(kProofDirectory).substr(1) + "/" + name;
  }

  HostTree host_;
};

TEST_F(ProveBuildTest, AModuleOfThisKernelIsTheProof) {
  Make make([&](const std::string& directory) -> Result<Completed> {
    EXPECT_EQ(directory, host_.path() + kProofDirectory);
    const auto status = host_.root().status(kProofDirectory);
    EXPECT_TRUE(status);
    EXPECT_EQ(status->mode, 0700U);
    EXPECT_EQ(*host_.root().read_file(inside("Makefile")),
              "obj-m := gpunode_probe.o\n");
    EXPECT_THAT(*host_.root().read_file(inside("gpunode_probe.c")),
                HasSubstr("MODULE_LICENSE(\"GPL\")"));
    host_.file(inside("gpunode_probe.ko"), module_for(kKernel));
    return Completed{};
  });
  const auto proved = prove(make);
  EXPECT_TRUE(proved) << proved.error().message();
  EXPECT_FALSE(has_directory());
  EXPECT_EQ(host::command_line(make.last),
            "/usr/bin/make -C " + host_.path() + "/lib/modules/" + kKernel +
                "/build M=" + host_.path() + kProofDirectory + " modules");
}

TEST_F(ProveBuildTest, ACompilerIsGivenWithWhatLiesBesideIt) {
  Make make([&](const std::string&) -> Result<Completed> {
    host_.file(inside("gpunode_probe.ko"), module_for(kKernel));
    return Completed{};
  });
  EXPECT_TRUE(prove(make, "/opt/rh/gcc-toolset-11/root/usr/bin/gcc"));
  EXPECT_THAT(make.last.argv,
              testing::Contains("CC=/opt/rh/gcc-toolset-11/root/usr/bin/gcc"));
  EXPECT_THAT(
      make.last.env,
      testing::Contains("PATH=/opt/rh/gcc-toolset-11/root/usr/bin:/usr/sbin:"
                        "/usr/bin:/sbin:/bin"));
}

TEST_F(ProveBuildTest, AnErrorHasWhatTheCompilerSaid) {
  Make make([](const std::string&) -> Result<Completed> {
    return Completed{2, "",
                     "cc1: error: unrecognized option '-fzero'\n"
                     "make: *** [all] Error 2\n"};
  });
  const auto proved = prove(make);
  ASSERT_FALSE(proved);
  EXPECT_THAT(proved.error().message(),
              HasSubstr("no module can be built for the kernel"));
  EXPECT_THAT(proved.error().message(), HasSubstr("unrecognized option"));
  EXPECT_FALSE(has_directory());
}

// open-gpu-kernel-modules issue 805: make ends well, and nothing was built.
TEST_F(ProveBuildTest, AnEndWithoutAModuleIsNoProof) {
  Make make(
      [](const std::string&) -> Result<Completed> { return Completed{}; });
  const auto proved = prove(make);
  ASSERT_FALSE(proved);
  EXPECT_THAT(proved.error().message(), HasSubstr("there is no module"));
}

TEST_F(ProveBuildTest, AModuleForAnotherKernelIsNoProof) {
  Make make([&](const std::string&) -> Result<Completed> {
    // A longer one that begins the same is another one, too.
    host_.file(inside("gpunode_probe.ko"),
               module_for(std::string(kKernel) + "+debug"));
    return Completed{};
  });
  const auto proved = prove(make);
  ASSERT_FALSE(proved);
  EXPECT_THAT(proved.error().message(), HasSubstr("x86_64+debug\""));
}

TEST_F(ProveBuildTest, ADanglingLinkIsToldBeforeAnythingRuns) {
  host_.remove(std::string("lib/modules/") + kKernel + "/build");
  host_.link(std::string("lib/modules/") + kKernel + "/build",
             "/usr/src/kernels/gone");
  Make make([](const std::string&) -> Result<Completed> {
    ADD_FAILURE() << "make ran";
    return Completed{};
  });
  const auto proved = prove(make);
  ASSERT_FALSE(proved);
  EXPECT_EQ(proved.error().code(), ErrorCode::kNotFound);
  EXPECT_THAT(proved.error().message(), HasSubstr("devel package is missing"));
}

TEST_F(ProveBuildTest, WhatAKilledRunLeftIsNoProof) {
  host_.file(inside("gpunode_probe.ko"), module_for(kKernel));
  Make make(
      [](const std::string&) -> Result<Completed> { return Completed{}; });
  EXPECT_FALSE(prove(make));
}

TEST_F(ProveBuildTest, ANameThatLeadsElsewhereIsNoRelease) {
  Make make(
      [](const std::string&) -> Result<Completed> { return Completed{}; });
  const auto proved =
      BuildActions(host_.root(), make).perform(ProveBuild{"../../tmp", ""});
  ASSERT_FALSE(proved);
  EXPECT_EQ(proved.error().code(), ErrorCode::kInvalidArgument);
}

/// Debian's tree of headers on this machine, "" if there is none: the part of
/// one flavour, whose Makefile names the rest by its whole path.
std::filesystem::path headers_of_this_machine() {
  std::error_code ignored;
  for (const auto& entry :
       std::filesystem::directory_iterator("/usr/src", ignored)) {
    const std::string name = entry.path().filename();
    if (name.starts_with("linux-headers-") && !name.ends_with("-common") &&
        std::filesystem::exists(entry.path() /
                                "include/generated/utsrelease.h")) {
      return entry.path();
    }
  }
  return {};
}

// The real make and the real compiler, against real headers.
TEST(ProveBuildReal, AModuleIsBuiltWhereThisMachineHasHeaders) {
  const std::filesystem::path headers = headers_of_this_machine();
  if (headers.empty()) {
    GTEST_SKIP() << "no kernel headers below /usr/src: install "
                    "linux-headers-cloud-amd64";
  }
  const std::string release =
      headers.filename().string().substr(std::string("linux-headers-").size());
  const HostTree host;
  const std::string modules = "lib/modules/" + release;
  host.directory(modules);
  // Links to what is beside it are followed.
  std::filesystem::copy(headers, host.path(modules + "/build"),
                        std::filesystem::copy_options::recursive);
  host::SystemCommandRunner runner;
  const BuildActions builds(host.root(), runner);
  const auto proved = builds.perform(ProveBuild{release, ""});
  EXPECT_TRUE(proved) << proved.error().message();

  // What cannot be compiled is told in the compiler's words.
  const std::string header = "/build/include/generated/autoconf.h";
  host.file(modules + header, "#error no kernel is like this\n");
  const auto failed = builds.perform(ProveBuild{release, ""});
  ASSERT_FALSE(failed);
  EXPECT_THAT(failed.error().message(), HasSubstr("no kernel is like this"));
}

}  // namespace
}  // namespace gpunode::provision
