#include "container/hook/confinement.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <string_view>

namespace gpunode::hook {
namespace {

constexpr std::uint32_t bit(unsigned capability) {
  return std::uint32_t{1} << capability;
}

constexpr std::uint32_t kForFiles = bit(CAP_DAC_OVERRIDE) | bit(CAP_FOWNER);
constexpr std::uint32_t kForMounts = bit(CAP_SYS_ADMIN);

/// Keeps those of `wanted` that the process has. All are in the first word.
Result<void> keep_capabilities(std::uint32_t wanted) {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  std::array<__user_cap_data_struct, 2> sets{};
  if (::syscall(SYS_capget, &header, sets.data()) != 0) {
    return Error::from_errno("read capabilities", errno);
  }
  const std::uint32_t kept = sets[0].permitted & wanted;
  sets = {};
  sets[0].permitted = kept;
  sets[0].effective = kept;
  if (::syscall(SYS_capset, &header, sets.data()) != 0) {
    return Error::from_errno("drop capabilities", errno);
  }
  return {};
}

extern "C" void end_late(int /*signal*/) {
  constexpr std::string_view kText =
      "gpunode-runtime hook: not done after 60 seconds: a file system of the "
      "container does not answer; see what it mounts\n";
  static_cast<void>(!::write(STDERR_FILENO, kText.data(), kText.size()));
  ::_exit(1);
}

}  // namespace

Result<void> confine_process() {
  // NOLINTNEXTLINE(concurrency-mt-unsafe): there is one thread yet.
  if (::clearenv() != 0) return Error::from_errno("clear environment", errno);
  if (::chdir("/") != 0) return Error::from_errno("chdir /", errno);
  // Linux 5.9; before it descriptors that are open anyway do no harm, since
  // nothing is executed.
  static_cast<void>(::syscall(SYS_close_range, 3U, UINT_MAX, 0U));
  ::umask(S_IWGRP | S_IWOTH);
  struct sigaction action {};
  action.sa_handler = end_late;
  ::sigaction(SIGALRM, &action, nullptr);
  ::alarm(kMaxSeconds);
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
    return Error::from_errno("set no_new_privs", errno);
  }
  // The host's tree is still our root, and we are in the container's PID
  // namespace. With few capabilities left we are no more than a neighbour
  // there, who could otherwise reach that tree through /proc/<us>/root
  // (the way of CVE-2016-9962).
  if (::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) {
    return Error::from_errno("become undumpable", errno);
  }
  return keep_capabilities(kForFiles | kForMounts);
}

Result<void> give_up_mounting() {
  return keep_capabilities(kForFiles);
}

}  // namespace gpunode::hook
