#include "apps/gpunode/commands/runtime_configure.h"

#include <unistd.h>

#include <map>
#include <memory>
#include <string>
#include <utility>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "apps/gpunode/session.h"
#include "base/host/host_root.h"
#include "base/text/unified_diff.h"
#include "container/engines/configurator.h"

namespace gpunode::cli {
namespace {

using engines::ConfigureTask;
using engines::Engine;
using engines::RuntimeRequest;

constexpr const char* kExamples = R"(
Examples:
  # What would change, as a diff; exit code 2 if anything would.
  gpunode runtime configure --runtime containerd --set-as-default --dry-run

  # containerd starts every container through gpunode-runtime.
  gpunode runtime configure --runtime containerd --set-as-default --restart

  # Back to what was before, edits made since kept.
  gpunode runtime configure --runtime containerd --undo

Comments, order and formatting of the file stay. The engine itself is asked
before and after what it would run with; if anything but what was asked
differs, every file is put back. From containerd 2.1 on the change is a small
drop-in; earlier ones replace whole plugin sections by those of a drop-in, so
there the file itself is edited. CRI-O always gets a drop-in.

The engine is restarted with --restart only, and not while that could take
GPUs from running containers (see `gpunode runtime device-links --help`).)";

/// What the command line said.
struct Flags {
  std::string root = "/";
  std::string engine = "containerd";
  std::string config;
  std::string drop_in = "auto";
  std::string name = "nvidia";
  std::string path = "/usr/bin/gpunode-runtime";
  std::string engine_path;
  bool set_as_default = false;
  bool cdi = false;
  bool dry_run = false;
  bool undo = false;
  bool restart = false;
};

struct EngineFiles {
  Engine engine;
  const char* config;
  const char* drop_in;
};

const std::map<std::string, EngineFiles>& engine_table() {
  static const std::map<std::string, EngineFiles> kTable = {
      {"containerd",
       {Engine::kContainerd, "/etc/containerd/config.toml",
        "/etc/containerd/conf.d/99-nvidia.toml"}},
      {"crio",
       {Engine::kCrio, "/etc/crio/crio.conf",
        "/etc/crio/crio.conf.d/99-nvidia.toml"}},
      {"docker", {Engine::kDocker, "/etc/docker/daemon.json", ""}}};
  return kTable;
}

ConfigureTask task_of(const Flags& flags) {
  const EngineFiles& files = engine_table().at(flags.engine);
  ConfigureTask task;
  task.engine = files.engine;
  task.config_path = flags.config.empty() ? files.config : flags.config;
  task.drop_in_path = files.drop_in;
  task.engine_path = flags.engine_path;
  if (flags.drop_in == "none") {
    task.drop_in = ConfigureTask::DropIn::kNever;
  } else if (flags.drop_in != "auto") {
    task.drop_in = ConfigureTask::DropIn::kAlways;
    task.drop_in_path = flags.drop_in;
  }
  return task;
}

// systemd manages cgroups, and by version 2 alone.
bool has_systemd_cgroups(const host::HostRoot& root) {
  return root.exists("run/systemd/system") &&
         root.exists("sys/fs/cgroup/cgroup.controllers");
}

RuntimeRequest request_of(const Flags& flags, const host::HostRoot& root) {
  RuntimeRequest request;
  request.name = flags.name;
  request.path = flags.path;
  request.enable_cdi = flags.cdi;
  request.systemd_cgroup = has_systemd_cgroups(root);
  if (flags.set_as_default) {
    request.default_runtime = RuntimeRequest::DefaultRuntime::kSet;
  }
  return request;
}

Result<void> check(const Flags& flags) {
  const auto refuse = [](std::string words) {
    return Error(ErrorCode::kInvalidArgument, std::move(words));
  };
  for (const auto& [option, path] : {std::pair("--config", flags.config),
                                     std::pair("--runtime-path", flags.path)}) {
    const bool is_docker_name =
        flags.engine == "docker" && path.find('/') == path.npos;
    if (!path.empty() && path[0] != '/' && !is_docker_name) {
      return refuse(fmt::format("{} {} is not an absolute path", option, path));
    }
  }
  if (flags.drop_in != "auto" && flags.drop_in != "none" &&
      !flags.drop_in.starts_with('/')) {
    return refuse(
        fmt::format("--drop-in-config {} is not an absolute path, auto or none",
                    flags.drop_in));
  }
  if (flags.engine == "docker" && flags.drop_in.starts_with('/')) {
    return refuse("--drop-in-config: Docker reads daemon.json alone");
  }
  if (flags.name.empty()) return refuse("--runtime-name is empty");
  return {};
}

const char* words(engines::Configured::Verdict verdict) {
  using Verdict = engines::Configured::Verdict;
  switch (verdict) {
    case Verdict::kAsMeant:
      return " understands it as meant\n";
    case Verdict::kAccepted:
      return " accepts it\n";
    case Verdict::kNotAsked:
      break;
  }
  return " itself was not asked: its program is not here or cannot tell\n";
}

/// One run.
class Configure {
 public:
  Configure(const Flags& flags, Session& session)
      : flags_(flags),
        session_(session),
        root_(flags.root),
        task_(task_of(flags)),
        configurator_(root_, session.runner) {}

  void run();

 private:
  Result<void> run_checked();
  Result<void> show(const engines::EnginePlan& plan);
  Result<void> carry_out(engines::EnginePlan plan);
  Result<void> restart();

  const Flags& flags_;
  Session& session_;
  host::HostRoot root_;
  ConfigureTask task_;
  engines::Configurator configurator_;
  ExitCode failure_ = ExitCode::kError;
};

Result<void> Configure::show(const engines::EnginePlan& plan) {
  std::string diff;
  for (const engines::FileChange& file : plan.files) {
    const std::string path = root_.outside(file.path);
    diff += text::unified_diff(
        file.before.value_or(""), file.after.value_or(""),
        file.before ? path : "/dev/null", file.after ? path : "/dev/null");
  }
  return print(::isatty(STDOUT_FILENO) == 1 ? text::coloured_diff(diff) : diff);
}

Result<void> Configure::carry_out(engines::EnginePlan plan) {
  const RuntimeRequest request = request_of(flags_, root_);
  auto done = flags_.undo
                  ? configurator_.apply_undo(task_, std::move(plan))
                  : configurator_.apply(task_, request, std::move(plan));
  if (!done) return std::move(done).error();
  for (const engines::FileChange& file : done->plan.files) {
    if (!file.is_change()) continue;
    TRY_VOID(print(fmt::format("{} {}\n",
                               !file.after    ? "removed"
                               : !file.before ? "made"
                                              : "changed",
                               root_.outside(file.path))));
  }
  return print(engine_name(task_.engine) + std::string(words(done->verdict)));
}

Result<void> Configure::restart() {
  TRY_VOID(configurator_.restart(task_));
  return print(fmt::format("restarted {}\n", engine_name(task_.engine)));
}

Result<void> Configure::run_checked() {
  TRY_VOID(check(flags_));
  if (flags_.restart && !flags_.dry_run) {
    if (auto safe = configurator_.check_restart(task_); !safe) {
      failure_ = ExitCode::kRefusedForSafety;
      return std::move(safe).error().with_context("nothing was changed");
    }
  }
  TRY(auto plan, flags_.undo
                     ? configurator_.plan_undo(task_)
                     : configurator_.plan(task_, request_of(flags_, root_)));
  for (const std::string& note : plan.notes) {
    fmt::print(stderr, "gpunode: note: {}\n", harmless(note));
  }
  const bool is_change = plan.is_change();
  if (flags_.dry_run) {
    if (is_change) session_.outcome = ExitCode::kChangesPending;
    return show(plan);
  }
  if (!is_change && !flags_.undo) {
    TRY_VOID(
        print(fmt::format("unchanged {}\n", root_.outside(task_.config_path))));
  } else {
    TRY_VOID(carry_out(std::move(plan)));
  }
  if (flags_.restart) return restart();
  if (!is_change) return {};
  return print(
      fmt::format("it takes effect with the next start: systemctl restart {}\n",
                  engine_name(task_.engine)));
}

void Configure::run() {
  if (const auto done = run_checked(); !done) {
    const bool is_usage = done.error().code() == ErrorCode::kInvalidArgument;
    session_.fail(done.error(), is_usage ? ExitCode::kUsage : failure_);
  }
}

}  // namespace

void add_runtime_configure(CLI::App& runtime, Session& session) {
  CLI::App* verb = runtime.add_subcommand(
      "configure",
      "Add a GPU runtime to the configuration of containerd, CRI-O or Docker");
  verb->footer(kExamples);
  auto flags = std::make_shared<Flags>();
  verb->add_option("--root", flags->root,
                   "Directory that stands for / of the host")
      ->capture_default_str();
  verb->add_option("--runtime", flags->engine, "The engine to configure")
      ->check(CLI::IsMember({"containerd", "crio", "docker"}))
      ->capture_default_str();
  verb->add_option("--config", flags->config,
                   "The engine's configuration file; default: where the engine "
                   "looks for it");
  verb->add_option("--drop-in-config", flags->drop_in,
                   "auto, none, or the file that gets the change")
      ->capture_default_str();
  verb->add_option("--runtime-name", flags->name,
                   "Name of the runtime for pods and containers")
      ->capture_default_str();
  verb->add_option("--runtime-path", flags->path, "Program of the runtime")
      ->capture_default_str();
  verb->add_option("--engine-path", flags->engine_path,
                   "Program of the engine, to ask what it understands; "
                   "default: looked for in the usual places");
  verb->add_flag("--set-as-default", flags->set_as_default,
                 "Start every container with this runtime");
  verb->add_flag("--cdi", flags->cdi, "Turn on CDI in the engine");
  verb->add_flag("--dry-run", flags->dry_run,
                 "Print a diff and change nothing; exit code 2 if anything "
                 "would change");
  verb->add_flag("--undo", flags->undo,
                 "Take back what earlier runs changed, and nothing else");
  verb->add_flag("--restart", flags->restart,
                 "Restart the engine afterwards, if that is safe");
  verb->callback([flags, &session] { Configure(*flags, session).run(); });
}

}  // namespace gpunode::cli
