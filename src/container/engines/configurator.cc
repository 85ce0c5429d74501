#include "container/engines/configurator.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/text/go_text.h"
#include "base/text/json_edit.h"
#include "base/text/toml_reader.h"
#include "container/engines/config_file.h"
#include "container/engines/containerd_config.h"
#include "container/engines/containerd_version.h"
#include "container/engines/crio_config.h"
#include "container/engines/device_nodes.h"
#include "container/engines/docker_config.h"
#include "container/engines/dump_proof.h"
#include "container/engines/gpu_users.h"
#include "container/engines/undo_record.h"

namespace gpunode::engines {
namespace {

const char* daemon_name(Engine engine) {
  return engine == Engine::kDocker ? "dockerd" : engine_name(engine);
}

/// What became of a change that failed for `reason`, `back` being how taking it
/// back went.
Error taken_back(const Error& reason, const Result<void>& back) {
  if (back) {
    return {reason.code(), fmt::format("{}; every file is as it was before",
                                       reason.message())};
  }
  return {ErrorCode::kInternal,
          fmt::format("{}; then taking the change back failed too: {}",
                      reason.message(), back.error().message())};
}

Error refused_as_it_is(const ConfigureTask& task, Error reason) {
  return std::move(reason).with_context(
      fmt::format("{} is not accepted by containerd as it is; repair it first",
                  task.config_path));
}

}  // namespace

// ---------------------------------------------------------------------------
// Asking engines.

// Empty: there is none to ask. One below another root is not for this machine.
std::string Configurator::program_of(const ConfigureTask& task) const {
  if (!task.engine_path.empty()) return task.engine_path;
  if (root_.prefix() != "/") return {};
  for (const char* directory : {"/usr/bin/", "/usr/local/bin/", "/usr/sbin/",
                                "/usr/local/sbin/", "/bin/"}) {
    std::string path = std::string(directory) + daemon_name(task.engine);
    if (root_.exists(path)) return path;
  }
  return {};
}

Result<std::string> Configurator::dump_of(const ConfigureTask& task,
                                          bool is_file_there) {
  host::Command command;
  command.argv = {program_of(task)};
  if (is_file_there) {
    command.argv.insert(command.argv.end(),
                        {"--config", root_.outside(task.config_path)});
  }
  command.argv.insert(command.argv.end(),
                      {"config", is_file_there ? "dump" : "default"});
  return runner_.output(command);
}

Result<std::string> Configurator::crio_status(const ConfigureTask& task) {
  std::string program = program_of(task);
  if (program.empty()) program = "/usr/bin/crio";
  host::Command command;
  command.argv = {program, "status", "config"};
  auto status = runner_.output(command);
  if (status) return status;
  const std::string older =
      program.substr(0, program.rfind('/') + 1) + "crio-status";
  command.argv = {older, "config"};
  return runner_.output(command);
}

// ---------------------------------------------------------------------------
// Planning.

Result<bool> Configurator::merges_tables(const ConfigureTask& task,
                                         const RuntimeRequest& request) {
  const std::string program = program_of(task);
  if (task.drop_in == ConfigureTask::DropIn::kNever || request.is_exact_copy ||
      program.empty()) {
    return false;
  }
  host::Command command;
  command.argv = {program, "--version"};
  TRY(const std::string output, runner_.output(command));
  const auto version = parse_containerd_version(output);
  return version && version->merges_plugin_tables();
}

// What containerd runs with: imported files say what the file does not.
Result<void> Configurator::read_dump(const ConfigureTask& task,
                                     const RuntimeRequest& request,
                                     ContainerdFiles& files,
                                     std::vector<std::string>& notes) {
  const bool is_asked = task.is_proof_wanted && !request.is_exact_copy &&
                        !program_of(task).empty();
  if (!is_asked && !task.use_dump) return {};
  auto text = dump_of(task, files.config.has_value());
  if (!text) return refused_as_it_is(task, std::move(text).error());
  TRY(auto dump, text::parse_toml(*text, "containerd config dump"));
  if (!task.use_dump) {
    TRY(*text, dump_of(task, false));
    TRY(files.built_in, text::parse_toml(*text, "containerd config default"));
    files.effective = std::move(dump);
    return {};
  }
  TRY(const auto file,
      text::parse_toml(files.config.value_or(""), task.config_path));
  TRY(const long long ours, containerd_schema(file));
  TRY(const long long theirs, containerd_schema(dump));
  if (ours == theirs || file.entries.empty()) {
    files.section_source = std::move(dump);
  } else {
    notes.push_back(
        fmt::format("containerd dumps version {} of a file of version {}; the "
                    "file is what counts",
                    theirs, ours));
  }
  return {};
}

Result<EnginePlan> Configurator::plan_for_containerd(
    const ConfigureTask& task, const RuntimeRequest& request) {
  using DropIn = ContainerdFiles::DropIn;
  ContainerdFiles files;
  files.config_path = task.config_path;
  files.drop_in_path = task.drop_in_path;
  TRY(files.config, read_config(root_, task.config_path));
  std::vector<std::string> notes;
  TRY(const bool merges, merges_tables(task, request));
  if (task.drop_in == ConfigureTask::DropIn::kAlways) {
    files.drop_in = merges ? DropIn::kSmall : DropIn::kWholeSection;
    if (!merges && !request.is_exact_copy) {
      notes.emplace_back(
          "this containerd does not merge tables of one plugin from several "
          "files: the drop-in has a copy of the CRI section, and later edits "
          "of that section elsewhere have no effect");
    }
  } else if (task.drop_in == ConfigureTask::DropIn::kAsVersionAllows &&
             merges) {
    files.drop_in = DropIn::kSmall;
  }
  if (files.drop_in != DropIn::kNone) {
    TRY(files.drop_in_text, read_config(root_, task.drop_in_path));
  }
  TRY_VOID(read_dump(task, request, files, notes));
  TRY(auto plan, plan_containerd(files, request));
  plan.notes.insert(plan.notes.begin(), notes.begin(), notes.end());
  return plan;
}

Result<EnginePlan> Configurator::plan_for_crio(const ConfigureTask& task,
                                               const RuntimeRequest& request) {
  CrioFiles files;
  files.config_path = task.config_path;
  TRY(files.config, read_config(root_, task.config_path));
  if (task.drop_in != ConfigureTask::DropIn::kNever) {
    files.drop_in_path = task.drop_in_path;
    TRY(files.drop_in_text, read_config(root_, task.drop_in_path));
  }
  if (task.use_dump) {
    TRY(files.source, crio_status(task));
  }
  return plan_crio(files, request);
}

Result<EnginePlan> Configurator::plan(const ConfigureTask& task,
                                      const RuntimeRequest& request) {
  switch (task.engine) {
    case Engine::kContainerd:
      return plan_for_containerd(task, request);
    case Engine::kCrio:
      return plan_for_crio(task, request);
    case Engine::kDocker: {
      TRY(const auto config, read_config(root_, task.config_path));
      return plan_docker(task.config_path, config, request);
    }
  }
  return EnginePlan{};
}

// ---------------------------------------------------------------------------
// Carrying out.

Result<void> Configurator::write_all(const EnginePlan& plan) {
  for (const FileChange& file : plan.files) {
    if (!file.is_change()) continue;
    TRY_VOID(write_config(root_, file.path, file.after));
  }
  return {};
}

// Tries every file; the first failure is told.
Result<void> Configurator::take_back(const EnginePlan& plan) {
  Result<void> outcome;
  for (const FileChange& file : plan.files) {
    if (!file.is_change()) continue;
    const auto now = read_config(root_, file.path);
    if (now && *now == file.before) continue;
    auto written = write_config(root_, file.path, file.before);
    if (!written && outcome) outcome = std::move(written);
  }
  return outcome;
}

// dockerd can validate from version 23 on; CRI-O's files are not for asking.
Result<bool> Configurator::can_ask(const ConfigureTask& task) {
  const std::string program = program_of(task);
  if (!task.is_proof_wanted || program.empty()) return false;
  if (task.engine != Engine::kDocker) return task.engine != Engine::kCrio;
  host::Command command;
  command.argv = {program, "--help"};
  TRY(const std::string flags, runner_.output(command));
  return flags.find("--validate") != std::string::npos;
}

// Fails if the engine does not take its files as they are; containerd's answer
// is its dump.
Result<std::string> Configurator::ask(const ConfigureTask& task) {
  if (task.engine == Engine::kContainerd) {
    return dump_of(task, root_.exists(task.config_path));
  }
  host::Command command;
  command.argv = {program_of(task), "--validate",
                  "--config-file=" + root_.outside(task.config_path)};
  return runner_.output(command);
}

Result<Configured::Verdict> Configurator::prove(const ConfigureTask& task,
                                                const RuntimeRequest& request,
                                                const std::string& before) {
  TRY(const std::string after, ask(task));
  if (task.engine != Engine::kContainerd) {
    return Configured::Verdict::kAccepted;
  }
  TRY_VOID(prove_containerd(before, after, request));
  return Configured::Verdict::kAsMeant;
}

// The undo record says what was there before the first change of ours.
Result<void> Configurator::remember(const ConfigureTask& task,
                                    const EnginePlan& plan) {
  const std::string path =
      record_path(task.record_directory, task.engine, task.config_path);
  TRY(auto loaded, load_record(root_, path));
  std::vector<FileChange> record =
      std::move(loaded).value_or(std::vector<FileChange>{});
  for (const FileChange& file : plan.files) {
    const auto old = std::ranges::find(record, file.path, &FileChange::path);
    if (old == record.end()) {
      record.push_back(file);
      continue;
    }
    const auto original = undone(*old, file.before);
    *old = {file.path, original ? *original : file.before, file.after};
  }
  return save_record(root_, path, record);
}

Result<Configured> Configurator::apply(const ConfigureTask& task,
                                       const RuntimeRequest& request,
                                       EnginePlan plan) {
  TRY(const bool is_asked, can_ask(task));
  std::string before;
  if (is_asked && task.engine == Engine::kContainerd) {
    auto dump = ask(task);
    if (!dump) return refused_as_it_is(task, std::move(dump).error());
    before = *std::move(dump);
  }
  const std::string record =
      record_path(task.record_directory, task.engine, task.config_path);
  TRY(const auto old_record, read_config(root_, record));
  TRY_VOID(remember(task, plan));
  Result<Configured::Verdict> verdict = Configured::Verdict::kNotAsked;
  if (auto written = write_all(plan); !written) {
    verdict = std::move(written).error();
  } else if (is_asked) {
    verdict = prove(task, request, before);
  }
  if (!verdict) {
    Result<void> back = take_back(plan);
    if (back) back = write_config(root_, record, old_record, 0600);
    return taken_back(verdict.error(), back);
  }
  return Configured{std::move(plan), *verdict};
}

Result<EnginePlan> Configurator::plan_undo(const ConfigureTask& task) {
  const std::string path =
      record_path(task.record_directory, task.engine, task.config_path);
  TRY(const auto record, load_record(root_, path));
  if (!record) {
    return Error(ErrorCode::kNotFound,
                 fmt::format("nothing to undo: {} is not there, so gpunode did "
                             "not change {}",
                             root_.outside(path), task.config_path));
  }
  EnginePlan plan;
  for (const FileChange& done : *record) {
    TRY(const auto now, read_config(root_, done.path));
    TRY(auto text, undone(done, now));
    plan.files.push_back({done.path, now, std::move(text)});
  }
  return plan;
}

Result<Configured> Configurator::apply_undo(const ConfigureTask& task,
                                            EnginePlan plan) {
  TRY(const bool may_ask, can_ask(task));
  Configured done;
  Result<void> outcome = write_all(plan);
  if (outcome && may_ask && root_.exists(task.config_path)) {
    done.verdict = Configured::Verdict::kAccepted;
    if (auto answer = ask(task); !answer) outcome = std::move(answer).error();
  }
  if (!outcome) return taken_back(outcome.error(), take_back(plan));
  TRY_VOID(write_config(
      root_, record_path(task.record_directory, task.engine, task.config_path),
      std::nullopt));
  done.plan = std::move(plan);
  return done;
}

// ---------------------------------------------------------------------------
// Restarting.

Result<void> Configurator::check_restart(const ConfigureTask& task) const {
  const std::vector<GpuUser> users = gpu_users(root_);
  if (users.empty()) return {};
  const GpuUser& user = users.front();
  const std::string who = fmt::format(
      "a container {} (process {}, {})",
      user.is_open ? "uses a GPU now" : "has a GPU, though not open now",
      user.process_id, text::one_line(user.program));
  if (task.engine == Engine::kDocker) {
    const auto config = read_config(root_, task.config_path);
    const auto value = config && *config
                           ? text::read_json(**config, task.config_path)
                           : Error(ErrorCode::kNotFound, "");
    const text::Node tree = value ? text::tree_of(*value) : text::Node{};
    const text::Node* live = text::find_at(tree, {"live-restore"});
    if (live == nullptr || !live->is_true()) {
      return Error(ErrorCode::kUnavailable,
                   who +
                       ", and a restart of Docker ends containers unless "
                       "daemon.json has \"live-restore\": true; stop the "
                       "container first");
    }
  }
  TRY(const auto links,
      link_nodes(root_, "/dev/char", present_nodes(root_), {true, false}));
  for (const NodeChange& link : links) {
    if (link.kind == NodeChange::Kind::kPresent) continue;
    return Error(ErrorCode::kUnavailable,
                 fmt::format("{}, and systemd would take it away: {} does not "
                             "lead to {}; run `gpunode runtime device-links` "
                             "first, and make the container again",
                             who, link.path, link.target));
  }
  return {};
}

Result<void> Configurator::restart(const ConfigureTask& task) {
  host::Command command;
  command.argv = {"/usr/bin/systemctl", "restart", engine_name(task.engine)};
  command.timeout = std::chrono::minutes(2);
  TRY_VOID(runner_.output(command));
  return {};
}

}  // namespace gpunode::engines
