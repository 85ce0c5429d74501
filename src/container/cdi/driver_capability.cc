#include "container/cdi/driver_capability.h"

#include <algorithm>
#include <array>
#include <cstddef>

namespace gpunode::cdi {
namespace {

constexpr std::array<std::string_view, 7> kNames = {
    "compute", "utility", "video", "graphics", "display", "ngx", "compat32"};

using enum DriverCapability;

constexpr DriverCapabilities kUtilityLibrary = {kUtility};
constexpr DriverCapabilities kComputeLibrary = {kCompute};
constexpr DriverCapabilities kVideoLibrary = {kVideo};
// X11 programs draw with the same libraries as those without a screen.
constexpr DriverCapabilities kGraphicsLibrary = {kGraphics, kDisplay};
constexpr DriverCapabilities kNgxLibrary = {kNgx};
// Loaded by both CUDA and the GL and Vulkan drivers.
constexpr DriverCapabilities kSharedLibrary = {kCompute, kGraphics, kDisplay};

struct Known {
  std::string_view stem;
  DriverCapabilities capabilities;
};

constexpr auto kKnown = std::to_array<Known>({
    {"libnvidia-ml", kUtilityLibrary},
    {"libnvidia-cfg", kUtilityLibrary},
    {"libnvidia-nscq", kUtilityLibrary},
    {"libnvidia-sandboxutils", kUtilityLibrary},
    {"libnvsdm", kUtilityLibrary},

    {"libcuda", kComputeLibrary},
    {"libcudadebugger", kComputeLibrary},
    {"libnvidia-compiler", kComputeLibrary},
    {"libnvidia-fatbinaryloader", kComputeLibrary},
    {"libnvidia-nvvm", kComputeLibrary},
    {"libnvidia-nvvm70", kComputeLibrary},
    {"libnvidia-opencl", kComputeLibrary},
    {"libnvidia-pkcs11", kComputeLibrary},
    {"libnvidia-pkcs11-openssl3", kComputeLibrary},
    {"libnvidia-ptxjitcompiler", kComputeLibrary},
    {"libnvidia-tileiras", kComputeLibrary},
    {"libOpenCL", kComputeLibrary},

    {"libnvidia-allocator", kSharedLibrary},
    {"libnvidia-gpucomp", kSharedLibrary},

    {"libnvcuvid", kVideoLibrary},
    {"libnvidia-encode", kVideoLibrary},
    {"libnvidia-opticalflow", kVideoLibrary},
    {"libvdpau_nvidia", kVideoLibrary},

    {"libEGL", kGraphicsLibrary},
    {"libEGL_nvidia", kGraphicsLibrary},
    {"libGL", kGraphicsLibrary},
    {"libGLESv1_CM", kGraphicsLibrary},
    {"libGLESv1_CM_nvidia", kGraphicsLibrary},
    {"libGLESv2", kGraphicsLibrary},
    {"libGLESv2_nvidia", kGraphicsLibrary},
    {"libGLX", kGraphicsLibrary},
    {"libGLX_nvidia", kGraphicsLibrary},
    {"libGLdispatch", kGraphicsLibrary},
    {"libOpenGL", kGraphicsLibrary},
    {"libglxserver_nvidia", kGraphicsLibrary},
    {"libnvidia-api", kGraphicsLibrary},
    {"libnvidia-cbl", kGraphicsLibrary},
    {"libnvidia-egl-gbm", kGraphicsLibrary},
    {"libnvidia-egl-wayland", kGraphicsLibrary},
    {"libnvidia-egl-wayland2", kGraphicsLibrary},
    {"libnvidia-egl-xcb", kGraphicsLibrary},
    {"libnvidia-egl-xlib", kGraphicsLibrary},
    {"libnvidia-eglcore", kGraphicsLibrary},
    {"libnvidia-fbc", kGraphicsLibrary},
    {"libnvidia-glcore", kGraphicsLibrary},
    {"libnvidia-glsi", kGraphicsLibrary},
    {"libnvidia-glvkspirv", kGraphicsLibrary},
    {"libnvidia-gtk2", kGraphicsLibrary},
    {"libnvidia-gtk3", kGraphicsLibrary},
    {"libnvidia-ifr", kGraphicsLibrary},
    {"libnvidia-present", kGraphicsLibrary},
    {"libnvidia-rtcore", kGraphicsLibrary},
    {"libnvidia-tls", kGraphicsLibrary},
    {"libnvidia-vksc-core", kGraphicsLibrary},
    {"libnvidia-vulkan-producer", kGraphicsLibrary},
    {"libnvidia-wayland-client", kGraphicsLibrary},
    {"libnvoptix", kGraphicsLibrary},

    {"libnvidia-ngx", kNgxLibrary},
});

}  // namespace

std::string_view name_of(DriverCapability capability) {
  return kNames.at(static_cast<std::size_t>(capability));
}

std::optional<DriverCapability> parse_driver_capability(std::string_view name) {
  const auto* const found = std::ranges::find(kNames, name);
  if (found == kNames.end()) return std::nullopt;
  return static_cast<DriverCapability>(found - kNames.begin());
}

std::string DriverCapabilities::text() const {
  std::string text;
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    if (!has(static_cast<DriverCapability>(i))) continue;
    if (!text.empty()) text += ',';
    text += kNames[i];
  }
  return text;
}

DriverCapabilities capabilities_of_library(std::string_view stem) {
  const auto* const found = std::ranges::find(kKnown, stem, &Known::stem);
  return found == kKnown.end() ? DriverCapabilities::all_64bit()
                               : found->capabilities;
}

}  // namespace gpunode::cdi
