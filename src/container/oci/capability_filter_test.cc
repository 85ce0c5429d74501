#include "container/oci/capability_filter.h"

#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gpunode::oci {
namespace {

std::vector<std::string> kept(const std::vector<std::string>& capabilities) {
  cdi::ContainerEdits edits;
  for (const char* path :
       {"/usr/lib64/libcuda.so.550.1", "/usr/lib64/libnvidia-encode.so.550.1",
        "/usr/lib64/libnvidia-ml.so.550.1", "/usr/bin/nvidia-smi",
        "/usr/lib64/libsomething-new.so.550.1"}) {
    edits.mounts.push_back({path, path, {}, ""});
  }
  keep_capabilities(edits, capabilities_of(capabilities));
  std::vector<std::string> names;
  for (const cdi::Mount& mount : edits.mounts) {
    names.push_back(
        mount.container_path.substr(mount.container_path.rfind('/') + 1));
  }
  return names;
}

TEST(CapabilityFilter, DropsLibrariesOfOtherCapabilities) {
  EXPECT_THAT(kept({"compute"}),
              testing::ElementsAre("libcuda.so.550.1", "nvidia-smi",
                                   "libsomething-new.so.550.1"));
  EXPECT_THAT(
      kept({"utility", "video", "unheard-of"}),
      testing::ElementsAre("libnvidia-encode.so.550.1", "libnvidia-ml.so.550.1",
                           "nvidia-smi", "libsomething-new.so.550.1"));
}

}  // namespace
}  // namespace gpunode::oci
