// Command lines as nvidia-ctk 1.20 takes and refuses them.
#include "apps/gpunode/peer/nvidia_ctk.h"

#include <map>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/host/fake_command_runner.h"
#include "base/host/host_tree.h"
#include "base/text/toml_reader.h"
#include "base/text/tree.h"

namespace gpunode::cli {
namespace {

using ::testing::HasSubstr;

struct Outcome {
  int code = 0;
  std::string out;
  std::string err;
};

class NvidiaCtk : public ::testing::Test {
 protected:
  Outcome run(const std::vector<std::string>& arguments) {
    Session session{
        runner_, [this](std::string_view name) -> std::optional<std::string> {
          const auto found = variables_.find(name);
          if (found == variables_.end()) return std::nullopt;
          return found->second;
        }};
    ::testing::internal::CaptureStdout();
    ::testing::internal::CaptureStderr();
    Outcome outcome;
    outcome.code = run_nvidia_ctk(arguments, session);
    outcome.err = ::testing::internal::GetCapturedStderr();
    outcome.out = ::testing::internal::GetCapturedStdout();
    return outcome;
  }

  std::string error_of(const std::vector<std::string>& arguments) {
    const Outcome outcome = run(arguments);
    EXPECT_EQ(outcome.code, 1) << outcome.out;
    return outcome.err;
  }

  host::HostTree host_;
  host::FakeCommandRunner runner_;
  std::map<std::string, std::string, std::less<>> variables_ = {
      {"GPUNODE_RECORD_DIRECTORY", host_.path("records")}};
};

TEST_F(NvidiaCtk, IsKnownByItsName) {
  EXPECT_TRUE(is_nvidia_ctk("/usr/bin/nvidia-ctk"));
  EXPECT_TRUE(is_nvidia_ctk("nvidia-ctk"));
  EXPECT_FALSE(is_nvidia_ctk("/opt/nvidia-ctk/gpunode"));
}

TEST_F(NvidiaCtk, HelpNamesEveryCommand) {
  const Outcome outcome = run({"--help"});
  EXPECT_EQ(outcome.code, 0);
  for (const char* name :
       {"hook", "runtime", "info", "cdi", "system", "config"}) {
    EXPECT_THAT(outcome.out, HasSubstr(std::string("   ") + name));
  }
  EXPECT_THAT(run({"runtime", "configure", "-h"}).out,
              HasSubstr("--nvidia-runtime-path value, --runtime-path value"));
  EXPECT_EQ(run({}).code, 0);
  EXPECT_EQ(run({"info"}).code, 0);
  EXPECT_THAT(run({"--version"}).out,
              HasSubstr("NVIDIA Container Toolkit CLI version "));
}

TEST_F(NvidiaCtk, ExitCodes) {
  const Outcome flag = run({"runtime", "configure", "--nosuch"});
  EXPECT_EQ(flag.code, 1);
  EXPECT_THAT(flag.out, HasSubstr("USAGE:"));
  EXPECT_THAT(flag.err, HasSubstr("flag provided but not defined: -nosuch"));
  const Outcome command = run({"runtime", "nosuch"});
  EXPECT_EQ(command.code, 3);
  EXPECT_THAT(command.err, HasSubstr("No help topic for 'nosuch'"));
}

TEST_F(NvidiaCtk, RefusesInNvidiasWords) {
  struct Row {
    std::vector<std::string> arguments;
    std::string words;
  };
  host_.file("bad.json", "{bad");
  host_.file("empty.json", "");
  host_.file("text.toml", "version = \\\"2\\\"\n");
  host_.file("version.toml", "version = \"2\"\n");
  host_.file("bad.toml", "bad\n");
  const std::vector<std::string> base = {"runtime", "configure"};
  const std::vector<Row> rows = {
      {{"--runtime=podman"}, "unrecognized runtime 'podman'"},
      {{"--runtime=containerd", "--nvidia-runtime-path=nvr"},
       R"(the NVIDIA runtime path \"nvr\" is not an absolute path)"},
      {{"--runtime=containerd", "--drop-in-config=x"},
       R"(the drop-in-config path \"x\" is not an absolute path)"},
      {{"--runtime=docker", "--drop-in-config=/x"},
       "runtime docker does not support drop-in configs"},
      {{"--config-source=x"}, "unrecognized Config Source: x"},
      {{"--config=" + host_.path("bad.json")},
       "unable to load config for runtime docker: invalid character 'b' "
       "looking for beginning of object key string"},
      {{"--config=" + host_.path("empty.json")},
       "unable to load config for runtime docker: EOF"},
      {{"--runtime=containerd", "--config=" + host_.path("version.toml")},
       "unable to load config for runtime containerd: failed to parse config "
       "version: unsupported type for version field: 2"},
      {{"--runtime=containerd", "--config=" + host_.path("bad.toml")},
       "unable to load config for runtime containerd: failed to load config: "},
  };
  for (const Row& row : rows) {
    std::vector<std::string> arguments = base;
    arguments.insert(arguments.end(), row.arguments.begin(),
                     row.arguments.end());
    EXPECT_THAT(error_of(arguments), HasSubstr(row.words));
  }
  EXPECT_THAT(error_of({"config", "--config-file=" + host_.path("none"),
                        "--set", "nosuch=1"}),
              HasSubstr("invalid --set option nosuch=1: invalid config option: "
                        R"(undefined field: \"nosuch\")"));
  EXPECT_THAT(error_of({"config", "--config-file=" + host_.path("none"),
                        "--set", "nvidia-container-runtime.runtimes=x,y"}),
              HasSubstr(R"(undefined field: \"y\")"));
  EXPECT_THAT(error_of({"cdi", "generate", "--mode=foo"}),
              HasSubstr("invalid discovery mode: foo"));
  EXPECT_THAT(error_of({"cdi", "generate", "--enable-hook=all"}),
              HasSubstr("enabling all hooks is not supported"));
  EXPECT_THAT(error_of({"cdi", "generate", "--format=xml"}),
              HasSubstr("invalid output format: xml"));
}

TEST_F(NvidiaCtk, ConfiguresContainerdByDropIn) {
  host_.file("c/config.toml", "version = 2\n# kept\nroot = \"/r\"\n");
  const Outcome outcome =
      run({"runtime", "configure", "--runtime=containerd", "--set-as-default",
           "--config=" + host_.path("c/config.toml"),
           "--drop-in-config=" + host_.path("c/conf.d/99-nvidia.toml")});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.err, HasSubstr("Wrote updated config to " +
                                     host_.path("c/conf.d/99-nvidia.toml")));
  EXPECT_THAT(outcome.err,
              HasSubstr("It is recommended that containerd daemon be "
                        "restarted."));
  EXPECT_THAT(*host_.root().read_file("c/config.toml"),
              HasSubstr("# kept\nroot = \"/r\"\nimports = [\"" +
                        host_.path("c/conf.d/*.toml")));
  const auto tree = text::parse_toml(
      *host_.root().read_file("c/conf.d/99-nvidia.toml"), "drop-in");
  ASSERT_TRUE(tree);
  EXPECT_EQ(text::string_at(
                *tree, {"plugins", "io.containerd.grpc.v1.cri", "containerd",
                        "runtimes", "nvidia", "options", "BinaryName"}),
            "/usr/bin/nvidia-container-runtime");
}

TEST_F(NvidiaCtk, DryRunChangesNothing) {
  host_.file("daemon.json", "{}");
  const Outcome outcome = run({"runtime", "configure", "--dry-run",
                               "--config=" + host_.path("daemon.json")});
  EXPECT_EQ(outcome.code, 0);
  EXPECT_EQ(outcome.out,
            "{\n    \"runtimes\": {\n        \"nvidia\": {\n            "
            "\"args\": [],\n            \"path\": "
            "\"nvidia-container-runtime\"\n        }\n    }\n}");
  EXPECT_EQ(*host_.root().read_file("daemon.json"), "{}");
}

TEST_F(NvidiaCtk, TakesTheSectionFromTheEngine) {
  host_.file("c.toml", "version = 2\n");
  runner_.script(
      "/x/containerd --config " + host_.path("c.toml") + " config dump",
      host::Completed{0,
                      "version = 2\n[plugins.\"io.containerd.grpc."
                      "v1.cri\"]\nsandbox_image = \"p\"\n",
                      ""});
  const Outcome outcome =
      run({"runtime", "configure", "--runtime=containerd", "--dry-run",
           "--config-source=command", "--executable-path=/x/containerd",
           "--config=" + host_.path("c.toml")});
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("sandbox_image = \"p\""));
  EXPECT_THAT(outcome.err, HasSubstr("Drop-in config:"));
  EXPECT_THAT(outcome.err, HasSubstr("Top-level config:"));
}

TEST_F(NvidiaCtk, WritesAnOciHook) {
  const Outcome outcome = run({"runtime", "configure", "--config-mode=oci-hook",
                               "--nvidia-runtime-hook-path=/opt/x/hook"});
  EXPECT_EQ(outcome.code, 0);
  EXPECT_EQ(outcome.out, R"({
  "version": "1.0.0",
  "hook": {
    "path": "/opt/x/hook",
    "args": [
      "hook",
      "prestart"
    ],
    "env": [
      "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/opt/x"
    ]
  },
  "when": {
    "always": true,
    "commands": [
      ".*"
    ]
  },
  "stages": [
    "prestart"
  ]
}
)");
}

TEST_F(NvidiaCtk, QuietSaysErrorsOnly) {
  host_.file("daemon.json", "{}");
  const std::vector<std::string> arguments = {
      "--quiet", "runtime", "configure",
      "--config=" + host_.path("daemon.json")};
  EXPECT_EQ(run(arguments).err, "");
  variables_["NVIDIA_CTK_QUIET"] = "true";
  EXPECT_EQ(
      run({"runtime", "configure", "--config=" + host_.path("daemon.json")})
          .err,
      "");
}

TEST_F(NvidiaCtk, ConfigKeepsWhatIsInTheFile) {
  host_.file("c.toml", "# mine\nunknown = 1\ndisable-require = false\n");
  const Outcome outcome = run({"config", "-c", host_.path("c.toml"), "--set",
                               "disable-require", "--in-place"});
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(*host_.root().read_file("c.toml"),
            "# mine\nunknown = 1\ndisable-require = true\n");
  variables_["NVIDIA_CTK_CONFIG_FILE_PATH"] = host_.path("c.toml");
  EXPECT_EQ(run({"config"}).out, *host_.root().read_file("c.toml"));
}

TEST_F(NvidiaCtk, ConfigDefaultIsWrittenWhereAsked) {
  const Outcome outcome =
      run({"config", "create-default", "-o", host_.path("new.toml")});
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(*host_.root().read_file("new.toml"),
            run({"config", "default"}).out);
  EXPECT_EQ(run({"config", "default", "-o", host_.path("no/new.toml")}).code,
            1);
  EXPECT_EQ(run({"config", "--config=" + host_.path("none"), "-o",
                 host_.path("no/new.toml")})
                .code,
            0);
}

TEST_F(NvidiaCtk, ListsDevices) {
  host_.file("cdi/a.json",
             R"({"cdiVersion":"0.5.0","kind":"nvidia.com/gpu","devices":)"
             R"([{"name":"0","containerEdits":{"env":["A=0"]}}]})");
  const Outcome outcome = run({"cdi", "list", "--spec-dir", host_.path("cdi")});
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(outcome.out, "nvidia.com/gpu=0\n");
  EXPECT_THAT(outcome.err, HasSubstr("Found 1 CDI devices"));
}

TEST_F(NvidiaCtk, MakesLinksForTheNodesOfThisHost) {
  variables_["DEV_CHAR_PATH"] = host_.path("char");
  const Outcome outcome = run({"system", "create-dev-char-symlinks",
                               "--load-kernel-modules", "--dry-run"});
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.err, HasSubstr("Ignoring --load-kernel-modules"));
  EXPECT_FALSE(host_.root().exists("char"));
}

TEST_F(NvidiaCtk, LoadsModulesInsideTheDriversRoot) {
  for (const char* module : {"nvidia", "nvidia-uvm", "nvidia-modeset"}) {
    runner_.script(std::string("/usr/sbin/chroot /run/nvidia/driver "
                               "/sbin/modprobe ") +
                       module,
                   host::Completed{});
  }
  EXPECT_EQ(run({"system", "create-device-nodes", "--load-kernel-modules",
                 "--driver-root=/run/nvidia/driver"})
                .code,
            0);
  EXPECT_EQ(runner_.commands().size(), 3U);
}

}  // namespace
}  // namespace gpunode::cli
