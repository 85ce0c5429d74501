#include "container/hook/cuda_compat.h"

#include <optional>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/host/elf_builder.h"
#include "base/host/host_tree.h"

namespace gpunode::hook {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

constexpr const char* kNote =
    R"({"Format": 1, "CUDA Version": "12.8", "Driver": [535, 550], "Device": [1]})";

std::string library(const std::string& note) {
  return host::ElfBuilder::build(
      {.soname = "libcuda.so.1",
       .note_section = ".note.cuda.fwd_compatibility",
       .note_text = note});
}

TEST(CompatNote, SaysWhichDriversItWorksWith) {
  const auto note = parse_compat_note(kNote);
  ASSERT_TRUE(note);
  EXPECT_EQ(note->cuda_version, "12.8");
  EXPECT_THAT(note->driver_majors, ElementsAre(535, 550));
  EXPECT_TRUE(
      parse_compat_note(R"({"Driver": ["535"]})" + std::string(3, '\0')));
  for (const char* bad :
       {"", "[]", "{}", R"({"Driver": 535})", R"({"Driver": [null]})",
        R"({"Driver": ["x"]})", R"({"Driver": [1)"}) {
    EXPECT_FALSE(parse_compat_note(bad)) << bad;
  }
  EXPECT_FALSE(parse_compat_note(std::string(60000, '['))) << "no overflow";
}

TEST(Versions, AreComparedByNumbers) {
  EXPECT_LT(compare_versions("550.54.14", "550.163.01"), 0);
  EXPECT_EQ(compare_versions("550.054", "550.54.0"), 0);
  EXPECT_GT(compare_versions("550.54.1", "550.54"), 0);
  EXPECT_LT(compare_versions("99", "100"), 0);
}

struct Case {
  const char* name;
  const char* version;
  bool has_note;
  HostVersions host;
  bool used;
};

class CompatRule : public testing::TestWithParam<Case> {};

TEST_P(CompatRule, Holds) {
  const Case& given = GetParam();
  std::optional<CompatNote> note;
  if (given.has_note) note = CompatNote{"12.8", {535, 550}};
  EXPECT_EQ(should_use_compat(given.version, note, given.host), given.used);
}

INSTANTIATE_TEST_SUITE_P(
    Rows, CompatRule,
    testing::Values(
        Case{"listed_and_newer", "570.86.10", true, {"550.163.01", ""}, true},
        Case{"listed_same", "550.163.01", true, {"550.163.01", ""}, false},
        Case{"listed_newer_minor", "550.200.1", true, {"550.163.01", ""}, true},
        Case{"listed_but_older", "530.30.02", true, {"550.163.01", ""}, false},
        Case{"newer_not_listed", "570.86.10", true, {"545.23.06", ""}, false},
        Case{"driver_beats_cuda", "570.86.10", true, {"545.23", "12.0"}, false},
        Case{"by_cuda", "570.86.10", true, {"", "12.4"}, true},
        Case{"by_cuda_same", "570.86.10", true, {"", "12.8"}, false},
        Case{"no_note_newer_major", "570.86.10", false, {"550.163", ""}, true},
        Case{"no_note_same_major", "550.200", false, {"550.163", ""}, false},
        Case{"no_note_only_cuda", "570.86.10", false, {"", "12.0"}, false},
        Case{"nothing_known", "570.86.10", true, {"", ""}, false},
        Case{"no_version", "so.x", false, {"550.163", ""}, false}),
    [](const auto& row) { return std::string(row.param.name); });

class CompatInRoot : public testing::Test {
 protected:
  std::optional<std::string> find(
      const HostVersions& host,
      const std::string& directory = "/usr/local/cuda/compat") {
    const auto root = host::RootDirectory::open(tree_.path());
    return find_compat(*root, directory, host, warnings_);
  }

  const host::HostTree tree_;
  std::vector<std::string> warnings_;
};

TEST_F(CompatInRoot, IsFoundThroughTheImagesLinks) {
  tree_.file("usr/local/cuda-12.8/compat/libcuda.so.570.86.10", library(kNote));
  tree_.link("usr/local/cuda-12.8/compat/libcuda.so.1", "libcuda.so.570.86.10");
  tree_.link("etc/alternatives/cuda", "/usr/local/cuda-12.8");
  tree_.link("usr/local/cuda", "/etc/alternatives/cuda");
  EXPECT_EQ(find({"550.163.01", ""}), "/usr/local/cuda/compat");
  EXPECT_EQ(find({"570.86.10", ""}), std::nullopt);
  EXPECT_EQ(find({"550.163.01", ""}, "/usr/local/cuda-12.*/compat"),
            "/usr/local/cuda-12.8/compat");
  EXPECT_THAT(warnings_, IsEmpty());
}

TEST_F(CompatInRoot, IsNotUsedIfThereAreTwo) {
  tree_.file("usr/local/cuda/compat/libcuda.so.570.86.10", library(kNote));
  tree_.file("usr/local/cuda/compat/libcuda.so.575.1.1", library(kNote));
  EXPECT_EQ(find({"550.163.01", ""}), std::nullopt);
}

TEST_F(CompatInRoot, IsNotUsedOutsideTheRoot) {
  const host::HostTree outside{{"libcuda.so.570.86.10", library(kNote)}};
  tree_.link("usr/local/cuda/compat", outside.path());
  EXPECT_EQ(find({"550.163.01", ""}), std::nullopt);
  tree_.remove("usr/local/cuda/compat");
  tree_.link("usr/local/cuda/compat/libcuda.so.570.86.10",
             outside.path("libcuda.so.570.86.10"));
  EXPECT_EQ(find({"550.163.01", ""}), std::nullopt);
}

TEST_F(CompatInRoot, WithABrokenNoteIsNamedAndNotUsed) {
  tree_.file("usr/local/cuda/compat/libcuda.so.570.86.10", library("{"));
  EXPECT_EQ(find({"550.163.01", ""}), std::nullopt);
  EXPECT_THAT(warnings_, SizeIs(1));
}

TEST_F(CompatInRoot, WithoutANoteGoesByItsMajor) {
  tree_.file("usr/local/cuda/compat/libcuda.so.570.86.10",
             host::ElfBuilder::build({.soname = "libcuda.so.1"}));
  EXPECT_EQ(find({"550.163.01", ""}), "/usr/local/cuda/compat");
  EXPECT_EQ(find({"570.1", ""}), std::nullopt);
}

TEST_F(CompatInRoot, ThatIsNoLibraryIsNotUsed) {
  tree_.file("usr/local/cuda/compat/libcuda.so.570.86.10", "text");
  EXPECT_EQ(find({"550.163.01", ""}), std::nullopt);
  EXPECT_THAT(warnings_, SizeIs(1));
}

}  // namespace
}  // namespace gpunode::hook
