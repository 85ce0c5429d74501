#include "base/console/full_screen.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "base/console/colour.h"

namespace gpunode::console {
namespace {

// The alternate screen, without a cursor.
constexpr std::string_view kTake = "\x1b[?1049h\x1b[?25l";
constexpr std::string_view kGiveBack = "\x1b[?25h\x1b[?1049l";

/// The terminal behind `fd` by a descriptor that never waits; `fd` itself must
/// stay as it is, for the shell has it, too. Invalid if it cannot be had.
UniqueFd reopened(int fd) {
  const std::string name = "/proc/self/fd/" + std::to_string(fd);
  return UniqueFd(
      ::open(name.c_str(), O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
}

/// As long as the terminal takes it. False if it takes no more: at once, or,
/// with descriptors to watch, when one of these has something first.
Result<bool> write_some(int fd, std::string_view text,
                        std::span<const int> watched) {
  while (!text.empty()) {
    std::array<pollfd, 3> entries{{{fd, POLLOUT, 0}, {-1, 0, 0}, {-1, 0, 0}}};
    for (std::size_t i = 0; i < watched.size(); ++i) {
      entries[i + 1] = {watched[i], POLLIN, 0};
    }
    const int ready =
        ::poll(entries.data(), entries.size(), watched.empty() ? 0 : -1);
    if (ready < 0 && errno != EINTR) {
      return Error::from_errno("wait for the terminal", errno);
    }
    if (ready < 0) continue;
    if (entries[0].revents == 0) return false;
    const ssize_t n = ::write(fd, text.data(), text.size());
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (n < 0) return Error::from_errno("write to the terminal", errno);
    text.remove_prefix(static_cast<std::size_t>(n));
  }
  return true;
}

winsize size_of(int fd) {
  winsize size{};
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-vararg): the API's way.
  if (::ioctl(fd, TIOCGWINSZ, &size) != 0) return {};
  return size;
}

/// Of two sizes of which 0 is that it is not known.
std::size_t smaller(std::size_t a, std::size_t b) {
  if (a == 0 || b == 0) return std::max(a, b);
  return std::min(a, b);
}

sigset_t watched() {
  sigset_t set;
  ::sigemptyset(&set);
  for (const int signal :
       {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP, SIGCONT, SIGWINCH}) {
    ::sigaddset(&set, signal);
  }
  return set;
}

/// The signal does to this process what it does to one that knows nothing of
/// it.
void obey(int signal) {
  struct sigaction as_usual {};
  as_usual.sa_handler = SIG_DFL;
  ::sigaction(signal, &as_usual, nullptr);
  sigset_t set;
  ::sigemptyset(&set);
  ::sigaddset(&set, signal);
  ::raise(signal);
  ::pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
  // A stopped process goes on here.
  ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
}

}  // namespace

Result<FullScreen> FullScreen::enter(int in, int out) {
  FullScreen screen(in, out);
  if (::tcgetattr(in, &screen.before_) != 0) {
    return Error::from_errno("read the terminal's settings", errno);
  }
  const sigset_t set = watched();
  screen.signals_.reset(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!screen.signals_) return Error::from_errno("make a signalfd", errno);
  screen.own_out_ = reopened(out);
  ::pthread_sigmask(SIG_BLOCK, &set, &screen.mask_before_);
  TRY_VOID(screen.take());
  return screen;
}

FullScreen::FullScreen(FullScreen&& other) noexcept
    : in_(other.in_),
      out_(other.out_),
      is_taken_(std::exchange(other.is_taken_, false)),
      before_(other.before_),
      mask_before_(other.mask_before_),
      signals_(std::move(other.signals_)),
      own_out_(std::move(other.own_out_)) {}

FullScreen::~FullScreen() {
  give_back();
  if (signals_) ::pthread_sigmask(SIG_SETMASK, &mask_before_, nullptr);
}

Result<void> FullScreen::take() {
  termios raw = before_;
  // Ctrl-C and Ctrl-Z stay signals.
  raw.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO | IEXTEN);
  raw.c_iflag &= ~static_cast<tcflag_t>(IXON);
  raw.c_cc[VMIN] = 1;
  raw.c_cc[VTIME] = 0;
  is_taken_ = true;
  // Not once all output is out, as TCSAFLUSH would: it may never be.
  if (::tcsetattr(in_, TCSANOW, &raw) != 0) {
    const Error error = Error::from_errno("set up the terminal", errno);
    give_back();
    return error;
  }
  ::tcflush(in_, TCIFLUSH);
  return write(kTake);
}

Result<void> FullScreen::write(std::string_view text) const {
  // What ends or stops it goes before what is drawn; what is left out of a
  // frame is drawn with the next.
  const std::array<int, 2> sooner = {signals_.get(), in_};
  TRY_VOID(write_some(own_out_ ? own_out_.get() : out_, text, sooner));
  return {};
}

void FullScreen::give_back() {
  if (!std::exchange(is_taken_, false)) return;
  const int out = own_out_ ? own_out_.get() : out_;
  // Of a terminal that is gone nothing can be said. One that takes nothing
  // gets this in place of what it has not taken yet.
  const auto written = write_some(out, kGiveBack, {});
  if (written && !*written) {
    ::tcflush(out, TCOFLUSH);
    static_cast<void>(write_some(out, kGiveBack, {}));
  }
  ::tcsetattr(in_, TCSANOW, &before_);
  ::tcflush(in_, TCIFLUSH);
}

Result<void> FullScreen::show(const std::vector<LiveArea::Line>& lines,
                              const Terminal& terminal) const {
  // What does not fit the window would make it scroll: however narrow it is, or
  // has become since it was looked at.
  const winsize window = size_of(out_);
  const std::size_t width = smaller(terminal.width, window.ws_col);
  const std::size_t height = smaller(terminal.height, window.ws_row);
  std::string text = "\x1b[H";
  const std::size_t rows =
      height == 0 ? lines.size() : std::min(lines.size(), height);
  for (std::size_t i = 0; i < rows; ++i) {
    // Behind the last line no new one: the screen would scroll.
    if (i > 0) text += "\r\n";
    std::string shown = printable(lines[i].text);
    if (width != 0) shown.resize(std::min(shown.size(), width));
    const std::string_view colour =
        terminal.has_colours ? colour_of(lines[i].style) : std::string_view();
    // Cleared first: a full row leaves the cursor on its last column.
    text += "\x1b[K";
    text += colour;
    text += shown;
    if (!colour.empty()) text += "\x1b[0m";
  }
  if (height == 0 || rows < height) text += "\r\n\x1b[J";
  return write(text);
}

void FullScreen::answer(int signal, Event& event) {
  if (signal == SIGINT) {
    event.is_over = true;
    return;
  }
  event.is_resized = true;
  if (signal == SIGWINCH) return;
  if (signal != SIGCONT) {
    give_back();
    obey(signal);
  }
  // After a SIGSTOP, too, which nobody is told of: the shell has the terminal
  // as it likes it since then.
  // What it was stopped for may be gone by now.
  if (!take()) event.is_over = true;
}

Result<FullScreen::Event> FullScreen::wait(std::chrono::milliseconds patience,
                                           int other) {
  Event event;
  std::array<pollfd, 3> entries{
      {{in_, POLLIN, 0}, {signals_.get(), POLLIN, 0}, {other, POLLIN, 0}}};
  const int ready = ::poll(entries.data(), entries.size(),
                           static_cast<int>(patience.count()));
  if (ready < 0 && errno != EINTR) {
    return Error::from_errno("wait for keys", errno);
  }
  if (ready <= 0) return event;
  event.is_called = entries[2].revents != 0;
  signalfd_siginfo info{};
  while (entries[1].revents != 0 &&
         ::read(signals_.get(), &info, sizeof info) == sizeof info) {
    answer(static_cast<int>(info.ssi_signo), event);
  }
  if (entries[0].revents == 0) return event;
  std::array<char, 256> bytes{};
  const ssize_t n = ::read(in_, bytes.data(), bytes.size());
  if (n > 0) {
    event.bytes.assign(bytes.data(), static_cast<std::size_t>(n));
  } else if (n == 0 || (errno != EINTR && errno != EAGAIN)) {
    event.is_over = true;
  }
  return event;
}

}  // namespace gpunode::console
