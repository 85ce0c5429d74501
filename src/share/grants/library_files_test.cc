#include "share/grants/library_files.h"

#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gpunode::share {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::StartsWith;

class InstalledLibrary : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = ::testing::TempDir() + "library-XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    root = pattern;
  }
  void TearDown() override { fs::remove_all(root); }

  host::HostRoot host() const {
    return host::HostRoot(root.string() + "/host");
  }
  Result<LibraryFiles> install(const std::string& bytes) const {
    const std::string file = (root / "new.so").string();
    std::ofstream(file, std::ios::binary) << bytes;
    return install_library(file, host());
  }
  std::string read(const std::string& path) const {
    std::stringstream text;
    text << std::ifstream(host().outside(path), std::ios::binary).rdbuf();
    return text.str();
  }
  ino_t inode(const std::string& path) const {
    struct stat status {};
    EXPECT_EQ(::stat(host().outside(path).c_str(), &status), 0) << path;
    return status.st_ino;
  }

  fs::path root;
  const std::string one =
      "\x7f"
      "ELF one";
  const std::string two =
      "\x7f"
      "ELF two";
};

TEST_F(InstalledLibrary, IsNeverWrittenToAgain) {
  const auto first = install(one);
  ASSERT_TRUE(first) << first.error().message();
  EXPECT_THAT(first->library, StartsWith("/var/lib/gpunode/lib/"));
  EXPECT_EQ(read(first->library), one);
  EXPECT_EQ(read(first->preload), std::string(kLibraryPlace) + "\n");
  const ino_t before = inode(first->library);
  const auto same = install(one);
  ASSERT_TRUE(same);
  EXPECT_EQ(same->library, first->library);
  EXPECT_EQ(inode(same->library), before);
  const auto other = install(two);
  ASSERT_TRUE(other);
  EXPECT_NE(other->library, first->library);
  EXPECT_EQ(inode(first->library), before);
  EXPECT_EQ(read(first->library), one);
}

TEST_F(InstalledLibrary, IsMendedWhereSomebodyCutItOff) {
  const auto first = install(one);
  ASSERT_TRUE(first);
  std::ofstream(host().outside(first->library), std::ios::trunc) << "x";
  ASSERT_TRUE(install(one));
  EXPECT_EQ(read(first->library), one);
}

TEST_F(InstalledLibrary, IsALibrary) {
  const auto text = install("text");
  ASSERT_FALSE(text);
  EXPECT_THAT(text.error().message(), HasSubstr("is no library"));
  EXPECT_FALSE(install_library(root.string() + "/none", host()));
}

}  // namespace
}  // namespace gpunode::share
