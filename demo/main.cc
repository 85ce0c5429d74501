// gpunode-demo: the main job in a few seconds, on a machine without GPU, driver
// or Kubernetes.
//
// The story runs in a child: whatever ends it, the parent cleans up.
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <string>
#include <string_view>

#include "base/host/command_runner.h"
#include "demo/programs.h"
#include "demo/screen.h"
#include "demo/story.h"
#include "demo/workplace.h"

namespace gpunode::demo {
namespace {

constexpr int kAsClaimed = 0;
constexpr int kNotSo = 1;
constexpr int kCannotRunHere = 2;
constexpr int kUsage = 64;

constexpr const char* kHelp =
    "Usage: gpunode-demo\n"
    "\n"
    "Shows a bare host becoming a GPU node, and a Pod getting its share of "
    "the\n"
    "GPU: the file and plan of a recorded g5.4xlarge, a small host prepared "
    "and\n"
    "put back, gpunode-agent with 20 shares of a simulated A10G, a container "
    "run\n"
    "by runc. Needs root and runc; leaves nothing behind.\n"
    "\n"
    "Exit codes: 0 all as claimed, 1 something was not, 2 this machine cannot\n"
    "run it, 64 usage. Colours only on a terminal and without NO_COLOR.\n";

/// A child tries, so that this process keeps its namespace.
bool may_make_namespaces() {
  const pid_t pid = ::fork();
  if (pid == 0) ::_exit(::unshare(CLONE_NEWNS) == 0 ? 0 : 1);
  int status = 1;
  return pid > 0 && ::waitpid(pid, &status, 0) == pid && status == 0;
}

bool can_run(const Programs& programs, Screen& screen) {
  if (::geteuid() != 0) {
    screen.trouble("not root",
                   "containers, device nodes and cgroups are made for real",
                   "sudo make demo");
    return false;
  }
  if (programs.runc.empty()) {
    screen.trouble("runc is not installed",
                   "the Pod's container is run by the real runc",
                   "apt-get install runc");
    return false;
  }
  if (!may_make_namespaces()) {
    screen.trouble("unshare(CLONE_NEWNS) is refused",
                   "this environment forbids containers inside it",
                   "use a VM, or a privileged container");
    return false;
  }
  for (const std::string& file :
       {programs.gpunode, programs.seed, programs.agent, programs.vectoradd,
        programs.cuda_library, programs.nvml_library, programs.profile}) {
    if (::access(file.c_str(), R_OK) == 0) continue;
    screen.trouble(file + " is missing", "it was not built", "make demo");
    return false;
  }
  return true;
}

int play(const Programs& programs, const Workplace& workplace, Screen& screen) {
  tell(programs, workplace, screen);
  if (!screen.all_true()) {
    screen.say("");
    screen.say("Not everything was as claimed; see above.");
    return kNotSo;
  }
  screen.title("\nAll of it was as claimed.");
  screen.say("Next: make test runs this on a real Kubernetes node, too.");
  return kAsClaimed;
}

/// Waits for the child, and passes on a wish to stop.
int await(pid_t child, const sigset_t& signals) {
  while (true) {
    int status = 0;
    if (::waitpid(child, &status, WNOHANG) == child) {
      return WIFEXITED(status) ? WEXITSTATUS(status) : kNotSo;
    }
    const int signal = ::sigwaitinfo(&signals, nullptr);
    if (signal > 0 && signal != SIGCHLD) ::kill(child, SIGTERM);
  }
}

/// Containers whose story was cut short; runc removes their cgroups.
void remove_containers(const Programs& programs, const Workplace& workplace) {
  host::SystemCommandRunner runner;
  std::error_code ignored;
  for (const auto& entry :
       std::filesystem::directory_iterator(workplace.runc_state(), ignored)) {
    host::Command command;
    command.argv = {programs.runc, "--root",  workplace.runc_state().string(),
                    "delete",      "--force", entry.path().filename().string()};
    static_cast<void>(runner.run(command));
  }
}

int run() {
  Screen screen = Screen::of_process();
  const Programs programs = built_programs();
  screen.title(
      "gpunode demo: a bare host becomes a GPU node, and a Pod gets its share");
  if (!can_run(programs, screen)) return kCannotRunHere;
  const Result<Workplace> workplace = Workplace::make();
  if (!workplace) {
    screen.trouble(workplace.error().message(), "nowhere to work",
                   "look at TMPDIR and the free space there");
    return kCannotRunHere;
  }
  sigset_t signals;
  sigset_t before;
  ::sigemptyset(&signals);
  for (const int signal : {SIGCHLD, SIGINT, SIGTERM, SIGHUP}) {
    ::sigaddset(&signals, signal);
  }
  ::pthread_sigmask(SIG_BLOCK, &signals, &before);
  const pid_t child = ::fork();
  if (child == 0) {
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    const int code = play(programs, *workplace, screen);
    std::fflush(stdout);
    ::_exit(code);
  }
  const int code = child < 0 ? kCannotRunHere : await(child, signals);
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  remove_containers(programs, *workplace);
  workplace->remove();
  return code;
}

}  // namespace
}  // namespace gpunode::demo

int main(int argc, char** argv) {
  if (argc == 1) return gpunode::demo::run();
  const bool is_help = argc == 2 && std::string_view(argv[1]) == "--help";
  std::fputs(gpunode::demo::kHelp, is_help ? stdout : stderr);
  return is_help ? 0 : gpunode::demo::kUsage;
}
