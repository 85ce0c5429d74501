/// Two images of the cluster test are this program: the Pods' sandbox
/// ("pause"), and a workload that holds its GPU until it is told to end. It
/// prints what it was given, so that the test reads in the Pod's log what
/// reached the container, then waits for SIGTERM or SIGINT and ends with 0.
///
/// Static and small: it is all that its image holds.

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>

namespace {

constexpr int kNodes = 16;  // More than any simulated machine has GPUs.

/// Without a driver the kernel answers ENXIO where the container's device
/// cgroup lets the open through and EPERM where it does not, so the answer
/// tells which GPUs this container may use.
void print_gpus() {
  for (int minor = 0; minor < kNodes; ++minor) {
    const std::string path = "/dev/nvidia" + std::to_string(minor);
    const int fd = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT) continue;
    const bool allowed = fd >= 0 || errno == ENXIO;
    std::printf("%s %s\n", path.c_str(), allowed ? "allowed" : "refused");
    if (fd >= 0) ::close(fd);
  }
}

}  // namespace

int main() {
  sigset_t ending;
  sigemptyset(&ending);
  sigaddset(&ending, SIGTERM);
  sigaddset(&ending, SIGINT);
  // Blocked before anything is printed: process 1 of a PID namespace ignores
  // signals that have no handler, and a signal must not be lost between the
  // line below and sigwait.
  pthread_sigmask(SIG_BLOCK, &ending, nullptr);

  // NOLINTNEXTLINE(concurrency-mt-unsafe): there is one thread.
  const char* visible = std::getenv("NVIDIA_VISIBLE_DEVICES");
  if (visible != nullptr) {
    std::printf("NVIDIA_VISIBLE_DEVICES=%s\n", visible);
    print_gpus();
    std::puts("holding");
    std::fflush(stdout);
  }
  int signal = 0;
  while (sigwait(&ending, &signal) != 0) {
  }
  if (visible != nullptr) std::puts("released");
  return 0;
}
