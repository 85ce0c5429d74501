#include "node/provision/packages/apt_sources.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace gpunode::packages {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

using Files = std::map<std::string, std::string>;

constexpr const char* kList = "/etc/apt/sources.list";
constexpr const char* kDeb822 = "/etc/apt/sources.list.d/debian.sources";
const std::vector<std::string> kDebian = {"contrib", "non-free"};

TEST(AptSources, AddsToEachSuiteOfTheArchiveAndToNothingElse) {
  const Files files = {
      {kList,
       "# deb http://deb.debian.org/debian bookworm main\n"
       "deb http://deb.debian.org/debian bookworm main # ours\n"
       "deb [arch=amd64 check-valid-until=no] "
       "http://security.debian.org/debian-security bookworm-security main\n"
       "deb-src http://deb.debian.org/debian bookworm main\n"
       "deb http://deb.debian.org/debian bookworm-backports main\n"},
      {"/etc/apt/sources.list.d/docker.list",
       "deb [signed-by=/etc/apt/keyrings/docker.asc] "
       "https://download.docker.com/linux/debian bookworm stable\n"
       "deb https://packages.example.org/x/debian/ bookworm main\n"
       "deb [signed-by=/etc/apt/keyrings/x.gpg] https://x.example/debian "
       "bookworm main\n"}};
  const ComponentEdits edits = with_components(files, "bookworm", kDebian);
  EXPECT_TRUE(edits.has_archive);
  EXPECT_THAT(edits.missing, ElementsAre("contrib", "non-free"));
  EXPECT_THAT(
      edits.files,
      ElementsAre(Pair(
          kList,
          "# deb http://deb.debian.org/debian bookworm main\n"
          "deb http://deb.debian.org/debian bookworm main contrib non-free # "
          "ours\n"
          "deb [arch=amd64 check-valid-until=no] "
          "http://security.debian.org/debian-security bookworm-security main "
          "contrib non-free\n"
          "deb-src http://deb.debian.org/debian bookworm main\n"
          "deb http://deb.debian.org/debian bookworm-backports main\n")));
}

TEST(AptSources, AComponentOnALineOfItsOwnIsThereAlready) {
  const Files files = {
      {kList,
       "deb http://archive.ubuntu.com/ubuntu jammy main restricted\n"
       "deb http://archive.ubuntu.com/ubuntu/ jammy universe\n"
       "deb http://archive.ubuntu.com/ubuntu jammy multiverse\n"
       "deb http://archive.ubuntu.com/ubuntu jammy-updates main restricted\n"
       "deb http://ppa.launchpad.net/x/y/ubuntu jammy main\n"}};
  const ComponentEdits edits =
      with_components(files, "jammy", {"universe", "restricted", "multiverse"});
  EXPECT_THAT(edits.missing, ElementsAre("multiverse", "universe"));
  EXPECT_THAT(
      edits.files.at(kList),
      ::testing::HasSubstr(
          "jammy-updates main restricted universe multiverse\ndeb http://ppa"));
  EXPECT_THAT(edits.files.at(kList),
              ::testing::HasSubstr("ubuntu jammy main restricted\n"));
}

TEST(AptSources, StanzasKeepTheirFormAndOthersStay) {
  const std::string own =
      "Types: deb deb-src\nURIs: mirror+file:/etc/apt/mirrors/debian.list\n"
      "Suites: bookworm bookworm-updates bookworm-backports\n"
      "# what is taken\nComponents: main\n"
      "Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\n\n";
  const std::string off =
      "Types: deb\nURIs: http://deb.debian.org/debian\nSuites: bookworm\n"
      "Components: main\nEnabled: no\n\n";
  const std::string other =
      "Types: deb\nURIs: https://x.example/debian\nSuites: bookworm\n"
      "Components: main\nSigned-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n"
      " .\n AAAA\n";
  const ComponentEdits edits =
      with_components({{kDeb822, own + off + other}}, "bookworm", kDebian);
  std::string expected = own;
  expected.insert(expected.find("main\nSigned") + 4, " contrib non-free");
  EXPECT_EQ(edits.files.at(kDeb822), expected + off + other);
  const ComponentEdits again =
      with_components(edits.files, "bookworm", kDebian);
  EXPECT_TRUE(again.has_archive);
  EXPECT_THAT(again.files, IsEmpty());
}

TEST(AptSources, FoldedComponentsAreAddedToAtTheirEnd) {
  const ComponentEdits edits = with_components(
      {{kDeb822,
        "Types: deb\nURIs: http://deb.debian.org/debian/\nSuites: trixie\n"
        "Components:\n main\n contrib\n"}},
      "trixie", kDebian);
  EXPECT_THAT(edits.files.at(kDeb822),
              ::testing::EndsWith("Components:\n main\n contrib non-free\n"));
}

TEST(AptSources, WithoutTheArchiveThereIsNothingToAddTo) {
  for (const char* line :
       {"", "deb http://deb.debian.org/debian sid main\n",
        "deb cdrom:[Debian GNU/Linux 12 _Bookworm_]/ bookworm main\n",
        "deb [signed-by=/x.gpg http://deb.debian.org/debian bookworm main\n",
        "deb http://deb.debian.org/debian ./\n", "debian\n", "deb\n"}) {
    const ComponentEdits edits =
        with_components({{kList, line}}, "bookworm", kDebian);
    EXPECT_FALSE(edits.has_archive) << line;
    EXPECT_THAT(edits.files, IsEmpty()) << line;
  }
  // A distribution without a code name must not fit every suite.
  EXPECT_FALSE(with_components({{kList,
                                 "deb http://deb.debian.org/debian -updates "
                                 "main\n"}},
                               "", kDebian)
                   .has_archive);
}

// Done once is done: from whatever bytes.
RC_GTEST_PROP(AptSources, ASecondTimeChangesNothing, ()) {
  const auto noise = *rc::gen::container<std::string>(
      rc::gen::element('d', 'e', 'b', ' ', ':', '\n', '#', '[', ']', '\t'));
  const Files files = {
      {kList, noise + "\ndeb http://deb.debian.org/debian bookworm main" +
                  noise + "\n"},
      {kDeb822, noise +
                    "\n\nTypes: deb\nURIs: http://ftp.debian.org/debian\n"
                    "Suites: bookworm\nComponents: main\n" +
                    noise}};
  const ComponentEdits first = with_components(files, "bookworm", kDebian);
  Files after = files;
  for (const auto& [path, text] : first.files) after[path] = text;
  const ComponentEdits second = with_components(after, "bookworm", kDebian);
  RC_ASSERT(second.files.empty());
  RC_ASSERT(first.has_archive == second.has_archive);
}

}  // namespace
}  // namespace gpunode::packages
