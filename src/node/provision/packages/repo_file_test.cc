#include "node/provision/packages/repo_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace gpunode::packages {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// As Rocky Linux 9 ships it, cut short.
constexpr const char* kRocky =
    "# rocky.repo\n#\n[baseos]\nname=Rocky Linux $releasever - BaseOS\n"
    "gpgcheck=1\nenabled=1\n\n[crb]\nname=CRB\nmirrorlist=https://m/?repo=CRB\n"
    "enabled=0\ncountme=1\n\n[crb-source]\nname=CRB source\nenabled=0\n";

TEST(RepoFile, TellsWhatIsOnAndOff) {
  EXPECT_THAT(
      repo_sections(kRocky),
      ElementsAre(RepoSection{"baseos", true}, RepoSection{"crb", false},
                  RepoSection{"crb-source", false}));
  EXPECT_THAT(repo_sections("[main]\nenabled=0\n[a]\nname=no line says it\n"),
              ElementsAre(RepoSection{"a", true}));
  EXPECT_THAT(repo_sections("enabled=0\n# [no]\n;[no]\n"), IsEmpty());
}

TEST(RepoFile, ReadsTheSpellingsThatDnfReads) {
  for (const char* no : {"enabled=0", "enabled = 0", "enabled=False",
                         "enabled=no", "enabled=1\nenabled=0", "enabled="}) {
    EXPECT_THAT(repo_sections(std::string("[a]\n") + no + "\n"),
                ElementsAre(RepoSection{"a", false}))
        << no;
  }
  for (const char* yes :
       {"enabled=1", "enabled = True", "enabled=ON\r", "#enabled=0",
        "enabled=0\nenabled=yes", "baseurl=x\n enabled=0"}) {
    EXPECT_THAT(repo_sections(std::string("[a]\n") + yes + "\n"),
                ElementsAre(RepoSection{"a", true}))
        << yes;
  }
}

TEST(RepoFile, TurnsOneOnAndLeavesEveryOtherByte) {
  std::string expected = kRocky;
  expected.replace(expected.find("enabled=0"), 9, "enabled=1");
  EXPECT_EQ(with_enabled(kRocky, "crb"), expected);
  EXPECT_EQ(with_enabled(kRocky, "baseos"), kRocky);
  EXPECT_EQ(with_enabled(kRocky, "none"), kRocky);
  EXPECT_EQ(with_enabled("[a]\r\nenabled =  no \r\n", "a"),
            "[a]\r\nenabled =  1 \r\n");
  EXPECT_EQ(with_enabled("[a]\nenabled=0", "a"), "[a]\nenabled=1");
  EXPECT_EQ(with_enabled("[a]\nenabled=\n", "a"), "[a]\nenabled=1\n");
}

// Any bytes at all: what is told of a file is so of the file afterwards.
RC_GTEST_PROP(RepoFile, WhatIsTurnedOnIsOnAndNothingElseChanges, ()) {
  const auto text = *rc::gen::container<std::string>(
      rc::gen::element('[', ']', 'a', 'b', '=', '0', '1', ' ', '\n', '#'));
  const std::string whole = "[x]\nenabled=0\n" + text + "\n[a]\nenabled = 0\n";
  const auto before = repo_sections(whole);
  const auto after = repo_sections(with_enabled(whole, "a"));
  RC_ASSERT(before.size() == after.size());
  for (std::size_t i = 0; i < before.size(); ++i) {
    RC_ASSERT(before[i].id == after[i].id);
    RC_ASSERT(after[i].is_enabled ==
              (before[i].id == "a" || before[i].is_enabled));
  }
}

}  // namespace
}  // namespace gpunode::packages
