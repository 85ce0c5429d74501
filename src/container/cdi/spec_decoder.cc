#include "container/cdi/spec_decoder.h"

#include <algorithm>
#include <array>
#include <set>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "container/cdi/names.h"
#include "container/cdi/spec_version.h"
#include "container/cdi/token_cursor.h"

namespace gpunode::cdi {
namespace {

using Cursor = TokenCursor;

// All annotations of a spec or a device, as Kubernetes bounds them.
constexpr std::size_t kAnnotationBytes = std::size_t{256} << 10U;

constexpr std::array<std::string_view, 6> kHookNames = {
    "prestart",       "createRuntime", "createContainer",
    "startContainer", "poststart",     "poststop"};

Result<void> read_string(Cursor& cursor, std::string& target) {
  TRY(target, cursor.string());
  return {};
}

Result<void> read_path(Cursor& cursor, std::string& target) {
  const Token& token = cursor.peek();
  TRY(target, cursor.string());
  if (!target.starts_with('/')) {
    return cursor.fault(
        token, fmt::format("{} is not an absolute path", in_quotes(target)));
  }
  return {};
}

template <class Int>
Result<void> read_integer(Cursor& cursor, std::optional<Int>& target) {
  TRY(target, cursor.integer<Int>());
  return {};
}

Result<void> read_env(Cursor& cursor, std::string& target) {
  const Token& token = cursor.peek();
  TRY(target, cursor.string());
  const std::size_t equals = target.find('=');
  if (equals == std::string::npos || equals == 0) {
    return cursor.fault(token,
                        fmt::format("{} is not NAME=value", in_quotes(target)));
  }
  return {};
}

Result<void> read_strings(Cursor& cursor, std::vector<std::string>& target) {
  return cursor.list(target, read_string);
}

Result<void> read_env_list(Cursor& cursor, std::vector<std::string>& target) {
  return cursor.list(target, read_env);
}

Result<void> read_annotations(Cursor& cursor, Annotations& target) {
  const Token& start = cursor.take();
  if (start.kind != Token::Kind::kObject) {
    return cursor.fault(start, "not an object");
  }
  std::size_t bytes = 0;
  while (cursor.peek().kind != Token::Kind::kEndObject) {
    const Token& key = cursor.take();
    if (key.text.empty()) return cursor.fault(key, "an annotation needs a key");
    const bool is_repeated = std::ranges::any_of(
        target, [&key](const auto& known) { return known.first == key.text; });
    if (is_repeated) {
      return cursor.fault(
          key, fmt::format("{} is given twice", in_quotes(key.text)));
    }
    TRY(const std::string_view value, cursor.string());
    bytes += key.text.size() + value.size();
    target.emplace_back(key.text, value);
  }
  if (bytes > kAnnotationBytes) {
    return cursor.fault(start, "annotations of more than 256 KiB");
  }
  cursor.take();
  return {};
}

/// Fails at `start` if a field that must be there is not.
Result<void> require(const Cursor& cursor, const Token& start, bool is_there,
                     std::string_view field) {
  if (is_there) return {};
  return cursor.fault(start, fmt::format("{} is missing", field));
}

Result<void> read_node_type(Cursor& cursor, DeviceNode& node) {
  const Token& token = cursor.peek();
  TRY(node.type, cursor.string());
  constexpr std::array<std::string_view, 5> kTypes = {"", "b", "c", "u", "p"};
  if (std::ranges::find(kTypes, node.type) == kTypes.end()) {
    return cursor.fault(token, fmt::format("{} is none of b, c, u and p",
                                           in_quotes(node.type)));
  }
  return {};
}

Result<void> read_permissions(Cursor& cursor, DeviceNode& node) {
  const Token& token = cursor.peek();
  TRY(node.permissions, cursor.string());
  if (node.permissions.find_first_not_of("rwm") != std::string::npos) {
    return cursor.fault(token,
                        fmt::format("{} has other letters than r, w and m",
                                    in_quotes(node.permissions)));
  }
  return {};
}

constexpr auto kNodeFields = std::to_array<Field<DeviceNode>>({
    {"path", [](Cursor& c, DeviceNode& n) { return read_path(c, n.path); }},
    {"hostPath",
     [](Cursor& c, DeviceNode& n) { return read_path(c, n.host_path); }},
    {"type", read_node_type},
    {"major",
     [](Cursor& c, DeviceNode& n) { return read_integer(c, n.major); }},
    {"minor",
     [](Cursor& c, DeviceNode& n) { return read_integer(c, n.minor); }},
    {"fileMode",
     [](Cursor& c, DeviceNode& n) { return read_integer(c, n.file_mode); }},
    {"permissions", read_permissions},
    {"uid", [](Cursor& c, DeviceNode& n) { return read_integer(c, n.uid); }},
    {"gid", [](Cursor& c, DeviceNode& n) { return read_integer(c, n.gid); }},
});

Result<void> read_node(Cursor& cursor, DeviceNode& node) {
  const Token& start = cursor.peek();
  TRY_VOID(cursor.object<DeviceNode>(node, kNodeFields));
  // Go leaves zeroes out: with a major, no minor is minor 0.
  if (node.major && !node.minor) node.minor = 0;
  return require(cursor, start, !node.path.empty(), "path");
}

constexpr auto kMountFields = std::to_array<Field<Mount>>({
    {"hostPath",
     [](Cursor& c, Mount& m) { return read_string(c, m.host_path); }},
    {"containerPath",
     [](Cursor& c, Mount& m) { return read_path(c, m.container_path); }},
    {"options", [](Cursor& c, Mount& m) { return read_strings(c, m.options); }},
    {"type", [](Cursor& c, Mount& m) { return read_string(c, m.type); }},
});

Result<void> read_mount(Cursor& cursor, Mount& mount) {
  const Token& start = cursor.peek();
  TRY_VOID(cursor.object<Mount>(mount, kMountFields));
  TRY_VOID(require(cursor, start, !mount.host_path.empty(), "hostPath"));
  TRY_VOID(
      require(cursor, start, !mount.container_path.empty(), "containerPath"));
  // The source of a tmpfs and the like is no path.
  const bool is_bind = mount.type.empty() || mount.type == "bind";
  if (is_bind && !mount.host_path.starts_with('/')) {
    return cursor.fault(start, fmt::format("hostPath {} is not absolute",
                                           in_quotes(mount.host_path)));
  }
  return {};
}

Result<void> read_hook_name(Cursor& cursor, Hook& hook) {
  const Token& token = cursor.peek();
  TRY(hook.name, cursor.string());
  if (std::ranges::find(kHookNames, hook.name) == kHookNames.end()) {
    return cursor.fault(token,
                        fmt::format("{} is none of {}", in_quotes(hook.name),
                                    fmt::join(kHookNames, ", ")));
  }
  return {};
}

constexpr auto kHookFields = std::to_array<Field<Hook>>({
    {"hookName", read_hook_name},
    {"path", [](Cursor& c, Hook& h) { return read_path(c, h.path); }},
    {"args", [](Cursor& c, Hook& h) { return read_strings(c, h.args); }},
    {"env", [](Cursor& c, Hook& h) { return read_env_list(c, h.env); }},
    {"timeout",
     [](Cursor& c, Hook& h) { return read_integer(c, h.timeout_seconds); }},
});

Result<void> read_hook(Cursor& cursor, Hook& hook) {
  const Token& start = cursor.peek();
  TRY_VOID(cursor.object<Hook>(hook, kHookFields));
  TRY_VOID(require(cursor, start, !hook.name.empty(), "hookName"));
  return require(cursor, start, !hook.path.empty(), "path");
}

Result<void> read_gid(Cursor& cursor, std::uint32_t& gid) {
  TRY(gid, cursor.integer<std::uint32_t>());
  return {};
}

Result<void> refuse_unsupported(Cursor& cursor, ContainerEdits& /*edits*/) {
  return cursor.fault(cursor.peek(), "gpunode cannot give this to a container",
                      ErrorCode::kUnsupported);
}

using Edits = ContainerEdits;

constexpr auto kEditsFields = std::to_array<Field<Edits>>({
    {"env", [](Cursor& c, Edits& e) { return read_env_list(c, e.env); }},
    {"deviceNodes",
     [](Cursor& c, Edits& e) { return c.list(e.device_nodes, read_node); }},
    {"hooks", [](Cursor& c, Edits& e) { return c.list(e.hooks, read_hook); }},
    {"mounts",
     [](Cursor& c, Edits& e) { return c.list(e.mounts, read_mount); }},
    {"additionalGids",
     [](Cursor& c, Edits& e) { return c.list(e.additional_gids, read_gid); }},
    {"intelRdt", refuse_unsupported},
    {"netDevices", refuse_unsupported},
});

Result<void> read_edits(Cursor& cursor, Edits& edits) {
  return cursor.object<Edits>(edits, kEditsFields);
}

Result<void> read_device_name(Cursor& cursor, Device& device) {
  const Token& token = cursor.peek();
  TRY(device.name, cursor.string());
  if (const auto fault = fault_of_device(device.name)) {
    return cursor.fault(token,
                        fmt::format("{} {}", in_quotes(device.name), *fault));
  }
  return {};
}

constexpr auto kDeviceFields = std::to_array<Field<Device>>({
    {"name", read_device_name},
    {"annotations",
     [](Cursor& c, Device& d) { return read_annotations(c, d.annotations); }},
    {"containerEdits",
     [](Cursor& c, Device& d) { return read_edits(c, d.edits); }},
});

Result<void> read_device(Cursor& cursor, Device& device) {
  const Token& start = cursor.peek();
  TRY_VOID(cursor.object<Device>(device, kDeviceFields));
  TRY_VOID(require(cursor, start, !device.name.empty(), "name"));
  if (device.edits.is_empty()) {
    return cursor.fault(start, fmt::format("device {} has no containerEdits",
                                           in_quotes(device.name)));
  }
  return {};
}

Result<void> read_devices(Cursor& cursor, Spec& spec) {
  std::set<std::string_view> names;
  const Token& start = cursor.peek();
  TRY_VOID(cursor.list(spec.devices, read_device));
  for (const Device& device : spec.devices) {
    if (!names.insert(device.name).second) {
      return cursor.fault(start, fmt::format("device {} is there twice",
                                             in_quotes(device.name)));
    }
  }
  return {};
}

Result<void> read_version(Cursor& cursor, Spec& spec) {
  const Token& token = cursor.peek();
  TRY(spec.version, cursor.string());
  const auto version = parse_spec_version(spec.version);
  if (!version || *version < SpecVersion{0, 1, 0}) {
    return cursor.fault(token, fmt::format("{} is not a version of CDI",
                                           in_quotes(spec.version)));
  }
  return {};
}

Result<void> read_kind(Cursor& cursor, Spec& spec) {
  const Token& token = cursor.peek();
  TRY(spec.kind, cursor.string());
  if (const auto fault = fault_of_kind(spec.kind)) {
    return cursor.fault(token,
                        fmt::format("{} {}", in_quotes(spec.kind), *fault));
  }
  return {};
}

constexpr auto kSpecFields = std::to_array<Field<Spec>>({
    {"cdiVersion", read_version},
    {"kind", read_kind},
    {"annotations",
     [](Cursor& c, Spec& s) { return read_annotations(c, s.annotations); }},
    {"devices", read_devices},
    {"containerEdits",
     [](Cursor& c, Spec& s) { return read_edits(c, s.edits); }},
});

/// What only shows when the whole spec is read.
Result<void> check_whole(const Cursor& cursor, const Token& start,
                         const Spec& spec) {
  TRY_VOID(require(cursor, start, !spec.version.empty(), "cdiVersion"));
  TRY_VOID(require(cursor, start, !spec.kind.empty(), "kind"));
  if (spec.devices.empty()) {
    return cursor.fault(start, "a spec without devices");
  }
  const auto version = *parse_spec_version(spec.version);
  if (version <= kNewestVersion && cursor.unknown_field()) {
    return Error(*cursor.unknown_field());
  }
  const VersionNeed need = needed_version(spec);
  if (!need.reason.empty() && version < need.version) {
    return cursor.fault(
        start, fmt::format("cdiVersion {} cannot say {}; that needs {}",
                           spec.version, need.reason, need.version.text()));
  }
  return {};
}

}  // namespace

Result<Spec> decode_spec(const Tokens& tokens, std::string_view file_name) {
  Cursor cursor(tokens, file_name);
  const Token& start = cursor.peek();
  Spec spec;
  TRY_VOID(cursor.object<Spec>(spec, kSpecFields));
  TRY_VOID(check_whole(cursor, start, spec));
  return spec;
}

}  // namespace gpunode::cdi
