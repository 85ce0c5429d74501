#include "node/facts/recording.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/host/fake_command_runner.h"
#include "base/host/host_tree.h"
#include "base/host/path.h"

namespace gpunode::facts {
namespace {

using host::base_name;
using host::Command;
using host::Completed;
using host::FakeCommandRunner;
using host::HostRoot;
using host::HostTree;
using testing::ElementsAre;
using testing::HasSubstr;

TEST(Recording, AnswersAsTheHostDid) {
  HostTree tree{{"etc/a", "content"}, {"etc/b/c", ""}};
  tree.link("etc/link", "a");
  Recording recording;
  const HostRoot host = recorded(tree.root(), recording);
  EXPECT_EQ(host.prefix(), tree.path());
  const auto ask = [](const HostRoot& asked) {
    std::vector<std::string> answers;
    for (const char* path : {"/etc/a", "etc/b", "/none", "/etc/link"}) {
      const auto file = asked.read_file(path);
      answers.push_back(file ? *file : "error");
      const auto status = asked.status(path);
      answers.push_back(status ? std::to_string(status->mode) +
                                     std::to_string(status->size_bytes)
                               : "error");
      answers.push_back(asked.exists(path) ? "there" : "absent");
      const auto link = asked.read_link(path);
      answers.push_back(link ? *link : "error");
      const auto attribute = asked.read_attribute(path, "user.gpunode");
      answers.push_back(attribute ? *attribute : "error");
      const auto resolved = asked.resolve(path);
      answers.push_back(resolved ? std::string(base_name(*resolved)) : "error");
      const auto names = asked.list_directory(path);
      answers.push_back(names ? testing::PrintToString(*names) : "error");
      const auto count = asked.count_entries(path, 10);
      answers.push_back(count ? std::to_string(*count) : "error");
    }
    return answers;
  };
  const std::vector<std::string> live = ask(host);
  EXPECT_EQ(live, ask(tree.root()));
  tree.remove("etc");
  EXPECT_EQ(ask(replayed(std::make_shared<Recording>(recording))), live);
}

TEST(Recording, KeepsErrorsWithThePathsOfTheHost) {
  const HostTree tree{{"etc/b/c", ""}};
  Recording recording;
  const HostRoot host = recorded(tree.root(), recording);
  static_cast<void>(host.read_file("/etc/b"));
  static_cast<void>(host.read_file("/etc/none"));
  const HostRoot replay = replayed(std::make_shared<Recording>(recording));
  EXPECT_EQ(replay.read_file("/etc/b").error().code(),
            ErrorCode::kInvalidArgument);
  EXPECT_EQ(replay.read_file("/etc/b").error().message(),
            "read /etc/b: not a regular file");
  EXPECT_EQ(replay.read_file("/etc/none").error().code(), ErrorCode::kNotFound);
}

TEST(Recording, ThatWasNeverAskedKnowsNothing) {
  const HostRoot replay = replayed(std::make_shared<Recording>());
  EXPECT_EQ(replay.read_file("/x").error().code(), ErrorCode::kUnavailable);
  EXPECT_EQ(replay.read_file("/x").error().message(),
            "read /x: not in the bundle");
  EXPECT_EQ(replay.status("/x").error().code(), ErrorCode::kUnavailable);
  EXPECT_EQ(replay.read_link("/x").error().code(), ErrorCode::kUnavailable);
  EXPECT_EQ(replay.list_directory("/x").error().code(),
            ErrorCode::kUnavailable);
  EXPECT_EQ(replay.count_entries("/x", 1).error().code(),
            ErrorCode::kUnavailable);
  EXPECT_FALSE(replay.exists("/x"));
  EXPECT_EQ(replay.open("/x", 0).error().code(), ErrorCode::kUnsupported);
  EXPECT_EQ(replay.resolve("/x").error().code(), ErrorCode::kUnavailable);
}

TEST(Recording, RemembersTheWholeOfAFileThatSomebodyFoundTooLarge) {
  const HostTree tree{{"a", "0123456789"}};
  Recording recording;
  const HostRoot host = recorded(tree.root(), recording);
  EXPECT_FALSE(host.read_file("/a", 5));
  EXPECT_TRUE(host.read_file("/a", 10));
  EXPECT_FALSE(host.read_file("/a", 5));
  const HostRoot replay = replayed(std::make_shared<Recording>(recording));
  EXPECT_EQ(*replay.read_file("/a", 10), "0123456789");
  EXPECT_EQ(replay.read_file("/a", 5).error().message(),
            "read /a: larger than 5 bytes");
  EXPECT_EQ(replay.read_file("/a", 5).error().code(), ErrorCode::kCorrupt);
}

TEST(Recording, ReplaysWhetherItWasOfThisMachine) {
  const HostTree tree;
  Recording elsewhere;
  static_cast<void>(recorded(tree.root(), elsewhere));
  EXPECT_FALSE(elsewhere.is_live);
  EXPECT_NE(replayed(std::make_shared<Recording>(elsewhere)).prefix(), "/");
  Recording here;
  static_cast<void>(recorded(HostRoot(), here));
  EXPECT_TRUE(here.is_live);
  EXPECT_EQ(replayed(std::make_shared<Recording>(here)).prefix(), "/");
}

TEST(Recording, AnswersCommandsAsTheyEnded) {
  FakeCommandRunner fake;
  fake.script("/bin/a x", Completed{3, "out", "err"});
  fake.script("/bin/b", Error(ErrorCode::kUnavailable, "run /bin/b: killed"),
              "in");
  Recording recording;
  RecordingRunner recorder(fake, recording);
  Command a;
  a.argv = {"/bin/a", "x"};
  Command b;
  b.argv = {"/bin/b"};
  b.input = "in";
  EXPECT_EQ(recorder.run(a)->status, 3);
  EXPECT_FALSE(recorder.run(b));
  ReplayingRunner replay(std::make_shared<Recording>(recording));
  const auto done = replay.run(a);
  ASSERT_TRUE(done);
  EXPECT_EQ(done->status, 3);
  EXPECT_EQ(done->out, "out");
  EXPECT_EQ(done->err, "err");
  EXPECT_EQ(replay.run(b).error().code(), ErrorCode::kUnavailable);
  EXPECT_EQ(replay.run(b).error().message(), "run /bin/b: killed");
  b.input = "other";
  EXPECT_THAT(replay.run(b).error().message(), HasSubstr("not in the bundle"));
}

}  // namespace
}  // namespace gpunode::facts
