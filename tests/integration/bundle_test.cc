// `gpunode bundle`: what it refuses and why, and --check of a directory.
// Fetching with real managers is tests/packages/offline_test.cc.
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/digest/digest.h"
#include "base/host/command_runner.h"
#include "base/host/host_tree.h"

namespace gpunode::integration {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

host::Completed run(std::vector<std::string> words) {
  host::Command command;
  command.argv = {GPUNODE};
  command.argv.insert(command.argv.end(), words.begin(), words.end());
  command.timeout = std::chrono::minutes(2);
  host::SystemCommandRunner runner;
  auto done = runner.run(command);
  EXPECT_TRUE(done) << done.error().message();
  return done ? *done : host::Completed{-1, "", ""};
}

/// A bundle of one file.
class BundleVerb : public testing::Test {
 protected:
  BundleVerb() {
    const std::string manifest =
        R"({"version": 2, "distribution": "rocky",)"
        R"( "distributionVersion": "8.9", "machine": "x86_64", "wanted": [],)"
        R"( "steps": [{"step": "driver.packages", "packages": ["a=580.1"]}],)"
        R"( "lacks": [{"step": "driver.hold", "why": "no\\u001b[2J plugin"}],)"
        R"( "packages": [], "keys": [], "images": []})";
    tree_.file("b/bundle.json", manifest);
    tree_.file("b/packages/a.rpm", "a");
    sums_ = digest::sha256(manifest) + "  bundle.json\n" + digest::sha256("a") +
            "  packages/a.rpm\n";
    tree_.file("b/SHA256SUMS", sums_);
  }

  host::Completed check() {
    return run({"bundle", tree_.path("b"), "--check", digest::sha256(sums_)});
  }

  host::HostTree tree_;
  std::string sums_;
};

TEST_F(BundleVerb, SaysThatADirectoryIsAsItWasMade) {
  const host::Completed done = check();
  EXPECT_EQ(done.status, 0) << done.err;
  EXPECT_THAT(done.out, HasSubstr("is as it was made, for rocky 8.9 x86_64.\n"
                                  "  driver.packages: a=580.1\n"
                                  "  LACKS driver.hold: no"));
  EXPECT_THAT(done.out, Not(HasSubstr("\x1b")));
}

TEST_F(BundleVerb, NamesTheFileThatWasChangedOnTheWay) {
  tree_.file("b/packages/a.rpm", "b");
  const host::Completed done = check();
  EXPECT_EQ(done.status, 1);
  EXPECT_THAT(done.err, AllOf(HasSubstr("packages/a.rpm is not what"),
                              HasSubstr("make it anew")));
}

TEST_F(BundleVerb, IsNotMadeForAHostOfAnotherDistribution) {
  tree_.file("node.yaml", "apiVersion: gpunode.dev/v1alpha1\nkind: GPUNode\n");
  const std::string host = tree_.path("host.tar");
  ASSERT_EQ(run({"facts", "--root", std::string(HOST_FIXTURES) + "/vfio-bound",
                 "--export", host})
                .status,
            0);
  const host::Completed done =
      run({"bundle", tree_.path("new"), "-f", tree_.path("node.yaml"), "--from",
           host, "--package", "socat"});
  EXPECT_EQ(done.status, 1);
  EXPECT_THAT(done.err, AllOf(HasSubstr("rhel 9 x86_64"),
                              HasSubstr("container of its distribution")));
}

TEST_F(BundleVerb, IsNotMadeWithoutAFile) {
  const host::Completed done =
      run({"bundle", tree_.path("new"), "-f", tree_.path("none.yaml")});
  EXPECT_EQ(done.status, 1);
  EXPECT_THAT(done.err, HasSubstr("gpunode init"));
}

}  // namespace
}  // namespace gpunode::integration
