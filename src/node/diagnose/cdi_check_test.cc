#include "node/diagnose/cdi_check.h"

#include <array>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/host/host_tree.h"

namespace gpunode::diagnose {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

const std::array<std::string, 1> kDirectories = {"/var/run/cdi"};

std::string spec(const std::string& library) {
  return R"({"cdiVersion":"0.5.0","kind":"nvidia.com/gpu","devices":[)"
         R"({"name":"0","containerEdits":{"env":["A=0"]}},)"
         R"({"name":"1","containerEdits":{"env":["A=1"]}}],)"
         R"("containerEdits":{"mounts":[{"hostPath":")" +
         library + R"(","containerPath":")" + library + R"("}]}})";
}

TEST(CdiCheck, SaysNothingOfSpecsThatHold) {
  const host::HostTree host{
      {"usr/lib/libcuda.so.2", ""},
      {"var/run/cdi/a.json", spec("/usr/lib/libcuda.so.2")}};
  EXPECT_THAT(check_cdi(host.root(), kDirectories), IsEmpty());
  EXPECT_THAT(check_cdi(host::HostTree().root(), kDirectories), IsEmpty());
}

TEST(CdiCheck, TellsASpecOfTheOldDriverOnce) {
  const host::HostTree host{
      {"usr/lib/libcuda.so.2", ""},
      {"var/run/cdi/a.json", spec("/usr/lib/libcuda.so.1")}};
  const Findings found = check_cdi(host.root(), kDirectories);
  ASSERT_THAT(found, SizeIs(1));
  EXPECT_THAT(found[0].what, HasSubstr("names /usr/lib/libcuda.so.1"));
  EXPECT_THAT(found[0].next, HasSubstr("gpunode cdi refresh"));
}

TEST(CdiCheck, TellsAFileThatIsNoSpec) {
  const host::HostTree host{{"var/run/cdi/a.json", "{"}};
  const Findings found = check_cdi(host.root(), kDirectories);
  ASSERT_THAT(found, SizeIs(1));
  EXPECT_THAT(found[0].what, HasSubstr("a.json"));
}

}  // namespace
}  // namespace gpunode::diagnose
