// `gpunode distributions`, and a drop-in that adds one to the table.
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/host/command_runner.h"
#include "base/host/host_tree.h"

namespace gpunode::integration {
namespace {

using host::Completed;
using host::HostTree;
using nlohmann::json;
using testing::AllOf;
using testing::ContainsRegex;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

constexpr const char* kHead =
    "apiVersion: gpunode.dev/v1alpha1\nkind: GPUNode\n";
constexpr const char* kRocky11 =
    "spec:\n"
    "  distributions:\n"
    "    - id: rocky\n"
    "      version: \"11\"\n"
    "      like: rocky 9\n"
    "      repository: rhel11\n";

/// `gpunode` over a recorded host that has become a Rocky 11.
class Distributions : public testing::Test {
 protected:
  Distributions() {
    std::filesystem::copy(std::string(HOST_FIXTURES) + "/g5-rocky8",
                          tree_.path(),
                          std::filesystem::copy_options::recursive |
                              std::filesystem::copy_options::copy_symlinks);
    std::filesystem::remove(tree_.path("etc/os-release"));
    tree_.file("etc/os-release",
               "ID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"\n"
               "VERSION_ID=\"11.0\"\n");
    tree_.file("etc/gpunode/node.yaml",
               std::string(kHead) + "spec: {driver: {}}\n");
  }

  Completed run(std::vector<std::string> words) const {
    host::Command command;
    command.argv = {GPUNODE};
    command.argv.insert(command.argv.end(), words.begin(), words.end());
    host::SystemCommandRunner runner;
    auto done = runner.run(command);
    EXPECT_TRUE(done) << done.error().message();
    return done ? *done : Completed{-1, "", ""};
  }

  Completed of_file(std::vector<std::string> words) const {
    words.insert(words.begin(), "distributions");
    words.insert(words.end(),
                 {"-f", "/etc/gpunode/node.yaml", "--root", tree_.path()});
    return run(std::move(words));
  }

  Completed plan() const {
    return run({"plan", "--all", "--no-diff", "--root", tree_.path(),
                "--ignore-preflight=all"});
  }

  HostTree tree_;
};

TEST_F(Distributions, AreToldInATableAndEachInFull) {
  const Completed all = run({"distributions"});
  EXPECT_EQ(all.status, 0) << all.err;
  EXPECT_THAT(all.out,
              AllOf(StartsWith("DISTRIBUTION"),
                    ContainsRegex("\nsles 16 +zypper +suse16 "),
                    HasSubstr("\namzn 2: no driver"), Not(HasSubstr("\x1b"))));
  const Completed one = run({"distributions", "rocky-8.9"});
  EXPECT_EQ(one.status, 0) << one.err;
  EXPECT_THAT(one.out, AllOf(StartsWith("rocky 8\n"), HasSubstr("powertools")));
  const Completed none = run({"distributions", "rokcy-8"});
  EXPECT_EQ(none.status, 1);
  EXPECT_THAT(none.err, HasSubstr("did you mean \"rocky-8\"?"));
  EXPECT_EQ(none.out, "");
  EXPECT_EQ(run({"distributions", "--json", "--yaml"}).status, 64);
}

TEST_F(Distributions, OfTheFileAreInAndMarked) {
  tree_.file("etc/gpunode/conf.d/rocky11.yaml", kRocky11);
  EXPECT_THAT(of_file({}).out, ContainsRegex("\nrocky 11 \\* +dnf +rhel11 "));
  EXPECT_THAT(of_file({"rocky-11"}).out,
              StartsWith("rocky 11 (as the file says, like rocky 9)\n"));
  const json told = json::parse(of_file({"rocky", "--json"}).out);
  EXPECT_EQ(told["distributions"][3]["source"], "file");
  // Without the file it is not there.
  EXPECT_EQ(run({"distributions", "rocky-11"}).status, 1);
}

TEST_F(Distributions, ADropInGivesAHostThatNobodyKnewItsPlan) {
  const Completed before = plan();
  EXPECT_THAT(before.out, HasSubstr("newer than this version of gpunode"));
  EXPECT_THAT(before.out, Not(HasSubstr("rhel11")));
  tree_.file("etc/gpunode/conf.d/rocky11.yaml", kRocky11);
  const Completed after = plan();
  EXPECT_THAT(after.out, Not(HasSubstr("newer than this version of gpunode")));
  EXPECT_THAT(after.out, HasSubstr("repos/rhel11/x86_64/D42D0685.pub"));
  EXPECT_THAT(after.out, HasSubstr("nvidia-driver-cuda"));
}

TEST_F(Distributions, WhatIsPrintedIsADropInToStartFrom) {
  Completed yaml = run({"distributions", "rocky-9", "--yaml"});
  ASSERT_EQ(yaml.status, 0) << yaml.err;
  const std::string was = "version: \"9\"";
  const std::size_t at = yaml.out.find(was);
  ASSERT_NE(at, std::string::npos) << yaml.out;
  yaml.out.replace(at, was.size(), "version: \"11\"");
  tree_.file("etc/gpunode/conf.d/rocky11.yaml", yaml.out);
  const Completed valid = run({"validate", "--root", tree_.path()});
  EXPECT_EQ(valid.status, 0) << valid.err;
  EXPECT_THAT(plan().out, HasSubstr("repos/rhel9/x86_64/D42D0685.pub"));
}

TEST_F(Distributions, WhatCanNotBeIsToldWithItsPlace) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"      packageManager: dfn\n",
       "conf.d/rocky11.yaml:7:23: spec.distributions[0].packageManager: must "
       "be one of apt, dnf, dnf5, yum, zypper (\"dfn\": did you mean "
       "\"dnf\"?)"},
      {"      repositry: rhel11\n",
       "conf.d/rocky11.yaml:7:7: unknown key \"repositry\" in "
       "spec.distributions[0] (did you mean \"repository\"?)"},
      {"      packageManager: zypper\n",
       "conf.d/rocky11.yaml:7:23: spec.distributions[0].packageManager: zypper "
       "contradicts the packages of modular"},
  };
  for (const auto& [line, words] : cases) {
    tree_.file("etc/gpunode/conf.d/rocky11.yaml", kRocky11 + line);
    for (const Completed& done :
         {of_file({}), run({"validate", "--root", tree_.path()})}) {
      EXPECT_EQ(done.status, 1) << line;
      EXPECT_THAT(done.err, HasSubstr(words));
    }
  }
  tree_.file("etc/gpunode/conf.d/rocky11.yaml", kRocky11);
  tree_.file("etc/gpunode/conf.d/other.yaml",
             "spec: {distributions: [{id: rocky, version: \"9\"}]}\n");
  EXPECT_THAT(of_file({}).err,
              AllOf(HasSubstr("other.yaml"), HasSubstr("rocky11.yaml"),
                    HasSubstr("contradicts")));
}

}  // namespace
}  // namespace gpunode::integration
