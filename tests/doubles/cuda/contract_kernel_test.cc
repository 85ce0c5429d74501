// What a driver makes of PTX: what it refuses, and what each instruction gives.
#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <ostream>
#include <vector>

#include "tests/doubles/cuda/contract_driver.h"

namespace gpunode::fake_cuda {
namespace {

using namespace abi;  // NOLINT(google-build-using-namespace): the API's names.

CUresult compile(const std::string& ptx, std::string* log) {
  CUmodule module = nullptr;
  return load_ptx(ptx, &module, log);
}

TEST_F(InContext, CompilesAKernelAndFindsItByName) {
  CUmodule module = nullptr;
  std::string log;
  ASSERT_EQ(load_ptx(kernel_around(""), &module, &log), CUDA_SUCCESS) << log;
  CUfunction function = nullptr;
  EXPECT_EQ(CU(cuModuleGetFunction)(&function, module, "test"), CUDA_SUCCESS);
  EXPECT_EQ(CU(cuModuleGetFunction)(&function, module, "tset"),
            CUDA_ERROR_NOT_FOUND);
  EXPECT_EQ(CU(cuModuleUnload)(module), CUDA_SUCCESS);
}

struct BadPtx {
  const char* what;
  const char* body;
};

void PrintTo(const BadPtx& bad, std::ostream* out) {
  *out << bad.what;
}

class Refused : public InContext,
                public ::testing::WithParamInterface<BadPtx> {};

TEST_P(Refused, WithInvalidPtxAndALog) {
  std::string log;
  EXPECT_EQ(compile(kernel_around(GetParam().body), &log),
            CUDA_ERROR_INVALID_PTX);
  EXPECT_NE(log.find("line "), std::string::npos) << log;
}

INSTANTIATE_TEST_SUITE_P(
    Ptx, Refused,
    ::testing::Values(
        BadPtx{"unknown instruction", "frobnicate.u32 %r0, %r1;"},
        BadPtx{"unknown register", "mov.u32 %r0, %r9;"},
        BadPtx{"unknown label", "bra nowhere;"},
        BadPtx{"unknown parameter", "ld.param.u64 %rd0, [p_d];"},
        BadPtx{"register of another width", "add.u32 %r0, %r1, %rd1;"},
        BadPtx{"float for an integer", "add.u32 %r0, %r1, %f1;"},
        BadPtx{"integer for a float", "add.f32 %f0, %f1, 1;"},
        BadPtx{"product without a half", "mul.u32 %r0, %r1, %r2;"},
        BadPtx{"missing operand", "add.u32 %r0, %r1;"},
        BadPtx{"missing semicolon", "mov.u32 %r0, 1"},
        BadPtx{"missing type", "add %r0, %r1, %r2;"},
        BadPtx{"value for a predicate", "@%r0 bra done; done:"},
        BadPtx{"address in a float", "ld.global.u32 %r0, [%f0];"},
        BadPtx{"register declared twice", ".reg .u32 %r0;"},
        BadPtx{"label twice", "done: mov.u32 %r0, 1; done:"}));

TEST_F(InContext, RefusesPtxNewerThanItself) {
  std::string log;
  std::string ptx = kernel_around("");
  ptx.replace(ptx.find("6.0"), 3, "99.0");
  EXPECT_EQ(compile(ptx, &log), CUDA_ERROR_UNSUPPORTED_PTX_VERSION) << log;
}

TEST_F(InContext, RefusesTextThatIsNoPtx) {
  std::string log;
  EXPECT_EQ(compile("hello", &log), CUDA_ERROR_INVALID_IMAGE) << log;
}

/// Runs kernels that leave 64 bits at %out.
class Kernel : public InContext {
 protected:
  void SetUp() override {
    InContext::SetUp();
    ASSERT_EQ(CU(cuMemAlloc_v2)(&out_, kBytes), CUDA_SUCCESS);
    ASSERT_EQ(CU(cuMemsetD8_v2)(out_, 0, kBytes), CUDA_SUCCESS);
  }

  /// Runs `body` in one block of `threads`; returns what %out points at.
  std::uint64_t run(const std::string& body, std::uint64_t a = 0,
                    std::uint64_t b = 0, std::uint64_t c = 0,
                    unsigned threads = 1, unsigned blocks = 1) {
    CUmodule module = nullptr;
    std::string log;
    EXPECT_EQ(load_ptx(kernel_around(body), &module, &log), CUDA_SUCCESS)
        << body << '\n'
        << log;
    CUfunction function = nullptr;
    if (CU(cuModuleGetFunction)(&function, module, "test") != CUDA_SUCCESS) {
      return 0;
    }
    std::array<void*, 4> parameters = {&out_, &a, &b, &c};
    EXPECT_EQ(CU(cuLaunchKernel)(function, blocks, 1, 1, threads, 1, 1, 0,
                                 nullptr, parameters.data(), nullptr),
              CUDA_SUCCESS);
    EXPECT_EQ(CU(cuCtxSynchronize)(), CUDA_SUCCESS) << body;
    std::uint64_t result = 0;
    EXPECT_EQ(CU(cuMemcpyDtoH_v2)(&result, out_, sizeof result), CUDA_SUCCESS);
    EXPECT_EQ(CU(cuModuleUnload)(module), CUDA_SUCCESS);
    return result;
  }

  static constexpr std::size_t kBytes = 4096;
  CUdeviceptr out_ = 0;
};

struct Case {
  const char* instruction;  ///< From %a %b %c to %rd0 by way of `kind`.
  std::uint64_t a, b, c;
  std::uint64_t expected;
};

/// Instructions between registers of one width: `%x = op %a %b %c`.
std::string in_32_bits(const std::string& instruction) {
  return "cvt.u32.u64 %r1, %a; cvt.u32.u64 %r2, %b; cvt.u32.u64 %r3, %c;\n" +
         instruction + "\ncvt.u64.u32 %rd0, %r0; st.global.u64 [%out], %rd0;";
}

std::string in_64_bits(const std::string& instruction) {
  return instruction + "\nst.global.u64 [%out], %rd0;";
}

constexpr std::uint64_t kMinus1 = 0xffffffffU;
constexpr std::uint64_t kMinus7 = 0xfffffff9U;
constexpr std::uint64_t kLowest32 = 0x80000000U;

TEST_F(Kernel, ComputesWith32Bits) {
  const std::vector<Case> cases = {
      {"add.u32 %r0, %r1, %r2;", kMinus1, 2, 0, 1},
      {"sub.s32 %r0, %r1, %r2;", 3, 5, 0, 0xfffffffeU},
      {"sub.u32 %r0, %r1, 5;", 3, 0, 0, 0xfffffffeU},
      {"add.s32 %r0, %r1, -1;", 3, 0, 0, 2},
      {"mul.lo.u32 %r0, %r1, %r2;", 0x10001, 0x10001, 0, 0x00020001},
      {"mul.hi.u32 %r0, %r1, %r2;", kMinus1, kMinus1, 0, 0xfffffffeU},
      {"mul.hi.s32 %r0, %r1, %r2;", kMinus1, 2, 0, kMinus1},
      {"mad.lo.s32 %r0, %r1, %r2, %r3;", kMinus7, 3, 30, 9},
      {"div.s32 %r0, %r1, %r2;", kMinus7, 2, 0, 0xfffffffdU},
      {"rem.s32 %r0, %r1, %r2;", kMinus7, 2, 0, kMinus1},
      {"div.u32 %r0, %r1, %r2;", kMinus7, 2, 0, 0x7ffffffcU},
      {"min.s32 %r0, %r1, %r2;", kMinus1, 1, 0, kMinus1},
      {"min.u32 %r0, %r1, %r2;", kMinus1, 1, 0, 1},
      {"max.s32 %r0, %r1, %r2;", kMinus1, 1, 0, 1},
      {"abs.s32 %r0, %r1;", kMinus7, 0, 0, 7},
      {"neg.s32 %r0, %r1;", 7, 0, 0, kMinus7},
      {"and.b32 %r0, %r1, %r2;", 0xff0, 0x0ff, 0, 0x0f0},
      {"or.b32 %r0, %r1, %r2;", 0xff0, 0x0ff, 0, 0xfff},
      {"xor.b32 %r0, %r1, %r2;", 0xff0, 0x0ff, 0, 0xf0f},
      {"not.b32 %r0, %r1;", 0, 0, 0, kMinus1},
      {"shl.b32 %r0, %r1, %r2;", 3, 4, 0, 48},
      {"shl.b32 %r0, %r1, %r2;", 3, 32, 0, 0},
      {"shr.u32 %r0, %r1, %r2;", kLowest32, 4, 0, 0x08000000},
      {"shr.s32 %r0, %r1, %r2;", kLowest32, 4, 0, 0xf8000000U},
      {"shr.s32 %r0, %r1, %r2;", kLowest32, 99, 0, kMinus1},
      {"setp.lt.s32 %p0, %r1, %r2; selp.u32 %r0, 1, 2, %p0;", kMinus1, 1, 0, 1},
      {"setp.lt.u32 %p0, %r1, %r2; selp.u32 %r0, 1, 2, %p0;", kMinus1, 1, 0, 2},
      {"setp.hs.u32 %p0, %r1, %r2; selp.u32 %r0, 1, 2, %p0;", 5, 5, 0, 1},
      {"setp.eq.u32 %p0, %r1, 5; not.pred %p1, %p0; selp.u32 %r0, 1, 2, %p1;",
       5, 0, 0, 2},
      {"mov.u32 %r0, 7; setp.ne.u32 %p0, %r1, 0; @!%p0 mov.u32 %r0, 8;", 0, 0,
       0, 8},
      {"cvt.u8.u32 %h0, %r1; cvt.s32.s8 %r0, %h0;", 0xf0, 0, 0, 0xfffffff0U},
      {"cvt.u16.u32 %h0, %r1; mul.wide.u16 %r0, %h0, %h0;", 0xffff, 0, 0,
       0xfffe0001U},
  };
  for (const Case& test : cases) {
    EXPECT_EQ(run(in_32_bits(test.instruction), test.a, test.b, test.c),
              test.expected)
        << test.instruction;
  }
}

TEST_F(Kernel, ComputesWith64Bits) {
  const std::vector<Case> cases = {
      {"add.u64 %rd0, %a, %b;", UINT64_MAX, 2, 0, 1},
      {"sub.s64 %rd0, %a, %b;", 0, 1, 0, UINT64_MAX},
      {"mul.lo.u64 %rd0, %a, %b;", 0x100000001, 3, 0, 0x300000003},
      {"mul.hi.u64 %rd0, %a, %b;", UINT64_MAX, UINT64_MAX, 0, UINT64_MAX - 1},
      {"mul.hi.s64 %rd0, %a, %b;", UINT64_MAX, 2, 0, UINT64_MAX},
      {"mad.lo.u64 %rd0, %a, %b, %c;", 3, 4, 5, 17},
      {"cvt.u32.u64 %r1, %a; mul.wide.u32 %rd0, %r1, 4;", kMinus1, 0, 0,
       0x3fffffffcU},
      {"cvt.u32.u64 %r1, %a; mul.wide.s32 %rd0, %r1, 4;", kMinus1, 0, 0,
       UINT64_MAX - 3},
      {"cvt.u32.u64 %r1, %a; mad.wide.u32 %rd0, %r1, %r1, %b;", 0x10000, 7, 0,
       0x100000007U},
      {"cvt.u32.u64 %r1, %a; cvt.s64.s32 %rd0, %r1;", kMinus7, 0, 0,
       UINT64_MAX - 6},
      {"shr.s64 %rd0, %a, 63;", std::uint64_t{1} << 63, 0, 0, UINT64_MAX},
      {"shl.b64 %rd0, %a, 64;", 1, 0, 0, 0},
  };
  for (const Case& test : cases) {
    EXPECT_EQ(run(in_64_bits(test.instruction), test.a, test.b, test.c),
              test.expected)
        << test.instruction;
  }
}

std::uint64_t bits(float value) {
  return std::bit_cast<std::uint32_t>(value);
}
std::uint64_t bits(double value) {
  return std::bit_cast<std::uint64_t>(value);
}

TEST_F(Kernel, ComputesWithFloats) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const auto around = [](const std::string& instruction) {
    return in_32_bits(
        "mov.b32 %f1, %r1; mov.b32 %f2, %r2; mov.b32 %f3, %r3;\n" +
        instruction);
  };
  const auto to_bits = std::string(" mov.b32 %r0, %f0;");
  const std::vector<Case> cases = {
      {"add.f32 %f0, %f1, %f2;", bits(0.1F), bits(0.2F), 0, bits(0.1F + 0.2F)},
      {"sub.f32 %f0, %f1, %f2;", bits(0.1F), bits(0.2F), 0, bits(0.1F - 0.2F)},
      {"mul.f32 %f0, %f1, %f2;", bits(0.1F), bits(0.2F), 0, bits(0.1F * 0.2F)},
      {"add.f32 %f0, %f1, 0f3F800000;", bits(2.0F), 0, 0, bits(3.0F)},
      {"add.f32 %f0, %f1, 0.5;", bits(2.0F), 0, 0, bits(2.5F)},
      {"add.f32 %f0, %f1, -0.5;", bits(2.0F), 0, 0, bits(1.5F)},
      {"div.rn.f32 %f0, %f1, %f2;", bits(1.0F), bits(3.0F), 0,
       bits(1.0F / 3.0F)},
      {"fma.rn.f32 %f0, %f1, %f2, %f3;", bits(0.1F), bits(0.2F), bits(0.3F),
       bits(std::fma(0.1F, 0.2F, 0.3F))},
      {"sqrt.rn.f32 %f0, %f1;", bits(2.0F), 0, 0, bits(std::sqrt(2.0F))},
      {"min.f32 %f0, %f1, %f2;", bits(nan), bits(1.0F), 0, bits(1.0F)},
      {"max.f32 %f0, %f1, %f2;", bits(-1.0F), bits(1.0F), 0, bits(1.0F)},
      {"abs.f32 %f0, %f1;", bits(-1.5F), 0, 0, bits(1.5F)},
      {"neg.f32 %f0, %f1;", bits(1.5F), 0, 0, bits(-1.5F)},
  };
  for (const Case& test : cases) {
    EXPECT_EQ(run(around(test.instruction + to_bits), test.a, test.b, test.c),
              test.expected)
        << test.instruction;
  }
  const std::vector<Case> conversions = {
      {"cvt.rzi.s32.f32 %r0, %f1;", bits(-1.7F), 0, 0, kMinus1},
      {"cvt.rni.s32.f32 %r0, %f1;", bits(2.5F), 0, 0, 2},
      {"cvt.rmi.s32.f32 %r0, %f1;", bits(-1.2F), 0, 0, 0xfffffffeU},
      {"cvt.rzi.u32.f32 %r0, %f1;", bits(-3.0F), 0, 0, 0},
      {"cvt.rzi.s32.f32 %r0, %f1;", bits(1e20F), 0, 0, 0x7fffffffU},
      {"cvt.rn.f32.s32 %f0, %r1; mov.b32 %r0, %f0;", kMinus7, 0, 0,
       bits(-7.0F)},
      {"setp.lt.f32 %p0, %f1, %f2; selp.u32 %r0, 1, 2, %p0;", bits(nan),
       bits(1.0F), 0, 2},
      {"setp.ltu.f32 %p0, %f1, %f2; selp.u32 %r0, 1, 2, %p0;", bits(nan),
       bits(1.0F), 0, 1},
      {"setp.ne.f32 %p0, %f1, %f2; selp.u32 %r0, 1, 2, %p0;", bits(nan),
       bits(1.0F), 0, 2},
  };
  for (const Case& test : conversions) {
    EXPECT_EQ(run(around(test.instruction), test.a, test.b, test.c),
              test.expected)
        << test.instruction;
  }
}

TEST_F(Kernel, ComputesWithDoubles) {
  const auto around = [](const std::string& instruction) {
    return "mov.b64 %d1, %a; mov.b64 %d2, %b; mov.b64 %d3, %c;\n" +
           instruction + " mov.b64 %rd0, %d0; st.global.u64 [%out], %rd0;";
  };
  const std::vector<Case> cases = {
      {"add.f64 %d0, %d1, %d2;", bits(0.1), bits(0.2), 0, bits(0.1 + 0.2)},
      {"mul.f64 %d0, %d1, %d2;", bits(0.1), bits(0.2), 0, bits(0.1 * 0.2)},
      {"fma.rn.f64 %d0, %d1, %d2, %d3;", bits(0.1), bits(0.2), bits(0.3),
       bits(std::fma(0.1, 0.2, 0.3))},
      {"cvt.rn.f32.f64 %f0, %d1; cvt.f64.f32 %d0, %f0;", bits(0.1), 0, 0,
       bits(static_cast<double>(0.1F))},
  };
  for (const Case& test : cases) {
    EXPECT_EQ(run(around(test.instruction), test.a, test.b, test.c),
              test.expected)
        << test.instruction;
  }
}

TEST_F(Kernel, LoopsAndBranches) {
  // 1 + 2 + … + a
  EXPECT_EQ(run(R"(
      mov.u64 %rd0, 0;
    again:
      setp.eq.u64 %p0, %a, 0;
      @%p0 bra done;
      add.u64 %rd0, %rd0, %a;
      sub.u64 %a, %a, 1;
      bra.uni again;
    done:
      st.global.u64 [%out], %rd0;)",
                100),
            5050U);
}

TEST_F(Kernel, SignsGrowOnTheWayFromMemory) {
  EXPECT_EQ(run(R"(
      st.global.u32 [%out+8], 0xfffffff9;
      ld.global.s32 %rd0, [%out+8];
      st.global.u64 [%out], %rd0;)"),
            UINT64_MAX - 6);
  EXPECT_EQ(run(R"(
      st.global.u32 [%out+8], 0xfffffff9;
      ld.global.u8 %r0, [%out+8];
      cvt.u64.u32 %rd0, %r0;
      st.global.u64 [%out], %rd0;)"),
            0xf9U);
}

TEST_F(Kernel, EveryThreadKnowsItsPlace) {
  // Each thread adds its global index once; blocks of 32 do not line up.
  EXPECT_EQ(run(R"(
      mov.u32 %r1, %ctaid.x;
      mov.u32 %r2, %ntid.x;
      mov.u32 %r3, %tid.x;
      mad.lo.u32 %r0, %r1, %r2, %r3;
      cvt.u64.u32 %rd0, %r0;
      atom.global.add.u64 %rd1, [%out], %rd0;)",
                0, 0, 0, 50, 7),
            350U * 349U / 2);
}

TEST_F(Kernel, ABarrierMakesSharedStoresSeen) {
  // Each thread stores its index and reads its mirror's; thread 0 sums 64.
  EXPECT_EQ(run(R"(
      .shared .align 4 .b8 board[256];
      mov.u32 %r1, %tid.x;
      mov.u32 %r2, board;
      shl.b32 %r3, %r1, 2;
      add.u32 %r4, %r2, %r3;
      st.shared.u32 [%r4], %r1;
      bar.sync 0;
      sub.u32 %r5, 252, %r3;
      add.u32 %r5, %r2, %r5;
      ld.shared.u32 %r6, [%r5];
      add.u32 %r6, %r6, %r1;
      cvt.u64.u32 %rd0, %r6;
      atom.global.add.u64 %rd1, [%out], %rd0;)",
                0, 0, 0, 64),
            64U * 63U);
}

TEST_F(Kernel, AtomicsReturnWhatWasThere) {
  EXPECT_EQ(run(R"(
      st.global.u32 [%out+8], 5;
      atom.global.cas.b32 %r0, [%out+8], 5, 9;
      atom.global.exch.b32 %r1, [%out+8], 2;
      atom.global.max.u32 %r2, [%out+8], 4;
      ld.global.u32 %r3, [%out+8];
      mad.lo.u32 %r0, %r0, 10, %r1;
      mad.lo.u32 %r0, %r0, 10, %r2;
      mad.lo.u32 %r0, %r0, 10, %r3;
      st.global.u32 [%out], %r0;)"),
            5924U);
}

TEST_F(Kernel, LaunchesOfImpossibleShapeAreRefused) {
  CUmodule module = nullptr;
  std::string log;
  ASSERT_EQ(load_ptx(kernel_around(""), &module, &log), CUDA_SUCCESS) << log;
  CUfunction function = nullptr;
  ASSERT_EQ(CU(cuModuleGetFunction)(&function, module, "test"), CUDA_SUCCESS);
  std::uint64_t zero = 0;
  std::array<void*, 4> parameters = {&out_, &zero, &zero, &zero};
  const auto launch = [&](unsigned blocks, unsigned threads, unsigned shared) {
    return CU(cuLaunchKernel)(function, blocks, 1, 1, threads, 1, 1, shared,
                              nullptr, parameters.data(), nullptr);
  };
  EXPECT_EQ(launch(1, 1024, 0), CUDA_SUCCESS);
  EXPECT_EQ(launch(1, 1025, 0), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(launch(0, 1, 0), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(launch(1, 0, 0), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(launch(1, 1, 49153), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(CU(cuCtxSynchronize)(), CUDA_SUCCESS);
}

struct Fatal {
  const char* name;
  const char* body;
  CUresult result;
};

void PrintTo(const Fatal& fatal, std::ostream* out) {
  *out << fatal.name;
}

// On a real GPU such a kernel spoils the process, so ctest runs each of these
// in one of its own.
class Spoiled : public InContext,
                public ::testing::WithParamInterface<Fatal> {};

TEST_P(Spoiled, ContextsGiveTheKernelsErrorToEveryLaterCall) {
  CUmodule module = nullptr;
  std::string log;
  ASSERT_EQ(load_ptx(kernel_around(GetParam().body), &module, &log),
            CUDA_SUCCESS)
      << log;
  CUfunction function = nullptr;
  ASSERT_EQ(CU(cuModuleGetFunction)(&function, module, "test"), CUDA_SUCCESS);
  CUdeviceptr out = 0;
  ASSERT_EQ(CU(cuMemAlloc_v2)(&out, 4096), CUDA_SUCCESS);
  std::array<void*, 4> parameters = {&out, &out, &out, &out};
  ASSERT_EQ(CU(cuLaunchKernel)(function, 1, 1, 1, 1, 1, 1, 0, nullptr,
                               parameters.data(), nullptr),
            CUDA_SUCCESS);
  EXPECT_EQ(CU(cuCtxSynchronize)(), GetParam().result);
  CUdeviceptr address = 0;
  EXPECT_EQ(CU(cuMemAlloc_v2)(&address, 4), GetParam().result);
  std::uint64_t bytes = 0;
  EXPECT_EQ(CU(cuMemcpyDtoH_v2)(&bytes, out, 8), GetParam().result);
  context_ = nullptr;  // What cuCtxDestroy says of it is the driver's business.
}

INSTANTIATE_TEST_SUITE_P(
    By, Spoiled,
    ::testing::Values(Fatal{"null",
                            "mov.u64 %rd0, 0; st.global.u32 [%rd0], %r0;",
                            CUDA_ERROR_ILLEGAL_ADDRESS},
                      Fatal{"misaligned",
                            "ld.global.u32 %r0, [%out+2]; st.global.u32 "
                            "[%out], %r0;",
                            CUDA_ERROR_MISALIGNED_ADDRESS},
                      Fatal{"trap", "trap;", CUDA_ERROR_LAUNCH_FAILED}),
    [](const auto& fatal) { return std::string(fatal.param.name); });

}  // namespace
}  // namespace gpunode::fake_cuda
