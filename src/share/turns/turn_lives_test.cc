#include "share/turns/turn_lives.h"

#include <sys/stat.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gpunode::share {
namespace {

namespace fs = std::filesystem;
using std::chrono::seconds;
using testing::HasSubstr;

constexpr const char* kId = "0a-1";
constexpr std::uint64_t kGrant = 4711;

TurnLives two() {
  return {{"GPU-0", {seconds(7), seconds(3), 12, seconds(40), seconds(6), 500}},
          {"MIG-1", {}}};
}

/// With the sum that such bytes have.
std::string summed(const std::string& body) {
  std::uint64_t sum = 0xcbf29ce484222325;
  for (const char byte : body) {
    sum = (sum ^ static_cast<unsigned char>(byte)) * 0x100000001b3;
  }
  std::array<char, 32> digits{};
  std::snprintf(digits.data(), digits.size(), "%016llx",
                static_cast<unsigned long long>(sum));
  return body + "check " + digits.data() + "\n";
}

std::string of_device(const std::string& line) {
  return summed("gpunode-lives 1\ngrant 4711\n" + line + "\n");
}

ErrorCode code_of(const std::string& text) {
  const auto lives = parse_turn_lives(text, kGrant);
  return lives ? ErrorCode::kInternal : lives.error().code();
}

TEST(TurnLives, AreReadAsTheyWereWritten) {
  for (const TurnLives& lives : {two(), TurnLives{}}) {
    const auto read = parse_turn_lives(turn_lives_text(lives, kGrant), kGrant);
    ASSERT_TRUE(read) << read.error().message();
    EXPECT_EQ(*read, lives);
  }
}

TEST(TurnLives, AreLinesThatAPersonCanRead) {
  const std::string text = turn_lives_text(two(), kGrant);
  EXPECT_EQ(text, of_device("GPU-0 7000000000 3000000000 12 40000000000 "
                            "6000000000 500\nMIG-1 0 0 0 0 0 0"));
}

TEST(TurnLives, OfTheGrantBeforeAreNone) {
  const auto read = parse_turn_lives(turn_lives_text(two(), 12), kGrant);
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code(), ErrorCode::kNotFound);
}

TEST(TurnLives, WithAnyByteChangedOrCutAreDamaged) {
  const std::string whole = turn_lives_text(two(), kGrant);
  for (std::size_t at = 0; at < whole.size(); ++at) {
    std::string changed = whole;
    changed[at] = static_cast<char>(changed[at] ^ 1);
    EXPECT_EQ(code_of(changed), ErrorCode::kCorrupt) << changed;
    EXPECT_EQ(code_of(whole.substr(0, at)), ErrorCode::kCorrupt) << at;
  }
  EXPECT_EQ(code_of(whole + "\n"), ErrorCode::kCorrupt);
  EXPECT_EQ(code_of(whole + whole), ErrorCode::kCorrupt);
}

TEST(TurnLives, OfAnotherVersionOrWithNonsenseAreDamaged) {
  for (const std::string& line : std::vector<std::string>{
           "", "GPU-0", "GPU-0 1 2 3 4 5", "GPU-0 1 2 3 4 5 6 7",
           "GPU-0 1 2 3 4 5 1001", "GPU-0 -1 2 3 4 5 6", "GPU-0 1 2 x 4 5 6",
           "GPU-0 1  2 3 4 5 6", "GPU-0 1 2 3 4 5 6 ", " 1 2 3 4 5 6",
           "GPU-0 9223372036854775807 2 3 4 5 6",
           "GPU-0 1 2 18446744073709551616 4 5 6",
           "GPU-0 1 2 3 4 5 6\nGPU-0 1 2 3 4 5 6",
           std::string(48, 'G') + " 1 2 3 4 5 6"}) {
    EXPECT_EQ(code_of(of_device(line)), ErrorCode::kCorrupt) << line;
  }
  EXPECT_TRUE(parse_turn_lives(
      of_device("GPU-0 1 2 18446744073709551615 4 5 1000"), kGrant));
  EXPECT_EQ(code_of(summed("gpunode-lives 2\ngrant 4711\n")),
            ErrorCode::kCorrupt);
  EXPECT_EQ(code_of(summed("gpunode-lives 1\n")), ErrorCode::kCorrupt);
  EXPECT_EQ(code_of(summed("gpunode-lives 1\ngrant x\n")), ErrorCode::kCorrupt);
  EXPECT_EQ(code_of(summed("")), ErrorCode::kCorrupt);
  std::string many;
  for (int at = 0; at < 17; ++at) {
    many += "GPU-" + std::to_string(at) + " 1 2 3 4 5 6\n";
  }
  many.pop_back();
  EXPECT_EQ(code_of(of_device(many)), ErrorCode::kCorrupt);
}

TEST(TurnLives, LieInTheGrantsDirectoryForRootAlone) {
  std::string root = testing::TempDir() + "lives-XXXXXX";
  ASSERT_NE(mkdtemp(root.data()), nullptr);
  const GrantFiles files(root);
  const auto none = keep_turn_lives(files, kId, kGrant, two());
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code(), ErrorCode::kNotFound);
  ASSERT_TRUE(files.renew({kId, {{"GPU-0", 1}}}));
  const auto look = files.look(kId);
  ASSERT_TRUE(look);
  const auto before = read_turn_lives(files, kId, look->file);
  ASSERT_FALSE(before);
  EXPECT_EQ(before.error().code(), ErrorCode::kNotFound);
  ASSERT_TRUE(keep_turn_lives(files, kId, look->file, two()));
  const auto kept = read_turn_lives(files, kId, look->file);
  ASSERT_TRUE(kept) << kept.error().message();
  EXPECT_EQ(*kept, two());
  struct stat status {};
  const std::string path = root + "/" + kId + "/lives";
  ASSERT_EQ(::stat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0600U);
  // It goes with its grant.
  ASSERT_TRUE(files.renew({kId, {{"GPU-0", 1}}}));
  EXPECT_FALSE(fs::exists(path));
  std::ofstream(path) << std::string(5000, 'x');
  const auto nonsense = read_turn_lives(files, kId, look->file);
  ASSERT_FALSE(nonsense);
  EXPECT_EQ(nonsense.error().code(), ErrorCode::kCorrupt);
  EXPECT_THAT(nonsense.error().message(), HasSubstr(path));
  ASSERT_TRUE(files.remove(kId));
  EXPECT_TRUE(fs::is_empty(root));
  fs::remove_all(root);
}

}  // namespace
}  // namespace gpunode::share
