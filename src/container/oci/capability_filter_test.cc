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

TEST(CapabilityFilter, DropsTheLinksToWhatItDropped) {
  cdi::ContainerEdits edits;
  cdi::Hook& hook = edits.hooks.emplace_back();
  hook.args = {"gpunode-runtime",
               "hook",
               "apply",
               "--link",
               "libcuda.so.550.1::/usr/lib64/libcuda.so.1",
               "--link",
               "libnvidia-encode.so.550.1::/usr/lib64/libnvidia-encode.so.1",
               "--folder",
               "/usr/lib64",
               "--link"};
  const std::vector<std::string> args = hook.args;
  keep_capabilities(edits,
                    capabilities_of(std::vector<std::string>{"compute"}));
  EXPECT_THAT(edits.hooks[0].args,
              testing::ElementsAre(args[0], args[1], args[2], args[3], args[4],
                                   args[7], args[8], args[9]));
}

}  // namespace
}  // namespace gpunode::oci
