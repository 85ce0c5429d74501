// What the contract cannot ask of a GPU; instructions are judged there.
#include "tests/doubles/cuda/ptx_machine.h"

#include <cstring>
#include <string>

#include <gtest/gtest.h>

#include "tests/doubles/cuda/context.h"
#include "tests/doubles/cuda/ptx_parser.h"

namespace gpunode::fake_cuda::ptx {
namespace {

Module module_with(const std::string& body) {
  auto module = parse(
      ".version 4.0\n.target sm_50\n.address_size 64\n"
      ".entry k(.param .u64 out) { .reg .u64 %a, %x; .reg .pred %p;\n"
      "ld.param.u64 %a, [out];\n" +
      body + "\n}");
  EXPECT_TRUE(module) << module.error().message();
  return module ? *std::move(module) : Module();
}

class MachineTest : public ::testing::Test {
 protected:
  Launch launch_of(const Module& module, std::uint64_t out) {
    Launch launch;
    launch.kernel = &module.kernels.at("k");
    launch.memory = &memory_;
    launch.context = &context_;
    launch.parameters.resize(sizeof out);
    std::memcpy(launch.parameters.data(), &out, sizeof out);
    return launch;
  }

  const Allocation* allocate(std::uint64_t bytes, const Context* owner) {
    return memory_.allocate({bytes, Allocation::Kind::kDevice, owner, 0});
  }

  Memory memory_;
  Context context_;
};

TEST_F(MachineTest, EndsAKernelThatNeverEnds) {
  const Module module = module_with("again: bra again;");
  Launch launch = launch_of(module, 0);
  launch.most_instructions = 1000;
  EXPECT_EQ(execute(launch), abi::CUDA_ERROR_LAUNCH_TIMEOUT);
}

TEST_F(MachineTest, TouchesTheLastByteAndNotTheNext) {
  const Allocation* memory = allocate(16, &context_);
  const Module last = module_with("st.global.u64 [%a+8], %a;");
  const Module beyond = module_with("st.global.u64 [%a+16], %a;");
  const Module before = module_with("ld.global.u64 %x, [%a+-8];");
  EXPECT_EQ(execute(launch_of(last, memory->address)), abi::CUDA_SUCCESS);
  EXPECT_EQ(std::memcmp(memory->data + 8, &memory->address, 8), 0);
  EXPECT_EQ(execute(launch_of(beyond, memory->address)),
            abi::CUDA_ERROR_ILLEGAL_ADDRESS);
  EXPECT_EQ(execute(launch_of(before, memory->address)),
            abi::CUDA_ERROR_ILLEGAL_ADDRESS);
}

TEST_F(MachineTest, MayNotTouchAnotherContextsMemory) {
  const Context stranger;
  const Module module = module_with("st.global.u64 [%a], %a;");
  EXPECT_EQ(execute(launch_of(module, allocate(16, &stranger)->address)),
            abi::CUDA_ERROR_ILLEGAL_ADDRESS);
}

TEST_F(MachineTest, SharedMemoryHasAnEnd) {
  const Module module = module_with(
      ".shared .align 8 .b8 board[16]; mov.u64 %x, board;\n"
      "st.shared.u64 [%x+8], %a; st.shared.u64 [%x+16], %a;");
  Launch launch = launch_of(module, 0);
  EXPECT_EQ(execute(launch), abi::CUDA_ERROR_ILLEGAL_ADDRESS);
  launch.dynamic_shared_bytes = 8;
  EXPECT_EQ(execute(launch), abi::CUDA_SUCCESS);
}

}  // namespace
}  // namespace gpunode::fake_cuda::ptx
