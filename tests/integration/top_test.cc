// `gpunode top` as a person has it at a terminal, and a program in a pipe.
#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <pty.h>
#include <utmp.h>

#include "base/console/screen_model.h"
#include "base/core/unique_fd.h"
#include "base/host/command_runner.h"
#include "base/host/host_tree.h"
#include "tests/doubles/nvml/control.h"

namespace gpunode::integration {
namespace {

using testing::HasSubstr;

/// A program at a terminal of its own. The test keeps the terminal's other end
/// open, too, to see what the program leaves it as.
class AtTerminal {
 public:
  explicit AtTerminal(const std::vector<std::string>& words)
      : screen_(100, 24) {
    winsize size{};
    size.ws_col = 100;
    size.ws_row = 24;
    int master = -1;
    int slave = -1;
    EXPECT_EQ(::openpty(&master, &slave, nullptr, nullptr, &size), 0);
    master_.reset(master);
    slave_.reset(slave);
    EXPECT_EQ(::tcgetattr(slave, &before_), 0);
    pid_ = ::fork();
    if (pid_ != 0) return;
    std::vector<char*> argv;
    for (const std::string& word : words) {
      argv.push_back(const_cast<char*>(word.c_str()));
    }
    argv.push_back(nullptr);
    ::setenv("TERM", "xterm", 1);
    ::unsetenv("COLUMNS");
    ::login_tty(slave);
    ::execv(argv[0], argv.data());
    ::_exit(127);
  }
  AtTerminal(const AtTerminal&) = delete;
  AtTerminal& operator=(const AtTerminal&) = delete;
  ~AtTerminal() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }

  void press(const std::string& keys) const {
    EXPECT_EQ(::write(master_.get(), keys.data(), keys.size()),
              static_cast<ssize_t>(keys.size()));
  }
  void signal(int number) const { ::kill(pid_, number); }

  /// It is stopped without being asked, and the terminal is the shell's.
  void stop_as_a_shell_does() {
    signal(SIGSTOP);
    int status = 0;
    ASSERT_EQ(::waitpid(pid_, &status, WUNTRACED), pid_);
    ASSERT_TRUE(WIFSTOPPED(status));
    ASSERT_EQ(::tcsetattr(slave_.get(), TCSANOW, &before_), 0);
  }
  /// Keys come one by one; false if that does not become so.
  bool raw_again() {
    for (;;) {
      termios now{};
      if (::tcgetattr(slave_.get(), &now) != 0) return false;
      if ((now.c_lflag & ICANON) == 0U) return true;
      if (!read_some(60'000)) return false;
    }
  }

  std::string text() const {
    std::string text;
    for (const std::string& line : screen_.lines()) text += line + "\n";
    return text;
  }

  /// Until the screen has `words`; false if nothing more comes.
  bool see(const std::string& words) {
    while (text().find(words) == std::string::npos) {
      if (!read_some(60'000)) return false;
    }
    return true;
  }

  /// Its wait status, with the screen as it has left it.
  int end() {
    int status = 0;
    while (::waitpid(pid_, &status, WNOHANG) == 0) {
      static_cast<void>(read_some(50));
    }
    pid_ = -1;
    while (read_some(0)) {
    }
    return status;
  }

  void expect_given_back() const {
    termios now{};
    ASSERT_EQ(::tcgetattr(slave_.get(), &now), 0);
    EXPECT_EQ(now.c_lflag, before_.c_lflag);
    EXPECT_EQ(now.c_iflag, before_.c_iflag);
    EXPECT_FALSE(screen_.is_other());
    EXPECT_TRUE(screen_.has_cursor());
  }

 private:
  bool read_some(int patience_ms) {
    pollfd entry{master_.get(), POLLIN, 0};
    if (::poll(&entry, 1, patience_ms) != 1) return false;
    std::array<char, 4096> bytes{};
    const ssize_t n = ::read(master_.get(), bytes.data(), bytes.size());
    if (n <= 0) return false;
    screen_.feed({bytes.data(), static_cast<std::size_t>(n)});
    return true;
  }

  console::ScreenModel screen_;
  UniqueFd master_;
  UniqueFd slave_;
  termios before_{};
  pid_t pid_ = -1;
};

class Top : public testing::Test {
 protected:
  Top() {
    tree_.file("host/proc/sys/kernel/hostname", "node-7\n");
    tree_.directory("host/usr/lib/x86_64-linux-gnu");
    std::filesystem::copy_file(
        FAKE_NVML_LIBRARY,
        tree_.path("host/usr/lib/x86_64-linux-gnu/libnvidia-ml.so.1"));
    // gpunode hands no environment on.
    probe("GPUNODE_FAKE_NVML=" + std::string(FAKE_NVML_PROFILES) +
          "/a10g-x1.json exec " GPUNODE_PROBE " --use --library " +
          FAKE_NVML_LIBRARY);
  }

  void probe(const std::string& command) const {
    tree_.file("probe", "#!/bin/sh\n" + command + "\n");
    std::filesystem::permissions(tree_.path("probe"),
                                 std::filesystem::perms::owner_all);
  }

  std::vector<std::string> words(const std::vector<std::string>& more) const {
    std::vector<std::string> all = {GPUNODE,   "top",
                                    "--root",  tree_.path("host"),
                                    "--probe", tree_.path("probe")};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }

  host::Completed run(const std::vector<std::string>& more) const {
    host::Command command;
    command.argv = words(more);
    auto done = host::SystemCommandRunner().run(command);
    EXPECT_TRUE(done) << done.error().message();
    return done ? *std::move(done) : host::Completed();
  }

  host::HostTree tree_;
};

TEST_F(Top, AtATerminalFollowsKeysAndGivesItBack) {
  AtTerminal at(words({}));
  ASSERT_TRUE(at.see("NVIDIA A10G")) << at.text();
  EXPECT_THAT(at.text(), HasSubstr("gpunode top  node-7"));
  at.press("?");
  ASSERT_TRUE(at.see("Any key goes back.")) << at.text();
  at.press("x/train");
  ASSERT_TRUE(at.see("/train_")) << at.text();
  at.press("\x1b");
  ASSERT_TRUE(at.see("q quit")) << at.text();
  at.press("q");
  const int status = at.end();
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  at.expect_given_back();
}

TEST_F(Top, EverySignalThatEndsItGivesTheTerminalBack) {
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT}) {
    SCOPED_TRACE(signal);
    AtTerminal at(words({}));
    ASSERT_TRUE(at.see("NVIDIA A10G")) << at.text();
    at.signal(signal);
    const int status = at.end();
    if (signal == SIGINT) {
      EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
    } else {
      EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == signal) << status;
    }
    at.expect_given_back();
  }
}

TEST_F(Top, StoppedAndBroughtBackItReadsKeysAgain) {
  AtTerminal at(words({}));
  ASSERT_TRUE(at.see("NVIDIA A10G")) << at.text();
  at.stop_as_a_shell_does();
  at.signal(SIGCONT);
  ASSERT_TRUE(at.raw_again());
  at.press("?");
  ASSERT_TRUE(at.see("Any key goes back.")) << at.text();
  at.press("qq");
  at.end();
  at.expect_given_back();
}

TEST_F(Top, InAPipeIsPlainLinesOnce) {
  const auto done = run({});
  EXPECT_EQ(done.status, 0) << done.err;
  EXPECT_THAT(done.out, HasSubstr("driver 545.23.08"));
  EXPECT_THAT(done.out, HasSubstr("NVIDIA A10G"));
  EXPECT_THAT(done.out, HasSubstr("agent: "));
  EXPECT_EQ(done.out.find('\x1b'), std::string::npos);
  const auto json = nlohmann::json::parse(run({"--json"}).out, nullptr, false);
  ASSERT_TRUE(json.is_object());
  EXPECT_EQ(json["gpus"][0]["celsius"], 27);
}

TEST_F(Top, WithoutADriverSaysSo) {
  std::filesystem::remove_all(tree_.path("host/usr/lib"));
  const auto done = run({"--once"});
  EXPECT_EQ(done.status, 1);
  EXPECT_THAT(done.out, HasSubstr("driver: there is no libnvidia-ml.so.1"));
}

TEST_F(Top, ShowsTheRestWhileTheDriverHangsAndLeavesNoProbeBehind) {
  const std::string control = tree_.path("control");
  auto nvml = FakeNvmlControl::open(control);
  ASSERT_TRUE(nvml);
  FakeNvmlControl::Fault hang;
  hang.function = "nvmlInit_v2";
  hang.delay = std::chrono::hours(1);
  ASSERT_TRUE(nvml->add(hang));
  ASSERT_EQ(::mkfifo(tree_.path("alive").c_str(), 0600), 0);
  probe("GPUNODE_FAKE_NVML_CONTROL=" + control +
        " GPUNODE_FAKE_NVML=" FAKE_NVML_PROFILES
        "/a10g-x1.json exec " GPUNODE_PROBE " \"$@\" 9<>" +
        tree_.path("alive"));
  AtTerminal at(words({}));
  ASSERT_TRUE(at.see("driver: ...")) << at.text();
  ASSERT_TRUE(at.see("agent: ")) << at.text();
  ASSERT_TRUE(nvml->wait_for_calls("nvmlInit_v2", 1, std::chrono::minutes(1)));
  // Open at both ends for as long as the probe lives.
  const UniqueFd alive(
      ::open(tree_.path("alive").c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  at.signal(SIGTERM);
  const int status = at.end();
  EXPECT_TRUE(WIFSIGNALED(status)) << status;
  at.expect_given_back();
  pollfd end{alive.get(), POLLIN, 0};
  ASSERT_EQ(::poll(&end, 1, 60'000), 1);
  EXPECT_NE(end.revents & POLLHUP, 0) << "the probe lives";
}

TEST_F(Top, OfAProbeThatFailsSaysSo) {
  probe("echo nonsense");
  EXPECT_THAT(run({}).out, HasSubstr("driver: gpunode-probe --use says"));
  probe("echo broken >&2; exit 1");
  EXPECT_THAT(run({}).out, HasSubstr("broken"));
}

TEST_F(Top, ARelativePluginDirectoryIsOfTheWorkingDirectory) {
  tree_.directory("here/plugins");
  for (const std::string verb : {"top", "status"}) {
    host::Command command;
    command.argv = {GPUNODE, verb, "--plugin-directory", "./plugins"};
    command.directory = tree_.path("here");
    if (verb == "top") command.argv.insert(command.argv.end(), {"--once"});
    const auto done = host::SystemCommandRunner().run(command);
    ASSERT_TRUE(done) << done.error().message();
    EXPECT_THAT(done->out + done->err,
                HasSubstr(tree_.path("here/plugins/gpunode/agent.sock")));
  }
}

TEST_F(Top, RefusesWhatCannotBe) {
  EXPECT_EQ(run({"--interval", "0"}).status, 64);
  EXPECT_EQ(run({"--sort", "beauty"}).status, 64);
  EXPECT_EQ(run({"--once", "--watch"}).status, 64);
}

}  // namespace
}  // namespace gpunode::integration
