// `gpunode facts` on whole hosts: what it prints, what it exports and what it
// makes of that elsewhere.
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/host/command_runner.h"
#include "base/host/host_tree.h"

namespace gpunode::integration {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;

std::string fixture(const std::string& name) {
  return std::string(HOST_FIXTURES) + "/" + name;
}

std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

host::Completed run(std::vector<std::string> words) {
  host::Command command;
  command.argv = {GPUNODE, "facts"};
  command.argv.insert(command.argv.end(), words.begin(), words.end());
  host::SystemCommandRunner runner;
  auto done = runner.run(command);
  EXPECT_TRUE(done) << done.error().message();
  return done ? *done : host::Completed{-1, "", ""};
}

TEST(FactsOfAHost, ArePrintedForAPerson) {
  const host::Completed done = run({"--root", fixture("g5-rocky8")});
  EXPECT_EQ(done.status, 0) << done.err;
  EXPECT_EQ(done.out, read_file(fixture("g5-rocky8.txt")));
  EXPECT_THAT(done.err, IsEmpty());
}

TEST(FactsOfAHost, AreOneDocument) {
  const host::Completed done = run({"--root", fixture("dgx-h100"), "--json"});
  EXPECT_EQ(done.status, 0) << done.err;
  EXPECT_EQ(json::parse(done.out),
            json::parse(read_file(fixture("dgx-h100.json"))));
  EXPECT_EQ(done.out.find('\n'), done.out.size() - 1);
}

TEST(FactsOfAHost, AreTheSameFromItsBundle) {
  const host::HostTree work;
  const std::string bundle = work.path("host.tar");
  const host::Completed made =
      run({"--root", fixture("bare-debian12"), "--export", bundle});
  EXPECT_EQ(made.status, 0) << made.err;
  EXPECT_THAT(made.out, IsEmpty());
  EXPECT_THAT(made.err, HasSubstr("Look into it before you send it"));
  EXPECT_EQ(
      std::filesystem::status(bundle).permissions(),
      std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  const std::string serial = "PHYG012345678480BGN";
  EXPECT_EQ(read_file(bundle).find(serial), std::string::npos);

  const auto without_serial = [&](const std::string& text) {
    json facts = json::parse(text);
    for (json& disk : facts["disks"]) disk.erase("serial");
    return facts;
  };
  const host::Completed replay = run({"--from", bundle, "--json"});
  EXPECT_EQ(replay.status, 0) << replay.err;
  EXPECT_EQ(without_serial(replay.out),
            without_serial(read_file(fixture("bare-debian12.json"))));

  // As somebody unpacks it, with tar(1).
  work.directory("unpacked");
  host::SystemCommandRunner runner;
  host::Command tar;
  tar.argv = {"/usr/bin/tar", "-xf", bundle, "-C", work.path("unpacked")};
  if (!host::HostRoot().exists(tar.argv[0])) tar.argv[0] = "/bin/tar";
  const auto unpacked = runner.run(tar);
  ASSERT_TRUE(unpacked) << unpacked.error().message();
  ASSERT_EQ(unpacked->status, 0) << unpacked->err;
  for (const char* flag : {"--from", "--root"}) {
    const host::Completed again = run({flag, work.path("unpacked"), "--json"});
    EXPECT_EQ(again.status, 0) << again.err;
    EXPECT_EQ(again.out, replay.out);
  }
}

TEST(FactsOfAHost, OfThisMachineAreReadWithoutDriverAndNetwork) {
  const host::HostTree work;
  const host::Completed shown = run({"--json"});
  if (shown.status == 8) GTEST_SKIP() << shown.err;
  ASSERT_EQ(shown.status, 0) << shown.err;
  const json live = json::parse(shown.out);
  EXPECT_GT(live["machine"]["memoryBytes"].get<std::uint64_t>(), 0U);
  const std::string bundle = work.path("host.tar");
  ASSERT_EQ(run({"--export", bundle}).status, 0);
  const host::Completed replay = run({"--from", bundle, "--json"});
  ASSERT_EQ(replay.status, 0) << replay.err;
  const json replayed = json::parse(replay.out);
  EXPECT_EQ(live["os"], replayed["os"]);
  EXPECT_EQ(live["gpus"], replayed["gpus"]);
  EXPECT_EQ(live["packages"], replayed["packages"]);
  EXPECT_EQ(live["units"], replayed["units"]);
}

TEST(FactsOfAHost, NeedAHost) {
  const host::HostTree empty;
  const host::Completed done = run({"--root", empty.path()});
  EXPECT_EQ(done.status, 8);
  EXPECT_THAT(done.err, AllOf(HasSubstr("learn the distribution"),
                              HasSubstr("name its root with --root")));
}

TEST(FactsOfAHost, AreNotReadFromWhatIsNoBundle) {
  const host::HostTree work{{"file", "no archive"}, {"folder/x", ""}};
  const host::Completed file = run({"--from", work.path("file")});
  EXPECT_EQ(file.status, 1);
  EXPECT_THAT(file.err, AllOf(HasSubstr("read the bundle"),
                              HasSubstr("tar: at byte 0: it is cut off")));
  EXPECT_EQ(run({"--from", work.path("folder")}).status, 1);
  EXPECT_EQ(run({"--from", work.path("none")}).status, 1);
}

TEST(FactsOfAHost, CannotBeExportedWhereNothingCanBeWritten) {
  const host::HostTree work;
  const host::Completed done = run(
      {"--root", fixture("no-gpu"), "--export", work.path("none/host.tar")});
  EXPECT_EQ(done.status, 1);
  EXPECT_THAT(done.err, HasSubstr("no such file or directory"));
}

TEST(FactsOfAHost, AreAskedForInOneWayAtATime) {
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"--from", "x", "--root", "/"},
        {"--from", "x", "--export", "y"},
        {"--labels", "--from", "x"},
        {"--labels", "--export", "x"},
        {"--mig-strategy", "mixed"}}) {
    EXPECT_EQ(run(words).status, 64) << testing::PrintToString(words);
  }
}

}  // namespace
}  // namespace gpunode::integration
