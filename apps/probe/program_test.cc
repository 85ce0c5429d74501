// The program, as gpunode runs it, on the NVML double.
#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/host/command_runner.h"
#include "gpu/abi/nvml.h"
#include "tests/doubles/nvml/control.h"
#include "tests/doubles/nvml/profile.h"

namespace gpunode::probe {
namespace {

using testing::HasSubstr;

class Probe : public testing::Test {
 protected:
  Probe() {
    std::string pattern = testing::TempDir() + "probe.XXXXXX";
    directory_ = ::mkdtemp(pattern.data());
    auto control = FakeNvmlControl::open(directory_ / "control");
    EXPECT_TRUE(control);
    control_.emplace(*std::move(control));
  }
  ~Probe() override { std::filesystem::remove_all(directory_); }

  static std::string profile_path(const std::string& name) {
    return std::string(FAKE_NVML_PROFILES) + "/" + name + ".json";
  }

  Result<host::Completed> try_run(const std::string& profile,
                                  std::vector<std::string> arguments) {
    host::Command command;
    command.argv = {GPUNODE_PROBE};
    command.argv.insert(command.argv.end(), arguments.begin(), arguments.end());
    command.env = {
        "GPUNODE_FAKE_NVML=" + profile_path(profile),
        "GPUNODE_FAKE_NVML_CONTROL=" + (directory_ / "control").string()};
    command.timeout = timeout_;
    return host::SystemCommandRunner().run(command);
  }
  host::Completed run(const std::string& profile,
                      const std::vector<std::string>& arguments = {
                          "--library", FAKE_NVML_LIBRARY}) {
    auto done = try_run(profile, arguments);
    EXPECT_TRUE(done) << done.error().message();
    return done ? *std::move(done) : host::Completed();
  }

  std::filesystem::path directory_;
  std::optional<FakeNvmlControl> control_;
  std::chrono::milliseconds timeout_ = std::chrono::seconds(30);
};

TEST_F(Probe, TellsTheUuidsOfGpusAndTheirSlices) {
  const auto profile =
      fake_nvml::load_profile(profile_path("a100-x8-mig-mixed"));
  ASSERT_TRUE(profile);
  const auto done = run("a100-x8-mig-mixed");
  ASSERT_EQ(done.status, 0) << done.err;
  EXPECT_EQ(done.err, "");
  const auto report = nlohmann::json::parse(done.out, nullptr, false);
  ASSERT_TRUE(report.is_object()) << done.out;
  const auto& gpus = report["gpus"];
  ASSERT_EQ(gpus.size(), profile->gpus.size());
  std::size_t slices = 0;
  for (unsigned i = 0; i < gpus.size(); ++i) {
    const fake_nvml::GpuSpec& gpu = profile->gpus[i];
    EXPECT_EQ(gpus[i]["index"], i);
    EXPECT_EQ(gpus[i]["minor"], gpu.minor);
    EXPECT_EQ(gpus[i]["name"], gpu.name);
    EXPECT_EQ(gpus[i]["migEnabled"], gpu.mig_enabled);
    EXPECT_EQ(gpus[i]["uuid"], gpu.uuid);
    const auto& mig = gpus[i]["migDevices"];
    ASSERT_EQ(mig.size(), gpu.mig_enabled ? gpu.mig_devices.size() : 0) << i;
    for (unsigned k = 0; k < mig.size(); ++k, ++slices) {
      const fake_nvml::MigDeviceSpec& slice = gpu.mig_devices[k];
      EXPECT_EQ(mig[k]["index"], k);
      EXPECT_EQ(mig[k]["gpuInstance"], slice.gpu_instance);
      EXPECT_EQ(mig[k]["computeInstance"], slice.compute_instance);
      EXPECT_EQ(mig[k]["uuid"], slice.uuid);
    }
  }
  EXPECT_GT(slices, 0U);
}

TEST_F(Probe, OfNoGpusIsAnEmptyList) {
  const std::string report = run("none").out;
  EXPECT_THAT(report, testing::StartsWith("{\"driverVersion\":\""));
  EXPECT_THAT(report, testing::EndsWith(",\"gpus\":[]}\n"));
}

TEST_F(Probe, PassesOverAGpuThatIsLost) {
  control_->lose(1);
  const auto done = run("t4-x4");
  EXPECT_EQ(done.status, 0);
  EXPECT_THAT(done.err, HasSubstr("ask GPU 1: "));
  const auto report = nlohmann::json::parse(done.out, nullptr, false);
  ASSERT_TRUE(report.is_object()) << done.out;
  EXPECT_EQ(report["gpus"].size(), 3U);
}

TEST_F(Probe, SaysWhyThereIsNothing) {
  control_->driver_down();
  const auto down = run("t4-x4");
  EXPECT_EQ(down.status, 1);
  EXPECT_EQ(down.out, "");
  EXPECT_THAT(down.err, HasSubstr("start NVML: "));

  const auto none = run("t4-x4", {"--library", "/nowhere/libnvidia-ml.so.1"});
  EXPECT_EQ(none.status, 1);
  EXPECT_THAT(none.err, HasSubstr("/nowhere/libnvidia-ml.so.1"));

  std::ofstream(directory_ / "text.so") << "no library";
  EXPECT_EQ(run("t4-x4", {"--library", directory_ / "text.so"}).status, 1);
}

TEST_F(Probe, NamesAMigDeviceThatIsNotHad) {
  FakeNvmlControl::Fault fault;
  fault.function = "nvmlDeviceGetMigDeviceHandleByIndex";
  fault.code = NVML_ERROR_UNKNOWN;
  fault.times = 1;
  ASSERT_TRUE(control_->add(fault));
  const auto done = run("a100-x8-mig-single");
  EXPECT_EQ(done.status, 0) << done.err;
  EXPECT_THAT(done.err, HasSubstr("ask MIG device 0:0: "));
  const auto report = nlohmann::json::parse(done.out, nullptr, false);
  ASSERT_TRUE(report.is_object()) << done.out;
  EXPECT_EQ(report["gpus"][0]["hasMoreMig"], true);
  EXPECT_FALSE(report["gpus"][1].contains("hasMoreMig"));
}

TEST_F(Probe, TellsAnErrorFromWhatAGpuDoesNotHave) {
  const std::vector<std::string> health = {"--health", "--library",
                                           FAKE_NVML_LIBRARY};
  const auto gpus = [&] {
    const auto done = run("t4-x4", health);
    EXPECT_EQ(done.status, 0) << done.err;
    const auto report = nlohmann::json::parse(done.out, nullptr, false);
    EXPECT_TRUE(report.is_object()) << done.out;
    return report.is_object() ? report["gpus"] : nlohmann::json();
  };
  // A T4 has neither MIG nor a fabric.
  for (const auto& gpu : gpus()) {
    EXPECT_FALSE(gpu.contains("mig")) << gpu;
    EXPECT_FALSE(gpu.contains("errors")) << gpu;
  }
  const auto fail = [&](const char* function, int code) {
    FakeNvmlControl::Fault fault;
    fault.function = function;
    fault.code = code;
    fault.gpu = 2;
    ASSERT_TRUE(control_->add(fault));
  };
  fail("nvmlDeviceGetEccMode", NVML_ERROR_GPU_IS_LOST);
  fail("nvmlDeviceGetPersistenceMode", NVML_ERROR_NO_PERMISSION);
  const auto told = gpus();
  ASSERT_EQ(told.size(), 4U);
  EXPECT_FALSE(told[1].contains("errors")) << told[1];
  EXPECT_FALSE(told[2].contains("ecc")) << told[2];
  ASSERT_EQ(told[2]["errors"].size(), 2U) << told[2];
  EXPECT_EQ(told[2]["errors"][0]["member"], "persistence");
  EXPECT_EQ(told[2]["errors"][1]["member"], "ecc");
  EXPECT_EQ(told[2]["errors"][1]["code"], NVML_ERROR_GPU_IS_LOST);
  EXPECT_NE(told[2]["errors"][1]["text"], "");
}

TEST_F(Probe, TellsWhatGpusDoAndForWhom) {
  const std::string path = directory_ / "busy.json";
  std::ifstream in(profile_path("a10g-x1"));
  auto busy = nlohmann::json::parse(in);
  busy["gpus"][0]["processes"] = {
      {{"pid", 4711}, {"usedBytes", 1 << 30}, {"smPercent", 37}},
      {{"pid", 4712}, {"usedBytes", 1 << 20}}};
  std::ofstream(path) << busy;
  ASSERT_TRUE(control_->set_profile(path));
  const auto done = run("a10g-x1", {"--use", "--library", FAKE_NVML_LIBRARY});
  ASSERT_EQ(done.status, 0) << done.err;
  const auto told = nlohmann::json::parse(done.out, nullptr, false);
  ASSERT_TRUE(told.is_object()) << done.out;
  EXPECT_EQ(told["start"]["code"], 0);
  EXPECT_EQ(told["driverVersion"], "545.23.08");
  ASSERT_EQ(told["gpus"].size(), 1U);
  const auto& gpu = told["gpus"][0];
  EXPECT_EQ(gpu["name"], "NVIDIA A10G");
  EXPECT_EQ(gpu["memoryBytes"], 24146608128U);
  EXPECT_GT(gpu["usedBytes"], (1U << 30U) + (1U << 20U));
  EXPECT_EQ(gpu["gpuPercent"], 37);
  EXPECT_EQ(gpu["celsius"], 27);
  EXPECT_EQ(gpu["milliwatts"], 17210);
  EXPECT_EQ(gpu["milliwattsLimit"], 300000);
  EXPECT_EQ(gpu["remapFailed"], false);
  ASSERT_EQ(gpu["processes"].size(), 2U);
  EXPECT_EQ(
      gpu["processes"][0],
      nlohmann::json({{"pid", 4711}, {"bytes", 1 << 30}, {"smPercent", 37}}));
  EXPECT_EQ(gpu["processes"][1],
            nlohmann::json({{"pid", 4712}, {"bytes", 1 << 20}}));
}

TEST_F(Probe, TellsOfAGpuWithoutSensorsWhatItHas) {
  for (const char* function :
       {"nvmlDeviceGetUtilizationRates", "nvmlDeviceGetTemperature",
        "nvmlDeviceGetPowerUsage", "nvmlDeviceGetComputeRunningProcesses_v3"}) {
    FakeNvmlControl::Fault fault;
    fault.function = function;
    fault.code = NVML_ERROR_NOT_SUPPORTED;
    ASSERT_TRUE(control_->add(fault));
  }
  FakeNvmlControl::Fault lost;
  lost.function = "nvmlDeviceGetUUID";
  lost.code = NVML_ERROR_GPU_IS_LOST;
  lost.gpu = 1;
  ASSERT_TRUE(control_->add(lost));
  const auto done = run("t4-x4", {"--use", "--library", FAKE_NVML_LIBRARY});
  ASSERT_EQ(done.status, 0) << done.err;
  const auto told = nlohmann::json::parse(done.out, nullptr, false);
  ASSERT_EQ(told["gpus"].size(), 4U) << done.out;
  for (const char* member :
       {"gpuPercent", "celsius", "milliwatts", "processes", "problem"}) {
    EXPECT_FALSE(told["gpus"][0].contains(member)) << member;
  }
  EXPECT_TRUE(told["gpus"][0].contains("memoryBytes"));
  EXPECT_EQ(told["gpus"][1]["problem"]["code"], NVML_ERROR_GPU_IS_LOST);
  EXPECT_FALSE(told["gpus"][1].contains("uuid"));
}

TEST_F(Probe, SaysWhyNobodyTellsWhatGpusDo) {
  control_->driver_down();
  const auto done = run("t4-x4", {"--use", "--library", FAKE_NVML_LIBRARY});
  ASSERT_EQ(done.status, 0) << done.err;
  const auto told = nlohmann::json::parse(done.out, nullptr, false);
  EXPECT_EQ(told["start"]["code"], NVML_ERROR_DRIVER_NOT_LOADED);
  EXPECT_FALSE(told.contains("gpus"));
  EXPECT_EQ(run("none", {"--use", "--library", "/no/such"}).status, 1);
}

TEST_F(Probe, ThatHangsIsEndedByWhoRunsIt) {
  FakeNvmlControl::Fault hang;
  hang.function = "nvmlInit_v2";
  hang.delay = std::chrono::hours(1);
  ASSERT_TRUE(control_->add(hang));
  timeout_ = std::chrono::milliseconds(200);
  const auto done = try_run("t4-x4", {"--library", FAKE_NVML_LIBRARY});
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code(), ErrorCode::kUnavailable);
}

/// Starts the probe, and ends before it begins, or never. What it prints goes
/// to `out`.
[[noreturn]] void start_and_end(std::vector<std::string> words,
                                std::vector<std::string> environment, int out,
                                bool ends_first) {
  const std::string parent = std::to_string(::getpid());
  words.insert(words.end(), {"--parent", parent});
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  std::vector<char*> env;
  for (std::string& word : environment) env.push_back(word.data());
  env.push_back(nullptr);
  std::array<int, 2> gate = {-1, -1};
  if (::pipe2(gate.data(), O_CLOEXEC) != 0) ::_exit(1);
  if (::fork() == 0) {
    char byte = 0;
    ::close(gate[1]);
    // Until the parent has ended, or at once.
    if (ends_first) static_cast<void>(::read(gate[0], &byte, 1));
    ::dup2(out, STDOUT_FILENO);
    ::execve(argv[0], argv.data(), env.data());
    ::_exit(127);
  }
  if (ends_first) ::_exit(0);
  for (;;) ::pause();
}

TEST_F(Probe, EndsWithWhoStartedItThoughTheDriverHangs) {
  FakeNvmlControl::Fault hang;
  hang.function = "nvmlInit_v2";
  hang.delay = std::chrono::hours(1);
  ASSERT_TRUE(control_->add(hang));
  for (const bool ends_first : {false, true}) {
    std::array<int, 2> out = {-1, -1};
    ASSERT_EQ(::pipe2(out.data(), O_CLOEXEC), 0);
    const pid_t parent = ::fork();
    if (parent == 0) {
      start_and_end(
          {GPUNODE_PROBE, "--use", "--library", FAKE_NVML_LIBRARY},
          {"GPUNODE_FAKE_NVML=" + profile_path("a10g-x1"),
           "GPUNODE_FAKE_NVML_CONTROL=" + (directory_ / "control").string()},
          out[1], ends_first);
    }
    ::close(out[1]);
    if (!ends_first) {
      EXPECT_TRUE(
          control_->wait_for_calls("nvmlInit_v2", 1, std::chrono::seconds(60)));
      ::kill(parent, SIGKILL);
    }
    ::waitpid(parent, nullptr, 0);
    // Its end closes what it would have printed to.
    pollfd end{out[0], POLLIN, 0};
    EXPECT_EQ(::poll(&end, 1, 60'000), 1) << "it hangs on";
    char byte = 0;
    EXPECT_EQ(::read(out[0], &byte, 1), 0);
    ::close(out[0]);
  }
}

TEST_F(Probe, TakesWhatCudaOpensFromBesideIt) {
  namespace fs = std::filesystem;
  fs::copy_file(SIBLING_DOUBLE,
                directory_ / "libnvidia-ptxjitcompiler.so.580.65.06");
  const std::string mark = directory_ / "mark";
  const auto add = [&](const std::string& library) {
    host::Command command;
    command.argv = {GPUNODE_PROBE, "--vectoradd", "--library", library};
    command.env = {"GPUNODE_SIBLING_MARK=" + mark};
    const auto done = host::SystemCommandRunner().run(command);
    EXPECT_TRUE(done && done->status == 4);
  };
  // Of another driver, and of whichever the loader finds.
  add(directory_ / "libcuda.so.570.1");
  add("libcuda.so.580.65.06");
  EXPECT_FALSE(fs::exists(mark));
  add(directory_ / "libcuda.so.580.65.06");
  EXPECT_TRUE(fs::exists(mark));
}

TEST_F(Probe, ExplainsItself) {
  EXPECT_THAT(run("none", {"--help"}).out, HasSubstr("usage: gpunode-probe"));
  EXPECT_THAT(run("none", {"--version"}).out, HasSubstr("gpunode-probe "));
  for (const char* word : {"--help", "--version"}) {
    host::Command full;
    full.argv = {"/bin/sh", "-c", R"(exec "$0" "$1" >&-)", GPUNODE_PROBE, word};
    const auto done = host::SystemCommandRunner().run(full);
    ASSERT_TRUE(done) << done.error().message();
    EXPECT_EQ(done->status, 1) << word;
    EXPECT_THAT(done->err, HasSubstr("write standard output"));
  }
  const auto wrong = run("none", {"--libary", "x"});
  EXPECT_EQ(wrong.status, 64);
  EXPECT_THAT(wrong.err, HasSubstr("--libary: not understood"));
}

}  // namespace
}  // namespace gpunode::probe
