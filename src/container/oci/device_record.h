// Who holds which devices, by the kubelet's own record (kubelet_record.h).
//
// It names Pods by UID. A Pod that has ended stays in it until the kubelet
// admits another one that asks for devices.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/core/result.h"

namespace gpunode::oci {

struct DeviceRecord {
  /// The ids of one resource that one container holds.
  struct Holding {
    std::string pod_uid;
    std::string container;
    std::string resource;
    std::vector<std::string> ids;

    bool operator==(const Holding&) const = default;
  };
  /// The ids that a plugin had listed as healthy when the record was written.
  struct Resource {
    std::string name;
    std::vector<std::string> ids;

    bool operator==(const Resource&) const = default;
  };

  std::vector<Holding> holdings;    ///< In the record's order; ids sorted.
  std::vector<Resource> resources;  ///< By name; ids sorted.
};

/// Its name in the kubelet's directory of device plugins.
inline constexpr const char* kDeviceRecordFile = "kubelet_internal_checkpoint";

/// Reads the record's text, also in the form of kubelets before 1.20. kCorrupt
/// if it is none.
Result<DeviceRecord> read_device_record(std::string_view record,
                                        std::string_view file_name);

}  // namespace gpunode::oci
