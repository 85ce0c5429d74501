// Skips the whole test (77) where the tools or their stubs are missing.
#include <cstdio>
#include <string>

#include <gtest/gtest.h>

#include "base/host/host_root.h"
#include "tests/packages/real_packages.h"

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  const gpunode::host::HostRoot host;
  for (const char* tool : {"/usr/bin/apt-get", "/usr/bin/dnf", "/usr/bin/rpm",
                           "/usr/bin/zypper"}) {
    if (host.exists(tool)) continue;
    std::printf("no %s here; tools/setup packages installs it\n", tool);
    return 77;
  }
  const std::string stubs = gpunode::packages::stubs();
  if (stubs.empty() || !host.exists(stubs + "/made-by")) {
    std::printf("no stub repositories: ctest makes them first\n");
    return 77;
  }
  return RUN_ALL_TESTS();
}
