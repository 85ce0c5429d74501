#include "base/host/command_runner.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>

#include <gmock/gmock.h>
#include <gtest/gtest-spi.h>
#include <gtest/gtest.h>

#include "base/core/unique_fd.h"
#include "base/host/fake_command_runner.h"
#include "base/host/host_tree.h"

namespace gpunode::host {
namespace {

using std::chrono::milliseconds;
using testing::ContainsRegex;
using testing::ElementsAre;
using testing::HasSubstr;

/// The tests' own children are little shell scripts; the runner knows no shell.
Command script(const std::string& text) {
  Command command;
  command.argv = {"/bin/sh", "-c", text};
  return command;
}

Result<Completed> run(const Command& command) {
  return SystemCommandRunner().run(command);
}

TEST(SystemCommandRunner, GivesStatusAndBothStreams) {
  const auto done = run(script("echo out; echo err >&2; exit 3"));
  ASSERT_TRUE(done) << done.error().message();
  EXPECT_EQ(done->status, 3);
  EXPECT_EQ(done->out, "out\n");
  EXPECT_EQ(done->err, "err\n");
}

TEST(SystemCommandRunner, PassesWordsUntouched) {
  Command command;
  command.argv = {"/usr/bin/printf", "%s|", "a b", "$HOME", "'\"", "*", ""};
  EXPECT_EQ(*SystemCommandRunner().output(command), "a b|$HOME|'\"|*||");
}

TEST(SystemCommandRunner, GivesExactlyTheEnvironmentOfTheCommand) {
  // NOLINTNEXTLINE(concurrency-mt-unsafe): this test has one thread.
  ASSERT_EQ(::setenv("GPUNODE_SECRET", "x", 1), 0);
  Command command;
  command.argv = {"/usr/bin/env"};
  command.env = {"A=1", "B=two words"};
  EXPECT_EQ(*SystemCommandRunner().output(command), "A=1\nB=two words\n");
}

TEST(SystemCommandRunner, FeedsStandardInput) {
  Command command;
  command.argv = {"/bin/cat"};
  command.input = "get_server_list\n";
  EXPECT_EQ(run(command)->out, "get_server_list\n");
  command.input.clear();
  EXPECT_EQ(run(command)->out, "");
  command.input.assign(2 << 20U, 'x');
  EXPECT_EQ(run(command).error().code(), ErrorCode::kInvalidArgument);
}

TEST(SystemCommandRunner, TakesMoreThanAPipeHolds) {
  const auto done = run(script("head -c 300000 /dev/zero; exit 0"));
  ASSERT_TRUE(done) << done.error().message();
  EXPECT_EQ(done->out.size(), 300000U);
}

TEST(SystemCommandRunner, RefusesAFloodInsteadOfCuttingItSilently) {
  const auto flood = run(script("head -c 3000000 /dev/zero"));
  ASSERT_FALSE(flood);
  EXPECT_THAT(flood.error().message(),
              HasSubstr("printed more than 1048576 bytes"));
  // Of what goes to standard error only the end matters.
  const auto chatty =
      run(script("head -c 3000000 /dev/zero >&2; echo end >&2; exit 1"));
  ASSERT_TRUE(chatty);
  EXPECT_EQ(chatty->err.size(), kOutputLimitBytes);
  EXPECT_EQ(chatty->err.substr(chatty->err.size() - 4), "end\n");
}

TEST(SystemCommandRunner, KillsTheWholeGroupWhenTimeIsUp) {
  const HostTree tree;
  ASSERT_EQ(::mkfifo(tree.path("alive").c_str(), 0600), 0);
  const UniqueFd reader(
      ::open(tree.path("alive").c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  // The grandchild holds the FIFO open for as long as it lives.
  Command command = script("echo begun >&2; sleep 1000 >" + tree.path("alive") +
                           " & sleep 1000 >" + tree.path("alive"));
  // A busy machine needs longer for the shell to come to its first word.
  std::string message;
  for (const int timeout : {300, 3000, 30000}) {
    command.timeout = milliseconds(timeout);
    const auto late = run(command);
    ASSERT_FALSE(late);
    EXPECT_EQ(late.error().code(), ErrorCode::kUnavailable);
    message = late.error().message();
    if (message.find(": begun") != std::string::npos) break;
  }
  EXPECT_THAT(message,
              ContainsRegex("no end within [0-9]+ ms, killed: begun$"));
  // End of file, not data: nobody has it open any more.
  pollfd entry{reader.get(), POLLIN, 0};
  ::poll(&entry, 1, 10000);
  char byte = 0;
  EXPECT_EQ(::read(reader.get(), &byte, 1), 0);
}

TEST(SystemCommandRunner, EndsInTimeWhenTheProgramNeverStopsTalking) {
  Command command;
  command.argv = {"/usr/bin/yes"};
  command.timeout = milliseconds(300);
  EXPECT_EQ(run(command).error().code(), ErrorCode::kUnavailable);
}

TEST(SystemCommandRunner, DoesNotWaitForDaemonsThatHoldThePipes) {
  const auto done = run(script("sleep 1000 & echo $!"));
  ASSERT_TRUE(done) << done.error().message();
  const int daemon = std::stoi(done->out);
  // Not killed with its parent: the program ended by itself.
  EXPECT_EQ(::kill(daemon, SIGKILL), 0);
}

TEST(SystemCommandRunner, LeaksNoDescriptorIntoTheProgram) {
  const int leaky = ::open("/dev/null", O_RDONLY);  // Without O_CLOEXEC.
  ASSERT_GE(leaky, 3);
  const UniqueFd owner(leaky);
  const auto done = run(script("ls /proc/$$/fd"));
  ASSERT_TRUE(done);
  EXPECT_EQ(done->out, "0\n1\n2\n");
}

TEST(SystemCommandRunner, StartsProgramsWithDefaultSignals) {
  const auto before = std::signal(SIGPIPE, SIG_IGN);
  const auto done = run(script("kill -PIPE $$; echo survived"));
  std::signal(SIGPIPE, before);
  ASSERT_FALSE(done);
  EXPECT_THAT(done.error().message(), HasSubstr("killed by signal 13"));
}

TEST(SystemCommandRunner, SaysWhyAProgramDoesNotStart) {
  const HostTree tree{{"text", "not a program"}};
  Command command;
  command.argv = {tree.path("missing"), "-q"};
  EXPECT_EQ(
      run(command).error().message(),
      "run " + tree.path("missing") + " -q: start: no such file or directory");
  command.argv = {tree.path("text")};
  EXPECT_EQ(run(command).error().code(), ErrorCode::kPermissionDenied);
  command.argv = {"sh"};
  EXPECT_THAT(run(command).error().message(), HasSubstr("absolute path"));
  command.argv = {};
  EXPECT_EQ(run(command).error().code(), ErrorCode::kInvalidArgument);
}

TEST(CommandRunner, OutputPutsTheEndOfWhatWasSaidIntoTheError) {
  SystemCommandRunner runner;
  const auto failed =
      runner.output(script("echo first >&2; echo 'the reason' >&2; exit 4"));
  ASSERT_FALSE(failed);
  EXPECT_THAT(failed.error().message(),
              HasSubstr(": exit status 4: first; the reason"));
}

TEST(OutputTail, KeepsWholeLinesAndDefusesControls) {
  EXPECT_EQ(output_tail("one\ntwo\n\n"), "one; two");
  EXPECT_EQ(output_tail("\x1b[31mred\x07"), " [31mred ");
  EXPECT_EQ(output_tail(" \n"), "");
  const std::string tail = output_tail("lost\n" + std::string(300, 'a') + "\n" +
                                       std::string(300, 'b') + "\n");
  EXPECT_EQ(tail, std::string(300, 'b'));
  EXPECT_EQ(output_tail(std::string(5000, 'c')).size(), 512U);
}

TEST(FakeCommandRunner, AnswersFromItsScriptAndRecords) {
  FakeCommandRunner runner;
  runner.script("/bin/x 'a b'", Completed{0, "one", ""});
  runner.script("/bin/x 'a b'", Error(ErrorCode::kUnavailable, "late"));
  Command command;
  command.argv = {"/bin/x", "a b"};
  EXPECT_EQ(*runner.output(command), "one");
  EXPECT_EQ(runner.output(command).error().message(), "late");
  EXPECT_EQ(runner.output(command).error().message(), "late");
  EXPECT_THAT(runner.lines(),
              ElementsAre("/bin/x 'a b'", "/bin/x 'a b'", "/bin/x 'a b'"));
}

TEST(FakeCommandRunner, FailsTheTestOnWhatItDoesNotKnow) {
  FakeCommandRunner runner;
  runner.script("/bin/x", Completed{}, "input");
  Command command;
  command.argv = {"/bin/x"};
  bool has_failed = false;
  EXPECT_NONFATAL_FAILURE(has_failed = !runner.run(command).has_value(),
                          "unscripted command: /bin/x");
  EXPECT_TRUE(has_failed);
  command.input = "input";
  EXPECT_TRUE(runner.run(command));
}

}  // namespace
}  // namespace gpunode::host
