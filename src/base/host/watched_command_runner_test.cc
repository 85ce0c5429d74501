#include "base/host/watched_command_runner.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/core/unique_fd.h"
#include "base/host/host_tree.h"

namespace gpunode::host {
namespace {

using testing::HasSubstr;

/// Keeps what comes; answers "ready" through a pipe, without which the program
/// does not go on.
class Answering final : public OutputWatch {
 public:
  explicit Answering(std::string fifo) : fifo_(std::move(fifo)) {}

  void started(const Command& command) override {
    lines += command_line(command) + "\n";
  }
  void printed(OutputStream stream, std::string_view bytes) override {
    (stream == OutputStream::kOut ? out : err) += bytes;
    longest = std::max(longest, bytes.size());
    if (!out.ends_with("ready\n") || fifo_.empty()) return;
    const UniqueFd fifo(::open(fifo_.c_str(), O_WRONLY | O_CLOEXEC));
    EXPECT_EQ(::write(fifo.get(), "go\n", 3), 3);
    fifo_.clear();
  }

  std::string lines;
  std::string out;
  std::string err;
  std::size_t longest = 0;

 private:
  std::string fifo_;
};

Command shell(std::string script, std::vector<std::string> words = {}) {
  Command command;
  command.argv = {"/bin/sh", "-c", std::move(script), "sh"};
  command.argv.insert(command.argv.end(), words.begin(), words.end());
  return command;
}

// The program waits for an answer to its first line: were output handed on at
// its end, it would never come to it.
TEST(WatchedCommandRunner, GivesOutputAsItComes) {
  const HostTree tree;
  const std::string fifo = tree.path("fifo");
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  Answering watch(fifo);
  WatchedCommandRunner runner(watch);
  const auto done = runner.run(
      shell("echo ready; read word < \"$1\"; echo \"$word\" >&2", {fifo}));
  ASSERT_TRUE(done) << done.error().message();
  EXPECT_EQ(done->out, "ready\n");
  EXPECT_EQ(done->err, "go\n");
  EXPECT_EQ(watch.out, "ready\n");
  EXPECT_EQ(watch.err, "go\n");
  EXPECT_THAT(watch.lines, HasSubstr("/bin/sh"));
}

TEST(WatchedCommandRunner, AFloodComesInPiecesAndEndsAsWithoutAWatch) {
  Answering watch("");
  WatchedCommandRunner runner(watch);
  const auto done = runner.run(shell(
      "head -c 3000000 /dev/zero | tr '\\0' x >&2; echo end >&2; exit 3"));
  ASSERT_TRUE(done) << done.error().message();
  EXPECT_EQ(done->status, 3);
  EXPECT_LE(done->err.size(), kOutputLimitBytes);
  EXPECT_TRUE(done->err.ends_with("end\n"));
  EXPECT_EQ(watch.err.size(), 3000004U);
  EXPECT_LE(watch.longest, std::size_t{64} << 10U);
}

TEST(WatchedCommandRunner, WhatCannotStartIsNotSaidToHave) {
  Answering watch("");
  WatchedCommandRunner runner(watch);
  Command command;
  command.argv = {"/nonexistent/program"};
  EXPECT_FALSE(runner.run(command));
  EXPECT_EQ(watch.lines, "");
}

}  // namespace
}  // namespace gpunode::host
