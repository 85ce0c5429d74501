#include "agent/plugin/named_process.h"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/host/host_tree.h"

namespace gpunode::plugin {
namespace {

using testing::HasSubstr;

class NamedProcess : public testing::Test {
 protected:
  void process(const std::string& pid, const std::string& cmdline) {
    tree_.file("proc/" + pid + "/cmdline", cmdline);
  }
  pid_t find(const std::string& name) {
    const auto found = find_process(tree_.root(), name);
    return found ? *found : -1;
  }

  host::HostTree tree_;
};

TEST_F(NamedProcess, IsFoundByItsFirstWordToTheLetter) {
  using std::string_literals::operator""s;
  process("1", "/usr/bin/nvidia-device-plugin\0"s);
  process("20", "sleep\0nvidia-device-plugin\0"s);
  process("100", "nvidia-device-plugin\0--strict\0"s);
  process("30", "nvidia-device-plugin\0"s);
  process("7", "nvidia-device-plugins\0"s);
  EXPECT_EQ(find("nvidia-device-plugin"), 30);
  EXPECT_EQ(find("/usr/bin/nvidia-device-plugin"), 1);
}

// The peer's program ends, or panics, on each of these.
TEST_F(NamedProcess, WhatHasNoCommandLineIsPassedOver) {
  process("1", "");                    // A kernel thread, a zombie.
  tree_.directory("proc/2");           // Gone since it was listed.
  process("3", std::string(2, '\0'));  // Called by nothing.
  process("4x", "wanted");             // No process.
  process("5", "wanted");              // Without an end.
  EXPECT_EQ(find("wanted"), 5);
}

TEST_F(NamedProcess, SaysWhatToDoWithoutOne) {
  process("1", "init");
  const auto found = find_process(tree_.root(), "a\nb");
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().code(), ErrorCode::kNotFound);
  EXPECT_THAT(found.error().message(),
              HasSubstr("no process found (none was called \"a\\nb\"; "));
}

}  // namespace
}  // namespace gpunode::plugin
