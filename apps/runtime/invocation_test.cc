#include "apps/runtime/invocation.h"

#include <vector>

#include <gtest/gtest.h>

namespace gpunode::runtime {
namespace {

Invocation read(const std::vector<const char*>& arguments) {
  return read_invocation(arguments);
}

TEST(Invocation, OfContainerd) {
  const Invocation call =
      read({"runc", "--root", "/run/r", "--log", "/l.json", "--log-format",
            "json", "--systemd-cgroup", "create", "--bundle", "/b",
            "--pid-file", "/p", "id"});
  EXPECT_TRUE(call.is_create);
  EXPECT_EQ(call.bundle, "/b");
  EXPECT_EQ(call.log_path, "/l.json");
  EXPECT_TRUE(call.is_log_json);
  EXPECT_FALSE(call.wants_version);
}

TEST(Invocation, TheLastBundleInAnyForm) {
  EXPECT_EQ(read({"r", "create", "-b", "a", "--bundle=b"}).bundle, "b");
  EXPECT_EQ(read({"r", "create", "-b=a", "-bundle", "b"}).bundle, "b");
  EXPECT_EQ(read({"r", "create"}).bundle, ".");
  EXPECT_EQ(read({"r", "create", "-b"}).bundle, ".");
  EXPECT_EQ(read({"r", "create", "--bundle="}).bundle, ".");
}

TEST(Invocation, Log) {
  EXPECT_EQ(read({"r", "--log=/x", "state"}).log_path, "/x");
  EXPECT_FALSE(read({"r", "--log", "/x", "state"}).is_log_json);
  EXPECT_EQ(read({"r", "--log"}).log_path, "");
}

TEST(Invocation, Version) {
  EXPECT_TRUE(read({"r", "--version"}).wants_version);
  EXPECT_FALSE(read({"r", "--log", "x"}).wants_version);
}

}  // namespace
}  // namespace gpunode::runtime
