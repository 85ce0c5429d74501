// A terminal that a program has for itself: keys come at once and unseen, and
// every line is its own.
#pragma once

#include <termios.h>

#include <chrono>
#include <csignal>
#include <string>
#include <string_view>
#include <vector>

#include "base/console/live_area.h"
#include "base/console/terminal.h"
#include "base/core/result.h"
#include "base/core/unique_fd.h"

namespace gpunode::console {

/// From enter() to its end the terminal shows the alternate screen. It is given
/// back as it was on every way out that a process has a say in: this value's
/// end, and the signals that end or stop a program, which wait() answers. One a
/// process, made before other threads are, so that they leave the signals to
/// it; used by one thread.
class FullScreen {
 public:
  /// Both must be the terminal, and stay open.
  static Result<FullScreen> enter(int in, int out);
  FullScreen(FullScreen&& other) noexcept;
  FullScreen& operator=(FullScreen&&) = delete;
  FullScreen(const FullScreen&) = delete;
  FullScreen& operator=(const FullScreen&) = delete;
  ~FullScreen();

  /// Lines from the top on, cut to the size of `terminal` and of the window;
  /// what was there before goes. Where the terminal takes no more this waits
  /// until it does, or wait() has something to tell: the rest is left out then.
  Result<void> show(const std::vector<LiveArea::Line>& lines,
                    const Terminal& terminal) const;

  struct Event {
    std::string bytes;        ///< Keys, as the terminal sends them.
    bool is_resized = false;  ///< Or it was away: draw again.
    bool is_called = false;   ///< `other` may be read.
    bool is_over = false;     ///< Ctrl-C, or the terminal is gone.
  };

  /// Until something happens, or `patience` is over, which is an Event of
  /// nothing. A signal that ends programs ends this one, as it would have:
  /// after the terminal was given back. Ctrl-Z stops it, and the screen is
  /// taken again when it goes on, by whatever it was stopped. `other` is -1 or
  /// a descriptor to watch.
  Result<Event> wait(std::chrono::milliseconds patience, int other);

 private:
  FullScreen(int in, int out) : in_(in), out_(out) {}

  Result<void> take();
  Result<void> write(std::string_view text) const;
  void give_back();
  void answer(int signal, Event& event);

  int in_;
  int out_;
  bool is_taken_ = false;
  termios before_{};
  sigset_t mask_before_{};
  UniqueFd signals_;
  UniqueFd own_out_;  ///< The terminal; writing to it waits for nothing.
};

}  // namespace gpunode::console
