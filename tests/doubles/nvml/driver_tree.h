// DriverTree: the files that a host with the driver has, for one profile.
#pragma once

#include <string>
#include <vector>

#include "base/core/result.h"
#include "tests/doubles/nvml/profile.h"

namespace gpunode::fake_nvml {

struct DriverTree {
  /// Made if missing; proc/driver, sys/bus/pci/devices and dev in it are
  /// made anew. Not /.
  std::string root;
  std::string profile_path;  ///< Copied beside the library as profile.json.
  /// libnvidia-ml.so.1, laid as a driver's package lays it: a file
  /// libnvidia-ml.so.<version> and the link to it. Empty: no library.
  std::string library;
  /// Further ones, such as libcuda.so.1, laid the same way.
  std::vector<std::string> more_libraries;
};

/// Lays out what the driver's modules and packages make on a host:
///   proc/devices, proc/driver/nvidia/{version,params,gpus/*/information,
///   capabilities/**}, proc/driver/nvidia-caps/mig-minors,
///   sys/bus/pci/devices/*/{vendor,device,class,numa_node,config,resource,...},
///   usr/lib/x86_64-linux-gnu/, dev/nvidia*.
/// Device nodes are real (mknod) where the caller may make them, else empty
/// files.
Result<void> lay_driver_tree(const Profile& profile, const DriverTree& tree);

/// Major numbers of the device nodes.
inline constexpr unsigned kNvidiaMajor = 195;
inline constexpr unsigned kUvmMajor = 510;
inline constexpr unsigned kCapsMajor = 237;

/// The N of /dev/nvidia-caps/nvidia-capN. The driver numbers all instances
/// that could be: 15 a GPU, each with 8 compute instances, from 3.
unsigned gpu_instance_cap(unsigned gpu_minor, unsigned gpu_instance);
unsigned compute_instance_cap(unsigned gpu_minor, unsigned gpu_instance,
                              unsigned compute_instance);

}  // namespace gpunode::fake_nvml
