#include "container/cdi/hooks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gpunode::cdi {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

HookWork all_work() {
  HookWork work;
  work.links = {
      {"b", "/usr/lib64/c"}, {"a", "/usr/lib64/b"}, {"a", "/usr/lib64/b"}};
  work.library_folders = {"/usr/lib64", "/usr/lib64/vdpau"};
  work.host_driver_version = "550.163.01";
  work.device_node_policy = true;
  work.application_profile = true;
  work.chmod_paths = {"/dev/dri"};
  return work;
}

// Each hook as one line: its arguments.
std::vector<std::string> lines(const std::vector<Hook>& hooks) {
  std::vector<std::string> lines;
  for (const Hook& hook : hooks) {
    std::string line;
    for (const std::string& arg : hook.args) line += arg + " ";
    line.pop_back();
    lines.push_back(line);
  }
  return lines;
}

TEST(Hooks, OfOursAreOneProcess) {
  HookOptions options;
  options.ldconfig_path = "/sbin/ldconfig";
  const std::vector<Hook> hooks = make_hooks(all_work(), options);
  EXPECT_THAT(
      lines(hooks),
      ElementsAre("gpunode-runtime hook apply --link a::/usr/lib64/b "
                  "--link b::/usr/lib64/c --folder /usr/lib64 "
                  "--folder /usr/lib64/vdpau --host-driver-version 550.163.01 "
                  "--ldconfig-path /sbin/ldconfig --device-node-policy "
                  "--application-profile"));
  ASSERT_THAT(hooks, SizeIs(1));
  EXPECT_EQ(hooks[0].name, "createContainer");
  EXPECT_EQ(hooks[0].path, "/usr/bin/gpunode-runtime");
  EXPECT_THAT(hooks[0].env, ElementsAre("PATH=/usr/sbin:/usr/bin:/sbin:/bin"));
}

TEST(Hooks, OfNvidiasAreOneEach) {
  HookOptions options;
  options.path = "/usr/bin/nvidia-cdi-hook";
  const std::vector<Hook> hooks = make_hooks(all_work(), options);
  EXPECT_THAT(
      lines(hooks),
      ElementsAre("nvidia-cdi-hook create-symlinks --link a::/usr/lib64/b "
                  "--link b::/usr/lib64/c",
                  "nvidia-cdi-hook enable-cuda-compat "
                  "--host-driver-version=550.163.01",
                  "nvidia-cdi-hook update-ldcache --folder /usr/lib64 "
                  "--folder /usr/lib64/vdpau",
                  "nvidia-cdi-hook disable-device-node-modification",
                  "nvidia-cdi-hook update-application-profile"));
  for (const Hook& hook : hooks) {
    EXPECT_THAT(hook.env, ElementsAre("NVIDIA_CTK_DEBUG=false"));
  }
  options.path = "/opt/bin/nvidia-ctk";
  options.enabled = {"chmod"};
  EXPECT_EQ(lines(make_hooks(all_work(), options)).back(),
            "nvidia-ctk hook chmod --mode 755 --path /dev/dri");
}

TEST(Hooks, ThatAreDisabledAreLeftOut) {
  HookOptions options;
  options.disabled = {"create-symlinks", "enable-cuda-compat",
                      "update-application-profile"};
  EXPECT_THAT(lines(make_hooks(all_work(), options)),
              ElementsAre("gpunode-runtime hook apply --folder /usr/lib64 "
                          "--folder /usr/lib64/vdpau --device-node-policy"));
  options.disabled = {"all"};
  EXPECT_THAT(make_hooks(all_work(), options), IsEmpty());
  options.path = "/usr/bin/nvidia-cdi-hook";
  EXPECT_THAT(make_hooks(all_work(), options), IsEmpty());
}

TEST(Hooks, WithNothingToDoAreNone) {
  EXPECT_THAT(make_hooks({}, {}), IsEmpty());
}

TEST(ApplyHooks, AreMergedIntoTheFirst) {
  HookWork link;
  link.links = {{"../card1", "/dev/dri/by-path/pci-1-card"}};
  HookWork driver = all_work();
  driver.links = {{"../card1", "/dev/dri/by-path/pci-1-card"}, {"a", "/b"}};
  ContainerEdits edits;
  const Hook other{"createContainer", "/usr/bin/other", {"other"}, {"A=1"}, {}};
  edits.hooks = make_hooks(link, {});
  edits.hooks.push_back(other);
  edits.hooks.push_back(make_hooks(driver, {}).at(0));
  merge_apply_hooks(edits);
  EXPECT_THAT(
      lines(edits.hooks),
      ElementsAre("gpunode-runtime hook apply "
                  "--link ../card1::/dev/dri/by-path/pci-1-card --link a::/b "
                  "--folder /usr/lib64 --folder /usr/lib64/vdpau "
                  "--host-driver-version 550.163.01 --device-node-policy "
                  "--application-profile",
                  "other"));
}

TEST(ApplyHooks, OfAnotherProgramStay) {
  HookWork work;
  work.device_node_policy = true;
  HookOptions other;
  other.path = "/opt/gpunode-runtime";
  ContainerEdits edits;
  edits.hooks = {make_hooks(work, {}).at(0), make_hooks(work, other).at(0)};
  merge_apply_hooks(edits);
  EXPECT_THAT(edits.hooks, SizeIs(2));
}

}  // namespace
}  // namespace gpunode::cdi
