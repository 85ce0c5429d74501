#include "base/host/remembering_runner.h"

#include <utility>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/host/fake_command_runner.h"

namespace gpunode::host {
namespace {

using testing::ElementsAre;

Command command(std::vector<std::string> argv) {
  Command command;
  command.argv = std::move(argv);
  return command;
}

bool is_ask(const Command& command) {
  return command.argv[0] == "/bin/ask";
}

TEST(RememberingRunner, AsksAQuestionOnceAndRunsAllElseEachTime) {
  FakeCommandRunner host;
  host.script("/bin/ask a", Completed{0, "first", ""});
  host.script("/bin/ask a", Completed{0, "second", ""});
  host.script("/bin/ask b", Completed{0, "other", ""});
  host.script("/bin/do a", Completed{0, "", ""});
  RememberingRunner runner(host, is_ask);
  EXPECT_EQ(runner.run(command({"/bin/ask", "a"}))->out, "first");
  EXPECT_EQ(runner.run(command({"/bin/do", "a"}))->status, 0);
  // Another environment and time are no other question.
  Command other = command({"/bin/ask", "a"});
  other.env = {"LC_ALL=C"};
  other.timeout = std::chrono::seconds(1);
  EXPECT_EQ(runner.run(other)->out, "first");
  EXPECT_EQ(runner.run(command({"/bin/ask", "b"}))->out, "other");
  EXPECT_EQ(runner.run(command({"/bin/do", "a"}))->status, 0);
  EXPECT_THAT(host.lines(), ElementsAre("/bin/ask a", "/bin/do a", "/bin/ask b",
                                        "/bin/do a"));
}

TEST(RememberingRunner, AsksAnewOnceToldToForget) {
  FakeCommandRunner host;
  host.script("/bin/ask", Completed{0, "before", ""});
  host.script("/bin/ask", Completed{0, "after", ""});
  RememberingRunner runner(host, is_ask);
  EXPECT_EQ(runner.run(command({"/bin/ask"}))->out, "before");
  runner.forget();
  EXPECT_EQ(runner.run(command({"/bin/ask"}))->out, "after");
}

TEST(RememberingRunner, AsksAgainWhatFailed) {
  FakeCommandRunner host;
  host.script("/bin/ask", Error(ErrorCode::kUnavailable, "no time"));
  host.script("/bin/ask", Completed{2, "", "locked"});
  host.script("/bin/ask", Completed{0, "at last", ""});
  RememberingRunner runner(host, is_ask);
  EXPECT_FALSE(runner.run(command({"/bin/ask"})));
  EXPECT_EQ(runner.run(command({"/bin/ask"}))->status, 2);
  EXPECT_EQ(runner.run(command({"/bin/ask"}))->out, "at last");
  EXPECT_EQ(runner.run(command({"/bin/ask"}))->out, "at last");
  EXPECT_EQ(host.lines().size(), 3U);
}

}  // namespace
}  // namespace gpunode::host
