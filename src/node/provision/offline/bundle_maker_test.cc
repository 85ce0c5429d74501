#include "node/provision/offline/bundle_maker.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gpunode::offline {
namespace {

TEST(ImageReference, HasItsRegistryAndNothingElse) {
  for (const char* const good :
       {"registry.k8s.io/pause:3.10", "localhost:5000/a/b@sha256:00ff",
        "nvcr.io/nvidia/k8s/cuda-sample:vectoradd-cuda12.5.0"}) {
    EXPECT_TRUE(check_image(good)) << good;
  }
  for (const char* const bad :
       {"", "pause", "library/pause", "-v", "--all/x.y", "registry.k8s.io/a b",
        "registry.k8s.io/$(x)", "registry.k8s.io"}) {
    EXPECT_FALSE(check_image(bad)) << bad;
  }
}

}  // namespace
}  // namespace gpunode::offline
