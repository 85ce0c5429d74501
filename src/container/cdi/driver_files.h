// The files of the driver that a container needs, under any driver root.
//
// From the file system alone, one readdir a directory and three small reads a
// library; the driver library is not loaded. What is found here goes into CDI
// specs (generator.h) and into containers that ask by NVIDIA_VISIBLE_DEVICES.
#pragma once

#include <string>
#include <vector>

#include "base/host/host_root.h"
#include "container/cdi/driver_capability.h"

namespace gpunode::cdi {

/// A file or directory to be mounted.
struct DriverFile {
  enum class Kind {
    kLibrary,
    kConfig,  ///< And X.Org modules, which ld.so does not look for.
    kBinary,
    kFirmware,
    kSocket,  ///< Mounted writable; a directory of sockets too.
  };

  Kind kind = Kind::kLibrary;
  std::string path;                 ///< In the container.
  std::string source;               ///< In the driver root, links followed.
  DriverCapabilities capabilities;  ///< Any of them brings the file in.
  bool is_32bit = false;            ///< Then kCompat32 must be asked for too.

  bool is_granted(DriverCapabilities requested) const;

  bool operator==(const DriverFile&) const = default;
};

/// A link to be made in the container: `path` with the text `target`.
struct DriverLink {
  std::string path;
  std::string target;
  DriverCapabilities capabilities;
  bool is_32bit = false;

  bool is_granted(DriverCapabilities requested) const;

  bool operator==(const DriverLink&) const = default;
};

struct DriverFiles {
  std::string version;  ///< "550.163.01"; empty: no driver was found.
  std::vector<DriverFile> files;
  std::vector<DriverLink> links;
  /// Where libcuda is, in the container.
  std::vector<std::string> libcuda_directories;
  /// Places of the root, there or not, that decide: directories in which
  /// something was found, sockets. While they stay, so does the answer.
  std::vector<std::string> witnesses;
  /// For people, one line each: why nothing was found, libraries that do not
  /// belong to the loaded module.
  std::vector<std::string> problems;

  bool operator==(const DriverFiles&) const = default;
};

struct DriverSearch {
  /// Where the driver's files are: "/", "/run/nvidia/driver", "/driver-root".
  host::HostRoot root;
  /// Where /proc and /sys are.
  host::HostRoot host;
  /// Of the loaded module. Empty: the name of libcuda or libnvidia-ml tells.
  std::string version;
  /// Instead of the known places, when not empty. Absolute, in the root.
  std::vector<std::string> library_directories;
  std::vector<std::string> config_directories;
  /// Where programs are looked for first; a PATH.
  std::vector<std::string> binary_directories;
  /// More libraries: absolute paths, or names with * in the library
  /// directories ("libfoo.so*"). Given with every capability.
  std::vector<std::string> additional_libraries;
  /// The GLVND and OpenCL loaders too; images usually bring their own.
  bool with_loader_libraries = false;
  bool with_graphics = true;  ///< EGL, Vulkan, X.Org; and OpenCL's vendor file.
  bool with_sockets = true;
};

/// Looks; what is not there is left out. Files, links and witnesses are
/// sorted by path and unique.
DriverFiles find_driver_files(const DriverSearch& search);

}  // namespace gpunode::cdi
