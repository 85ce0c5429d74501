#include "container/oci/toolkit_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gpunode::oci {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

ToolkitConfig parsed(std::string_view text) {
  auto config = parse_toolkit_config(text, "config.toml");
  EXPECT_TRUE(config) << config.error().message();
  return config ? *std::move(config) : ToolkitConfig();
}

std::string fault_of(std::string_view text) {
  const auto config = parse_toolkit_config(text, "config.toml");
  return config ? "" : config.error().message();
}

TEST(ToolkitConfig, AnEmptyFileIsTheDefaults) {
  const ToolkitConfig config = parsed("");
  EXPECT_TRUE(config.accept_envvar_when_unprivileged);
  EXPECT_FALSE(config.accept_volume_mounts);
  EXPECT_EQ(config.runtime.mode, "auto");
  EXPECT_THAT(config.runtime.runtimes, ElementsAre("runc", "crun"));
  EXPECT_THAT(config.runtime.cdi_annotation_prefixes,
              ElementsAre("cdi.k8s.io/"));
  EXPECT_FALSE(config.gpunode.require_allocation);
}

TEST(ToolkitConfig, ReadsEveryTable) {
  const ToolkitConfig config = parsed(R"(
disable-require = true
swarm-resource = "A,B"
accept-nvidia-visible-devices-envvar-when-unprivileged = false
accept-nvidia-visible-devices-as-volume-mounts = true
supported-driver-capabilities = "utility"
[nvidia-container-cli]
root = "/run/nvidia/driver"
environment = ["X=1"]
load-kmods = false
ldconfig = "@/sbin/ldconfig.real"
[nvidia-container-runtime]
debug = "/var/log/r.log"
log-level = "debug"
runtimes = ["/bin/crun"]
mode = "cdi"
[nvidia-container-runtime.modes.cdi]
spec-dirs = ["/a"]
default-kind = "example.com/x"
annotation-prefixes = ["p/"]
[nvidia-container-runtime.modes.jit-cdi]
nvcdi-feature-flags = ["f"]
nvcdi-disable-hooks = ["h"]
[nvidia-container-runtime.modes.csv]
mount-spec-path = "/m"
compat-container-root = "/c"
[nvidia-container-runtime.modes.legacy]
cuda-compat-mode = "hook"
[nvidia-container-runtime-hook]
path = "/h"
skip-mode-detection = true
[nvidia-ctk]
path = "/ctk"
[features]
ignore-imex-channel-requests = true
[gpunode]
require-allocation = true
exempt-namespaces = ["monitoring"]
)");
  EXPECT_THAT(config.warnings, IsEmpty());
  EXPECT_TRUE(config.disable_require);
  EXPECT_EQ(config.swarm_resource, "A,B");
  EXPECT_EQ(config.cli.root, "/run/nvidia/driver");
  EXPECT_FALSE(config.cli.load_kmods);
  EXPECT_THAT(config.runtime.runtimes, ElementsAre("/bin/crun"));
  EXPECT_EQ(config.runtime.mode, "cdi");
  EXPECT_EQ(config.runtime.cdi_default_kind, "example.com/x");
  EXPECT_THAT(config.runtime.jit_disable_hooks, ElementsAre("h"));
  EXPECT_EQ(config.runtime.legacy_cuda_compat_mode, "hook");
  EXPECT_TRUE(config.hook_skips_mode_detection);
  EXPECT_TRUE(config.features.ignore_imex_channel_requests);
  EXPECT_TRUE(config.gpunode.require_allocation);
  EXPECT_THAT(config.gpunode.exempt_namespaces, ElementsAre("monitoring"));
}

TEST(ToolkitConfig, WrongTypesAreRefusedInThePeersWords) {
  EXPECT_EQ(fault_of("disable-require = \"yes\""),
            "error loading config: failed to unmarshal config: (1, 1): Can't "
            "convert yes(string) to bool (config.toml:1:1)");
  EXPECT_THAT(fault_of("[nvidia-container-runtime]\nruntimes = \"runc\""),
              HasSubstr("(2, 1): Can't convert runc(string) to []string"));
  EXPECT_THAT(fault_of("[nvidia-container-runtime]\nruntimes = [1]"),
              HasSubstr("Can't convert 1(int64) to string"));
  EXPECT_THAT(fault_of("swarm-resource = 7"),
              HasSubstr("Can't convert 7(int64) to string"));
}

TEST(ToolkitConfig, SyntaxErrorsHaveAPlaceAndOneLine) {
  for (const char* text : {"a = ", "[x", "a = 1\na = 2", "= 3", "a = \"x\nb\"",
                           "\xff\xfe", "[[", "a = [1,\n"}) {
    const std::string fault = fault_of(text);
    EXPECT_THAT(fault, StartsWith("error loading config: failed to load "
                                  "config: config.toml:"))
        << text;
    EXPECT_EQ(fault.find('\n'), std::string::npos) << text;
  }
}

TEST(ToolkitConfig, UnknownKeysAreNamedWithTheNearest) {
  const ToolkitConfig config = parsed(
      "[nvidia-container-runtime]\nmod = \"cdi\"\n"
      "[nvidia-container-runtime.modes.cdi]\nx.y = 1\n[other]\nz = 1\n");
  EXPECT_THAT(config.warnings,
              ElementsAre("config.toml:2:1: unknown key \"mod\", did you mean "
                          "mode?",
                          HasSubstr("unknown key \"x\""),
                          HasSubstr("unknown key \"other\"")));
}

TEST(ToolkitConfig, LdconfigOfTheContainerIsRefused) {
  EXPECT_THAT(fault_of("[nvidia-container-cli]\nldconfig = \"/sbin/ldconfig\""),
              HasSubstr("nvidia-container-cli.ldconfig value "
                        "\"/sbin/ldconfig\" is not host-relative (does not "
                        "start with a '@')"));
  parsed(
      "[nvidia-container-cli]\nldconfig = \"/x\"\n[features]\n"
      "allow-ldconfig-from-container = true");
}

TEST(ToolkitConfig, AMisspelledProtectionIsAnErrorAndNotOff) {
  for (const char* text :
       {"[gpunode]\nrequire_allocation = true\n",
        "[gpunode]\nrequire-alocation = true\n", "require-allocation = true\n",
        "[features]\nrequire_allocation = true\n",
        "exempt-namespaces = [\"x\"]\n"}) {
    const auto config = parse_toolkit_config(text, "config.toml");
    ASSERT_FALSE(config) << text;
    EXPECT_THAT(config.error().message(), HasSubstr("config.toml:")) << text;
  }
}

}  // namespace
}  // namespace gpunode::oci
