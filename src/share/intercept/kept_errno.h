// errno as a program sees it over a call of the driver.
#pragma once

#include <cerrno>

namespace gpunode::share {

/// errno as it was: a program may look at it after a call of the driver.
class Errno {
 public:
  Errno() : before_(errno) {}
  Errno(const Errno&) = delete;
  Errno& operator=(const Errno&) = delete;
  ~Errno() { errno = before_; }

 private:
  int before_;
};

}  // namespace gpunode::share
