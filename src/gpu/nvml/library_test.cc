#include "gpu/nvml/library.h"

#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gpunode::nvml {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

TEST(Library, NotFoundSaysWhereItLookedAndWhatToDo) {
  const auto library = Library::open("libgpunode-no-such.so.1",
                                     {"/driver/usr/lib64", "/driver/lib64"});
  ASSERT_FALSE(library);
  EXPECT_EQ(library.error().code(), ErrorCode::kNotFound);
  EXPECT_EQ(library.error().message(),
            "ERROR_LIBRARY_NOT_FOUND: libgpunode-no-such.so.1 not found; "
            "looked in /driver/usr/lib64, /driver/lib64, the default library "
            "path; install the NVIDIA driver on this host, or mount the "
            "driver's root into this container");
}

TEST(Library, NotFoundByPathNamesNoDefaultPath) {
  const auto library = Library::open("/nonexistent/libnvidia-ml.so.1");
  ASSERT_FALSE(library);
  EXPECT_EQ(library.error().code(), ErrorCode::kNotFound);
  EXPECT_EQ(library.error().message(),
            "ERROR_LIBRARY_NOT_FOUND: /nonexistent/libnvidia-ml.so.1 not "
            "found; install the NVIDIA driver on this host, or mount the "
            "driver's root into this container");
}

TEST(Library, ThatDoesNotLoadIsToldFromOneThatIsNotThere) {
  const std::string path =
      testing::TempDir() + "not-elf." + std::to_string(::getpid());
  std::ofstream(path) << "not a library";
  const auto library = Library::open(path);
  std::remove(path.c_str());
  ASSERT_FALSE(library);
  EXPECT_EQ(library.error().code(), ErrorCode::kUnsupported);
  EXPECT_THAT(library.error().message(), HasSubstr("does not load"));
}

TEST(Library, WithoutTheCallsWeNeedIsRefusedByName) {
  const auto library = Library::open("libm.so.6");
  ASSERT_FALSE(library);
  EXPECT_EQ(library.error().code(), ErrorCode::kUnsupported);
  EXPECT_THAT(library.error().message(),
              StartsWith("ERROR_FUNCTION_NOT_FOUND: libm.so.6 lacks "));
  EXPECT_THAT(library.error().message(), HasSubstr("nvmlInit_v2"));
}

}  // namespace
}  // namespace gpunode::nvml
