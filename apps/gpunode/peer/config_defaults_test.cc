#include "apps/gpunode/peer/config_defaults.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/text/toml_reader.h"

namespace gpunode::cli {
namespace {

using ::testing::StartsWith;

std::string set(const std::string& written) {
  const auto option = parse_set_option(written, ":");
  if (!option) return option.error().message();
  if (option->is_removal) return "removed";
  return text::path_text(option->path) + " " + text::to_json(option->value);
}

TEST(DefaultToolkitConfig, HasNvidiasKeysAndDefaults) {
  const auto tree = text::parse_toml(default_toolkit_config(false), "x");
  ASSERT_TRUE(tree) << tree.error().message();
  EXPECT_EQ(
      text::to_json(*tree),
      R"({"disable-require":false,"nvidia-container-cli":{"environment":[],)"
      R"("ldconfig":"@/sbin/ldconfig","load-kmods":true},)"
      R"("nvidia-container-runtime":{"log-level":"info","mode":"auto","modes":)"
      R"({"cdi":{"annotation-prefixes":["cdi.k8s.io/"],"default-kind":)"
      R"("nvidia.com/gpu","spec-dirs":["/etc/cdi","/var/run/cdi"]},"csv":)"
      R"({"mount-spec-path":"/etc/nvidia-container-runtime/)"
      R"(host-files-for-container.d"},"legacy":{"cuda-compat-mode":)"
      R"("ldconfig"}},"runtimes":["runc","crun"]},)"
      R"("nvidia-container-runtime-hook":{"path":)"
      R"("nvidia-container-runtime-hook","skip-mode-detection":false},)"
      R"("nvidia-ctk":{"path":"nvidia-ctk"},"supported-driver-capabilities":)"
      R"("compat32,compute,display,graphics,ngx,utility,video"})");
  EXPECT_THAT(default_toolkit_config(true),
              testing::HasSubstr("\"@/sbin/ldconfig.real\""));
}

TEST(SetOption, IsUnderstoodByTheKeysType) {
  EXPECT_EQ(set("disable-require"), "disable-require true");
  EXPECT_EQ(set("disable-require=0"), "disable-require false");
  EXPECT_EQ(set("nvidia-container-cli.root=/run/x"),
            "nvidia-container-cli.root \"/run/x\"");
  EXPECT_EQ(set("nvidia-container-runtime.runtimes=a:b"),
            "nvidia-container-runtime.runtimes [\"a\",\"b\"]");
  EXPECT_EQ(set("nvidia-container-runtime.runtimes=a,b"),
            "nvidia-container-runtime.runtimes [\"a\",\"b\"]");
  EXPECT_EQ(set("features.ignore-imex-channel-requests=nil"), "removed");
  EXPECT_EQ(set("features.ignore-imex-channel-requests"),
            "features.ignore-imex-channel-requests true");
}

TEST(SetOption, RefusesInNvidiasWords) {
  EXPECT_EQ(set("nosuch=1"),
            "invalid --set option nosuch=1: invalid config option: undefined "
            "field: \"nosuch\"");
  EXPECT_EQ(set("nvidia-container-cli.y=1"),
            "invalid --set option nvidia-container-cli.y=1: invalid config "
            "option: undefined field: \"y\"");
  EXPECT_THAT(set("nvidia-container-cli.root"),
              StartsWith("invalid --set option nvidia-container-cli.root: "
                         "expected key=value"));
  EXPECT_THAT(set("disable-require=maybe"),
              testing::HasSubstr("parsing \"maybe\": invalid syntax"));
}

}  // namespace
}  // namespace gpunode::cli
