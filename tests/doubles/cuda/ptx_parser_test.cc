#include "tests/doubles/cuda/ptx_parser.h"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gpunode::fake_cuda::ptx {
namespace {

using ::testing::HasSubstr;

std::string module_with(const std::string& body) {
  return ".version 4.0\n.target sm_50\n.address_size 64\n" + body;
}

std::string kernel_with(const std::string& body) {
  return module_with(".visible .entry k()\n{\n" + body + "\n}\n");
}

TEST(PtxParser, ReadsVersionTargetAndSeveralKernels) {
  const auto module = parse(module_with(
      "// a comment\n.entry one() { ret; }\n/* and\nanother */\n"
      ".visible .entry two(.param .u32 x) .maxntid 256, 1, 1 { ret; }"));
  ASSERT_TRUE(module) << module.error().message();
  EXPECT_EQ(module->version, 40U);
  EXPECT_EQ(module->target, 50U);
  EXPECT_EQ(module->kernels.size(), 2U);
}

TEST(PtxParser, LaysParametersOutByTheirAlignment) {
  const auto module = parse(module_with(
      ".entry k(.param .u32 a, .param .u64 .ptr .global .align 4 b, .param .u8 "
      "c, .param .align 16 .b8 d[20], .param .f32 e) { ret; }"));
  ASSERT_TRUE(module) << module.error().message();
  const Kernel& kernel = module->kernels.at("k");
  ASSERT_EQ(kernel.parameters.size(), 5U);
  EXPECT_EQ(kernel.parameters[0].offset, 0U);
  EXPECT_EQ(kernel.parameters[1].offset, 8U);
  EXPECT_EQ(kernel.parameters[2].offset, 16U);
  EXPECT_EQ(kernel.parameters[3].offset, 32U);
  EXPECT_EQ(kernel.parameters[3].bytes, 20U);
  EXPECT_EQ(kernel.parameters[4].offset, 52U);
  EXPECT_EQ(kernel.parameter_bytes, 56U);
}

TEST(PtxParser, NamesTheLineOfAMistake) {
  const auto module = parse(kernel_with("ret;\nfoo.u32 %r0;\n"));
  ASSERT_FALSE(module);
  EXPECT_EQ(module.error().code(), ErrorCode::kCorrupt);
  EXPECT_THAT(module.error().message(), HasSubstr("line 7"));
  EXPECT_THAT(module.error().message(), HasSubstr("'foo'"));
}

TEST(PtxParser, TellsNoPtxFromNewPtx) {
  EXPECT_EQ(parse("hello").error().code(), ErrorCode::kInvalidArgument);
  EXPECT_EQ(parse("").error().code(), ErrorCode::kInvalidArgument);
  EXPECT_EQ(parse(".version 99.0\n.target sm_50\n").error().code(),
            ErrorCode::kUnsupported);
}

TEST(PtxParser, RefusesWhatItDoesNotExecute) {
  for (const char* body :
       {".reg .f32 %f<3>; add.rz.f32 %f0, %f1, %f2;",
        ".reg .f32 %f<3>; add.sat.f32 %f0, %f1, %f2;",
        ".reg .u32 %r<3>; ld.const.u32 %r0, [%r1];",
        ".reg .u64 %r<3>; cvta.shared.u64 %r0, %r1;",
        ".reg .u32 %r<3>; bar.sync 1;", ".reg .u32 %r<99999999>;",
        ".reg .u64 %r<3>; st.param.u64 [%r0], %r1;", "bra somewhere;",
        ".shared .b8 huge[99999999];", ".shared .pred p;"}) {
    EXPECT_FALSE(parse(kernel_with(body))) << body;
  }
}

TEST(PtxParser, SurvivesEveryTruncation) {
  const std::string text = kernel_with(
      ".reg .pred %p; .reg .b32 %r<4>; .shared .align 4 .b8 s[16];\n"
      "again: mad.lo.u32 %r0, %r1, -4, %r2; @!%p bra again;\n"
      "mov.b32 %r3, 0f3F800000; ld.shared.u32 %r1, [s+4]; ret;");
  ASSERT_TRUE(parse(text)) << parse(text).error().message();
  // The file header alone is a whole module; from the kernel on, nothing is.
  for (std::size_t length = 0; length < text.rfind('}'); ++length) {
    EXPECT_FALSE(parse(text.substr(0, length)) &&
                 length > text.find(".visible"))
        << text.substr(0, length);
  }
}

}  // namespace
}  // namespace gpunode::fake_cuda::ptx
