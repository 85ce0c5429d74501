#include "base/http/limit.h"

#include <poll.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <string>

#include <fmt/format.h>

namespace gpunode::http {
namespace {

Error cancelled() {
  return {ErrorCode::kUnavailable, "cancelled"};
}

}  // namespace

Limit Limit::after(Duration allowed, const Cancellation* cancellation) {
  return {SystemClock().now() + allowed, allowed, cancellation};
}

Duration Limit::left() const {
  return deadline - SystemClock().now();
}

Result<void> Limit::check() const {
  if (cancellation != nullptr && cancellation->is_cancelled()) {
    return cancelled();
  }
  if (left() <= Duration::zero()) return timed_out();
  return {};
}

Error Limit::timed_out() const {
  const double seconds = std::chrono::duration<double>(allowed).count();
  return {ErrorCode::kUnavailable,
          fmt::format("no answer within {:.3g} s", seconds)};
}

Result<void> wait_ready(int fd, short events, const Limit& limit) {
  const int cancel_fd =
      limit.cancellation == nullptr ? -1 : limit.cancellation->fd();
  for (;;) {
    TRY_VOID(limit.check());
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(limit.left()).count();
    std::array<pollfd, 2> polled{{{fd, events, 0}, {cancel_fd, POLLIN, 0}}};
    const int ready =
        ::poll(polled.data(), polled.size(),
               static_cast<int>(std::clamp<decltype(left)>(left, 0, INT_MAX)));
    if (ready < 0 && errno != EINTR) return Error::from_errno("poll", errno);
    if (ready <= 0) continue;
    if (polled[1].revents != 0) return cancelled();
    if (polled[0].revents != 0) return {};
  }
}

bool pause(Duration time, const Cancellation* cancellation) {
  // No descriptor becomes ready: only the deadline or the cancellation ends it.
  (void)wait_ready(-1, 0, Limit::after(time, cancellation));
  return cancellation == nullptr || !cancellation->is_cancelled();
}

}  // namespace gpunode::http
