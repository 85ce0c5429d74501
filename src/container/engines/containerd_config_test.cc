// What nvidia-ctk 1.20 writes for the same inputs (docs/compatibility.md), and
// where ours is better.
#include "container/engines/containerd_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/text/toml_reader.h"

namespace gpunode::engines {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using text::Node;

constexpr const char* kRunc1 =
    "  default_runtime_name = \"runc\"\n"
    "  [plugins.cri.containerd.runtimes.runc]\n"
    "    runtime_type = \"io.containerd.runc.v2\"\n"
    "    [plugins.cri.containerd.runtimes.runc.options]\n"
    "      SystemdCgroup = true\n";

std::string input1() {
  return std::string(
             "# in1: no version key\noom_score = -999\n"
             "[plugins.cri.containerd]\n") +
         kRunc1;
}

constexpr const char* kInput2 = R"(# in2
version = 2
root = "/var/lib/containerd"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "registry.k8s.io/pause:3.9"  # pinned
  [plugins."io.containerd.grpc.v1.cri".containerd]
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = true
)";

constexpr const char* kInput3 = R"(version = 3
root = "/var/lib/containerd"
imports = ["/etc/containerd/certs.d/x.toml"]
[plugins."io.containerd.cri.v1.images"]
  snapshotter = "overlayfs"
[plugins."io.containerd.cri.v1.runtime"]
  enable_selinux = false
  [plugins."io.containerd.cri.v1.runtime".containerd]
    default_runtime_name = "runc"
    [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]
        SystemdCgroup = true
)";

/// As nvidia-ctk asks.
RuntimeRequest peer_request() {
  RuntimeRequest request;
  request.path = "/usr/bin/nvidia-container-runtime";
  request.default_runtime = RuntimeRequest::DefaultRuntime::kUnset;
  request.is_exact_copy = true;
  return request;
}

RuntimeRequest as_default(RuntimeRequest request) {
  request.default_runtime = RuntimeRequest::DefaultRuntime::kSet;
  return request;
}

RuntimeRequest with_cdi(RuntimeRequest request) {
  request.enable_cdi = true;
  return request;
}

/// As gpunode asks.
RuntimeRequest own_request() {
  RuntimeRequest request;
  request.path = "/usr/bin/gpunode-runtime";
  return request;
}

ContainerdFiles files_of(std::optional<std::string> config,
                         ContainerdFiles::DropIn drop_in) {
  ContainerdFiles files;
  files.config_path = "/etc/containerd/config.toml";
  files.config = std::move(config);
  files.drop_in_path = "/etc/containerd/conf.d/99-nvidia.toml";
  files.drop_in = drop_in;
  return files;
}

constexpr auto kWhole = ContainerdFiles::DropIn::kWholeSection;
constexpr auto kSmall = ContainerdFiles::DropIn::kSmall;
constexpr auto kNone = ContainerdFiles::DropIn::kNone;

std::string text_of(const Result<EnginePlan>& plan, const std::string& path) {
  if (!plan) return "error: " + plan.error().message();
  for (const FileChange& file : plan->files) {
    if (file.path == path) return file.after.value_or("none");
  }
  return "not planned";
}

std::string config_text(const Result<EnginePlan>& plan) {
  return text_of(plan, "/etc/containerd/config.toml");
}

std::string drop_in_text(const Result<EnginePlan>& plan) {
  return text_of(plan, "/etc/containerd/conf.d/99-nvidia.toml");
}

void expect_same_meaning(const std::string& text, const std::string& wanted) {
  const auto ours = text::parse_toml(text, "ours");
  const auto theirs = text::parse_toml(wanted, "theirs");
  ASSERT_TRUE(ours) << ours.error().message() << text;
  ASSERT_TRUE(theirs) << theirs.error().message();
  EXPECT_EQ(text::to_json(*ours), text::to_json(*theirs));
}

constexpr const char* kOutput2DropIn = R"(version = 2

[plugins]

  [plugins."io.containerd.grpc.v1.cri"]
    sandbox_image = "registry.k8s.io/pause:3.9"

    [plugins."io.containerd.grpc.v1.cri".containerd]
      default_runtime_name = "runc"

      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes]

        [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.nvidia]
          runtime_type = "io.containerd.runc.v2"

          [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.nvidia.options]
            BinaryName = "/usr/bin/nvidia-container-runtime"
            SystemdCgroup = true

        [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
          runtime_type = "io.containerd.runc.v2"

          [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
            SystemdCgroup = true
)";

TEST(ContainerdAsPeer, DropInOfVersion2IsTheirsByteForByte) {
  EXPECT_EQ(
      drop_in_text(plan_containerd(files_of(kInput2, kWhole), peer_request())),
      kOutput2DropIn);
}

TEST(ContainerdAsPeer, ImportsTheDropInAndKeepsTheRestOfTheFile) {
  EXPECT_EQ(
      config_text(plan_containerd(files_of(kInput2, kWhole), peer_request())),
      std::string(kInput2).replace(
          std::string(kInput2).find("[plugins"), 0,
          "imports = [\"/etc/containerd/conf.d/*.toml\"]\n"));
}

TEST(ContainerdAsPeer, Version3) {
  const auto plan = plan_containerd(files_of(kInput3, kWhole),
                                    as_default(with_cdi(peer_request())));
  EXPECT_EQ(drop_in_text(plan), R"(version = 3

[plugins]

  [plugins."io.containerd.cri.v1.runtime"]
    enable_cdi = true
    enable_selinux = false

    [plugins."io.containerd.cri.v1.runtime".containerd]
      default_runtime_name = "nvidia"

      [plugins."io.containerd.cri.v1.runtime".containerd.runtimes]

        [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.nvidia]
          runtime_type = "io.containerd.runc.v2"

          [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.nvidia.options]
            BinaryName = "/usr/bin/nvidia-container-runtime"
            SystemdCgroup = true

        [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
          runtime_type = "io.containerd.runc.v2"

          [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]
            SystemdCgroup = true
)");
  const std::string old = "imports = [\"/etc/containerd/certs.d/x.toml\"";
  std::string wanted = kInput3;
  wanted.insert(wanted.find(old) + old.size(),
                ", \"/etc/containerd/conf.d/*.toml\"");
  EXPECT_EQ(config_text(plan), wanted);
}

TEST(ContainerdAsPeer, Version4IsWrittenAsVersion3) {
  const auto plan =
      plan_containerd(files_of("version = 4\n", kWhole), peer_request());
  EXPECT_THAT(drop_in_text(plan), HasSubstr("io.containerd.cri.v1.runtime"));
  EXPECT_THAT(drop_in_text(plan), HasSubstr("version = 4"));
}

TEST(ContainerdAsPeer, Version1IsEditedInPlace) {
  // In place whatever the drop-in says; nvidia-ctk writes a drop-in that
  // nothing reads, unless it is told otherwise.
  const auto plan = plan_containerd(files_of(input1(), kWhole),
                                    as_default(with_cdi(peer_request())));
  EXPECT_EQ(drop_in_text(plan), "not planned");
  expect_same_meaning(config_text(plan), R"(oom_score = -999
version = 1
[plugins.cri.containerd]
default_runtime_name = "nvidia"
enable_cdi = true
[plugins.cri.containerd.runtimes.nvidia]
runtime_type = "io.containerd.runc.v2"
[plugins.cri.containerd.runtimes.nvidia.options]
BinaryName = "/usr/bin/nvidia-container-runtime"
Runtime = "/usr/bin/nvidia-container-runtime"
SystemdCgroup = true
[plugins.cri.containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
[plugins.cri.containerd.runtimes.runc.options]
SystemdCgroup = true
)");
  EXPECT_THAT(config_text(plan), HasSubstr("# in1: no version key\n"));
}

TEST(ContainerdAsPeer, Version1Explicit) {
  const auto with = plan_containerd(files_of("version = 1\n" + input1(), kNone),
                                    peer_request());
  const auto without =
      plan_containerd(files_of(input1(), kNone), peer_request());
  expect_same_meaning(config_text(with), config_text(without));
}

TEST(ContainerdAsPeer, MissingAndEmptyFilesAreVersion2) {
  for (const auto& config :
       {std::optional<std::string>{}, std::optional<std::string>("")}) {
    const auto plan =
        plan_containerd(files_of(config, kWhole), as_default(peer_request()));
    EXPECT_EQ(drop_in_text(plan), R"(version = 2

[plugins]

  [plugins."io.containerd.grpc.v1.cri"]

    [plugins."io.containerd.grpc.v1.cri".containerd]
      default_runtime_name = "nvidia"

      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes]

        [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.nvidia]
          privileged_without_host_devices = false
          runtime_engine = ""
          runtime_root = ""
          runtime_type = "io.containerd.runc.v2"

          [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.nvidia.options]
            BinaryName = "/usr/bin/nvidia-container-runtime"
)");
    expect_same_meaning(config_text(plan),
                        "imports = [\"/etc/containerd/conf.d/*.toml\"]\n"
                        "version = 2\n");
  }
}

TEST(ContainerdAsPeer, CopiesCrunWholeAndUnsetsItselfAsDefault) {
  const auto plan = plan_containerd(files_of(R"(version = 2
[plugins."io.containerd.grpc.v1.cri".containerd]
default_runtime_name = "nvidia"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.crun]
runtime_type = "io.containerd.runc.v2"
pod_annotations = ["a.b/*"]
options = { BinaryName = "/usr/bin/crun", SystemdCgroup = true }
)",
                                             kWhole),
                                    peer_request());
  expect_same_meaning(drop_in_text(plan), R"(version = 2
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.crun]
runtime_type = "io.containerd.runc.v2"
pod_annotations = ["a.b/*"]
options = { BinaryName = "/usr/bin/crun", SystemdCgroup = true }
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.nvidia]
runtime_type = "io.containerd.runc.v2"
pod_annotations = ["a.b/*"]
options.BinaryName = "/usr/bin/nvidia-container-runtime"
options.SystemdCgroup = true
)");
}

TEST(ContainerdAsPeer, WithoutADropInVersion2IsReallyEdited) {
  // nvidia-ctk then writes the import alone and says that all went well.
  const auto plan = plan_containerd(files_of(kInput2, kNone), peer_request());
  EXPECT_THAT(config_text(plan),
              HasSubstr("BinaryName = \"/usr/bin/nvidia-container-runtime\""));
  EXPECT_THAT(config_text(plan), HasSubstr("# pinned"));
  EXPECT_EQ(config_text(plan).find("imports"), std::string::npos);
}

TEST(Containerd, InPlaceEditLooksAsIfTheAuthorHadWrittenIt) {
  std::string wanted = kInput2;
  wanted.replace(wanted.find("\"runc\""), 6, "\"nvidia\"");
  wanted += R"(
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.nvidia]
      runtime_type = "io.containerd.runc.v2"

      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.nvidia.options]
        SystemdCgroup = true
        BinaryName = "/usr/bin/gpunode-runtime"
)";
  EXPECT_EQ(config_text(plan_containerd(files_of(kInput2, kNone),
                                        as_default(own_request()))),
            wanted);
}

TEST(Containerd, ASecondRunChangesNothing) {
  for (const auto drop_in : {kNone, kSmall, kWhole}) {
    const auto request = as_default(with_cdi(own_request()));
    auto files = files_of(kInput2, drop_in);
    const auto first = plan_containerd(files, request);
    ASSERT_TRUE(first);
    files.config = config_text(first);
    if (drop_in != kNone) files.drop_in_text = drop_in_text(first);
    const auto second = plan_containerd(files, request);
    ASSERT_TRUE(second);
    EXPECT_TRUE(first->is_change());
    EXPECT_FALSE(second->is_change());
  }
}

TEST(Containerd, SmallDropInHasOnlyWhatIsOurs) {
  const auto plan =
      plan_containerd(files_of(kInput3, kSmall), as_default(own_request()));
  EXPECT_THAT(drop_in_text(plan), HasSubstr("SystemdCgroup = true"));
  EXPECT_THAT(drop_in_text(plan), HasSubstr("default_runtime_name"));
  EXPECT_EQ(drop_in_text(plan).find("enable_selinux"), std::string::npos);
  EXPECT_EQ(drop_in_text(plan).find("runtimes.runc"), std::string::npos);
}

TEST(Containerd, WithoutATemplateSystemdCgroupFollowsTheHost) {
  RuntimeRequest request = own_request();
  request.systemd_cgroup = true;
  const auto with = plan_containerd(files_of("version = 2\n", kNone), request);
  EXPECT_THAT(config_text(with), HasSubstr("SystemdCgroup = true"));
  ASSERT_TRUE(with);
  EXPECT_THAT(with->notes, ElementsAre(HasSubstr("SystemdCgroup = true")));
  request.systemd_cgroup = false;
  const auto without =
      plan_containerd(files_of("version = 2\n", kNone), request);
  EXPECT_EQ(config_text(without).find("SystemdCgroup"), std::string::npos);
}

constexpr const char* kBuiltIn = R"(version = 3
[plugins."io.containerd.cri.v1.runtime".containerd]
default_runtime_name = "runc"
[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
sandboxer = "podsandbox"
privileged_without_host_devices = false
options = { BinaryName = "", SystemdCgroup = false }
)";

/// With a daemon that runs runc as kBuiltIn has it, but for one replacement.
ContainerdFiles running(ContainerdFiles files, const std::string& old = "",
                        const std::string& now = "") {
  std::string dump = kBuiltIn;
  if (!old.empty()) dump.replace(dump.find(old), old.size(), now);
  files.effective = *text::parse_toml(dump, "dump");
  files.built_in = *text::parse_toml(kBuiltIn, "default");
  return files;
}

TEST(Containerd, AnImportedFilesRuntimeIsTheTemplate) {
  RuntimeRequest request = own_request();
  const std::string off = "SystemdCgroup = false";
  for (const char* config : {"version = 2\n", "version = 3\n"}) {
    const auto plan = plan_containerd(
        running(files_of(config, kSmall), off, "SystemdCgroup = true"),
        request);
    EXPECT_THAT(drop_in_text(plan), HasSubstr("SystemdCgroup = true"));
    EXPECT_EQ(drop_in_text(plan).find("sandboxer"), std::string::npos);
    ASSERT_TRUE(plan);
    EXPECT_TRUE(plan->notes.empty());
  }
  // The host's guess does not outweigh what somebody wrote.
  request.systemd_cgroup = true;
  const auto plan = plan_containerd(
      running(files_of("version = 3\n", kSmall), "BinaryName = \"\"",
              "BinaryName = \"/opt/runc\""),
      request);
  EXPECT_EQ(drop_in_text(plan).find("SystemdCgroup = true"), std::string::npos);
}

TEST(Containerd, AnImportedFileOutweighsTheFileItself) {
  const auto plan =
      plan_containerd(running(files_of(kInput3, kSmall)), own_request());
  EXPECT_THAT(drop_in_text(plan), HasSubstr("SystemdCgroup = false"));
  EXPECT_EQ(drop_in_text(plan).find("SystemdCgroup = true"), std::string::npos);
}

TEST(Containerd, ADaemonThatRunsItsOwnDefaultsGetsTheHostsGuess) {
  RuntimeRequest request = own_request();
  request.systemd_cgroup = true;
  auto files = running(files_of("version = 2\n", kNone));
  const auto first = plan_containerd(files, request);
  EXPECT_THAT(config_text(first), HasSubstr("SystemdCgroup = true"));
  EXPECT_THAT(config_text(first), HasSubstr("SystemdCgroup = false"));
  // Now runc is named, as built in; that is nobody's choice either.
  files.config = config_text(first);
  const auto second = plan_containerd(files, request);
  ASSERT_TRUE(second);
  EXPECT_FALSE(second->is_change()) << config_text(second);
}

TEST(Containerd, AnEntryOfOurNameKeepsItsOwnKeys) {
  std::string config = kInput2;
  config += R"([plugins."io.containerd.grpc.v1.cri".containerd.runtimes.nvidia]
  pod_annotations = ["x"] # mine
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.nvidia.options]
    BinaryName = "/old"
    SystemdCgroup = false
)";
  const auto plan = plan_containerd(files_of(config, kNone), own_request());
  const std::string text = config_text(plan);
  EXPECT_THAT(text, HasSubstr("pod_annotations = [\"x\"] # mine"));
  EXPECT_THAT(text, HasSubstr("BinaryName = \"/usr/bin/gpunode-runtime\""));
  // As runc has it: two drivers of cgroups on one node is what flaps.
  EXPECT_EQ(text.find("SystemdCgroup = false"), std::string::npos);
  EXPECT_THAT(text, HasSubstr("default_runtime_name = \"runc\""));
}

TEST(Containerd, TheDumpIsTheSourceOfTheSectionWhenAsked) {
  auto files = files_of("", kWhole);
  files.section_source = *text::parse_toml(kInput3, "dump");
  const auto plan = plan_containerd(files, peer_request());
  EXPECT_THAT(drop_in_text(plan), HasSubstr("enable_selinux = false"));
  EXPECT_THAT(drop_in_text(plan), HasSubstr("version = 3"));
}

TEST(Containerd, RefusesWhatItCannotRead) {
  EXPECT_THAT(
      config_text(plan_containerd(files_of("bad\n", kNone), own_request())),
      HasSubstr("error: /etc/containerd/config.toml:1:4: "));
  EXPECT_EQ(config_text(plan_containerd(files_of("version = \"2\"\n", kNone),
                                        own_request())),
            "error: failed to parse config version: unsupported type for "
            "version field: 2");
  EXPECT_EQ(config_text(plan_containerd(
                files_of("version = 2\nplugins = 1\n", kNone), own_request())),
            "error: plugins is a value and no table");
}

TEST(Containerd, ByteOrderMarkAndCarriageReturnsStay) {
  std::string config = "\xef\xbb\xbf";
  for (const char c : std::string(kInput2)) {
    if (c == '\n') config += '\r';
    config += c;
  }
  const std::string text = config_text(
      plan_containerd(files_of(config, kNone), as_default(own_request())));
  EXPECT_TRUE(text.starts_with("\xef\xbb\xbf# in2\r\n"));
  for (std::size_t i = text.find('\n'); i != text.npos;
       i = text.find('\n', i + 1)) {
    ASSERT_EQ(text[i - 1], '\r') << i;
  }
}

}  // namespace
}  // namespace gpunode::engines
