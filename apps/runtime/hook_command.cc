#include "apps/runtime/hook_command.h"

#include <array>
#include <charconv>
#include <utility>

#include "base/host/root_directory.h"

namespace gpunode::runtime {
namespace {

using Kind = text::GoFlag::Kind;

constexpr std::string_view kStateFlag = "container-spec";

text::GoFlag state_flag() {
  return {.name = kStateFlag,
          .usage =
              "The file that has the container's OCI state; \"\" or - is "
              "standard input"};
}

text::GoFlag link_flag() {
  return {.name = "link",
          .kind = Kind::kList,
          .usage =
              "A link to be made in the container, as TARGET::LINK; may "
              "be repeated"};
}

text::GoFlag folder_flag() {
  return {.name = "folder",
          .kind = Kind::kList,
          .usage =
              "A directory of the container that its loader must search; "
              "may be repeated"};
}

text::GoFlag ldconfig_flag() {
  return {.name = "ldconfig-path",
          .default_text = "/sbin/ldconfig",
          .usage = "Accepted and not used: no ldconfig is run"};
}

text::GoFlag driver_version_flag() {
  return {.name = "host-driver-version",
          .usage = "The version of the host's driver"};
}

text::GoFlag cuda_version_flag() {
  return {.name = "host-cuda-version",
          .usage = "The CUDA version that the host's driver brings"};
}

text::GoFlag compat_root_flag() {
  return {.name = "cuda-compat-container-root",
          .default_text = hook::kDefaultCompatDirectory,
          .usage = "Where the container has CUDA's compatibility libraries"};
}

// Function statics: no program but one that runs a hook pays for the tables.
std::span<const text::GoFlag> apply_flags() {
  static const std::array kFlags = {
      link_flag(),
      folder_flag(),
      ldconfig_flag(),
      driver_version_flag(),
      cuda_version_flag(),
      compat_root_flag(),
      text::GoFlag{.name = "device-node-policy",
                   .kind = Kind::kBool,
                   .usage = "Keep NVIDIA's libraries from making device "
                            "nodes in the container"},
      text::GoFlag{.name = "application-profile",
                   .kind = Kind::kBool,
                   .usage = "Tell NVIDIA's EGL which GPUs the container has"},
      text::GoFlag{.name = "preload",
                   .kind = Kind::kList,
                   .usage = "A library of the container that all its programs "
                            "load first; may be repeated"},
      state_flag()};
  return kFlags;
}

std::span<const text::GoFlag> symlink_flags() {
  static const std::array kFlags = {link_flag(), state_flag()};
  return kFlags;
}

std::span<const text::GoFlag> ldcache_flags() {
  static const std::array kFlags = {folder_flag(), ldconfig_flag(),
                                    state_flag()};
  return kFlags;
}

std::span<const text::GoFlag> compat_flags() {
  static const std::array kFlags = {driver_version_flag(), cuda_version_flag(),
                                    compat_root_flag(), state_flag()};
  return kFlags;
}

std::span<const text::GoFlag> chmod_flags() {
  static const std::array kFlags = {
      text::GoFlag{.name = "path",
                   .kind = Kind::kList,
                   .usage = "A path in the container; may be repeated"},
      text::GoFlag{.name = "mode", .usage = "The permissions, octal"},
      state_flag()};
  return kFlags;
}

std::span<const text::GoFlag> plain_flags() {
  static const std::array kFlags = {state_flag()};
  return kFlags;
}

HookRequest request_of(const text::GoFlags& flags) {
  HookRequest request;
  request.state_path = flags.text(kStateFlag);
  return request;
}

Result<void> read_links(const text::GoFlags& flags, hook::Task& task) {
  for (const std::string& text : flags.list("link")) {
    TRY(auto link, hook::parse_link(text));
    task.links.push_back(std::move(link));
  }
  return {};
}

void read_compat(const text::GoFlags& flags, hook::Task& task) {
  task.host_versions.driver = flags.text("host-driver-version");
  task.host_versions.cuda = flags.text("host-cuda-version");
  task.compat_directory = flags.text("cuda-compat-container-root");
  task.chooses_compat = true;
}

Result<HookRequest> read_apply(const text::GoFlags& flags) {
  HookRequest request = request_of(flags);
  request.delivers_share = true;
  hook::Task& task = request.task;
  TRY_VOID(read_links(flags, task));
  task.folders = flags.list("folder");
  task.preloads = flags.list("preload");
  task.forbids_device_nodes = flags.is_true("device-node-policy");
  task.writes_application_profile = flags.is_true("application-profile");
  if (flags.is_set("host-driver-version") ||
      flags.is_set("host-cuda-version")) {
    read_compat(flags, task);
  }
  task.updates_loader = !task.folders.empty() || task.chooses_compat;
  return request;
}

Result<HookRequest> read_symlinks(const text::GoFlags& flags) {
  HookRequest request = request_of(flags);
  TRY_VOID(read_links(flags, request.task));
  return request;
}

Result<HookRequest> read_ldcache(const text::GoFlags& flags) {
  HookRequest request = request_of(flags);
  request.delivers_share = true;
  request.task.folders = flags.list("folder");
  request.task.updates_loader = true;
  return request;
}

Result<HookRequest> read_cuda_compat(const text::GoFlags& flags) {
  HookRequest request = request_of(flags);
  read_compat(flags, request.task);
  return request;
}

Result<HookRequest> read_device_policy(const text::GoFlags& flags) {
  HookRequest request = request_of(flags);
  request.task.forbids_device_nodes = true;
  return request;
}

Result<HookRequest> read_profile(const text::GoFlags& flags) {
  HookRequest request = request_of(flags);
  request.task.writes_application_profile = true;
  return request;
}

Result<HookRequest> read_chmod(const text::GoFlags& flags) {
  HookRequest request = request_of(flags);
  ModeChange change;
  change.paths = flags.list("path");
  const std::string& text = flags.text("mode");
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, change.mode, 8);
  if (text.empty() || error != std::errc() || stop != end ||
      change.mode > 0777) {
    return Error(
        ErrorCode::kInvalidArgument,
        "mode " + host::printable(text) + ": not octal permissions up to 777");
  }
  request.mode_change = std::move(change);
  return request;
}

Result<HookRequest> read_nothing(const text::GoFlags& flags) {
  return request_of(flags);
}

}  // namespace

std::span<const HookCommand> hook_commands() {
  static const std::array kCommands = {
      HookCommand{"apply",
                  "Does all that a container with GPUs needs in its root",
                  apply_flags(), read_apply},
      HookCommand{"create-symlinks", "Makes links in the container",
                  symlink_flags(), read_symlinks},
      HookCommand{"update-ldcache",
                  "Makes the container's loader find libraries",
                  ldcache_flags(), read_ldcache},
      HookCommand{"enable-cuda-compat",
                  "Chooses CUDA's compatibility libraries where they are "
                  "newer and fit the driver",
                  compat_flags(), read_cuda_compat},
      HookCommand{"disable-device-node-modification",
                  "Keeps NVIDIA's libraries from making device nodes",
                  plain_flags(), read_device_policy},
      HookCommand{"update-application-profile",
                  "Tells NVIDIA's EGL which GPUs the container has",
                  plain_flags(), read_profile},
      HookCommand{"chmod", "Changes permissions of files in the container",
                  chmod_flags(), read_chmod},
      HookCommand{"noop", "Does nothing", plain_flags(), read_nothing,
                  "that is what it is for"},
      HookCommand{"apply-cuda-memory-limits",
                  "Accepted; limits of memory come from an allocation",
                  plain_flags(), read_nothing,
                  "a container's own environment sets no limits here; they "
                  "come from its allocation"}};
  return kCommands;
}

const HookCommand* find_hook_command(std::string_view name) {
  for (const HookCommand& command : hook_commands()) {
    if (command.name == name) return &command;
  }
  return nullptr;
}

}  // namespace gpunode::runtime
