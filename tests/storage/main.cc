// Exits with 77, a skip to ctest, where no loop device can be had.
#include <cstdio>
#include <string>

#include <gtest/gtest.h>

#include "tests/storage/test_disk.h"

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  std::string reason;
  const gpunode::storage_test::ImageFile image(1U << 20U);
  if (!gpunode::storage_test::LoopDevice::over(image, reason)) {
    std::printf("skipped: %s\n", reason.c_str());
    return 77;
  }
  return RUN_ALL_TESTS();
}
