#include "base/http/cancellation.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

namespace gpunode::http {

Result<Cancellation> Cancellation::make() {
  UniqueFd event(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!event) return Error::from_errno("eventfd", errno);
  return Cancellation(std::move(event));
}

void Cancellation::cancel() const {
  const std::uint64_t one = 1;
  // Fails only when the counter is full, which is to be cancelled too.
  [[maybe_unused]] const ssize_t n = ::write(event_.get(), &one, sizeof one);
}

bool Cancellation::is_cancelled() const {
  pollfd polled{event_.get(), POLLIN, 0};
  return ::poll(&polled, 1, 0) > 0;
}

}  // namespace gpunode::http
