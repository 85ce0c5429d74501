// nvidia-ctk runtime configure.
#include <array>
#include <map>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "apps/gpunode/peer/command.h"
#include "base/host/host_root.h"
#include "base/text/go_text.h"
#include "base/text/json_edit.h"
#include "container/engines/config_file.h"
#include "container/engines/configurator.h"

namespace gpunode::cli {
namespace {

using engines::ConfigureTask;
using engines::Engine;
using engines::RuntimeRequest;
using text::GoFlag;
using text::GoFlags;

constexpr const char* kBareName = "nvidia-container-runtime";

const std::array<GoFlag, 13> kFlags = {{
    {.name = "runtime",
     .default_text = "docker",
     .usage = "The engine: one of [containerd, crio, docker]"},
    {.name = "config",
     .usage = "Path of the engine's configuration; where it looks for it if "
              "not given"},
    {.name = "drop-in-config",
     .usage = "Path of the drop-in that gets the change; empty to change "
              "--config itself"},
    {.name = "config-source",
     .default_text = "file",
     .usage = "Where the present configuration is read from: [file, command]"},
    {.name = "executable-path",
     .usage = "Program of the engine, for --config-source=command"},
    {.name = "config-mode", .usage = "What to write: [config-file, oci-hook]"},
    {.name = "oci-hook-path",
     .usage = "Where --config-mode=oci-hook writes; standard output if empty"},
    {.name = "nvidia-runtime-name",
     .default_text = "nvidia",
     .usage = "Name of the runtime in the configuration"},
    {.name = "nvidia-runtime-path",
     .aliases = {"runtime-path"},
     .default_text = kBareName,
     .usage = "Program of the runtime"},
    {.name = "nvidia-runtime-hook-path",
     .default_text = "/usr/bin/nvidia-container-runtime-hook",
     .usage = "Program of the hook, for --config-mode=oci-hook"},
    {.name = "nvidia-set-as-default",
     .kind = GoFlag::Kind::kBool,
     .aliases = {"set-as-default"},
     .usage = "Make it the default runtime"},
    {.name = "cdi.enabled",
     .kind = GoFlag::Kind::kBool,
     .aliases = {"cdi.enable", "enable-cdi"},
     .usage = "Turn on CDI in the engine"},
    {.name = "dry-run",
     .kind = GoFlag::Kind::kBool,
     .usage = "Print the new configuration and change nothing"},
}};

Error refusal(std::string words) {
  return {ErrorCode::kInvalidArgument, std::move(words)};
}

struct EngineFiles {
  Engine engine;
  const char* config;
  const char* drop_in;
};

Result<EngineFiles> files_of(const std::string& name) {
  static const std::map<std::string, EngineFiles> kTable = {
      {"containerd",
       {Engine::kContainerd, "/etc/containerd/config.toml",
        "/etc/containerd/conf.d/99-nvidia.toml"}},
      {"crio",
       {Engine::kCrio, "/etc/crio/crio.conf",
        "/etc/crio/crio.conf.d/99-nvidia.toml"}},
      {"docker", {Engine::kDocker, "/etc/docker/daemon.json", ""}}};
  const auto found = kTable.find(name);
  if (found == kTable.end()) {
    return refusal(fmt::format("unrecognized runtime '{}'", name));
  }
  return found->second;
}

Result<std::string> runtime_path(const GoFlags& flags, Engine engine) {
  const std::string& given = flags.text("nvidia-runtime-path");
  if (engine == Engine::kDocker) return given;
  if (given == kBareName) return std::string("/usr/bin/") + kBareName;
  if (given.starts_with('/')) return given;
  return refusal(
      fmt::format("the NVIDIA runtime path {} is not an absolute path",
                  text::go_quote(given)));
}

Result<void> choose_drop_in(const GoFlags& flags, const EngineFiles& files,
                            ConfigureTask& task) {
  task.drop_in_path = flags.is_set("drop-in-config")
                          ? flags.text("drop-in-config")
                          : files.drop_in;
  if (task.drop_in_path.empty()) {
    task.drop_in = ConfigureTask::DropIn::kNever;
    return {};
  }
  if (task.engine == Engine::kDocker) {
    return refusal("runtime docker does not support drop-in configs");
  }
  if (!task.drop_in_path.starts_with('/')) {
    return refusal(
        fmt::format("the drop-in-config path {} is not an absolute path",
                    text::go_quote(task.drop_in_path)));
  }
  task.drop_in = ConfigureTask::DropIn::kAlways;
  return {};
}

Result<void> choose_source(const GoFlags& flags, ConfigureTask& task,
                           const PeerLog& log) {
  const std::string& source = flags.text("config-source");
  if (source != "file" && source != "command") {
    return refusal("unrecognized Config Source: " + source);
  }
  const bool is_docker = task.engine == Engine::kDocker;
  if (is_docker && source == "command") {
    log.warning(
        "A Config Source of command is not supported for docker; "
        "using file");
  }
  task.use_dump = source == "command" && !is_docker;
  task.engine_path = flags.text("executable-path");
  if (is_docker && !task.engine_path.empty()) {
    log.warning("Ignoring executable-path flag for docker");
    task.engine_path.clear();
  }
  if (task.use_dump && task.engine_path.empty()) {
    task.engine_path =
        task.engine == Engine::kCrio ? "/usr/bin/crio" : "/usr/bin/containerd";
  }
  return {};
}

// The hook that podman and CRI-O run for every container.
Result<void> write_oci_hook(const GoFlags& flags) {
  const std::string& path = flags.text("nvidia-runtime-hook-path");
  if (!path.starts_with('/')) {
    return refusal(
        fmt::format("the NVIDIA runtime hook path {} is not an absolute path",
                    text::go_quote(path)));
  }
  const std::string directory = path.substr(0, path.rfind('/'));
  std::string search =
      "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
  if ((":" + search + ":").find(":" + directory + ":") == std::string::npos) {
    search += ":" + directory;
  }
  text::Node hook = text::mapping_node();
  text::put_at(hook, {"version"}, text::string_node("1.0.0"));
  text::put_at(hook, {"hook", "path"}, text::string_node(path));
  text::put_at(
      hook, {"hook", "args"},
      text::list_node({path.substr(directory.size() + 1), "prestart"}));
  text::put_at(hook, {"hook", "env"}, text::list_node({"PATH=" + search}));
  text::put_at(hook, {"when", "always"}, text::bool_node(true));
  text::put_at(hook, {"when", "commands"}, text::list_node({".*"}));
  text::put_at(hook, {"stages"}, text::list_node({"prestart"}));
  const std::string text = text::json_text(hook, "", "  ") + "\n";
  const std::string& output = flags.text("oci-hook-path");
  if (output.empty()) return print(text);
  return engines::write_config(host::HostRoot(), output, text);
}

Result<void> show(const engines::EnginePlan& plan, const ConfigureTask& task,
                  const PeerLog& log) {
  const bool has_two = plan.files.size() > 1;
  for (const engines::FileChange& file : plan.files) {
    if (has_two) {
      log.info(file.path == task.config_path ? "Top-level config:"
                                             : "Drop-in config:");
    }
    TRY_VOID(print(file.after.value_or("")));
  }
  return {};
}

Result<void> carry_out(engines::Configurator& configurator,
                       const ConfigureTask& task, const RuntimeRequest& request,
                       engines::EnginePlan plan, const PeerLog& log) {
  const std::vector<engines::FileChange> files = plan.files;
  TRY_VOID(configurator.apply(task, request, std::move(plan)));
  for (const engines::FileChange& file : files) {
    log.info((file.after ? "Wrote updated config to "
                         : "Removed empty config from ") +
             file.path);
  }
  log.info(fmt::format("It is recommended that {} daemon be restarted.",
                       engine_name(task.engine)));
  return {};
}

// "/etc/docker/daemon.json:1:2: invalid character" without the place, which
// NVIDIA's messages do not have.
std::string without_place(const Error& error, const std::string& path) {
  const std::string& message = error.message();
  if (!message.starts_with(path + ":")) return message;
  const std::size_t words = message.find(": ");
  return words == message.npos ? message : message.substr(words + 2);
}

Error load_error(const Error& error, const ConfigureTask& task) {
  const std::string name = engine_name(task.engine);
  if (task.engine == Engine::kDocker) {
    return {error.code(),
            fmt::format("unable to load config for runtime {}: {}", name,
                        without_place(error, task.config_path))};
  }
  return {
      error.code(),
      fmt::format("unable to load config for runtime {}: failed to {}{}", name,
                  error.message().starts_with("failed to") ? ""
                                                           : "load "
                                                             "config: ",
                  error.message().starts_with("failed to ")
                      ? error.message().substr(10)
                      : error.message())};
}

Result<void> configure(const GoFlags& flags, PeerContext& context) {
  TRY(const EngineFiles files, files_of(flags.text("runtime")));
  const std::string& mode = flags.text("config-mode");
  if (mode == "oci-hook" || mode == "hook") {
    context.log.warning("The oci-hook config-mode is deprecated");
    return write_oci_hook(flags);
  }
  if (!mode.empty() && mode != "config-file" && mode != "config") {
    context.log.warning(
        fmt::format("Ignoring unknown config mode {}", text::go_quote(mode)));
  }
  ConfigureTask task;
  task.engine = files.engine;
  task.is_proof_wanted = false;
  if (const auto directory =
          context.session.environment("GPUNODE_RECORD_DIRECTORY")) {
    task.record_directory = *directory;
  }
  task.config_path =
      flags.text("config").empty() ? files.config : flags.text("config");
  TRY_VOID(choose_drop_in(flags, files, task));
  TRY_VOID(choose_source(flags, task, context.log));

  RuntimeRequest request;
  request.name = flags.text("nvidia-runtime-name");
  TRY(request.path, runtime_path(flags, task.engine));
  request.is_exact_copy = true;
  request.default_runtime = flags.is_true("nvidia-set-as-default")
                                ? RuntimeRequest::DefaultRuntime::kSet
                                : RuntimeRequest::DefaultRuntime::kUnset;
  request.enable_cdi = flags.is_true("cdi.enabled");
  if (request.enable_cdi && task.engine == Engine::kCrio) {
    context.log.warning("Ignoring cdi.enabled flag for crio");
  }
  engines::Configurator configurator(host::HostRoot(), context.session.runner);
  auto plan = configurator.plan(task, request);
  if (!plan) return load_error(plan.error(), task);
  for (const std::string& note : plan->notes) context.log.warning(note);
  if (flags.is_true("dry-run")) return show(*plan, task, context.log);
  return carry_out(configurator, task, request, *std::move(plan), context.log);
}

}  // namespace

PeerCommand runtime_command() {
  return {.name = "runtime",
          .usage = "Commands for container engines",
          .commands = {{.name = "configure",
                        .usage = "Add a runtime to an engine's configuration",
                        .flags = kFlags,
                        .run = configure}}};
}

}  // namespace gpunode::cli
