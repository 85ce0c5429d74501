#include "gpu/nvml/return_code.h"

#include <gtest/gtest.h>

namespace gpunode::nvml {
namespace {

TEST(ReturnCode, IsNamedAsTheGoToolsNameIt) {
  EXPECT_EQ(name_of(NVML_SUCCESS), "SUCCESS");
  EXPECT_EQ(name_of(NVML_ERROR_LIBRARY_NOT_FOUND), "ERROR_LIBRARY_NOT_FOUND");
  EXPECT_EQ(name_of(15), "ERROR_GPU_IS_LOST");
  EXPECT_EQ(name_of(18), "ERROR_LIB_RM_VERSION_MISMATCH");
  EXPECT_EQ(name_of(999), "ERROR_UNKNOWN");
}

TEST(ReturnCode, OfALaterDriverKeepsItsNumber) {
  EXPECT_EQ(name_of(4711), "ERROR_4711");
  EXPECT_EQ(error_of("x", 4711).code(), ErrorCode::kInternal);
}

TEST(ReturnCode, BecomesAnErrorThatSaysWhatWasAttempted) {
  const Error error = error_of("nvmlDeviceGetUUID", NVML_ERROR_GPU_IS_LOST);
  EXPECT_EQ(error.code(), ErrorCode::kUnavailable);
  EXPECT_EQ(error.message(), "nvmlDeviceGetUUID: ERROR_GPU_IS_LOST");
}

TEST(ReturnCode, TellsWorthRetryingFromNever) {
  EXPECT_EQ(error_of("", NVML_ERROR_DRIVER_NOT_LOADED).code(),
            ErrorCode::kUnavailable);
  EXPECT_EQ(error_of("", NVML_ERROR_LIB_RM_VERSION_MISMATCH).code(),
            ErrorCode::kUnavailable);
  EXPECT_EQ(error_of("", NVML_ERROR_NOT_SUPPORTED).code(),
            ErrorCode::kUnsupported);
  EXPECT_EQ(error_of("", NVML_ERROR_NO_PERMISSION).code(),
            ErrorCode::kPermissionDenied);
  EXPECT_TRUE(is_unsupported(NVML_ERROR_FUNCTION_NOT_FOUND));
  EXPECT_FALSE(is_unsupported(NVML_ERROR_GPU_IS_LOST));
}

}  // namespace
}  // namespace gpunode::nvml
