#include "base/host/start_up_pages.h"

#include <fstream>
#include <string>

#include <gtest/gtest.h>

namespace gpunode::host {
namespace {

/// Kilobytes of this program's executable pages that are mapped now.
long resident_code_kb() {
  std::ifstream in("/proc/self/smaps");
  bool is_code = false;
  long sum = 0;
  for (std::string line; std::getline(in, line);) {
    if (line.find(" r-xp ") != std::string::npos) {
      is_code = line.find("base_host_test") != std::string::npos;
    } else if (line.rfind("Rss:", 0) == 0 && is_code) {
      sum += std::stol(line.substr(4));
    }
  }
  return sum;
}

TEST(StartUpPages, AreGivenBackAndTheProgramGoesOn) {
  const long before = resident_code_kb();
  ASSERT_GT(before, 0);
  release_start_up_pages();
  EXPECT_LT(resident_code_kb(), before);
  EXPECT_EQ(std::string("still ") + "here", "still here");
}

}  // namespace
}  // namespace gpunode::host
