// GPUNode files and hosts that `gpunode validate` and `plan` can only refuse:
// each with what, where and what next, its exit code, and nothing changed.
#include <algorithm>
#include <filesystem>
#include <string>
#include <system_error>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/host/command_runner.h"
#include "base/host/host_tree.h"

namespace gpunode::integration {
namespace {

using host::Completed;
using host::HostTree;
using testing::AllOf;
using testing::HasSubstr;

constexpr const char* kHead =
    "apiVersion: gpunode.dev/v1alpha1\nkind: GPUNode\n";

/// `gpunode` over a recorded host, with a GPUNode file below it.
class NodeSpecFile : public testing::Test {
 protected:
  explicit NodeSpecFile(const std::string& fixture = "bare-debian12") {
    std::filesystem::copy(std::string(HOST_FIXTURES) + "/" + fixture,
                          tree_.path(),
                          std::filesystem::copy_options::recursive |
                              std::filesystem::copy_options::copy_symlinks);
  }

  void spec(const std::string& yaml) {
    tree_.file("etc/gpunode/node.yaml", kHead + yaml);
  }
  void storage(const std::string& entry) {
    spec("spec:\n  storage:\n    - {" + entry + "}\n");
  }

  std::vector<std::string> names() const {
    std::vector<std::string> names;
    for (const auto& entry :
         std::filesystem::recursive_directory_iterator(tree_.path())) {
      names.push_back(
          entry.path().string() + " " +
          std::to_string(std::filesystem::last_write_time(entry.path(), error_)
                             .time_since_epoch()
                             .count()));
    }
    std::sort(names.begin(), names.end());
    return names;
  }

  void expect(const std::string& verb, int code,
              const testing::Matcher<std::string>& said) {
    const auto before = names();
    host::Command command;
    command.argv = {GPUNODE, verb, "--root", tree_.path()};
    host::SystemCommandRunner runner;
    const auto done = runner.run(command);
    ASSERT_TRUE(done) << done.error().message();
    EXPECT_EQ(done->status, code) << done->out << done->err;
    EXPECT_THAT(done->out + done->err, said);
    EXPECT_EQ((done->out + done->err).find('\x1b'), std::string::npos);
    EXPECT_EQ(names(), before);
  }

  HostTree tree_;

 private:
  mutable std::error_code error_;
};

TEST_F(NodeSpecFile, AMisspeltKeyIsToldWithItsPlaceAndTheNearestName) {
  spec("spec:\n  storge: []\n  host:\n    swpa: off\n");
  for (const char* verb : {"validate", "plan"}) {
    expect(verb, 1,
           AllOf(HasSubstr("node.yaml:4:3"), HasSubstr("\"storge\""),
                 HasSubstr("did you mean \"storage\""),
                 HasSubstr("node.yaml:6:5"), HasSubstr("\"swap\"")));
  }
}

TEST_F(NodeSpecFile, ARelativePathIsOneOfTheDirectoryThatThePersonIsIn) {
  spec("spec: {host: {swap: off}}\n");
  host::Command command;
  command.argv = {"/usr/bin/env", "-C",       tree_.path("etc"),
                  GPUNODE,        "validate", "gpunode/node.yaml"};
  host::SystemCommandRunner runner;
  const auto done = runner.run(command);
  ASSERT_TRUE(done) << done.error().message();
  EXPECT_EQ(done->status, 0) << done->err;
  EXPECT_THAT(done->out, HasSubstr("gpunode/node.yaml is valid"));
}

TEST_F(NodeSpecFile, AValueThatIsNoneIsToldWithThoseThatAre) {
  spec("spec:\n  host:\n    swap: sometimes\n");
  expect("plan", 1, AllOf(HasSubstr("node.yaml:5:"), HasSubstr("keep")));
}

TEST_F(NodeSpecFile, WhatIsNoYamlAndWhatIsOfAnotherKindAreTold) {
  tree_.file("etc/gpunode/node.yaml", "{[");
  expect("plan", 1, HasSubstr("node.yaml:"));
  tree_.file("etc/gpunode/node.yaml", "apiVersion: v1\nkind: Pod\n");
  expect("plan", 1, HasSubstr("gpunode.dev/v1alpha1"));
  tree_.file("etc/gpunode/node.yaml", std::string("\0\xff\xfe", 3));
  expect("plan", 1, HasSubstr("node.yaml"));
  std::filesystem::remove(tree_.path("etc/gpunode/node.yaml"));
  expect("plan", 1, HasSubstr("`gpunode init`"));
}

TEST_F(NodeSpecFile, WhatTheAgentWouldRefuseIsToldBeforeItRuns) {
  spec("spec: {devicePlugin: {config: {version: v2}}}\n");
  expect("validate", 1,
         AllOf(HasSubstr("spec.devicePlugin.config"),
               HasSubstr("unknown version: v2")));
  spec(
      "spec: {devicePlugin: {config: {version: v1, sharing: {timeSlicing: "
      "{resources: [{name: nvidia.com/gpu, replica: 20}]}}}}}\n");
  expect("plan", 1,
         AllOf(HasSubstr("spec.devicePlugin.config"), HasSubstr("replica")));
}

TEST_F(NodeSpecFile, DropInsThatContradictEachOtherAreBothNamed) {
  spec("spec: {host: {swap: keep}}\n");
  tree_.file("etc/gpunode/conf.d/10-a.yaml",
             "spec: {host: {timeSync: keep}}\n");
  tree_.file("etc/gpunode/conf.d/20-b.yaml",
             "spec: {host: {timeSync: true}}\n");
  expect("plan", 1,
         AllOf(HasSubstr("10-a.yaml"), HasSubstr("20-b.yaml"),
               HasSubstr("timeSync")));
}

TEST_F(NodeSpecFile, ADiskThatIsNotThereIsToldWithThoseThatAre) {
  storage("id: d, select: {serials: [GONE]}, mount: {path: /data}");
  expect("plan", 3,
         AllOf(HasSubstr("storage.d.disk"), HasSubstr("0 disks fit"),
               HasSubstr("PHYG012345678480BGN"), HasSubstr("select")));
}

TEST_F(NodeSpecFile, TheSystemsOwnDiskIsNeverTaken) {
  storage(
      "id: d, select: {serials: [PHYG012345678480BGN]}, mount: {path: "
      "/data}");
  expect("plan", 3, HasSubstr("the system's own disk"));
}

TEST_F(NodeSpecFile, HostileNamesAreRefusedOrMadeHarmless) {
  storage("id: ../x, select: {model: m}, mount: {path: /data}");
  expect("plan", 1, HasSubstr("node.yaml:5:"));
  storage("id: x, select: {model: m}, mount: {path: /etc}");
  expect("plan", 1, HasSubstr("/etc"));
  storage("id: x, select: {model: m}, mount: {path: /a/../../etc}");
  expect("plan", 1, HasSubstr("node.yaml"));
  storage(
      "id: x, select: {model: m}, mount: {path: /data}, filesystem: "
      "{label: \"a very long label\"}");
  expect("plan", 1, HasSubstr("label"));
  storage(R"(id: x, select: {model: m}, mount: {path: "/da\nta"})");
  expect("plan", 1, HasSubstr("node.yaml"));
  spec("metadata: {name: \"a\\e[2Jb\"}\n");
  expect("plan", 1, HasSubstr("control characters"));
}

// What a file or its name holds is shown, and obeyed by no terminal.
TEST_F(NodeSpecFile, EscapesOfTheFileDoNotReachTheTerminal) {
  spec("spec: {\"sw\\e]52;c;AAAA\\aap\": off}\n");
  expect("plan", 1, HasSubstr("sw?]52;c;AAAA?ap"));
  spec("spec: {host: {swap: \"\\e[2J\"}}\n");
  expect("validate", 1, HasSubstr("?[2J"));
  spec("{}\n");
  tree_.file("etc/gpunode/conf.d/\x1b[2J.yaml", "spec: [\n");
  expect("check", 2, HasSubstr("?[2J.yaml"));
}

// Nor an Error's text, whatever it quotes; its lines stay lines.
TEST_F(NodeSpecFile, EscapesOfAnErrorDoNotReachTheTerminal) {
  host::Command command;
  command.argv = {GPUNODE, "plan", "--root", tree_.path(), "/etc/\x1b[2J.yaml"};
  host::SystemCommandRunner runner;
  const auto done = runner.run(command);
  ASSERT_TRUE(done) << done.error().message();
  EXPECT_EQ(done->status, 1);
  EXPECT_THAT(done->err, AllOf(HasSubstr("?[2J.yaml"), testing::EndsWith("\n"),
                               testing::Not(HasSubstr("\x1b"))));
}

// Nor an exception's: here of a file that is looked for from a directory that
// is gone.
TEST_F(NodeSpecFile, EscapesOfAnExceptionDoNotReachTheTerminal) {
  tree_.directory("gone");
  host::Command command;
  command.argv = {"/bin/sh",
                  "-c",
                  "cd \"$1\" && rmdir \"$1\" && exec \"$2\" validate \"$3\"",
                  "sh",
                  tree_.path("gone"),
                  GPUNODE,
                  "\x1b[2J.yaml"};
  host::SystemCommandRunner runner;
  const auto done = runner.run(command);
  ASSERT_TRUE(done) << done.error().message();
  EXPECT_EQ(done->status, 1);
  EXPECT_THAT(done->err,
              AllOf(HasSubstr("gpunode: error: "), HasSubstr("?[2J.yaml"),
                    testing::EndsWith("\n"), testing::Not(HasSubstr("\x1b"))));
}

// Nor a word of the command line that is none.
TEST_F(NodeSpecFile, EscapesOfAnUnknownOptionDoNotReachTheTerminal) {
  host::Command command;
  command.argv = {GPUNODE, "plan", "--\x1b[2J"};
  host::SystemCommandRunner runner;
  const auto done = runner.run(command);
  ASSERT_TRUE(done) << done.error().message();
  EXPECT_EQ(done->status, 64);
  EXPECT_THAT(done->err, AllOf(HasSubstr("?[2J"), testing::EndsWith("\n"),
                               testing::Not(HasSubstr("\x1b"))));
}

class ManyDisks : public NodeSpecFile {
 protected:
  ManyDisks() : NodeSpecFile("p4d-ubuntu2204") {}
};

TEST_F(ManyDisks, OfSeveralThatFitNoneIsGuessed) {
  storage("id: d, select: {class: cloud-ephemeral}, mount: {path: /data}");
  expect("plan", 3,
         AllOf(HasSubstr("8 disks fit and 1 is asked for"),
               HasSubstr("nothing is guessed")));
}

}  // namespace
}  // namespace gpunode::integration
