// gpunode bring: in a privileged container, puts gpunode and a file on the host
// and follows what becomes of it.

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "apps/gpunode/commands/commands.h"
#include "apps/gpunode/commands/given_path.h"
#include "apps/gpunode/commands/output_options.h"
#include "apps/gpunode/commands/own_programs.h"
#include "apps/gpunode/commands/stop_signals.h"
#include "apps/gpunode/session.h"
#include "base/core/unique_fd.h"
#include "base/digest/digest.h"
#include "base/host/host_namespace.h"
#include "base/host/host_root.h"
#include "base/host/root_directory.h"
#include "node/provision/spec_file.h"
#include "node/rollout/bring_pod.h"
#include "node/rollout/bringer.h"
#include "version.h"

namespace gpunode::cli {
namespace {

constexpr const char* kFooter = R"(
What the DaemonSet of `gpunode deliver --as daemonset` runs, and `gpunode
rollout` waits for: a container with hostPID and privileged, whose image has
gpunode and the programs beside it. It enters the mount namespace of process 1,
puts programs (in /usr/local/bin, never over newer ones, and nothing where a
package's are as new), file and gpunode-first.service there, starts that by
systemd, and tells its log as the container's. The run is systemd's: it goes on
when this is killed, and over reboots, and who is started again follows it.
Taking the container away undoes nothing.

Exit code 0: told to end; 7: the run on the host has failed, and this attempt
says so again however often it is asked; 1: it could not be brought. With
--is-done 0: the file is applied on this host; 2: not yet.)";

constexpr const char* kHost = "/proc/1/ns/mnt";
constexpr const char* kSystemd = "/run/systemd/system";
constexpr std::size_t kProgramLimitBytes = std::size_t{256} << 20U;
constexpr std::array<const char*, 4> kPrograms = {
    "gpunode", "gpunode-runtime", "gpunode-probe", "gpunode-vectoradd"};

struct Options {
  std::string file;
  std::string digest;  ///< That the file is to have; empty: any.
  std::string attempt;
  bool asks_done = false;
};

void say(const std::string& line) {
  std::fputs((line + "\n").c_str(), stdout);
  std::fflush(stdout);  // Who follows the Pod's log is to see it now.
}

/// True after `time`; false as soon as a signal wants an end.
bool pause_for(std::chrono::milliseconds time) {
  constexpr std::chrono::milliseconds kSlice(100);
  const std::atomic<bool>& is_stopped = stop_on_signals();
  for (; time.count() > 0 && !is_stopped; time -= kSlice) {
    std::this_thread::sleep_for(std::min(time, kSlice));
  }
  return !is_stopped;
}

Result<std::string> read_spec_file(const Options& options) {
  return host::HostRoot("/").read_file(given_path(options.file));
}

/// The file as it is meant: kubelets show the one before for a while. Empty:
/// told to end.
Result<std::string> await_file(const Options& options) {
  for (bool has_said = false;; has_said = true) {
    TRY(std::string text, read_spec_file(options));
    if (options.digest.empty() || digest::sha256(text) == options.digest) {
      return text;
    }
    if (!has_said) {
      say(
          fmt::format("{} is not the file with SHA-256 {} yet: waiting for the "
                      "kubelet to show that",
                      options.file, options.digest));
    }
    if (!pause_for(std::chrono::seconds(1))) return std::string();
  }
}

/// What is brought, opened while it can be seen.
Result<std::vector<rollout::BroughtProgram>> open_programs() {
  std::vector<rollout::BroughtProgram> programs;
  for (const char* name : kPrograms) {
    const std::string path = own_program(name);
    TRY(UniqueFd opened, host::HostRoot("/").open(path, O_RDONLY));
    const auto fd = std::make_shared<UniqueFd>(std::move(opened));
    programs.push_back({name, [fd, path] {
                          return host::read_all(fd->get(), kProgramLimitBytes,
                                                path);
                        }});
  }
  return programs;
}

Result<void> enter_host() {
  if (auto entered = host::enter_mount_namespace(kHost); !entered) {
    return Error(
        entered.error().code(),
        entered.error().message() +
            "; next: run it in a container with hostPID: true and privileged: "
            "true, as `gpunode deliver --as daemonset` writes it");
  }
  if (host::HostRoot("/").exists(kSystemd)) return {};
  return Error(ErrorCode::kUnsupported,
               fmt::format("process 1 has no {}, so it is no systemd: of a "
                           "container without hostPID: true, or of a host that "
                           "gpunode cannot bring anything to",
                           kSystemd));
}

Result<rollout::BringTask> task_of(const Options& options, std::string spec) {
  const provision::SpecReading reading =
      provision::read_spec({{options.file, spec}});
  if (!reading.problems.empty()) {
    return Error(ErrorCode::kInvalidArgument, reading.problems.front());
  }
  rollout::BringTask task;
  task.wish.digest = digest::sha256(spec);
  task.wish.attempt = options.attempt;
  task.wish.reboots_by_itself =
      reading.spec.host.reboot.mode == provision::RebootMode::kAuto;
  task.spec = std::move(spec);
  task.version = kVersion;
  TRY(task.programs, open_programs());
  return task;
}

/// On the host, to the end. Does not come back to the container's files.
Result<void> work_on_host(const rollout::BringTask& task, Session& session) {
  TRY_VOID(enter_host());
  const host::HostRoot host("/");
  rollout::Bringer bringer(task, host, session.runner, say, pause_for);
  TRY(const rollout::BringEnd end, bringer.run());
  if (end == rollout::BringEnd::kFailed) {
    session.outcome = ExitCode::kVerificationFailed;
    static_assert(static_cast<int>(ExitCode::kVerificationFailed) ==
                  rollout::kRunFailedExit);
  }
  if (end != rollout::BringEnd::kDone) return {};
  // A container that ended would be started again: it stays, and is ready.
  while (pause_for(std::chrono::hours(1))) {
  }
  return {};
}

/// Until the child has ended, which is told once that it is to. Its wait
/// status.
Result<int> await_child(pid_t child) {
  constexpr std::chrono::milliseconds kBetweenLooks(100);
  bool was_told = false;
  for (;;) {
    int status = 0;
    const pid_t ended = ::waitpid(child, &status, WNOHANG);
    if (ended == child) return status;
    if (ended < 0 && errno != EINTR) {
      return Error::from_errno("wait for the process on the host", errno);
    }
    if (!was_told && stop_on_signals().load()) {
      was_told = ::kill(child, SIGTERM) == 0;
    }
    std::this_thread::sleep_for(kBetweenLooks);
  }
}

Result<void> bring(const Options& options, Session& session) {
  constexpr mode_t kOthersMayRead = 022;
  ::umask(kOthersMayRead);
  static_cast<void>(stop_on_signals());
  TRY(std::string spec, await_file(options));
  if (spec.empty()) return {};
  TRY(const rollout::BringTask task, task_of(options, std::move(spec)));
  // Who comes into this container later, as its readiness probe does, gets the
  // namespaces of its first process. That one stays where it is, and a child
  // goes to the host.
  const pid_t parent = ::getpid();
  const pid_t child = ::fork();
  if (child < 0) return Error::from_errno("start a process", errno);
  if (child == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(EXIT_FAILURE);  // It ended before that.
    if (const auto done = work_on_host(task, session); !done) {
      session.fail(done.error());
    }
    std::fflush(nullptr);
    ::_exit(static_cast<int>(session.outcome));
  }
  TRY(const int status, await_child(child));
  if (WIFEXITED(status)) {
    session.outcome = static_cast<ExitCode>(WEXITSTATUS(status));
    return {};
  }
  return Error(ErrorCode::kInternal,
               fmt::format("the process on the host ended by signal {}",
                           WTERMSIG(status)));
}

Result<void> tell_whether_done(const Options& options, Session& session) {
  TRY(const std::string spec, read_spec_file(options));
  const std::string digest = digest::sha256(spec);
  TRY_VOID(enter_host());
  const bool is_meant = options.digest.empty() || digest == options.digest;
  if (!is_meant || !rollout::is_brought(host::HostRoot("/"), digest)) {
    session.outcome = ExitCode::kChangesPending;
  }
  return {};
}

}  // namespace

void add_bring(CLI::App& gpunode, Session& session) {
  CLI::App* verb = gpunode.add_subcommand(
      "bring", "From a container, bring gpunode and a file to its host");
  const auto options = std::make_shared<Options>();
  verb->add_option("file", options->file, "The GPUNode file")->required();
  verb->add_option("--digest", options->digest,
                   "SHA-256 that the file has once the kubelet shows the right "
                   "one");
  verb->add_option("--attempt", options->attempt,
                   "A name for this attempt, as the Pod's uid: a run that "
                   "failed is begun anew by another one only");
  verb->add_flag("--is-done", options->asks_done,
                 "Say by the exit code whether it is done, and change nothing");
  add_no_color(*verb);
  verb->footer(kFooter);
  verb->callback([options, &session] {
    const auto done = options->asks_done ? tell_whether_done(*options, session)
                                         : bring(*options, session);
    if (!done) session.fail(done.error());
  });
}

}  // namespace gpunode::cli
