// A list of requested devices: what NVIDIA_VISIBLE_DEVICES holds.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace gpunode::oci {

/// What a container asks for. `names` are as written: an index ("0"), a MIG
/// index ("0:1"), a UUID, or a qualified CDI name; each once.
struct DeviceList {
  enum class Kind {
    kNothing,  ///< No list, an empty one, or "void": the container is no
               ///< business of ours.
    kNone,     ///< "none": the driver's files and no GPU.
    kAll,
    kNamed,
  };
  Kind kind = Kind::kNothing;
  std::vector<std::string> names;

  bool is_request() const { return kind != Kind::kNothing; }
  friend bool operator==(const DeviceList&, const DeviceList&) = default;
};

/// The meaning of the items of a list: "void" anywhere means nothing, else the
/// first "all" or "none" counts, else the names. An item that is there twice
/// counts once (NVIDIA's runtime then gives no GPU at all).
DeviceList read_device_list(std::span<const std::string> items);

/// The parts between commas, blanks around them removed, empty ones dropped.
std::vector<std::string> split_list(std::string_view text);

}  // namespace gpunode::oci
