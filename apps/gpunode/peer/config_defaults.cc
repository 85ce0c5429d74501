#include "apps/gpunode/peer/config_defaults.h"

#include <algorithm>
#include <array>
#include <vector>

#include <fmt/format.h>

#include "base/text/go_text.h"

namespace gpunode::cli {
namespace {

enum class Type { kBool, kOptionalBool, kText, kList };

struct Key {
  std::string_view path;
  Type type;
};

constexpr std::array<Key, 37> kKeys = {{
    {"accept-nvidia-visible-devices-as-volume-mounts", Type::kBool},
    {"accept-nvidia-visible-devices-envvar-when-unprivileged", Type::kBool},
    {"disable-require", Type::kBool},
    {"supported-driver-capabilities", Type::kText},
    {"swarm-resource", Type::kText},
    {"nvidia-container-cli.debug", Type::kText},
    {"nvidia-container-cli.environment", Type::kList},
    {"nvidia-container-cli.ldcache", Type::kText},
    {"nvidia-container-cli.ldconfig", Type::kText},
    {"nvidia-container-cli.load-kmods", Type::kBool},
    {"nvidia-container-cli.no-cgroups", Type::kBool},
    {"nvidia-container-cli.no-pivot", Type::kBool},
    {"nvidia-container-cli.path", Type::kText},
    {"nvidia-container-cli.root", Type::kText},
    {"nvidia-container-cli.user", Type::kText},
    {"nvidia-container-runtime.debug", Type::kText},
    {"nvidia-container-runtime.log-level", Type::kText},
    {"nvidia-container-runtime.mode", Type::kText},
    {"nvidia-container-runtime.runtimes", Type::kList},
    {"nvidia-container-runtime.modes.cdi.annotation-prefixes", Type::kList},
    {"nvidia-container-runtime.modes.cdi.default-kind", Type::kText},
    {"nvidia-container-runtime.modes.cdi.spec-dirs", Type::kList},
    {"nvidia-container-runtime.modes.csv.compat-container-root", Type::kText},
    {"nvidia-container-runtime.modes.csv.mount-spec-path", Type::kText},
    {"nvidia-container-runtime.modes.jit-cdi.nvcdi-disable-hooks", Type::kList},
    {"nvidia-container-runtime.modes.jit-cdi.nvcdi-feature-flags", Type::kList},
    {"nvidia-container-runtime.modes.legacy.cuda-compat-mode", Type::kText},
    {"nvidia-container-runtime-hook.path", Type::kText},
    {"nvidia-container-runtime-hook.skip-mode-detection", Type::kBool},
    {"nvidia-ctk.path", Type::kText},
    {"features.allow-cuda-compat-libs-from-container", Type::kOptionalBool},
    {"features.allow-ldconfig-from-container", Type::kOptionalBool},
    {"features.allow-unknown-oci-spec-fields", Type::kOptionalBool},
    {"features.disable-cuda-compat-lib-hook", Type::kOptionalBool},
    {"features.disable-imex-channel-creation", Type::kOptionalBool},
    {"features.ignore-imex-channel-requests", Type::kOptionalBool},
    {"features.no-additional-gids-for-device-nodes", Type::kOptionalBool},
}};

Error refusal(std::string words) {
  return {ErrorCode::kInvalidArgument, std::move(words)};
}

std::vector<std::string> split(std::string_view text,
                               std::string_view separator) {
  std::vector<std::string> parts;
  while (true) {
    const std::size_t at = separator.empty() ? text.npos : text.find(separator);
    parts.emplace_back(text.substr(0, at));
    if (at == text.npos) return parts;
    text.remove_prefix(at + separator.size());
  }
}

// Go walks down its structures and names the field that is not there.
std::string unknown_field(const std::string& path) {
  text::KeyPath known;
  for (const std::string& part : split(path, ".")) {
    known.push_back(part);
    const std::string prefix = fmt::format("{}", fmt::join(known, "."));
    const bool is_known = std::ranges::any_of(kKeys, [&prefix](const Key& key) {
      return key.path == prefix || key.path.starts_with(prefix + ".");
    });
    if (!is_known) return part;
  }
  return path;
}

Result<text::Node> typed_value(Type type, const std::string& written,
                               const std::string& separator) {
  switch (type) {
    case Type::kBool:
    case Type::kOptionalBool: {
      TRY(const bool on, text::parse_go_bool(written));
      return text::bool_node(on);
    }
    case Type::kText:
      return text::string_node(written);
    case Type::kList: {
      auto items = split(written, separator);
      if (items.size() == 1) items = split(written, ",");
      return text::list_node(items);
    }
  }
  return text::Node{};
}

}  // namespace

std::string default_toolkit_config(bool has_real_ldconfig) {
  return fmt::format(R"(#accept-nvidia-visible-devices-as-volume-mounts = false
#accept-nvidia-visible-devices-envvar-when-unprivileged = true
disable-require = false
supported-driver-capabilities = "compat32,compute,display,graphics,ngx,utility,video"
#swarm-resource = "DOCKER_RESOURCE_GPU"

[nvidia-container-cli]
#debug = "/var/log/nvidia-container-toolkit.log"
environment = []
#ldcache = "/etc/ld.so.cache"
ldconfig = "@/sbin/ldconfig{}"
load-kmods = true
#no-cgroups = false
#path = "/usr/bin/nvidia-container-cli"
#root = "/run/nvidia/driver"
#user = "root:video"

[nvidia-container-runtime]
#debug = "/var/log/nvidia-container-runtime.log"
log-level = "info"
mode = "auto"
runtimes = ["runc", "crun"]

[nvidia-container-runtime.modes]

[nvidia-container-runtime.modes.cdi]
annotation-prefixes = ["cdi.k8s.io/"]
default-kind = "nvidia.com/gpu"
spec-dirs = ["/etc/cdi", "/var/run/cdi"]

[nvidia-container-runtime.modes.csv]
mount-spec-path = "/etc/nvidia-container-runtime/host-files-for-container.d"

[nvidia-container-runtime.modes.legacy]
cuda-compat-mode = "ldconfig"

[nvidia-container-runtime-hook]
path = "nvidia-container-runtime-hook"
skip-mode-detection = false

[nvidia-ctk]
path = "nvidia-ctk"
)",
                     has_real_ldconfig ? ".real" : "");
}

Result<SetOption> parse_set_option(const std::string& written,
                                   const std::string& separator) {
  const auto invalid = [&written](const std::string& words) {
    return refusal(fmt::format("invalid --set option {}: {}", written, words));
  };
  const std::size_t equals = written.find('=');
  const std::string path = written.substr(0, equals);
  const auto key = std::ranges::find(kKeys, path, &Key::path);
  if (key == kKeys.end()) {
    return invalid(fmt::format("invalid config option: undefined field: {}",
                               text::go_quote(unknown_field(path))));
  }
  SetOption option{split(path, "."), false, {}};
  const bool is_bool =
      key->type == Type::kBool || key->type == Type::kOptionalBool;
  if (equals == written.npos) {
    if (!is_bool) {
      return invalid(
          fmt::format("expected key=value; got {}", text::go_quote(written)));
    }
    option.value = text::bool_node(true);
    return option;
  }
  const std::string value = written.substr(equals + 1);
  if (key->type == Type::kOptionalBool && value == "nil") {
    option.is_removal = true;
    return option;
  }
  auto typed = typed_value(key->type, value, separator);
  if (!typed) return invalid(typed.error().message());
  option.value = *std::move(typed);
  return option;
}

}  // namespace gpunode::cli
