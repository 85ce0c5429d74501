#include "base/core/log.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/core/unique_fd.h"

namespace gpunode::log {
namespace {

using testing::HasSubstr;
using testing::MatchesRegex;

/// Standard error as a pipe, for as long as the value lives.
class CapturedLog {
 public:
  CapturedLog() : saved_(::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3)) {
    std::array<int, 2> ends = {-1, -1};
    EXPECT_EQ(::pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK), 0);
    reader_.reset(ends[0]);
    ::dup2(ends[1], STDERR_FILENO);
    ::close(ends[1]);
  }
  CapturedLog(const CapturedLog&) = delete;
  CapturedLog& operator=(const CapturedLog&) = delete;
  ~CapturedLog() {
    ::dup2(saved_.get(), STDERR_FILENO);
    set_level(Level::kInfo);
  }

  std::string take() const {
    std::string text;
    std::array<char, 4096> chunk{};
    ssize_t n = 0;
    while ((n = ::read(reader_.get(), chunk.data(), chunk.size())) > 0) {
      text.append(chunk.data(), static_cast<std::size_t>(n));
    }
    return text;
  }
  void close_reader() { reader_.reset(); }

 private:
  UniqueFd saved_;
  UniqueFd reader_;
};

TEST(Log, WritesLinesAsKlogDoes) {
  const CapturedLog log;
  info("agent", "registered resource={}", "nvidia.com/gpu");
  EXPECT_THAT(
      log.take(),
      MatchesRegex("I[01][0-9][0-3][0-9] [0-2][0-9]:[0-5][0-9]:[0-6][0-9]\\."
                   "[0-9][0-9][0-9][0-9][0-9][0-9] +[0-9]+ agent\\] "
                   "registered resource=nvidia.com/gpu\n"));
}

TEST(Log, DropsWhatIsBelowTheLevel) {
  const CapturedLog log;
  debug("agent", "unheard");
  EXPECT_EQ(log.take(), "");
  set_level(Level::kDebug);
  debug("agent", "heard {}", 1);
  EXPECT_THAT(log.take(), HasSubstr("agent] heard 1\n"));
  set_level(Level::kError);
  warning("agent", "unheard");
  EXPECT_EQ(log.take(), "");
  error("agent", "heard {}", 2);
  EXPECT_EQ(log.take().front(), 'E');
}

TEST(Log, KeepsTheLinesOfSeveralThreadsApart) {
  const CapturedLog log;
  const std::string words(200, 'w');
  const auto talk = [&words] {
    for (int i = 0; i < 50; ++i) warning("room", "{}", words);
  };
  std::thread one(talk);
  std::thread two(talk);
  one.join();
  two.join();
  const std::string text = log.take();
  std::size_t lines = 0;
  for (std::size_t at = 0; at < text.size(); ++lines) {
    const std::size_t end = text.find('\n', at);
    ASSERT_NE(end, std::string::npos);
    EXPECT_EQ(text[at], 'W');
    EXPECT_EQ(text.substr(end - words.size(), words.size()), words);
    at = end + 1;
  }
  EXPECT_EQ(lines, 100U);
}

TEST(Log, SurvivesAReaderThatWentAway) {
  const auto before = std::signal(SIGPIPE, SIG_IGN);
  CapturedLog log;
  log.close_reader();
  info("agent", "to nobody");
  std::signal(SIGPIPE, before);
}

}  // namespace
}  // namespace gpunode::log
