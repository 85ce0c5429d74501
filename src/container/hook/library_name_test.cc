#include "container/hook/library_name.h"

#include <string>
#include <string_view>
#include <vector>

#include <fnmatch.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace gpunode::hook {
namespace {

int sign(int value) {
  return (value > 0) - (value < 0);
}

TEST(LibraryName, IsWhatLdconfigLooksAt) {
  for (const char* name : {"libc.so.6", "libx.so", "ld-linux-x86-64.so.2",
                           "libc-2.31.so", "libx.so.1;notahexa", "ld64.so.2"}) {
    EXPECT_TRUE(is_library_name(name)) << name;
  }
  for (const char* name :
       {"", "lib", "libx.a", "x.so.1", "Xlibx.so", "libx.so.1.dpkg-new",
        "libx.so.1.dpkg-tmp", "libx.so.1;5f3a9c01", "libx.so.#prelink#",
        "libx.so.#prelink#.abcdef"}) {
    EXPECT_FALSE(is_library_name(name)) << name;
  }
}

TEST(LibraryName, IsOrderedByTheNumbersInIt) {
  const std::vector<std::string> ascending = {
      "liba.so",        "liba.so.1",        "liba.so.2",
      "liba.so.10",     "liba.so.10.1",     "libcuda.so.1",
      "libcuda.so.535", "libcuda.so.535.1", "libcuda.so.550.54"};
  for (std::size_t i = 0; i < ascending.size(); ++i) {
    for (std::size_t j = 0; j < ascending.size(); ++j) {
      EXPECT_EQ(sign(compare_library_names(ascending[i], ascending[j])),
                sign(static_cast<int>(i) - static_cast<int>(j)))
          << ascending[i] << " " << ascending[j];
    }
  }
  EXPECT_EQ(compare_library_names("libx.so.01", "libx.so.1"), 0);
  EXPECT_GT(compare_library_names("lib1", "liba"), 0) << "digits come last";
  using namespace std::string_view_literals;
  EXPECT_EQ(compare_library_names("lib\0a"sv, "lib"), 0) << "as in C";
}

RC_GTEST_PROP(LibraryName, ComparesTheSameBothWays, ()) {
  const auto name = rc::gen::container<std::string>(
      rc::gen::element('a', 'b', '.', '1', '2', '0'));
  const std::string left = *name;
  const std::string right = *name;
  RC_ASSERT(sign(compare_library_names(left, right)) ==
            -sign(compare_library_names(right, left)));
}

RC_GTEST_PROP(Pattern, MatchesWhatTheSystemsDoes, ()) {
  const std::string name = *rc::gen::container<std::string>(
      rc::gen::element('a', 'b', '.', '-', ']'));
  const std::string pattern = *rc::gen::container<std::string>(
      rc::gen::element('a', 'b', '.', '*', '?'));
  RC_ASSERT(matches_pattern(name, pattern) ==
            (::fnmatch(pattern.c_str(), name.c_str(), FNM_PERIOD) == 0));
}

TEST(Pattern, KnowsBrackets) {
  EXPECT_TRUE(matches_pattern("b.conf", "[a-c].conf"));
  EXPECT_FALSE(matches_pattern("d.conf", "[a-c].conf"));
  EXPECT_TRUE(matches_pattern("d.conf", "[!a-c].conf"));
  EXPECT_TRUE(matches_pattern("]", "[]]"));
  EXPECT_TRUE(matches_pattern("[", "["));
  EXPECT_TRUE(matches_pattern("*", "\\*"));
  EXPECT_FALSE(matches_pattern("a", "\\*"));
  EXPECT_FALSE(matches_pattern(".hidden", "*"));
  EXPECT_TRUE(matches_pattern(".hidden", ".*"));
}

TEST(Pattern, MadeToTakeForeverDoesNot) {
  // Backtracking over every star would take 2^40 steps here.
  std::string pattern;
  for (int i = 0; i < 40; ++i) pattern += "*a";
  EXPECT_FALSE(matches_pattern(std::string(255, 'a'), pattern + "b"));
}

}  // namespace
}  // namespace gpunode::hook
