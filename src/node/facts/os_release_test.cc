#include "node/facts/os_release.h"

#include <array>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gpunode::facts {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

/// The os-release of a distribution, as it ships it.
std::string shipped(const std::string& name) {
  std::ifstream in(std::string(OS_RELEASE_TEXTS) + "/" + name,
                   std::ios::binary);
  EXPECT_TRUE(in) << name;
  return {std::istreambuf_iterator<char>(in), {}};
}

struct Distribution {
  const char* name;
  const char* id;
  const char* family;  ///< One that it is like.
  const char* version_id;
  int major;
  const char* codename = "";
};

class OsReleaseOf : public testing::TestWithParam<Distribution> {};

TEST_P(OsReleaseOf, IsRead) {
  const Distribution& expected = GetParam();
  const auto os = parse_os_release(shipped(expected.name));
  ASSERT_TRUE(os) << os.error().message();
  EXPECT_EQ(os->id, expected.id);
  EXPECT_TRUE(os->is_like(expected.family));
  EXPECT_TRUE(os->is_like(expected.id));
  EXPECT_FALSE(os->is_like("windows"));
  EXPECT_EQ(os->version_id, expected.version_id);
  EXPECT_EQ(os->major_version(), expected.major);
  EXPECT_EQ(os->codename, expected.codename);
  EXPECT_FALSE(os->pretty_name.empty());
}

constexpr auto kDistributions = std::to_array<Distribution>({
    {"rocky-8.9", "rocky", "rhel", "8.9", 8},
    {"rocky-9.4", "rocky", "centos", "9.4", 9},
    {"rocky-10.0", "rocky", "fedora", "10.0", 10},
    {"almalinux-9.3", "almalinux", "rhel", "9.3", 9},
    {"rhel-9.2", "rhel", "fedora", "9.2", 9},
    {"centos-stream-9", "centos", "rhel", "9", 9},
    {"oracle-8.8", "ol", "fedora", "8.8", 8},
    {"amazon-2", "amzn", "rhel", "2", 2},
    {"amazon-2023", "amzn", "fedora", "2023", 2023},
    {"fedora-42", "fedora", "fedora", "42", 42},
    {"ubuntu-20.04", "ubuntu", "debian", "20.04", 20, "focal"},
    {"ubuntu-22.04", "ubuntu", "debian", "22.04", 22, "jammy"},
    {"ubuntu-24.04", "ubuntu", "debian", "24.04", 24, "noble"},
    {"debian-11", "debian", "debian", "11", 11, "bullseye"},
    {"debian-12", "debian", "debian", "12", 12, "bookworm"},
    {"debian-13", "debian", "debian", "13", 13, "trixie"},
    {"debian-sid", "debian", "debian", "", 0, "forky"},
    {"sles-15.6", "sles", "suse", "15.6", 15},
    {"opensuse-leap-15.6", "opensuse-leap", "suse", "15.6", 15},
    {"opensuse-tumbleweed", "opensuse-tumbleweed", "opensuse", "20241211", 0},
    {"flatcar-3815", "flatcar", "coreos", "3815.2.5", 3815},
    {"bottlerocket-1.20", "bottlerocket", "bottlerocket", "1.20.3", 1},
    {"cos-113", "cos", "cos", "113", 113},
    {"nixos-24.05", "nixos", "nixos", "24.05", 24, "uakari"},
});

INSTANTIATE_TEST_SUITE_P(AllDistributions, OsReleaseOf,
                         testing::ValuesIn(kDistributions),
                         [](const testing::TestParamInfo<Distribution>& test) {
                           std::string name = test.param.name;
                           for (char& c : name) {
                             if (c == '-' || c == '.') c = '_';
                           }
                           return name;
                         });

TEST(OsRelease, KeepsEveryFieldThatDecides) {
  const auto os = parse_os_release(shipped("oracle-8.8"));
  ASSERT_TRUE(os);
  EXPECT_EQ(*os, (OsRelease{.id = "ol",
                            .id_like = {"fedora"},
                            .version_id = "8.8",
                            .codename = "",
                            .variant_id = "server",
                            .pretty_name = "Oracle Linux Server 8.8"}));
}

TEST(OsRelease, ResolvesQuotesAndEscapesAsAShellDoes) {
  const auto os = parse_os_release(
      "ID='a'\"b\"c\n"
      "PRETTY_NAME=\"say \\\"hi\\\" for \\$5 \\n \\\\ it's\"\n"
      "VERSION_ID=1\\ 2\n");
  ASSERT_TRUE(os);
  EXPECT_EQ(os->id, "abc");
  EXPECT_EQ(os->pretty_name, R"(say "hi" for $5 \n \ it's)");
  EXPECT_EQ(os->version_id, "1 2");
}

TEST(OsRelease, ExpandsNothing) {
  const auto os = parse_os_release("ID=$(reboot)\nPRETTY_NAME=\"`id` $HOME\"");
  ASSERT_TRUE(os);
  EXPECT_EQ(os->id, "$(reboot)");
  EXPECT_EQ(os->pretty_name, "`id` $HOME");
}

TEST(OsRelease, TakesTheLastOfTwoAssignments) {
  const auto os = parse_os_release("ID=rocky\nID=debian\n");
  ASSERT_TRUE(os);
  EXPECT_EQ(os->id, "debian");
}

TEST(OsRelease, PassesOverCommentsBlanksAndUnknownKeys) {
  const auto os = parse_os_release(
      "\n  # ID=no\n\t\nX_1='anything'\r\n  ID=rocky  \r\n"
      "ID_LIKE=\" rhel \t fedora \"");
  ASSERT_TRUE(os);
  EXPECT_EQ(os->id, "rocky");
  EXPECT_THAT(os->id_like, ElementsAre("rhel", "fedora"));
}

TEST(OsRelease, IsLinuxIfItDoesNotSay) {
  for (const std::string_view text : {"", "ID=\n", "NAME=x\n"}) {
    const auto os = parse_os_release(text);
    ASSERT_TRUE(os);
    EXPECT_EQ(os->id, "linux");
    EXPECT_THAT(os->id_like, IsEmpty());
  }
}

TEST(OsRelease, NamesTheLineThatIsNoAssignment) {
  struct Case {
    std::string_view text;
    const char* complaint;
  };
  using std::string_view_literals::operator""sv;
  for (const Case& wrong : {
           Case{"ID=a\nnonsense\n"sv, "line 2: not KEY=value"},
           Case{"=a\n"sv, "line 1: not KEY=value"},
           Case{"export ID=a\n"sv, "line 1: not KEY=value"},
           Case{"1ID=a\n"sv, "line 1: not KEY=value"},
           Case{"\n\nID='rocky\nVERSION_ID=8'"sv,
                "line 3: a quote is not closed"},
           Case{R"(ID=a\)"sv, "line 1: a quote is not closed"},
           Case{"ID='a\n"sv, "line 1: a quote is not closed"},
           Case{"ID=\0a\n"sv, "line 1: a control character"},
           Case{"PRETTY_NAME=\x1b[31mred\n"sv, "line 1: a control character"},
       }) {
    const auto os = parse_os_release(wrong.text);
    ASSERT_FALSE(os) << wrong.complaint;
    EXPECT_EQ(os.error().code(), ErrorCode::kCorrupt);
    EXPECT_THAT(os.error().message(), HasSubstr(wrong.complaint));
  }
}

TEST(OsRelease, HasNoMajorVersionWhereThereIsNoNumber) {
  const auto major_of = [](const char* version_id) {
    OsRelease os;
    os.version_id = version_id;
    return os.major_version();
  };
  EXPECT_EQ(major_of("rolling"), 0);
  EXPECT_EQ(major_of("8x.1"), 0);
  EXPECT_EQ(major_of(".8"), 0);
  EXPECT_EQ(major_of("99999999999999999999.1"), 0);
}

}  // namespace
}  // namespace gpunode::facts
