#include "apps/gpunode/commands/stop_signals.h"

#include <csignal>

namespace gpunode::cli {
namespace {

std::atomic<bool> stop_asked{false};
std::atomic<int> first_signal{0};
static_assert(std::atomic<bool>::is_always_lock_free &&
              std::atomic<int>::is_always_lock_free);

extern "C" void ask_to_stop(int signal) {
  int none = 0;
  first_signal.compare_exchange_strong(none, signal);
  stop_asked = true;
}

}  // namespace

const std::atomic<bool>& stop_on_signals() {
  std::signal(SIGINT, ask_to_stop);
  std::signal(SIGTERM, ask_to_stop);
  // A terminal that is gone, as ssh's; not under nohup.
  if (std::signal(SIGHUP, ask_to_stop) == SIG_IGN) {
    std::signal(SIGHUP, SIG_IGN);
  }
  return stop_asked;
}

StopReason stop_reason() {
  switch (first_signal) {
    case 0:
      return StopReason::kNone;
    case SIGTERM:
      return StopReason::kTerminated;
    default:
      return StopReason::kPerson;
  }
}

}  // namespace gpunode::cli
