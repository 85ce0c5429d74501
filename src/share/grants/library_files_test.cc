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

class InstalledLibrary : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = ::testing::TempDir() + "library-XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    root = pattern;
  }
  void TearDown() override { fs::remove_all(root); }

  std::string library(const std::string& bytes) const {
    std::ofstream(root / "new.so", std::ios::binary) << bytes;
    return (root / "new.so").string();
  }
  static std::string read(const std::string& path) {
    std::stringstream text;
    text << std::ifstream(path, std::ios::binary).rdbuf();
    return text.str();
  }
  static ino_t inode(const std::string& path) {
    struct stat status {};
    EXPECT_EQ(::stat(path.c_str(), &status), 0) << path;
    return status.st_ino;
  }

  fs::path root;
};

TEST_F(InstalledLibrary, IsNeverWrittenToAgain) {
  const std::string place = root.string() + "/lib/deep";
  const auto first = install_library(library("\x7f"
                                             "ELF one"),
                                     place);
  ASSERT_TRUE(first) << first.error().message();
  EXPECT_EQ(read(first->library),
            "\x7f"
            "ELF one");
  EXPECT_EQ(read(first->preload), std::string(kLibraryPlace) + "\n");
  const ino_t before = inode(first->library);
  const auto same = install_library(library("\x7f"
                                            "ELF one"),
                                    place);
  ASSERT_TRUE(same);
  EXPECT_EQ(same->library, first->library);
  EXPECT_EQ(inode(same->library), before);
  const auto other = install_library(library("\x7f"
                                             "ELF two"),
                                     place);
  ASSERT_TRUE(other);
  EXPECT_NE(other->library, first->library);
  EXPECT_EQ(inode(first->library), before);
  EXPECT_EQ(read(first->library),
            "\x7f"
            "ELF one");
}

TEST_F(InstalledLibrary, IsMendedWhereSomebodyCutItOff) {
  const auto first = install_library(library("\x7f"
                                             "ELF one"),
                                     root.string());
  ASSERT_TRUE(first);
  std::ofstream(first->library, std::ios::trunc) << "x";
  ASSERT_TRUE(install_library(library("\x7f"
                                      "ELF one"),
                              root.string()));
  EXPECT_EQ(read(first->library),
            "\x7f"
            "ELF one");
}

TEST_F(InstalledLibrary, IsALibrary) {
  const auto text = install_library(library("text"), root.string());
  ASSERT_FALSE(text);
  EXPECT_THAT(text.error().message(), HasSubstr("is no library"));
  EXPECT_FALSE(install_library(root.string() + "/none", root.string()));
}

}  // namespace
}  // namespace gpunode::share
