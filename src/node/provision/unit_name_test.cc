#include "node/provision/unit_name.h"

#include <string>

#include <gtest/gtest.h>

namespace gpunode::provision {
namespace {

TEST(ServiceName, IsAWholeOne) {
  for (const char* name : {"containerd.service", "a.b-c_d:e.service",
                           "kubelet@a.service", "dev-disk\\x2d1.service"}) {
    EXPECT_TRUE(is_service_name(name)) << name;
  }
}

TEST(ServiceName, IsNoPathShortNameTemplateOrOtherUnit) {
  for (const char* name :
       {"", "containerd", ".service", "docker.socket", "x.services",
        "../x.service", "a/b.service", "-x.service", ".x.service",
        "kubelet@.service", "@a.service", "a b.service", "a\n.service",
        "a%i.service"}) {
    EXPECT_FALSE(is_service_name(name)) << name;
  }
  EXPECT_FALSE(is_service_name(std::string(256, 'a') + ".service"));
}

}  // namespace
}  // namespace gpunode::provision
