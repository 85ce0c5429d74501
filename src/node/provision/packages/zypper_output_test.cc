#include "node/provision/packages/zypper_output.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>

namespace gpunode::packages {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// zypper 1.14.42's, and "repository" as later ones have it.
constexpr const char* kSummary =
    "<?xml version='1.0'?>\n<stream>\n"
    "<message type=\"info\">Resolving package dependencies...</message>\n"
    "<install-summary download-size=\"12356\" space-usage-diff=\"-200000\" "
    "packages-to-change=\"4\">\n"
    "<to-install>\n"
    "<solvable type=\"package\" name=\"stub-rival\" edition=\"3:580.2-1\" "
    "arch=\"noarch\" repository=\"Stub &amp; Co\" summary=\"stub\">\n"
    "<description>stub</description></solvable>\n"
    "<solvable type=\"patch\" name=\"not-a-package\" edition=\"1\"/>\n"
    "</to-install>\n"
    "<to-upgrade>\n"
    "<solvable type=\"package\" name=\"stub-lib\" edition=\"580.2-1\" "
    "arch=\"noarch\" edition-old=\"580.1-1\" arch-old=\"noarch\">\n"
    "<description>stub</description></solvable>\n"
    "</to-upgrade>\n"
    "<to-downgrade>\n"
    "<solvable type=\"package\" name=\"stub-old\" edition=\"1-1\" "
    "arch=\"noarch\" edition-old=\"2-1\">\n</solvable>\n"
    "</to-downgrade>\n"
    "<to-remove>\n"
    "<solvable type=\"package\" name=\"stub-driver\" edition=\"580.1-1\" "
    "arch=\"noarch\" summary=\"stub\">\n"
    "<description>stub</description></solvable>\n"
    "</to-remove>\n"
    "</install-summary>\n</stream>\n";

TEST(ZypperOutput, ReadsASummary) {
  const auto summary = parse_zypper_summary(kSummary);
  ASSERT_TRUE(summary) << summary.error().message();
  EXPECT_THAT(
      summary->changes,
      ElementsAre(PackageChange{ChangeKind::kRemove, "stub-driver", "noarch",
                                "580.1-1", "", "", std::nullopt},
                  PackageChange{ChangeKind::kUpgrade, "stub-lib", "noarch",
                                "580.1-1", "580.2-1", "", std::nullopt},
                  PackageChange{ChangeKind::kDowngrade, "stub-old", "noarch",
                                "2-1", "1-1", "", std::nullopt},
                  PackageChange{ChangeKind::kInstall, "stub-rival", "noarch",
                                "", "3:580.2-1", "Stub & Co", std::nullopt}));
  EXPECT_EQ(summary->download_bytes, 12356U);
  EXPECT_EQ(summary->installed_bytes, -200000);
}

TEST(ZypperOutput, APackageWithoutAVersionIsNotPassedOver) {
  EXPECT_FALSE(parse_zypper_summary(
      "<to-install><solvable type=\"package\" name=\"x\"/></to-install>"));
  EXPECT_THAT(parse_zypper_summary("<stream></stream>")->changes, IsEmpty());
}

TEST(ZypperOutput, LocksAndSearches) {
  EXPECT_THAT(
      parse_zypper_locks(
          "<locks size=\"2\"><lock number=\"1\"><name>stub-lib</name>"
          "<type>package</type></lock>\n<lock number=\"2\"><name>x</name>"
          "<type>pattern</type></lock></locks>"),
      ElementsAre(Hold{"stub-lib", "stub-lib"}));
  EXPECT_THAT(
      parse_zypper_search(
          "<solvable-list>\n"
          "<solvable status=\"installed\" name=\"a\" kind=\"package\" "
          "edition=\"2-1\" arch=\"noarch\" repository=\"Stub\"/>\n"
          "<solvable status=\"installed\" name=\"a\" kind=\"package\" "
          "edition=\"1-1\" arch=\"noarch\" repository=\"(System Packages)\"/>"),
      ElementsAre(Candidate{"a", "2-1", "noarch", "Stub"}));
}

TEST(ZypperOutput, TheTextForPeople) {
  EXPECT_EQ(plain_text("<message type=\"error\">Repository &apos;S&apos; &lt;x"
                       "&gt; &amp;amp;</message>\n"),
            "Repository 'S' <x> &amp;\n");
}

TEST(ZypperOutput, NothingIsReadOutOfNoise) {
  EXPECT_TRUE(rc::check([](const std::string& noise) {
    (void)parse_zypper_summary("<to-install><solvable " + noise);
    (void)parse_zypper_locks("<lock " + noise);
    (void)parse_zypper_search("<solvable kind=\"package\" " + noise);
    // Text without marks comes through as it is.
    if (noise.find_first_of("<&") == std::string::npos) {
      RC_ASSERT(plain_text(noise) == noise);
    }
  }));
}

}  // namespace
}  // namespace gpunode::packages
