// nvidia-ctk cdi generate, list and transform root.
#include <array>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "apps/gpunode/commands/cdi_generate.h"
#include "apps/gpunode/commands/cdi_inspect.h"
#include "apps/gpunode/peer/command.h"
#include "base/host/host_root.h"
#include "base/text/go_text.h"
#include "base/text/toml_reader.h"
#include "base/text/tree.h"
#include "container/cdi/registry.h"

namespace gpunode::cli {
namespace {

using text::GoFlag;
using text::GoFlags;

const std::array<GoFlag, 22> kGenerateFlags = {{
    {.name = "output",
     .environment = {"NVIDIA_CTK_CDI_OUTPUT_FILE_PATH"},
     .usage = "The file to write; standard output if empty"},
    {.name = "format",
     .environment = {"NVIDIA_CTK_CDI_GENERATE_OUTPUT_FORMAT"},
     .usage = "json or yaml; by the name of --output if not given"},
    {.name = "mode",
     .aliases = {"discovery-mode"},
     .environment = {"NVIDIA_CTK_CDI_GENERATE_MODE"},
     .default_text = "auto",
     .usage = "What the spec is about: auto, gdrcopy, gds, imex, management, "
              "mofed, nvml or nvswitch"},
    {.name = "device-name-strategy",
     .kind = GoFlag::Kind::kList,
     .environment = {"NVIDIA_CTK_CDI_GENERATE_DEVICE_NAME_STRATEGIES"},
     .default_text = "index,uuid",
     .usage = "How devices are called: index, uuid, type-index"},
    {.name = "driver-root",
     .environment = {"NVIDIA_CTK_DRIVER_ROOT"},
     .usage = "Root of the driver's installation"},
    {.name = "dev-root",
     .environment = {"NVIDIA_CTK_DEV_ROOT"},
     .usage = "Root of the device nodes; --driver-root if not given"},
    {.name = "library-search-path",
     .kind = GoFlag::Kind::kList,
     .environment = {"NVIDIA_CTK_CDI_GENERATE_LIBRARY_SEARCH_PATHS"},
     .usage = "Directories of libraries, instead of the usual ones"},
    {.name = "config-search-path",
     .kind = GoFlag::Kind::kList,
     .environment = {"NVIDIA_CTK_CDI_GENERATE_CONFIG_SEARCH_PATHS"},
     .usage = "Directories of configuration files"},
    {.name = "nvidia-cdi-hook-path",
     .aliases = {"nvidia-ctk-path"},
     .environment = {"NVIDIA_CTK_CDI_HOOK_PATH"},
     .usage = "Program of the hooks; looked for in PATH if not given"},
    {.name = "ldconfig-path",
     .environment = {"NVIDIA_CTK_CDI_GENERATE_LDCONFIG_PATH"},
     .usage = "ldconfig of the host, for the hook that runs it"},
    {.name = "vendor",
     .aliases = {"cdi-vendor"},
     .environment = {"NVIDIA_CTK_CDI_GENERATE_VENDOR"},
     .default_text = "nvidia.com",
     .usage = "Vendor of the spec's kind"},
    {.name = "class",
     .aliases = {"cdi-class"},
     .environment = {"NVIDIA_CTK_CDI_GENERATE_CLASS"},
     .default_text = "gpu",
     .usage = "Class of the spec's kind"},
    {.name = "csv.file",
     .kind = GoFlag::Kind::kList,
     .environment = {"NVIDIA_CTK_CDI_GENERATE_CSV_FILES"},
     .usage = "Files of --mode=csv, which is Tegra's"},
    {.name = "csv.ignore-pattern",
     .kind = GoFlag::Kind::kList,
     .environment = {"NVIDIA_CTK_CDI_GENERATE_CSV_IGNORE_PATTERNS"},
     .usage = "Patterns that --mode=csv passes over"},
    {.name = "csv.compat-container-root",
     .environment = {"NVIDIA_CTK_CDI_GENERATE_CSV_CONTAINER_COMPAT_ROOT"},
     .usage = "Root of compat libraries for --mode=csv"},
    {.name = "disable-hook",
     .kind = GoFlag::Kind::kList,
     .aliases = {"disable-hooks"},
     .environment = {"NVIDIA_CTK_CDI_GENERATE_DISABLED_HOOKS"},
     .usage = "Hooks to leave out; all for every one"},
    {.name = "enable-hook",
     .kind = GoFlag::Kind::kList,
     .aliases = {"enable-hooks"},
     .environment = {"NVIDIA_CTK_CDI_GENERATE_ENABLED_HOOKS"},
     .usage = "Hooks to put in that are left out by default"},
    {.name = "feature-flag",
     .kind = GoFlag::Kind::kList,
     .aliases = {"feature-flags"},
     .environment = {"NVIDIA_CTK_CDI_GENERATE_FEATURE_FLAGS"},
     .usage = "Features to turn on"},
    {.name = "no-all-device",
     .kind = GoFlag::Kind::kBool,
     .environment = {"NVIDIA_CTK_CDI_GENERATE_NO_ALL_DEVICE"},
     .usage = "No device named all"},
    {.name = "device-id",
     .kind = GoFlag::Kind::kList,
     .aliases = {"device-ids", "device", "devices"},
     .environment = {"NVIDIA_CTK_CDI_GENERATE_DEVICE_IDS"},
     .default_text = "all",
     .usage = "Only these devices; none for no GPU"},
    {.name = "root",
     .default_text = "/",
     .usage = "Where the host is mounted",
     .is_hidden = true},
    {.name = "capabilities",
     .usage = "Driver capabilities to put in",
     .is_hidden = true},
}};

const std::array<GoFlag, 1> kListFlags = {{
    {.name = "spec-dir",
     .kind = GoFlag::Kind::kList,
     .environment = {"NVIDIA_CTK_CDI_SPEC_DIRS"},
     .default_text = "/etc/cdi,/var/run/cdi",
     .usage = "Directories of CDI specs"},
}};

const std::array<GoFlag, 5> kRootFlags = {{
    {.name = "from", .usage = "The root that paths have now"},
    {.name = "to", .usage = "The root that they are to have"},
    {.name = "input",
     .default_text = "-",
     .usage = "The spec to read; - for standard input"},
    {.name = "output", .usage = "The file to write; standard output if empty"},
    {.name = "relative-to",
     .default_text = "host",
     .usage = "Whose paths are moved: host or container"},
}};

std::string program_in_path(const std::string& name, const std::string& path) {
  for (std::string_view rest = path; !rest.empty();) {
    const std::string_view directory = rest.substr(0, rest.find(':'));
    rest.remove_prefix(std::min(rest.size(), directory.size() + 1));
    std::string file = std::string(directory) + "/" + name;
    if (directory.starts_with('/') && host::HostRoot().exists(file))
      return file;
  }
  return "/usr/bin/" + name;
}

// The default of --driver-root is in the toolkit's configuration.
std::string configured_root(const PeerContext& context) {
  const std::string path = context.config_path.empty()
                               ? toolkit_config_path(context.session)
                               : context.config_path;
  const auto text = host::HostRoot().read_file(path);
  if (!text) return {};
  const auto tree = text::parse_toml(*text, path);
  if (!tree) {
    context.log.warning("Ignoring " + tree.error().message());
    return {};
  }
  return text::string_at(*tree, {"nvidia-container-cli", "root"});
}

GenerateRequest request_of(const GoFlags& flags, const PeerContext& context) {
  GenerateRequest request;
  request.path = context.session.environment("PATH").value_or("");
  request.root = flags.text("root");
  request.output = flags.text("output");
  request.format = flags.text("format");
  request.mode = flags.text("mode");
  request.naming = flags.list("device-name-strategy");
  request.driver_root = flags.is_set("driver-root") ? flags.text("driver-root")
                                                    : configured_root(context);
  request.dev_root = flags.text("dev-root");
  request.library_search_paths = flags.list("library-search-path");
  request.config_search_paths = flags.list("config-search-path");
  request.hook_path = flags.text("nvidia-cdi-hook-path");
  if (request.hook_path.empty()) {
    request.hook_path = program_in_path("nvidia-cdi-hook", request.path);
  }
  request.ldconfig_path = flags.text("ldconfig-path");
  request.vendor = flags.text("vendor");
  if (flags.is_set("class")) request.klass = flags.text("class");
  request.disabled_hooks = flags.list("disable-hook");
  request.enabled_hooks = flags.list("enable-hook");
  request.feature_flags = flags.list("feature-flag");
  request.no_all_device = flags.is_true("no-all-device");
  request.device_ids = flags.list("device-id");
  request.capabilities = flags.text("capabilities");
  return request;
}

Result<void> generate(const GoFlags& flags, PeerContext& context) {
  const GenerateRequest request = request_of(flags, context);
  TRY(const OutputForm form, output_form(request.output, request.format));
  TRY(const GeneratePlan plan, plan_generate(request));
  if (!form.warning.empty()) context.log.warning(form.warning);
  for (const std::string& text : plan.warnings) context.log.warning(text);
  TRY(const cdi::Findings found, discover(plan, context.session.runner));
  TRY(const cdi::Spec spec, cdi::generate(found, plan.options));
  for (const std::string& text : problems_of(found)) context.log.warning(text);
  TRY_VOID(write_spec(spec, form));
  context.log.info("Generated CDI spec with version " + spec.version);
  return {};
}

Result<void> list(const GoFlags& flags, PeerContext& context) {
  const cdi::Registry registry =
      cdi::Registry::load(host::HostRoot(), flags.list("spec-dir"));
  for (const std::string& problem : registry.problems()) {
    context.log.warning(problem);
  }
  const auto names = registry.device_names();
  context.log.info(fmt::format("Found {} CDI devices", names.size()));
  std::string lines;
  for (const std::string& name : names) lines += name + "\n";
  return print(lines);
}

Result<void> transform_root(const GoFlags& flags, PeerContext&) {
  TransformRequest request;
  request.from = flags.text("from");
  request.to = flags.text("to");
  request.input = flags.text("input");
  request.output = flags.text("output");
  request.relative_to = flags.text("relative-to");
  return run_transform_root(request);
}

}  // namespace

PeerCommand cdi_command() {
  return {.name = "cdi",
          .usage = "Commands for Container Device Interface specs",
          .commands = {{.name = "generate",
                        .usage = "Write a spec of this host's GPUs",
                        .flags = kGenerateFlags,
                        .run = generate},
                       {.name = "transform",
                        .usage = "Change a spec",
                        .commands = {{.name = "root",
                                      .usage = "Move paths to another root",
                                      .flags = kRootFlags,
                                      .run = transform_root}}},
                       {.name = "list",
                        .usage = "Print the names of all devices",
                        .flags = kListFlags,
                        .run = list}}};
}

}  // namespace gpunode::cli
