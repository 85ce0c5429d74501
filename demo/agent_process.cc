#include "demo/agent_process.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <utility>

#include "base/core/unique_fd.h"

namespace gpunode::demo {

namespace {

constexpr std::chrono::seconds kPatience{5};

/// What a child does between fork and exec: system calls only, because other
/// threads of the parent may hold locks. Returns errno; never on success.
int become_agent(const std::vector<char*>& argv, const char* dev, int log,
                 pid_t parent) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) return ESRCH;
  ::dup2(log, STDOUT_FILENO);
  ::dup2(log, STDERR_FILENO);
  if (::unshare(CLONE_NEWNS) != 0 ||
      ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
      ::mount(dev, "/dev", nullptr, MS_BIND, nullptr) != 0) {
    return errno;
  }
  const std::array<char*, 1> environment = {nullptr};
  ::execve(argv[0], argv.data(), environment.data());
  return errno;
}

}  // namespace

Result<AgentProcess> AgentProcess::start(const Options& options) {
  const UniqueFd log(::open(options.log.c_str(),
                            O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  if (!log) return Error::from_errno("open " + options.log, errno);
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
    return Error::from_errno("make a pipe", errno);
  }
  UniqueFd news(ends[0]);
  UniqueFd tell(ends[1]);
  std::vector<std::string> words = options.argv;
  std::vector<char*> argv;
  argv.reserve(words.size() + 1);
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  const pid_t parent = ::getpid();
  const pid_t pid = ::fork();
  if (pid < 0) return Error::from_errno("fork", errno);
  if (pid == 0) {
    const int error =
        become_agent(argv, options.dev.c_str(), log.get(), parent);
    const ssize_t told = ::write(tell.get(), &error, sizeof error);
    ::_exit(told == sizeof error ? 1 : 2);
  }
  AgentProcess agent(pid);
  tell.reset();
  // The pipe closes at exec: silence is success.
  int error = 0;
  if (::read(news.get(), &error, sizeof error) == sizeof error) {
    return Error::from_errno("start " + options.argv[0], error);
  }
  return agent;
}

AgentProcess::AgentProcess(AgentProcess&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)) {}

AgentProcess::~AgentProcess() {
  stop();
}

bool AgentProcess::stop() {
  if (pid_ < 0) return false;
  const pid_t pid = std::exchange(pid_, -1);
  ::kill(pid, SIGTERM);
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  int status = 0;
  while (::waitpid(pid, &status, WNOHANG) == 0) {
    if (std::chrono::steady_clock::now() > deadline) {
      ::kill(pid, SIGKILL);
      ::waitpid(pid, &status, 0);
      return false;
    }
    ::poll(nullptr, 0, 5);
  }
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

}  // namespace gpunode::demo
