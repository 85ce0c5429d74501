#include "agent/config/config_source.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/config/load.h"

namespace gpunode::config {
namespace {

using testing::ElementsAre;
using testing::StartsWith;

class ReadConfigFile : public testing::Test {
 protected:
  ReadConfigFile() {
    std::string pattern = testing::TempDir() + "config_source.XXXXXX";
    folder_ = ::mkdtemp(pattern.data());
  }
  ~ReadConfigFile() override { std::filesystem::remove_all(folder_); }

  std::string file(std::string_view text) const {
    const std::filesystem::path path = folder_ / "config.yaml";
    std::ofstream(path) << text;
    return path;
  }
  std::string folder() const { return folder_; }

 private:
  std::filesystem::path folder_;
};

std::string error_of(const std::string& path) {
  const auto read = read_config_file(path);
  return read ? "read" : read.error().message();
}

TEST_F(ReadConfigFile, GivesNameAndText) {
  const std::string path = file("version: v1\n");
  const auto read = read_config_file(path);
  ASSERT_TRUE(read) << read.error().message();
  EXPECT_EQ(read->name, path);
  EXPECT_EQ(read->text, "version: v1\n");
}

TEST_F(ReadConfigFile, SaysWhatThePeerSaysOfAMissingFile) {
  EXPECT_EQ(error_of("/nonexist"),
            "unable to load config: unable to finalize config: unable to parse "
            "config file: error opening config file: open /nonexist: no such "
            "file or directory");
}

TEST_F(ReadConfigFile, SaysWhatThePeerSaysOfAFolder) {
  EXPECT_EQ(error_of(folder()),
            std::string(kLoadPrefix) +
                "error parsing config file: read error: read " + folder() +
                ": is a directory");
}

TEST_F(ReadConfigFile, ReadsOneMebibyteAndNoMore) {
  const auto whole = read_config_file(file(std::string(kMaxConfigBytes, '#')));
  ASSERT_TRUE(whole);
  EXPECT_EQ(whole->text.size(), kMaxConfigBytes);
  const std::string path = file(std::string(10 * kMaxConfigBytes, '#'));
  EXPECT_EQ(error_of(path),
            std::string(kLoadPrefix) +
                "error parsing config file: read error: " + path +
                " is larger than 1048576 bytes, the most a ConfigMap can hold; "
                "is this the right file?");
}

TEST_F(ReadConfigFile, DoesNotReadAnEndlessFileForEver) {
  EXPECT_THAT(error_of("/dev/zero"), StartsWith(std::string(kLoadPrefix)));
}

TEST_F(ReadConfigFile, NamesTheKeysOfAMountedConfigMap) {
  namespace fs = std::filesystem;
  const fs::path folder(this->folder());
  // As the kubelet lays it out, in the moment before it removes "gone".
  fs::create_directory(folder / "..2026_11_28");
  for (const char* key : {"b", "a"}) {
    std::ofstream(folder / "..2026_11_28" / key) << "version: v1\n";
  }
  fs::create_symlink("..2026_11_28", folder / "..data");
  for (const char* key : {"b", "a", "gone"}) {
    fs::create_symlink(fs::path("..data") / key, folder / key);
  }
  fs::create_directory(folder / "lost+found");
  fs::create_symlink("..data", folder / "all");
  const auto names = config_names(folder);
  ASSERT_TRUE(names) << names.error().message();
  EXPECT_THAT(*names, ElementsAre("a", "b"));
}

TEST(ConfigSource, SaysWhichDirectoryCannotBeListed) {
  const auto names = config_names("/nonexist");
  ASSERT_FALSE(names);
  EXPECT_EQ(names.error().message(),
            "error getting list of configuration files: open /nonexist: no "
            "such file or directory");
}

TEST(ConfigSource, APipeIsRefusedRatherThanWaitedFor) {
  const std::string path =
      testing::TempDir() + "config_pipe." + std::to_string(::getpid());
  ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
  const auto read = read_config_file(path);
  ::unlink(path.c_str());
  ASSERT_FALSE(read);
  EXPECT_NE(read.error().message().find("a pipe, not a file"),
            std::string::npos);
}

}  // namespace
}  // namespace gpunode::config
