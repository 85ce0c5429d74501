#include "container/cdi/registry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/host/host_tree.h"

namespace gpunode::cdi {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// A spec whose common and device edits are told by one variable each.
std::string spec(const std::string& mark,
                 const std::vector<std::string>& devices,
                 const std::string& kind = "nvidia.com/gpu") {
  std::string text = "cdiVersion: 0.5.0\nkind: " + kind + "\ndevices:\n";
  for (const std::string& device : devices) {
    text += "- name: '" + device + "'\n  containerEdits: {env: [" + mark + "_" +
            device + "=1]}\n";
  }
  return text + "containerEdits: {env: [" + mark + "=1]}\n";
}

Registry load(const host::HostTree& host) {
  const std::vector<std::string> directories(std::begin(kSpecDirectories),
                                             std::end(kSpecDirectories));
  return Registry::load(host.root(), directories);
}

std::vector<std::string> env_of(const Registry& registry,
                                const std::vector<std::string>& names) {
  const auto edits = registry.resolve(names);
  if (!edits) return {edits.error().message()};
  return edits->env;
}

TEST(Registry, GivesCommonEditsOnceBeforeTheFirstDevice) {
  const host::HostTree host{{"etc/cdi/a.yaml", spec("A", {"0", "1"})},
                            {"etc/cdi/b.yaml", spec("B", {"x"}, "b.com/nic")}};
  const Registry registry = load(host);
  EXPECT_THAT(registry.problems(), IsEmpty());
  EXPECT_THAT(
      registry.device_names(),
      ElementsAre("b.com/nic=x", "nvidia.com/gpu=0", "nvidia.com/gpu=1"));
  EXPECT_THAT(
      env_of(registry, {"nvidia.com/gpu=1", "b.com/nic=x", "nvidia.com/gpu=0"}),
      ElementsAre("A=1", "A_1=1", "B=1", "B_x=1", "A_0=1"));
}

TEST(Registry, CountsANameThatIsAskedForTwiceOnce) {
  const host::HostTree host{{"etc/cdi/a.yaml", spec("A", {"0"})}};
  EXPECT_THAT(env_of(load(host), {"nvidia.com/gpu=0", "nvidia.com/gpu=0"}),
              ElementsAre("A=1", "A_0=1"));
}

TEST(Registry, PrefersTheLaterDirectory) {
  const host::HostTree host{{"etc/cdi/a.yaml", spec("A", {"0", "1"})},
                            {"var/run/cdi/z.yaml", spec("Z", {"0"})}};
  const Registry registry = load(host);
  EXPECT_THAT(env_of(registry, {"nvidia.com/gpu=0"}),
              ElementsAre("Z=1", "Z_0=1"));
  EXPECT_THAT(env_of(registry, {"nvidia.com/gpu=1"}),
              ElementsAre("A=1", "A_1=1"));
}

TEST(Registry, ResolvesNoConflict) {
  const host::HostTree host{{"etc/cdi/a.yaml", spec("A", {"0", "1"})},
                            {"etc/cdi/b.yaml", spec("B", {"0"})}};
  const Registry registry = load(host);
  EXPECT_THAT(registry.problems(),
              ElementsAre("nvidia.com/gpu=0: both /etc/cdi/a.yaml and "
                          "/etc/cdi/b.yaml have it"));
  EXPECT_THAT(registry.device_names(), ElementsAre("nvidia.com/gpu=1"));
  EXPECT_THAT(env_of(registry, {"nvidia.com/gpu=0"}),
              ElementsAre("unresolvable CDI devices nvidia.com/gpu=0 (both "
                          "/etc/cdi/a.yaml and /etc/cdi/b.yaml have it)"));
}

TEST(Registry, LetsALaterDirectorySettleAConflict) {
  const host::HostTree host{{"etc/cdi/a.yaml", spec("A", {"0"})},
                            {"etc/cdi/b.yaml", spec("B", {"0"})},
                            {"var/run/cdi/c.yaml", spec("C", {"0"})}};
  EXPECT_THAT(env_of(load(host), {"nvidia.com/gpu=0"}),
              ElementsAre("C=1", "C_0=1"));
}

TEST(Registry, SaysWhyANameIsUnresolvable) {
  const host::HostTree host{{"etc/cdi/a.yaml", spec("A", {"0", "1"})},
                            {"etc/cdi/bad.yaml", "kind: [\n"}};
  const Registry registry = load(host);
  EXPECT_THAT(
      env_of(registry, {"nvidia.com/gpu=7", "nvidia.com/gpu=8", "x"}),
      ElementsAre("unresolvable CDI devices nvidia.com/gpu=7, "
                  "nvidia.com/gpu=8, x (nvidia.com/gpu has 0, 1; CDI device "
                  "name \"x\" is not vendor/class=device)"));
  const auto other = env_of(registry, {"a.b/c=0"});
  EXPECT_THAT(other,
              ElementsAre(testing::StartsWith(
                  "unresolvable CDI devices a.b/c=0 (no spec of a.b/c in "
                  "/etc/cdi, /var/run/cdi; yaml: ")));
}

TEST(Registry, LosesOnlyTheFileThatIsBad) {
  const host::HostTree host{{"etc/cdi/a.yaml", spec("A", {"0"})},
                            {"etc/cdi/b.json", "{"},
                            {"etc/cdi/c.yml", spec("C", {"1"})},
                            {"etc/cdi/.d.yaml", spec("D", {"2"})},
                            {"etc/cdi/e.txt", "x"}};
  host.directory("etc/cdi/f.yaml");
  host.link("etc/cdi/g.yaml", "/nowhere");
  const Registry registry = load(host);
  EXPECT_THAT(registry.device_names(), ElementsAre("nvidia.com/gpu=0"));
  EXPECT_THAT(
      registry.problems(),
      ElementsAre("/etc/cdi/b.json:1:2: not JSON: Missing a name for object "
                  "member.",
                  "/etc/cdi/c.yml: not read; CDI specs end in .yaml or .json",
                  testing::HasSubstr("f.yaml: not a regular file"),
                  testing::HasSubstr("g.yaml: no such file or directory")));
}

TEST(Registry, OfAHostWithoutSpecsIsEmpty) {
  const host::HostTree host;
  const Registry registry = load(host);
  EXPECT_THAT(registry.device_names(), IsEmpty());
  EXPECT_THAT(registry.problems(), IsEmpty());
  EXPECT_THAT(env_of(registry, {}), IsEmpty());
}

}  // namespace
}  // namespace gpunode::cdi
