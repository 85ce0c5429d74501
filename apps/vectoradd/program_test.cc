// The program as a container runs it, on the CUDA double.
#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "apps/vectoradd/exit_code.h"
#include "apps/vectoradd/kernel.h"
#include "base/host/command_runner.h"

namespace gpunode::vectoradd {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr const char* kSampleOutput =
    "[Vector addition of 50000 elements]\n"
    "Copy input data from the host memory to the CUDA device\n"
    "CUDA kernel launch with 196 blocks of 256 threads\n"
    "Copy output data from the CUDA device to the host memory\n"
    "Test PASSED\n"
    "Done\n";

MATCHER_P(EndsWith, code, "") {
  *result_listener << "it said: " << arg.out << arg.err;
  return arg.status == static_cast<int>(code);
}

class Program : public ::testing::Test {
 protected:
  Program() {
    std::string name = ::testing::TempDir() + "vectoradd.XXXXXX";
    directory_ = ::mkdtemp(name.data());
    for (const char* node : {"nvidiactl", "nvidia-uvm", "nvidia0"}) {
      add_node(node);
    }
  }
  ~Program() override { std::filesystem::remove_all(directory_); }

  void add_node(const std::string& node) {
    std::ofstream(directory_ / node).put('\n');
  }

  void remove_node(const std::string& node) {
    std::filesystem::remove(directory_ / node);
  }

  /// Adds to the program's environment.
  void set(const std::string& name, const std::string& value) {
    environment_.push_back(name + "=" + value);
  }

  host::Completed run(std::vector<std::string> arguments = {},
                      const std::string& library_directory = kDouble) {
    host::Command command;
    command.argv = {kProgram};
    command.argv.insert(command.argv.end(), arguments.begin(), arguments.end());
    command.env = environment_;
    command.env.push_back("GPUNODE_FAKE_DEV=" + directory_.string());
    if (!library_directory.empty()) {
      command.env.push_back("LD_LIBRARY_PATH=" + library_directory);
    }
    auto completed = host::SystemCommandRunner().run(command);
    EXPECT_TRUE(completed) << completed.error().message();
    return completed ? *std::move(completed) : host::Completed();
  }

  static constexpr const char* kProgram = GPUNODE_VECTORADD_PROGRAM;
  static constexpr const char* kDouble = GPUNODE_FAKE_CUDA_DIRECTORY;

  std::filesystem::path directory_;
  std::vector<std::string> environment_;
};

TEST_F(Program, SaysWhatTheCudaSampleSays) {
  const host::Completed completed = run();
  EXPECT_THAT(completed, EndsWith(ExitCode::kPassed));
  EXPECT_EQ(completed.out, kSampleOutput);
  EXPECT_EQ(completed.err, "");
}

TEST_F(Program, AddsVectorsThatFillNoWholeBlock) {
  for (const char* elements : {"1", "255", "256", "257", "1000001"}) {
    EXPECT_THAT(run({"--elements", elements}), EndsWith(ExitCode::kPassed))
        << elements;
  }
}

TEST_F(Program, TakesTheDeviceThatIsAskedFor) {
  EXPECT_THAT(run({"--device=1"}), EndsWith(ExitCode::kNoDevice));
  add_node("nvidia1");
  EXPECT_THAT(run({"--device=1"}), EndsWith(ExitCode::kPassed));
}

TEST_F(Program, TellsAMissingLibrary) {
  const host::Completed completed = run({}, "");
  EXPECT_THAT(completed, EndsWith(ExitCode::kNoLibrary));
  EXPECT_THAT(completed.err, HasSubstr("libcuda.so.1"));
  EXPECT_THAT(completed.err, HasSubstr("why:"));
  EXPECT_THAT(completed.err, HasSubstr("next:"));
}

TEST_F(Program, TellsALibraryThatIsNone) {
  std::ofstream(directory_ / "libcuda.so.1") << "not a library";
  EXPECT_THAT(run({}, directory_), EndsWith(ExitCode::kNoLibrary));
}

TEST_F(Program, TellsAMissingDriver) {
  remove_node("nvidia-uvm");
  const host::Completed completed = run();
  EXPECT_THAT(completed, EndsWith(ExitCode::kNoDriver));
  EXPECT_THAT(completed.err, HasSubstr("CUDA_ERROR_UNKNOWN"));
  EXPECT_THAT(completed.err, HasSubstr("nvidia-uvm"));
}

TEST_F(Program, TellsAMissingDevice) {
  remove_node("nvidia0");
  const host::Completed completed = run();
  EXPECT_THAT(completed, EndsWith(ExitCode::kNoDevice));
  EXPECT_THAT(completed.err, HasSubstr("CUDA_ERROR_NO_DEVICE"));
}

TEST_F(Program, TellsADeviceThatIsHidden) {
  set("CUDA_VISIBLE_DEVICES", "");
  EXPECT_THAT(run(), EndsWith(ExitCode::kNoDevice));
}

TEST_F(Program, TellsMemoryThatIsUsedUp) {
  const std::string profile = directory_ / "profile.json";
  std::ofstream(profile) << R"({"gpus": [{"memoryBytes": 4194304}]})";
  set("GPUNODE_FAKE_NVML", profile);
  EXPECT_THAT(run(), EndsWith(ExitCode::kPassed));
  const host::Completed completed = run({"--elements", "1000000"});
  EXPECT_THAT(completed, EndsWith(ExitCode::kCallFailed));
  EXPECT_THAT(completed.err, HasSubstr("CUDA_ERROR_OUT_OF_MEMORY"));
}

TEST_F(Program, TellsAWrongCommandLine) {
  const host::Completed completed = run({"--elements", "many"});
  EXPECT_THAT(completed, EndsWith(ExitCode::kUsage));
  EXPECT_EQ(completed.out, "");
  EXPECT_THAT(completed.err, HasSubstr("--elements"));
}

TEST_F(Program, HelpNamesEveryExitCode) {
  const host::Completed help = run({"--help"});
  EXPECT_THAT(help, EndsWith(ExitCode::kPassed));
  for (const ExitCode code :
       {ExitCode::kPassed, ExitCode::kCallFailed, ExitCode::kWrongResult,
        ExitCode::kNoLibrary, ExitCode::kNoDriver, ExitCode::kNoDevice,
        ExitCode::kUsage}) {
    EXPECT_THAT(help.out,
                HasSubstr(" " + std::to_string(static_cast<int>(code)) + "  "));
  }
  EXPECT_THAT(run({"--version"}).out, StartsWith("gpunode-vectoradd "));
}

class FailingCall : public Program,
                    public ::testing::WithParamInterface<const char*> {};

TEST_P(FailingCall, IsNamedWithItsResult) {
  set("GPUNODE_FAKE_CUDA_FAIL", std::string(GetParam()) + ":719");
  const host::Completed completed = run();
  EXPECT_THAT(completed, EndsWith(ExitCode::kCallFailed));
  EXPECT_THAT(completed.err, HasSubstr(GetParam()));
  EXPECT_THAT(completed.err, HasSubstr("CUDA_ERROR_LAUNCH_FAILED (719)"));
  EXPECT_THAT(completed.out, ::testing::Not(HasSubstr("PASSED")));
}

INSTANTIATE_TEST_SUITE_P(
    EveryStep, FailingCall,
    ::testing::Values("cuDeviceGetCount", "cuDeviceGet", "cuCtxCreate_v2",
                      "cuModuleLoadDataEx", "cuModuleGetFunction",
                      "cuMemAlloc_v2", "cuMemsetD8_v2", "cuMemcpyHtoD_v2",
                      "cuLaunchKernel", "cuCtxSynchronize", "cuMemcpyDtoH_v2"));

struct Mutant {
  const char* original;
  const char* broken;
};

/// A GPU that gets one instruction of the kernel wrong must never pass.
class BrokenGpu : public Program,
                  public ::testing::WithParamInterface<Mutant> {};

TEST_P(BrokenGpu, NeverPasses) {
  const auto [original, broken] = GetParam();
  ASSERT_THAT(kernel_ptx(), HasSubstr(original));
  set("GPUNODE_FAKE_CUDA_MUTATE", std::string(original) + "=" + broken);
  const host::Completed completed = run();
  EXPECT_THAT(completed, AnyOf(EndsWith(ExitCode::kWrongResult),
                               EndsWith(ExitCode::kCallFailed)));
  EXPECT_THAT(completed.out, ::testing::Not(HasSubstr("PASSED")));
}

INSTANTIATE_TEST_SUITE_P(
    OneInstruction, BrokenGpu,
    ::testing::Values(
        Mutant{"add.f32", "sub.f32"}, Mutant{"add.f32", "mul.f32"},
        Mutant{"%z, %x, %y", "%z, %x, %x"}, Mutant{"%index, 4", "%index, 8"},
        Mutant{"%index, 4", "%index, 2"}, Mutant{"setp.ge", "setp.gt"},
        Mutant{"setp.ge", "setp.lt"}, Mutant{"setp.ge", "setp.ne"},
        Mutant{"@%outside", "@!%outside"},
        Mutant{"%block, %width, %thread", "%block, %thread, %width"},
        Mutant{"%ctaid.x", "%tid.x"}, Mutant{"%tid.x", "%ctaid.x"},
        Mutant{"%ntid.x", "%nctaid.x"}, Mutant{"[param_b]", "[param_a]"},
        Mutant{"[param_sum]", "[param_a]"}, Mutant{"[%b]", "[%b+4]"},
        Mutant{"[%sum], %z", "[%sum], %x"},
        Mutant{"st.global.f32       [%sum], %z", "mov.f32 %z, %z"},
        Mutant{"add.u64             %sum", "sub.u64 %sum"}));

TEST_F(Program, NamesTheElementThatIsWrong) {
  set("GPUNODE_FAKE_CUDA_MUTATE", "add.f32=sub.f32");
  const host::Completed completed = run();
  EXPECT_THAT(completed, EndsWith(ExitCode::kWrongResult));
  EXPECT_THAT(completed.err,
              StartsWith("Result verification failed at element 0!\n"));
}

}  // namespace
}  // namespace gpunode::vectoradd
