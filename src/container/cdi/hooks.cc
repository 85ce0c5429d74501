#include "container/cdi/hooks.h"

#include <algorithm>
#include <array>
#include <optional>
#include <span>
#include <utility>

#include "base/host/path.h"

namespace gpunode::cdi {
namespace {

constexpr std::string_view kStage = "createContainer";

constexpr std::string_view kLinks = "create-symlinks";
constexpr std::string_view kCache = "update-ldcache";
constexpr std::string_view kCompat = "enable-cuda-compat";
constexpr std::string_view kPolicy = "disable-device-node-modification";
constexpr std::string_view kProfile = "update-application-profile";
constexpr std::string_view kChmod = "chmod";

constexpr std::array<std::string_view, 6> kNames = {kLinks,  kCache,   kCompat,
                                                    kPolicy, kProfile, kChmod};

using Words = std::vector<std::string>;

void add_option(Words& args, std::string_view name, const std::string& value) {
  if (value.empty()) return;
  args.emplace_back(name);
  args.push_back(value);
}

void add_options(Words& args, std::string_view name, const Words& values) {
  for (const std::string& value : values) add_option(args, name, value);
}

Words link_texts(const HookWork& work) {
  Words texts;
  for (const HookWork::Link& link : work.links) {
    texts.push_back(link.target + "::" + link.path);
  }
  std::ranges::sort(texts);
  texts.erase(std::unique(texts.begin(), texts.end()), texts.end());
  return texts;
}

bool has_apply_arguments(const Hook& hook) {
  return hook.args.size() >= 3 && hook.args[1] == "hook" &&
         hook.args[2] == "apply";
}

std::vector<Hook> one_hook(const HookWork& work, const HookOptions& options) {
  Words args = {std::string(host::base_name(options.path)), "hook", "apply"};
  const std::size_t nothing = args.size();
  if (options.runs(kLinks)) add_options(args, "--link", link_texts(work));
  const bool updates_cache =
      options.runs(kCache) && !work.library_folders.empty();
  if (updates_cache) add_options(args, "--folder", work.library_folders);
  if (options.runs(kCompat) && !work.host_driver_version.empty()) {
    add_option(args, "--host-driver-version", work.host_driver_version);
    add_option(args, "--host-cuda-version", options.host_cuda_version);
    add_option(args, "--cuda-compat-container-root",
               options.cuda_compat_container_root);
  }
  if (updates_cache) add_option(args, "--ldconfig-path", options.ldconfig_path);
  if (options.runs(kPolicy) && work.device_node_policy) {
    args.emplace_back("--device-node-policy");
  }
  if (options.runs(kProfile) && work.application_profile) {
    args.emplace_back("--application-profile");
  }
  if (args.size() == nothing) return {};
  // An empty list would hand the container's environment to a program of the
  // host (CVE-2025-23266).
  return {Hook{std::string(kStage),
               options.path,
               std::move(args),
               {"PATH=/usr/sbin:/usr/bin:/sbin:/bin"},
               std::nullopt}};
}

class NvidiaHooks {
 public:
  explicit NvidiaHooks(const HookOptions& options) : options_(options) {}

  void add(std::string_view name, const Words& arguments) {
    if (!options_.runs(name)) return;
    Hook& hook = hooks_.emplace_back();
    hook.name = kStage;
    hook.path = options_.path;
    const std::string program(host::base_name(options_.path));
    hook.args.push_back(program);
    if (program == "nvidia-ctk") hook.args.emplace_back("hook");
    hook.args.emplace_back(name);
    hook.args.insert(hook.args.end(), arguments.begin(), arguments.end());
    hook.env = {"NVIDIA_CTK_DEBUG=false"};
  }

  std::vector<Hook> result() && { return std::move(hooks_); }

 private:
  const HookOptions& options_;
  std::vector<Hook> hooks_;
};

std::vector<Hook> nvidia_hooks(const HookWork& work,
                               const HookOptions& options) {
  NvidiaHooks hooks(options);
  if (!work.links.empty()) {
    Words args;
    add_options(args, "--link", link_texts(work));
    hooks.add(kLinks, args);
  }
  if (!work.host_driver_version.empty()) {
    Words args = {"--host-driver-version=" + work.host_driver_version};
    if (!options.host_cuda_version.empty()) {
      args.push_back("--host-cuda-version=" + options.host_cuda_version);
    }
    if (!options.cuda_compat_container_root.empty()) {
      args.push_back("--cuda-compat-container-root=" +
                     options.cuda_compat_container_root);
    }
    hooks.add(kCompat, args);
  }
  if (!work.library_folders.empty()) {
    Words args;
    add_option(args, "--ldconfig-path", options.ldconfig_path);
    add_options(args, "--folder", work.library_folders);
    hooks.add(kCache, args);
  }
  if (work.device_node_policy) hooks.add(kPolicy, {});
  if (work.application_profile) hooks.add(kProfile, {});
  if (!work.chmod_paths.empty()) {
    Words args = {"--mode", "755"};
    add_options(args, "--path", work.chmod_paths);
    hooks.add(kChmod, args);
  }
  return std::move(hooks).result();
}

/// How many words the option at the front of `args` takes.
std::size_t words_of_option(std::span<const std::string> args) {
  const bool is_switch = args[0] == "--device-node-policy" ||
                         args[0] == "--application-profile" ||
                         args[0].find('=') != std::string::npos;
  return is_switch || args.size() == 1 ? 1 : 2;
}

void merge_arguments(Words& to, const Words& from) {
  constexpr std::size_t kFirst = 3;  // Behind "gpunode-runtime hook apply".
  std::span<const std::string> rest = std::span(from).subspan(kFirst);
  while (!rest.empty()) {
    const auto option = rest.first(words_of_option(rest));
    rest = rest.subspan(option.size());
    const auto place = std::search(to.begin() + kFirst, to.end(),
                                   option.begin(), option.end());
    if (place == to.end()) to.insert(to.end(), option.begin(), option.end());
  }
}

}  // namespace

bool is_hook_name(std::string_view name) {
  return std::ranges::find(kNames, name) != kNames.end();
}

bool HookOptions::runs(std::string_view name) const {
  if (disabled.contains("all") || disabled.contains(name)) return false;
  return name != kChmod || enabled.contains(name);
}

std::vector<Hook> make_hooks(const HookWork& work, const HookOptions& options) {
  const std::string program(host::base_name(options.path));
  return program == "nvidia-ctk" || program == "nvidia-cdi-hook"
             ? nvidia_hooks(work, options)
             : one_hook(work, options);
}

void merge_apply_hooks(ContainerEdits& edits) {
  std::optional<std::size_t> first;
  std::vector<Hook> kept;
  for (Hook& hook : edits.hooks) {
    if (has_apply_arguments(hook)) {
      const bool is_more = first && kept[*first].path == hook.path &&
                           kept[*first].name == hook.name;
      if (is_more) {
        merge_arguments(kept[*first].args, hook.args);
        continue;
      }
      if (!first) first = kept.size();
    }
    kept.push_back(std::move(hook));
  }
  edits.hooks = std::move(kept);
}

}  // namespace gpunode::cdi
