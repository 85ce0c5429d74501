#include "container/cdi/spec_version.h"

#include <gtest/gtest.h>

namespace gpunode::cdi {
namespace {

TEST(SpecVersions, AreThreeNumbers) {
  EXPECT_EQ(parse_spec_version("0.5.0"), (SpecVersion{0, 5, 0}));
  EXPECT_EQ(parse_spec_version("10.20.30"), (SpecVersion{10, 20, 30}));
  for (const char* text :
       {"", "0", "0.5", "v0.5.0", "0.5.0 ", "0.05.0", "0.5.-1", "0.5.0.1",
        "0..5", "a.b.c", "0.5.99999999999", "+0.5.0"}) {
    EXPECT_EQ(parse_spec_version(text), std::nullopt) << text;
  }
  EXPECT_LT((SpecVersion{0, 9, 0}), (SpecVersion{0, 10, 0}));
}

Spec plain() {
  Spec spec;
  spec.kind = "nvidia.com/gpu";
  spec.devices.push_back({"all", {}, {}});
  spec.devices[0].edits.env = {"A=1"};
  return spec;
}

TEST(NeededVersion, IsTheLowestThatSaysIt) {
  EXPECT_EQ(needed_version(plain()).version.text(), "0.3.0");

  Spec spec = plain();
  spec.edits.mounts.push_back({"/a", "/a", {}, "tmpfs"});
  EXPECT_EQ(needed_version(spec).version.text(), "0.4.0");

  spec = plain();
  spec.devices[0].name = "0";
  EXPECT_EQ(needed_version(spec).version.text(), "0.5.0");

  spec = plain();
  spec.devices[0].edits.device_nodes.emplace_back().path = "/dev/a";
  EXPECT_EQ(needed_version(spec).version.text(), "0.3.0");
  spec.devices[0].edits.device_nodes[0].host_path = "/root/dev/a";
  EXPECT_EQ(needed_version(spec).version.text(), "0.5.0");

  spec = plain();
  spec.kind = "nvidia.com/gpu.coherent";
  EXPECT_EQ(needed_version(spec).version.text(), "0.6.0");

  spec = plain();
  spec.devices[0].annotations = {{"a", "b"}};
  EXPECT_EQ(needed_version(spec).version.text(), "0.6.0");

  spec = plain();
  spec.devices[0].name = "0";
  spec.edits.additional_gids = {44};
  const VersionNeed need = needed_version(spec);
  EXPECT_EQ(need.version.text(), "0.7.0");
  EXPECT_EQ(need.reason, "additionalGids");
}

}  // namespace
}  // namespace gpunode::cdi
