// A CDI spec, as plain values: what devices a vendor offers and what a
// container must be given to use one.
//
// After the Container Device Interface, SPEC.md of
// cncf-tags/container-device-interface, versions 0.3.0 to 0.8.0. Field names
// are the specification's; a field at its default is one that is not written.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace gpunode::cdi {

/// A device node to be made in the container and allowed by its cgroup.
/// What is absent is taken from the host's node when a container is made; a
/// major never comes without a minor.
struct DeviceNode {
  std::string path;       ///< In the container.
  std::string host_path;  ///< Empty: the same as `path`.
  std::string type;       ///< "c", "b", "u", "p"; empty: as on the host.
  std::optional<std::int64_t> major;
  std::optional<std::int64_t> minor;
  std::optional<std::uint32_t> file_mode;  ///< Permission bits, 0666.
  std::string permissions;  ///< Of the cgroup, "rwm"; empty means "rwm".
  std::optional<std::uint32_t> uid;
  std::optional<std::uint32_t> gid;

  bool operator==(const DeviceNode&) const = default;
};

/// A file or directory of the host to be mounted in the container.
struct Mount {
  std::string host_path;
  std::string container_path;
  std::vector<std::string> options;
  std::string type;  ///< Empty: none is written.

  bool operator==(const Mount&) const = default;
};

/// A program that the low-level runtime runs while it makes the container.
struct Hook {
  std::string name;  ///< "createContainer", "prestart", …
  std::string path;
  std::vector<std::string> args;  ///< args[0] is the program's name.
  /// NAME=value. Never leave it empty: runc then passes the container's own
  /// environment to a program of the host (CVE-2025-23266).
  std::vector<std::string> env;
  std::optional<int> timeout_seconds;

  bool operator==(const Hook&) const = default;
};

/// What a container is given; `containerEdits` of the specification.
struct ContainerEdits {
  std::vector<std::string> env;  ///< NAME=value.
  std::vector<DeviceNode> device_nodes;
  std::vector<Mount> mounts;
  std::vector<Hook> hooks;
  std::vector<std::uint32_t> additional_gids;

  bool is_empty() const {
    return env.empty() && device_nodes.empty() && mounts.empty() &&
           hooks.empty() && additional_gids.empty();
  }

  bool operator==(const ContainerEdits&) const = default;
};

using Annotations = std::vector<std::pair<std::string, std::string>>;

struct Device {
  std::string name;  ///< Unqualified: "0", "GPU-8932f937-…", "all".
  Annotations annotations;
  ContainerEdits edits;

  bool operator==(const Device&) const = default;
};

struct Spec {
  std::string version;  ///< cdiVersion, "0.5.0".
  std::string kind;     ///< "nvidia.com/gpu"
  Annotations annotations;
  std::vector<Device> devices;
  ContainerEdits edits;  ///< For a container that gets any of `devices`.

  bool operator==(const Spec&) const = default;
};

/// "nvidia.com/gpu=0", taken apart.
struct QualifiedName {
  std::string vendor;  ///< "nvidia.com"
  std::string klass;   ///< "gpu"
  std::string device;  ///< "0"

  std::string kind() const { return vendor + "/" + klass; }
  std::string text() const { return kind() + "=" + device; }

  bool operator==(const QualifiedName&) const = default;
};

}  // namespace gpunode::cdi
