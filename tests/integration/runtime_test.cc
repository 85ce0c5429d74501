// T1: the whole of gpunode-runtime before a low-level runtime that does
// nothing: what is passed on, what is edited, and what goes wrong.
#include <sys/stat.h>

#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/integration/runtime_process.h"

namespace gpunode::runtime {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

constexpr const char* kPlain =
    R"({"ociVersion":"1.0.2", "process":{"env":["PATH=/bin"]}})";

std::string lines(const std::vector<std::string>& texts) {
  std::string out;
  for (const std::string& text : texts) out += text + "\n";
  return out;
}

class RuntimeTest : public RuntimeProcess {
 protected:
  /// A CDI spec of one device, and a request for it.
  void ask_for_a_device() const {
    tree_.file("cdi/a.json",
               R"({"cdiVersion":"0.5.0","kind":"a.com/b","devices":[
      {"name":"c","containerEdits":{"env":["A=1"],"mounts":[
      {"hostPath":"/h","containerPath":"/c"}]}}]})");
    write_toml("[nvidia-container-runtime.modes.cdi]\nspec-dirs = [\"" +
               tree_.path("cdi") + "\"]\n");
    write_config(
        R"({"process":{"env":["NVIDIA_VISIBLE_DEVICES=a.com/b=c"]}, "x" : 1.0})");
  }
  static constexpr const char* kEdited =
      R"({"process":{"env":["NVIDIA_VISIBLE_DEVICES=a.com/b=c","A=1"]}, )"
      R"("x" : 1.0,"mounts":[{"destination":"/c","source":"/h"}]})";
};

TEST_F(RuntimeTest, HelpThatCannotBeWrittenIsAFailure) {
  for (const char* word : {"--help", "--version"}) {
    const host::Completed done =
        run("/bin/sh", {"-c", R"(exec "$0" "$1" >&-)", shim(), word});
    EXPECT_EQ(done.status, 1) << word;
    EXPECT_THAT(done.err, HasSubstr("write standard output"));
  }
}

TEST_F(RuntimeTest, OtherVerbsArePassedOnAsTheyAre) {
  const host::Completed done = run_shim({"--root", "/r", "state", "a b"});
  EXPECT_EQ(done.out, lines({tree_.path("bin/runc"), "--root", "/r", "state",
                             "a b", "FAKE_RUNC_MARK=here"}));
  EXPECT_EQ(done.err, "");
  EXPECT_EQ(done.status, 0);
  EXPECT_EQ(run_shim({"kill", "7"}).status, 7) << "the exit code is runc's";
}

TEST_F(RuntimeTest, RuntimesOfTheConfigAreTriedInOrder) {
  write_toml("[nvidia-container-runtime]\nruntimes = [\"nosuch\", \"crun\"]\n");
  EXPECT_THAT(run_shim({"state"}).out, StartsWith(tree_.path("bin/crun")));
}

TEST_F(RuntimeTest, CreateWithoutARequestChangesNothing) {
  write_config(kPlain);
  const host::Completed done = run_shim(create());
  EXPECT_EQ(done.status, 0) << done.err;
  EXPECT_THAT(done.out, StartsWith(tree_.path("bin/runc") + "\ncreate\n"));
  EXPECT_EQ(read_config(), kPlain);
}

TEST_F(RuntimeTest, CreateWithARequestSplicesAndKeepsTheMode) {
  ask_for_a_device();
  const std::string path = tree_.path("bundle/config.json");
  ASSERT_EQ(::chmod(path.c_str(), 0600), 0);
  const host::Completed done = run_shim(create());
  EXPECT_EQ(done.status, 0) << done.err;
  EXPECT_EQ(read_config(), kEdited);
  struct stat status {};
  ASSERT_EQ(::stat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777U, 0600U);
  EXPECT_THAT(*tree_.root().list_directory("bundle"),
              ElementsAre("config.json"));
}

TEST_F(RuntimeTest, CreatingTwiceChangesNothingMore) {
  ask_for_a_device();
  run_shim(create());
  EXPECT_EQ(run_shim(create()).status, 0);
  const nlohmann::json config = nlohmann::json::parse(read_config());
  EXPECT_EQ(config["mounts"].size(), 1U);
  EXPECT_EQ(config["process"]["env"].size(), 2U);
}

TEST_F(RuntimeTest, AFailureIsOneLineOnStandardErrorAndInTheLog) {
  write_config(R"({"process":{"env":["NVIDIA_VISIBLE_DEVICES=a.com/b=z"]}})");
  const std::string before = read_config();
  const std::string log = tree_.path("log.json");
  const host::Completed done =
      run_shim(create({"--log", log, "--log-format", "json"}));
  EXPECT_EQ(done.status, 1);
  EXPECT_EQ(done.out, "");
  EXPECT_EQ(std::count(done.err.begin(), done.err.end(), '\n'), 1);
  EXPECT_THAT(done.err,
              AllOf(HasSubstr("level=error msg=\"could not apply required "
                              "modification to OCI specification: "),
                    HasSubstr("unresolvable CDI devices a.com/b=z")));
  const auto written = tree_.root().read_file("log.json");
  ASSERT_TRUE(written);
  const nlohmann::json line = nlohmann::json::parse(*written);
  EXPECT_EQ(line["level"], "error");
  EXPECT_THAT(std::string(line["msg"]),
              HasSubstr("unresolvable CDI devices a.com/b=z"));
  EXPECT_EQ(read_config(), before);

  run_shim(create({"--log=" + tree_.path("log.txt")}));
  EXPECT_THAT(*tree_.root().read_file("log.txt"),
              AllOf(StartsWith("time=\""), HasSubstr("level=error msg=\"")));
}

TEST_F(RuntimeTest, BadConfigsAreRefusedWithAPlaceAndLeftAlone) {
  const std::string deep(100'000, '[');
  for (const std::string& text :
       {std::string(), std::string("{"), std::string("[1]"),
        std::string("\xff\xfe"), "{\"a\":" + deep,
        std::string(R"({"process":{"env":["A=1")"),
        std::string(R"({"process":{"env":"NVIDIA_VISIBLE_DEVICES=0"}})"),
        std::string(R"({"mounts":["/dev/nvidia0"]})")}) {
    write_config(text);
    const host::Completed done = run_shim(create());
    EXPECT_EQ(done.status, 1) << text.substr(0, 50);
    EXPECT_THAT(done.err, HasSubstr("bundle/config.json:1:"));
    EXPECT_EQ(std::count(done.err.begin(), done.err.end(), '\n'), 1);
    EXPECT_EQ(read_config(), text);
  }
}

// Nobody asks for a device: what is wrong with it is runc's to say.
TEST_F(RuntimeTest, OddConfigsWithoutARequestArePassedOn) {
  if (GPUNODE_IS_SANITIZED) {
    GTEST_SKIP() << "a sanitizer's program has no start of its own";
  }
  for (const std::string text : {R"({"mounts":[1]})", R"({"a":tru})"}) {
    write_config(text);
    const host::Completed done = run_shim(create());
    EXPECT_THAT(done.out, StartsWith(tree_.path("bin/runc") + "\ncreate\n"));
    EXPECT_EQ(read_config(), text);
  }
}

TEST_F(RuntimeTest, ALargeConfigIsReadWhole) {
  ask_for_a_device();
  std::string text = R"({"annotations":{"big":")" +
                     std::string(std::size_t{50} << 20U, 'x') + R"("},)";
  text += R"("process":{"env":["NVIDIA_VISIBLE_DEVICES=a.com/b=c"]}})";
  write_config(text);
  const host::Completed done = run_shim(create());
  EXPECT_EQ(done.status, 0) << done.err;
  const std::string out = read_config();
  EXPECT_GT(out.size(), text.size());
  EXPECT_EQ(out.substr(0, 50U << 20U), text.substr(0, 50U << 20U));
}

TEST_F(RuntimeTest, AMissingConfigIsNamed) {
  EXPECT_THAT(run_shim(create()).err,
              AllOf(HasSubstr("bundle/config.json"),
                    HasSubstr("no such file or directory")));
}

TEST_F(RuntimeTest, WithoutALowLevelRuntimeNothingIsTouched) {
  ask_for_a_device();
  const std::string before = read_config();
  const std::string toml = *tree_.root().read_file("config.toml");
  write_toml("[nvidia-container-runtime]\nruntimes = [\"nosuch\"]\n" + toml);
  for (const auto& arguments :
       {create(), std::vector<std::string>{"state", "x"}}) {
    const host::Completed done = run_shim(arguments);
    EXPECT_EQ(done.status, 1);
    EXPECT_THAT(done.err,
                HasSubstr("error locating runtime: no runtime binary found "
                          "from candidate list: [nosuch]"));
  }
  EXPECT_EQ(read_config(), before);
  write_toml("[nvidia-container-runtime]\nruntimes = []\n");
  EXPECT_THAT(run_shim({"state"}).err,
              HasSubstr("at least one runtime candidate must be specified"));
}

TEST_F(RuntimeTest, ABrokenTomlFailsWhoAsksAndContainersCanBeStopped) {
  ask_for_a_device();
  write_toml(
      "disable-require = \"yes\"\n[nvidia-container-runtime]\n"
      "runtimes = [\"crun\"]\n");
  const host::Completed failed = run_shim(create());
  EXPECT_EQ(failed.status, 1);
  EXPECT_THAT(failed.err,
              HasSubstr("error loading config: failed to unmarshal config: "
                        "(1, 1): Can't convert yes(string) to bool"));
  EXPECT_THAT(run_shim({"delete", "x"}).out,
              StartsWith(tree_.path("bin/crun")));
}

TEST_F(RuntimeTest, VersionComesBeforeTheLowLevelRuntimesOwn) {
  EXPECT_THAT(run_shim({"--version"}).out,
              AllOf(StartsWith("NVIDIA Container Runtime version "),
                    HasSubstr("\n\n" + tree_.path("bin/runc") + "\n")));
}

TEST_F(RuntimeTest, HelpIsOursUnderOurNameOnly) {
  EXPECT_THAT(run_shim({"--help"}).out,
              AllOf(StartsWith("gpunode-runtime: an OCI runtime"),
                    HasSubstr("require-allocation")));
  EXPECT_THAT(run(named("nvidia-container-runtime", shim()), {"--help"}).out,
              StartsWith(tree_.path("bin/runc") + "\n--help"));
}

TEST_F(RuntimeTest, NamesForceModes) {
  ask_for_a_device();
  write_config(R"({"process":{"env":["NVIDIA_VISIBLE_DEVICES=c"]}})");
  const host::Completed done =
      run(named("nvidia-container-runtime.cdi", shim()), create());
  EXPECT_THAT(done.err, HasSubstr("unresolvable CDI devices nvidia.com/gpu=c"));
}

TEST_F(RuntimeTest, ThePrestartHookRefusesWhoAsks) {
  const std::string hook = named("nvidia-container-runtime-hook", shim());
  const auto prestart = [&] {
    host::Command command;
    command.argv = {hook, "prestart"};
    command.env = env_;
    command.input = R"({"pid":1,"bundle":")" + tree_.path("bundle") + "\"}";
    host::SystemCommandRunner runner;
    return *runner.run(command);
  };
  write_config(kPlain);
  EXPECT_EQ(prestart().status, 0);
  write_config(R"({"process":{"env":["NVIDIA_VISIBLE_DEVICES=0"]}})");
  const host::Completed refused = prestart();
  EXPECT_EQ(refused.status, 1);
  EXPECT_THAT(refused.err,
              HasSubstr("invoking the NVIDIA Container Runtime Hook directly "
                        "(e.g. specifying the docker --gpus flag) is not "
                        "supported"));
  EXPECT_EQ(run(hook, {"poststop"}).status, 0);
  EXPECT_EQ(run(hook, {"x"}).status, 2);
}

// The start before libc and the ordinary one are to be of one mind.
TEST_F(RuntimeTest, BothStartsAgree) {
  const std::vector<std::vector<std::string>> calls = {
      {},
      {"state", "x"},
      {"kill", "7"},
      {"state", "--bundle", "create"},
      {"state", "--bundle=create"},
      {"-b", "create", "state"},
      {"--version"},
      {"--help"},
      {"help"},
      {"delete", "--force", ""},
      {"create"},
      {"kill", "create"},
  };
  const std::string table = "[nvidia-container-runtime]\n";
  const std::vector<std::string> configs = {
      "",
      table + "runtimes = [\"crun\"]",
      table + "runtimes = [\"nosuch\", \"runc\"] # x\n[features]\n",
      table + "runtimes = [\"" + tree_.path("bin/crun") + "\"]",
      table + "runtimes = [\"/nosuch/x\"]",
      table + "runtimes = [\"bin/runc\"]",
      table + "runtimes = [\"" + tree_.path("bin") + "\", \"crun\"]",
      table + "runtimes = ['crun']",
      table + "runtimes = [\n \"crun\",\n]",
      table + "runtimes = []",
      table + "runtimes = \"crun\"",
      table + "runtimes = [1]",
      "nvidia-container-runtime = {runtimes = [\"crun\"]}",
      "nvidia-container-runtime.runtimes = [\"crun\"]",
      table + "runtimes = [\"crun\"]\nmode = 5",
      table + "runtimes = [\"crun\"]\n[x]\n[x]\n",
      table + "runtimes = [\"crun\"]\nx = = 3",
      table + "runtimes = [\"cr\\u0075n\"]",
      "garbage",
      "\xff",
      table + "runtimes = [\"crun\"]\n#" + std::string(20'000, 'x'),
  };
  const std::string path = "PATH=" + tree_.path("bin");
  const std::vector<std::vector<std::string>> environments = {
      {path},
      {"PATH=/nosuch:relative::" + tree_.path("bin") + ":/bin"},
      {},
      {path, "XDG_CONFIG_HOME=/nosuch"},
  };
  const std::string config = env_[1];
  const std::string fast_program = named("fast/gpunode-runtime", shim());
  const std::string slow_program = named("slow/gpunode-runtime", ordinary());
  for (const std::string& text : configs) {
    write_toml(text);
    for (const auto& call : calls) {
      for (const auto& environment : environments) {
        env_ = environment;
        env_.push_back(config);
        const host::Completed fast = run(fast_program, call);
        const host::Completed slow = run(slow_program, call);
        const std::string shown = text.substr(0, 200) +
                                  testing::PrintToString(call) +
                                  testing::PrintToString(environment);
        EXPECT_EQ(fast.status, slow.status) << shown;
        EXPECT_EQ(fast.out, slow.out) << shown;
        EXPECT_EQ(without_times(fast.err), without_times(slow.err)) << shown;
      }
    }
  }
}

TEST_F(RuntimeTest, OddConfigFilesAreAgreedUponToo) {
  tree_.directory("config.toml");
  EXPECT_EQ(run(shim(), {"state"}).out, run(ordinary(), {"state"}).out);
  tree_.remove("config.toml");
  ASSERT_EQ(::mkfifo(tree_.path("config.toml").c_str(), 0600), 0);
  EXPECT_EQ(run(shim(), {"state"}).out, run(ordinary(), {"state"}).out);
  EXPECT_THAT(run(shim(), {"state"}).out, StartsWith(tree_.path("bin/runc")));
}

}  // namespace
}  // namespace gpunode::runtime
