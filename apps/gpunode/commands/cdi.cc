#include <memory>
#include <string>

#include <CLI/CLI.hpp>

#include "apps/gpunode/commands/cdi_generate.h"
#include "apps/gpunode/commands/cdi_inspect.h"
#include "apps/gpunode/commands/cdi_refresh.h"
#include "apps/gpunode/commands/commands.h"
#include "apps/gpunode/session.h"
#include "container/cdi/inventory_cache.h"

namespace gpunode::cli {
namespace {

void conclude(Session& session, const Result<void>& result) {
  if (result) return;
  const bool is_usage = result.error().code() == ErrorCode::kInvalidArgument;
  session.fail(result.error(), is_usage ? ExitCode::kUsage : ExitCode::kError);
}

void add_host_flags(CLI::App& verb, GenerateRequest& request) {
  verb.add_option("--root", request.root, "Where the host is mounted")
      ->capture_default_str();
  verb.add_option("--driver-root", request.driver_root,
                  "Where the host has the driver's files [/]")
      ->envname("NVIDIA_CTK_DRIVER_ROOT");
  verb.add_option("--dev-root", request.dev_root,
                  "Where the host has the device nodes [the driver root]")
      ->envname("NVIDIA_CTK_DEV_ROOT");
  verb.add_option("--library-search-path", request.library_search_paths,
                  "Look for libraries here only, in the driver root")
      ->delimiter(',');
  verb.add_option("--config-search-path", request.config_search_paths,
                  "Look for configuration files here only")
      ->delimiter(',');
  verb.add_option("--library", request.libraries,
                  "One more library: a path, or a name with *")
      ->delimiter(',');
  verb.add_option("--device-node", request.device_nodes, "One more device node")
      ->delimiter(',');
  verb.add_option("--feature-flag,--feature-flags", request.feature_flags,
                  "NVIDIA's feature flags, as no-additional-gids-for-device-"
                  "nodes")
      ->delimiter(',');
}

void add_spec_flags(CLI::App& verb, GenerateRequest& request) {
  verb.add_option("--output,-o", request.output,
                  "File to write, - for standard output; .json or .yaml tells "
                  "the format");
  verb.add_option("--format", request.format, "yaml or json");
  verb.add_option("--mode", request.mode,
                  "auto, nvml, management, gds, mofed, gdrcopy, nvswitch or "
                  "imex")
      ->capture_default_str();
  verb.add_option("--device-name-strategy", request.naming,
                  "index, uuid, type-index [index and uuid]")
      ->delimiter(',');
  verb.add_option("--vendor,--cdi-vendor", request.vendor, "Of the CDI kind")
      ->capture_default_str();
  verb.add_option("--class,--cdi-class", request.klass,
                  "Of the CDI kind [the mode's, gpu]");
  verb.add_flag("--no-all-device", request.no_all_device,
                "Leave the device `all` out");
  verb.add_option("--device-id,--device-ids,--device,--devices",
                  request.device_ids,
                  "Only these, by index or UUID; none: the driver's files "
                  "without a GPU")
      ->delimiter(',');
  verb.add_option("--driver-capabilities", request.capabilities,
                  "compute, utility, ... as in NVIDIA_DRIVER_CAPABILITIES "
                  "[all but compat32]");
  verb.add_option("--hook-path,--nvidia-cdi-hook-path,--nvidia-ctk-path",
                  request.hook_path,
                  "The program that works inside containers; one called "
                  "nvidia-cdi-hook or nvidia-ctk gets NVIDIA's hooks")
      ->capture_default_str();
  verb.add_option("--ldconfig-path", request.ldconfig_path,
                  "The host's ldconfig, for the hook");
  verb.add_option("--disable-hook,--disable-hooks", request.disabled_hooks,
                  "A step of the hook by NVIDIA's name, or all")
      ->delimiter(',');
  verb.add_option("--enable-hook,--enable-hooks", request.enabled_hooks,
                  "chmod, with NVIDIA's hooks")
      ->delimiter(',');
}

void add_generate(CLI::App& cdi, Session& session) {
  CLI::App* verb =
      cdi.add_subcommand("generate", "Write the CDI spec of this host's GPUs");
  const auto request = std::make_shared<GenerateRequest>();
  add_spec_flags(*verb, *request);
  add_host_flags(*verb, *request);
  verb->callback([request, &session] {
    request->path = session.environment("PATH").value_or("");
    conclude(session, run_generate(*request, session.runner));
  });
}

void add_refresh(CLI::App& cdi, Session& session) {
  CLI::App* verb = cdi.add_subcommand(
      "refresh",
      "Bring /var/run/cdi/nvidia.yaml and the runtime's inventory up to date");
  struct Request {
    GenerateRequest generate;
    std::string cache;
  };
  const auto request = std::make_shared<Request>();
  add_spec_flags(*verb, request->generate);
  add_host_flags(*verb, request->generate);
  verb->add_option("--inventory", request->cache,
                   "Where the runtime's inventory is kept "
                   "[/run/gpunode/inventory]");
  verb->callback([request, &session] {
    if (request->cache.empty()) {
      request->cache =
          host::HostRoot(request->generate.root).outside(cdi::kInventoryCache);
    }
    conclude(session,
             run_refresh(request->generate, request->cache, session.runner));
  });
}

void add_list(CLI::App& cdi, Session& session) {
  CLI::App* verb =
      cdi.add_subcommand("list", "Print the names of all CDI devices");
  const auto request = std::make_shared<ListRequest>();
  verb->add_option("--spec-dir", request->spec_directories,
                   "Where specs are; later ones win [/etc/cdi, /var/run/cdi]")
      ->delimiter(',')
      ->envname("NVIDIA_CTK_CDI_SPEC_DIRS");
  verb->add_option("--root", request->root, "Where the host is mounted")
      ->capture_default_str();
  verb->add_flag("--json", request->as_json,
                 "One object a line, with the spec's path");
  verb->callback(
      [request, &session] { conclude(session, run_list(*request)); });
}

void add_transform(CLI::App& cdi, Session& session) {
  CLI::App* verb = cdi.add_subcommand("transform", "Change a CDI spec");
  verb->require_subcommand(1);
  CLI::App* root = verb->add_subcommand(
      "root", "Move a spec's paths from one root to another");
  const auto request = std::make_shared<TransformRequest>();
  root->add_option("--from", request->from, "The root that paths have now");
  root->add_option("--to", request->to, "The root that they are to have");
  root->add_option("--input", request->input, "A spec; - is standard input")
      ->capture_default_str();
  root->add_option("--output", request->output, "File to write");
  root->add_option("--relative-to", request->relative_to,
                   "host or container: whose paths are meant")
      ->capture_default_str();
  root->callback(
      [request, &session] { conclude(session, run_transform_root(*request)); });
}

}  // namespace

void add_cdi(CLI::App& gpunode, Session& session) {
  CLI::App* cdi = gpunode.add_subcommand(
      "cdi", "CDI specs: what containers get of this host's GPUs");
  cdi->require_subcommand(1);
  add_generate(*cdi, session);
  add_list(*cdi, session);
  add_refresh(*cdi, session);
  add_transform(*cdi, session);
}

}  // namespace gpunode::cli
