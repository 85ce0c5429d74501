#include "node/provision/steps/runtime/containerd_file.h"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/text/toml_reader.h"
#include "base/text/tree.h"

namespace gpunode::provision {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

// What Docker's package has, but for the rest of its comments.
constexpr const char* kDockers =
    "#   Copyright 2018-2022 Docker Inc.\n\n"
    "disabled_plugins = [\"cri\"]\n\n"
    "#root = \"/var/lib/containerd\"\n";

ContainerdEdit edit_of(const ContainerdTexts& texts,
                       const ContainerdWish& wish = {}) {
  auto edit = edit_containerd(texts, wish);
  EXPECT_TRUE(edit) << edit.error().message();
  if (!edit) return {};
  // What was done is not done again.
  const auto again =
      edit_containerd({edit->config, edit->drop_in, texts.has_conf_d}, wish);
  EXPECT_TRUE(again);
  EXPECT_EQ(again->config, edit->config);
  EXPECT_THAT(again->lacks, IsEmpty());
  return *std::move(edit);
}

text::Node tree_of(const std::string& toml) {
  auto tree = text::parse_toml(toml, "config.toml");
  EXPECT_TRUE(tree) << toml;
  return tree ? *std::move(tree) : text::Node{};
}

std::string scalar_at(const std::string& toml, const text::KeyPath& path) {
  const text::Node tree = tree_of(toml);
  const text::Node* value = text::find_at(tree, path);
  return value == nullptr ? "(absent)" : value->scalar;
}

TEST(ContainerdFile, EveryVersionHasItsOwnPlaces) {
  struct Case {
    const char* config;
    text::KeyPath runtime;
    text::KeyPath sandbox;
  };
  const text::KeyPath two = {"plugins", "io.containerd.grpc.v1.cri"};
  const text::KeyPath three = {"plugins", "io.containerd.cri.v1.runtime"};
  const text::KeyPath pinned = {"plugins", "io.containerd.cri.v1.images",
                                "pinned_images", "sandbox"};
  for (const Case& one :
       {Case{"[plugins.cri]\n  max_container_log_line_size = 1\n",
             {"plugins", "cri"},
             {"plugins", "cri", "sandbox_image"}},
        Case{"version = 2\n", two, text::child(two, "sandbox_image")},
        Case{"", two, text::child(two, "sandbox_image")},
        Case{"version = 3\n", three, pinned},
        Case{"version = 4\n", three, pinned}}) {
    const ContainerdEdit edit =
        edit_of({one.config}, {.sandbox_image = "registry.k8s.io/pause:3.8"});
    text::KeyPath containerd = text::child(one.runtime, "containerd");
    const auto below = [&](std::initializer_list<const char*> keys) {
      text::KeyPath path = containerd;
      path.insert(path.end(), keys.begin(), keys.end());
      return path;
    };
    EXPECT_EQ(scalar_at(edit.config, below({"runtimes", "runc", "options",
                                            "SystemdCgroup"})),
              "true")
        << edit.config;
    EXPECT_EQ(scalar_at(edit.config,
                        below({"runtimes", "nvidia", "options", "BinaryName"})),
              kRuntimeProgram);
    EXPECT_EQ(scalar_at(edit.config, below({"runtimes", "nvidia", "options",
                                            "SystemdCgroup"})),
              "true");
    EXPECT_EQ(scalar_at(edit.config, below({"default_runtime_name"})),
              "nvidia");
    EXPECT_EQ(scalar_at(edit.config, one.sandbox), "registry.k8s.io/pause:3.8");
  }
}

TEST(ContainerdFile, DockersFileHasTheCriPluginOnAndItsComments) {
  const ContainerdEdit edit = edit_of({kDockers});
  EXPECT_THAT(edit.config, HasSubstr("Copyright 2018-2022 Docker"));
  EXPECT_THAT(edit.config, HasSubstr("disabled_plugins = []"));
  EXPECT_EQ(scalar_at(edit.config, {"version"}), "2");
  EXPECT_THAT(edit.lacks, Contains(HasSubstr("is disabled")));
  const ContainerdEdit kept = edit_of(
      {"version = 2\ndisabled_plugins = [\"io.containerd.grpc.v1.cri\", "
       "\"io.containerd.snapshotter.v1.zfs\"] # no zfs here\n"});
  EXPECT_THAT(kept.config, HasSubstr("\"io.containerd.snapshotter.v1.zfs\""));
  EXPECT_THAT(kept.config, HasSubstr("# no zfs here"));
  EXPECT_THAT(tree_of(kept.config).find("disabled_plugins")->value.items,
              testing::SizeIs(1));
}

TEST(ContainerdFile, AFileOfVersion1ThatSaysMoreStaysOne) {
  const ContainerdEdit edit =
      edit_of({"disabled_plugins = [\"cri\", \"aufs\"]\n"});
  EXPECT_EQ(scalar_at(edit.config, {"version"}), "(absent)");
  EXPECT_EQ(scalar_at(edit.config,
                      {"plugins", "cri", "containerd", "default_runtime_name"}),
            "nvidia");
}

TEST(ContainerdFile, CommentsOrderAndLineEndsStay) {
  const std::string before =
      "# kept by the platform team\r\nversion = 2\r\n"
      "[plugins.\"io.containerd.grpc.v1.cri\"]\r\n"
      "  sandbox_image = \"k8s.gcr.io/pause:3.6\" # old\r\n"
      "  [plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.kata]\r\n"
      "    runtime_type = \"io.containerd.kata.v2\"\r\n";
  const ContainerdEdit edit =
      edit_of({before}, {.sandbox_image = "registry.k8s.io/pause:3.8"});
  EXPECT_THAT(edit.config, HasSubstr("# kept by the platform team\r\n"));
  EXPECT_THAT(edit.config, HasSubstr("\"registry.k8s.io/pause:3.8\" # old"));
  // Only runc and what is like it has cgroups of that kind.
  EXPECT_EQ(scalar_at(edit.config,
                      {"plugins", "io.containerd.grpc.v1.cri", "containerd",
                       "runtimes", "kata", "options", "SystemdCgroup"}),
            "(absent)");
}

TEST(ContainerdFile, SomebodysMirrorOfTheSandboxImageStays) {
  const std::string config =
      "version = 2\n[plugins.\"io.containerd.grpc.v1.cri\"]\n"
      "  sandbox_image = \"mirror.example/pause:3.6\"\n";
  const text::KeyPath path = {"plugins", "io.containerd.grpc.v1.cri",
                              "sandbox_image"};
  const ContainerdEdit kept =
      edit_of({config}, {.sandbox_image = "registry.k8s.io/pause:3.8"});
  EXPECT_EQ(scalar_at(kept.config, path), "mirror.example/pause:3.6");
  EXPECT_THAT(kept.notes, Contains(HasSubstr("somebody chose")));
  const ContainerdEdit said = edit_of(
      {config},
      {.sandbox_image = "registry.k8s.io/pause:3.8", .is_image_said = true});
  EXPECT_EQ(scalar_at(said.config, path), "registry.k8s.io/pause:3.8");
}

TEST(ContainerdFile, ModesOfGpusTakeEachOthersPlace) {
  const text::KeyPath name = {"plugins", "io.containerd.grpc.v1.cri",
                              "containerd", "default_runtime_name"};
  const text::KeyPath cdi = {"plugins", "io.containerd.grpc.v1.cri",
                             "enable_cdi"};
  std::string config = edit_of({std::nullopt}).config;
  EXPECT_EQ(scalar_at(config, name), "nvidia");
  config = edit_of({config}, {.gpu_mode = GpuMode::kRuntimeClass}).config;
  EXPECT_EQ(scalar_at(config, name), "(absent)");
  EXPECT_THAT(config, HasSubstr(kRuntimeProgram));
  config = edit_of({config}).config;
  config = edit_of({config}, {.gpu_mode = GpuMode::kCdi}).config;
  EXPECT_EQ(scalar_at(config, name), "(absent)");
  EXPECT_EQ(scalar_at(config, cdi), "true");
}

TEST(ContainerdFile, TheOperatorsEntryIsNotOurs) {
  const auto edit = edit_containerd(
      {"version = 2\n[plugins.\"io.containerd.grpc.v1.cri\".containerd."
       "runtimes.nvidia.options]\n"
       "BinaryName = \"/usr/local/nvidia/toolkit/nvidia-container-runtime\"\n"},
      {});
  ASSERT_FALSE(edit);
  EXPECT_EQ(edit.error().code(), ErrorCode::kUnavailable);
  EXPECT_THAT(edit.error().message(), HasSubstr("GPU Operator"));
  const ContainerdEdit toolkit =
      edit_of({"version = 2\n[plugins.\"io.containerd.grpc.v1.cri\".containerd."
               "runtimes.nvidia.options]\n"
               "BinaryName = \"/usr/bin/nvidia-container-runtime\"\n"});
  EXPECT_THAT(toolkit.notes, Contains(HasSubstr("takes the place")));
}

TEST(ContainerdFile, WhatRuntimeConfigurePutInItsDropInStaysThere) {
  const ContainerdEdit edit = edit_of(
      {"version = 3\nimports = [\"/etc/containerd/conf.d/*.toml\"]\n",
       "# Written by `gpunode runtime configure`; `--undo` takes it away.\n"
       "version = 3\n"
       "[plugins.\"io.containerd.cri.v1.runtime\".containerd.runtimes.nvidia]\n"
       "  runtime_type = \"io.containerd.runc.v2\"\n"});
  EXPECT_THAT(edit.config, Not(HasSubstr(kRuntimeProgram)));
  ASSERT_TRUE(edit.drop_in);
  EXPECT_THAT(*edit.drop_in, HasSubstr(kRuntimeProgram));
  EXPECT_THAT(*edit.drop_in, HasSubstr("default_runtime_name = \"nvidia\""));
}

TEST(ContainerdFile, WhereFilesAreImportedWithoutAFileTheyStillAre) {
  const ContainerdEdit edit = edit_of(
      {.config = std::nullopt, .drop_in = std::nullopt, .has_conf_d = true});
  EXPECT_THAT(edit.config, HasSubstr("/etc/containerd/conf.d/*.toml"));
}

TEST(ContainerdFile, CgroupsMayBeLeftToContainerd) {
  const std::string config = edit_of({std::nullopt}).config;
  const ContainerdEdit edit = edit_of({config}, {.has_systemd_cgroup = false});
  EXPECT_THAT(edit.config, Not(HasSubstr("SystemdCgroup = true")));
  EXPECT_THAT(edit.lacks, Contains("SystemdCgroup is not off"));
}

TEST(ContainerdFile, WhatIsNoTomlIsToldWithItsPlace) {
  const auto edit = edit_containerd({"version = = 2\n"}, {});
  ASSERT_FALSE(edit);
  EXPECT_THAT(edit.error().message(), HasSubstr("config.toml"));
}

}  // namespace
}  // namespace gpunode::provision
