// What a person at a terminal sees of `gpunode apply` while a program of the
// host takes its time.
#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdlib>
#include <functional>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pty.h>

#include "base/console/screen_model.h"
#include "base/core/unique_fd.h"
#include "tests/integration/node_root.h"

namespace gpunode::integration {
namespace {

using Lines = std::vector<std::string>;

constexpr unsigned short kWidth = 100;
constexpr unsigned short kHeight = 40;

/// A program at a terminal of its own, and the screen of that.
class AtTerminal {
 public:
  AtTerminal(const host::Command& command, const char* term)
      : screen_(kWidth, kHeight) {
    winsize size{};
    size.ws_col = kWidth;
    size.ws_row = kHeight;
    int master = -1;
    pid_ = ::forkpty(&master, nullptr, nullptr, &size);
    if (pid_ == 0) become(command, term);
    master_.reset(master);
  }
  AtTerminal(const AtTerminal&) = delete;
  AtTerminal& operator=(const AtTerminal&) = delete;
  ~AtTerminal() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }

  /// Until the screen is as `is_so` wants it; false if the program ends before
  /// or says nothing more.
  bool see(const std::function<bool(const Lines&)>& is_so) {
    while (!is_so(screen_.lines())) {
      if (!read_some()) return false;
    }
    return true;
  }

  void resize(unsigned short width) {
    winsize size{};
    size.ws_col = width;
    size.ws_row = kHeight;
    EXPECT_EQ(::ioctl(master_.get(), TIOCSWINSZ, &size), 0);
  }

  /// Its exit code, with all that it said on the screen.
  int end() {
    while (read_some()) {
    }
    int status = 0;
    ::waitpid(pid_, &status, 0);
    pid_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

  Lines lines() const { return screen_.lines(); }
  const std::string& raw() const { return raw_; }

 private:
  [[noreturn]] static void become(const host::Command& command,
                                  const char* term) {
    std::vector<char*> argv;
    for (const std::string& word : command.argv) {
      argv.push_back(const_cast<char*>(word.c_str()));
    }
    argv.push_back(nullptr);
    ::setenv("TERM", term, 1);
    ::setenv("PATH", "/usr/sbin:/usr/bin:/sbin:/bin", 1);
    ::unsetenv("COLUMNS");
    ::unsetenv("NO_COLOR");
    ::execv(argv[0], argv.data());
    ::_exit(127);
  }

  bool read_some() {
    constexpr int kTooLongMs = 60'000;
    pollfd entry{master_.get(), POLLIN, 0};
    if (::poll(&entry, 1, kTooLongMs) != 1) return false;
    std::array<char, 4096> bytes{};
    const ssize_t n = ::read(master_.get(), bytes.data(), bytes.size());
    if (n <= 0) return false;
    raw_.append(bytes.data(), static_cast<std::size_t>(n));
    screen_.feed({bytes.data(), static_cast<std::size_t>(n)});
    return true;
  }

  console::ScreenModel screen_;
  std::string raw_;
  UniqueFd master_;
  pid_t pid_ = -1;
};

bool has(const Lines& lines,
         const std::function<bool(const std::string&)>& is) {
  return std::any_of(lines.begin(), lines.end(), is);
}

class NodeTerminal : public testing::Test {
 protected:
  void SetUp() override {
    const std::string obstacle = NodeRoot::obstacle();
    if (!obstacle.empty()) GTEST_SKIP() << obstacle;
    root_.spec("spec: {host: {swap: keep, timeSync: keep}}\n");
    root_.tree().directory("run/systemd/system");
    root_.tree().file("proc/1/comm", "systemd\n");
    ASSERT_EQ(::mkfifo(fifo().c_str(), 0600), 0);
    // Enabling says what a terminal would obey, and waits to be let go.
    root_.program("usr/bin/systemctl", R"(case "$1" in
enable) printf 'Created \033[2J\033]0;evil\007 symlink\n'; read word < /opt/fifo
        [ "$word" = go ] || exit 1
        echo > /opt/enabled;;
show)   state=disabled active=inactive
        [ -e /opt/enabled ] && state=enabled active=active
        while [ "$1" != -- ]; do shift; done; shift
        for unit; do
          printf 'Id=%s\nLoadState=loaded\nActiveState=%s\n' "$unit" $active
          printf 'UnitFileState=%s\nNeedDaemonReload=no\n\n' "$state"
        done;;
esac
)");
  }

  std::string fifo() const { return root_.tree().path("opt/fifo"); }
  void say(const std::string& word) const {
    const UniqueFd fd(::open(fifo().c_str(), O_WRONLY | O_CLOEXEC));
    EXPECT_EQ(::write(fd.get(), word.data(), word.size()),
              static_cast<ssize_t>(word.size()));
  }
  host::Command apply() const {
    return root_.command({"apply", "--yes", "--only=engine.check"});
  }

  NodeRoot root_;
};

const std::string kTail = "      | Created ^[[2J^[]0;evil^G symlink";

bool is_ticking(const std::string& line) {
  return line.starts_with("    ... ") && !line.starts_with("    ... 0 s");
}

TEST_F(NodeTerminal, ShowsATickingLineAndTheTailAndLeavesNeither) {
  AtTerminal person(apply(), "xterm");
  ASSERT_TRUE(person.see([](const Lines& lines) {
    return has(lines, is_ticking) && lines.back() == kTail;
  })) << person.raw();
  const Lines now = person.lines();
  EXPECT_THAT(
      now.at(now.size() - 2),
      testing::EndsWith("(usually 2 s): enable, restart gpunode-check.timer"));
  say("go\n");
  EXPECT_EQ(person.end(), 0) << person.raw();
  const Lines after = person.lines();
  EXPECT_FALSE(has(after, is_ticking));
  EXPECT_FALSE(
      has(after, [](const std::string& line) { return line == kTail; }));
  EXPECT_TRUE(has(after, [](const std::string& line) {
    return line.starts_with("    ~ enable, restart gpunode-check.timer (");
  }));
}

TEST_F(NodeTerminal, FollowsAResizeWithoutTouchingWhatWasSaid) {
  constexpr unsigned short kNarrow = 40;
  AtTerminal person(apply(), "xterm");
  ASSERT_TRUE(
      person.see([](const Lines& lines) { return has(lines, is_ticking); }));
  const Lines before = person.lines();
  person.resize(kNarrow);
  ASSERT_TRUE(person.see([](const Lines& lines) {
    return has(lines, [](const std::string& line) {
      return is_ticking(line) && line.size() == kNarrow - 1;
    });
  })) << person.raw();
  const Lines after = person.lines();
  // All but the live lines stands as it did.
  const auto live = std::find_if(before.begin(), before.end(), is_ticking);
  EXPECT_TRUE(std::equal(before.begin(), live, after.begin()));
  say("go\n");
  EXPECT_EQ(person.end(), 0) << person.raw();
}

TEST_F(NodeTerminal, OfWhatFailsTheTailStays) {
  AtTerminal person(apply(), "xterm");
  say("no\n");
  EXPECT_EQ(person.end(), 1);
  const Lines lines = person.lines();
  EXPECT_TRUE(
      has(lines, [](const std::string& line) { return line == kTail; }));
  EXPECT_FALSE(has(lines, is_ticking));
}

TEST_F(NodeTerminal, ADumbOneGetsPlainLines) {
  AtTerminal person(apply(), "dumb");
  say("go\n");
  EXPECT_EQ(person.end(), 0) << person.raw();
  EXPECT_EQ(person.raw().find('\x1b'), std::string::npos);
  EXPECT_TRUE(has(person.lines(), [](const std::string& line) {
    return line.starts_with("    ~ enable, restart gpunode-check.timer");
  }));
}

}  // namespace
}  // namespace gpunode::integration
