#include "node/provision/offline/checksums.h"

#include <sys/stat.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/digest/digest.h"
#include "base/host/host_tree.h"

namespace gpunode::offline {
namespace {

using testing::HasSubstr;

/// A bundle with the real sha256sum.
class BundleDirectory : public testing::Test {
 protected:
  BundleDirectory() {
    tree_.file("bundle.json", "{}\n");
    tree_.file("packages/a.deb", "a package");
    tree_.file("packages/b.deb", std::string("\0\n", 2));
    ::chmod(tree_.path().c_str(), 0755);
    auto sums = sum_directory(tree_.path(), runner_);
    EXPECT_TRUE(sums) << sums.error().message();
    text_ = sums_text(*sums);
    tree_.file(kSumsName, text_);
  }

  Result<void> check() {
    return check_directory(tree_.path(), digest::sha256(text_), runner_);
  }
  void is_refused(const std::string& words) {
    const auto checked = check();
    ASSERT_FALSE(checked);
    EXPECT_THAT(checked.error().message(), HasSubstr(words));
  }

  host::HostTree tree_;
  host::SystemCommandRunner runner_;
  std::string text_;
};

TEST_F(BundleDirectory, HasADigestForEveryFile) {
  EXPECT_THAT(text_,
              HasSubstr(digest::sha256("a package") + "  packages/a.deb\n"));
  EXPECT_THAT(text_, HasSubstr(digest::sha256(std::string("\0\n", 2)) +
                               "  packages/b.deb\n"));
  const auto again = parse_sums(text_);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->size(), 3U);
  EXPECT_EQ(sums_text(*again), text_);
}

TEST_F(BundleDirectory, IsGoodAsItWasMade) {
  const auto checked = check();
  EXPECT_TRUE(checked) << checked.error().message();
}

TEST_F(BundleDirectory, WithAChangedFileIsRefusedByItsName) {
  tree_.file("packages/a.deb", "a packagf");
  is_refused("packages/a.deb is not what SHA256SUMS says");
}

TEST_F(BundleDirectory, WithAMissingFileIsRefusedByItsName) {
  tree_.remove("packages/b.deb");
  is_refused("packages/b.deb is missing");
}

TEST_F(BundleDirectory, WithAnAddedFileIsRefusedByItsName) {
  tree_.file("packages/c.deb", "");
  is_refused("packages/c.deb is not in SHA256SUMS");
}

TEST_F(BundleDirectory, WithAnotherListIsRefused) {
  tree_.file(kSumsName, text_ + "\n");
  is_refused("SHA256SUMS is not the one that was planned with");
}

TEST_F(BundleDirectory, WithALinkIsRefused) {
  tree_.link("packages/d.deb", "/etc/passwd");
  is_refused("packages/d.deb is no plain file");
  EXPECT_FALSE(sum_directory(tree_.path(), runner_));
}

TEST_F(BundleDirectory, ThatOthersMayChangeIsRefused) {
  ::chmod(tree_.path("packages").c_str(), 0777);
  is_refused("packages may be changed by others than root");
  ::chmod(tree_.path("packages").c_str(), 0755);
  ::chmod(tree_.path("packages/a.deb").c_str(), 0666);
  is_refused("packages/a.deb may be changed by others than root");
}

TEST(Sums, ThatLeadElsewhereOrAreNoneAreRefused) {
  const std::string digest(64, 'a');
  for (const std::string& line :
       {digest + "  /etc/passwd\n", digest + "  ../x\n", digest + "  a/../b\n",
        digest + "  a//b\n", digest + "  a/\n", digest + "  a b\n",
        digest + "  \n", digest + " *a\n", std::string("\n"),
        std::string(64, 'g') + "  a\n", digest + "  a\n" + digest + "  a\n"}) {
    EXPECT_FALSE(parse_sums(line)) << line;
  }
  EXPECT_TRUE(parse_sums(""));
}

}  // namespace
}  // namespace gpunode::offline
