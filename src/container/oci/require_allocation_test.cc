#include "container/oci/require_allocation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/host/host_tree.h"

namespace gpunode::oci {
namespace {

using testing::HasSubstr;

bool is_required(const host::HostTree& host, std::optional<bool> own = {}) {
  GpunodeConfig config;
  config.require_allocation = own;
  return is_allocation_required(config, host.root());
}

TEST(RequireAllocationMark, IsTheWordOfTheNodesPlugin) {
  const host::HostTree host;
  host.directory("var/lib/gpunode");
  EXPECT_FALSE(is_required(host));
  ASSERT_TRUE(set_require_allocation(host.root(), true));
  EXPECT_TRUE(is_required(host));
  ASSERT_TRUE(set_require_allocation(host.root(), true));
  EXPECT_THAT(*host.root().read_file(kRequireAllocationMark),
              HasSubstr("gpunode-agent"));
  ASSERT_TRUE(set_require_allocation(host.root(), false));
  EXPECT_FALSE(is_required(host));
  EXPECT_TRUE(set_require_allocation(host.root(), false));
}

TEST(RequireAllocationMark, CountsWhereConfigTomlIsSilent) {
  const host::HostTree host;
  host.directory("var/lib/gpunode");
  EXPECT_TRUE(is_required(host, true));
  ASSERT_TRUE(set_require_allocation(host.root(), true));
  EXPECT_FALSE(is_required(host, false));
}

TEST(RequireAllocationMark, ThatCannotBeSeenIsThere) {
  const host::HostTree host{{"var/lib/gpunode", "no directory"}};
  host.remove("var/lib/gpunode");
  host.link("var/lib/gpunode", "gpunode");  // Leads to itself.
  EXPECT_TRUE(is_required(host));
}

TEST(RequireAllocationMark, IsNotMadeWhereTheRuntimeWouldNotSeeIt) {
  const host::HostTree host;
  const auto made = set_require_allocation(host.root(), true);
  ASSERT_FALSE(made);
  EXPECT_THAT(made.error().message(),
              HasSubstr("mount the host's /var/lib/gpunode here"));
  EXPECT_TRUE(set_require_allocation(host.root(), false));
}

}  // namespace
}  // namespace gpunode::oci
