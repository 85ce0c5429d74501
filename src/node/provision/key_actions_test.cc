#include "node/provision/key_actions.h"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/host/fake_command_runner.h"
#include "base/host/host_tree.h"
#include "node/provision/packages/epel_keys.h"

namespace gpunode::provision {
namespace {

using host::Completed;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

const packages::EpelKey kKey = *packages::epel_key(9);
const packages::EpelKey kOther = *packages::epel_key(8);

/// "Fetches" by writing what a mirror has.
class Mirror final : public host::CommandRunner {
 public:
  Mirror(const host::HostTree& tree, std::string key)
      : tree_(tree), key_(std::move(key)) {}

  Result<Completed> run(const host::Command& command) override {
    lines.push_back(host::command_line(command));
    tree_.file("var/lib/gpunode/fetch/key", key_);
    return Completed{};
  }

  std::vector<std::string> lines;

 private:
  const host::HostTree& tree_;
  std::string key_;
};

FetchKey action(const std::string& url = "https://mirror/x/K.pub") {
  return {url, "/etc/pki/K", {std::string(kKey.fingerprint)}};
}

const std::string kRhel = "ID=rhel\nVERSION_ID=\"9\"\n";

TEST(KeyActions, FetchOnceAndLookBeforeUse) {
  const host::HostTree tree{{"etc/os-release", kRhel}};
  Mirror mirror(tree, std::string(kKey.armoured));
  KeyActions keys(tree.root(), mirror, {});
  const auto key = keys.content_of(action());
  ASSERT_TRUE(key) << key.error().message();
  EXPECT_EQ(*key, kKey.armoured);
  ASSERT_TRUE(keys.content_of(action()));
  ASSERT_THAT(mirror.lines, SizeIs(1));
  EXPECT_THAT(mirror.lines[0],
              HasSubstr("/usr/bin/curl --proto =https,http --proto-redir "
                        "=https --fail --location"));
  EXPECT_FALSE(tree.root().exists("/var/lib/gpunode/fetch/key"));
}

TEST(KeyActions, OnDebianAptsOwnHelperFetches) {
  const host::HostTree tree{{"etc/os-release", "ID=debian\n"}};
  Mirror mirror(tree, std::string(kKey.armoured));
  ASSERT_TRUE(KeyActions(tree.root(), mirror, {}).content_of(action()));
  EXPECT_THAT(mirror.lines[0],
              HasSubstr("/usr/lib/apt/apt-helper download-file "
                        "https://mirror/x/K.pub "));
}

TEST(KeyActions, OneThatIsThereAndRightIsNotFetched) {
  const host::HostTree tree{{"etc/os-release", kRhel},
                            {"etc/pki/K", std::string(kKey.armoured)}};
  Mirror mirror(tree, "");
  const auto key = KeyActions(tree.root(), mirror, {}).content_of(action());
  ASSERT_TRUE(key);
  EXPECT_EQ(*key, kKey.armoured);
  EXPECT_THAT(mirror.lines, IsEmpty());
}

TEST(KeyActions, AnotherKeyIsRefusedAndTold) {
  const host::HostTree tree{{"etc/os-release", kRhel}};
  Mirror mirror(tree, std::string(kOther.armoured));
  const auto key = KeyActions(tree.root(), mirror, {}).content_of(action());
  ASSERT_FALSE(key);
  EXPECT_EQ(key.error().code(), ErrorCode::kPermissionDenied);
  EXPECT_THAT(key.error().message(), HasSubstr("https://mirror/x/K.pub"));
  EXPECT_THAT(key.error().message(), HasSubstr(kOther.fingerprint));
  EXPECT_FALSE(tree.root().exists("/etc/pki/K"));
}

TEST(KeyActions, OfABundleComeFromItsDirectory) {
  const host::HostTree tree{{"etc/os-release", kRhel},
                            {"srv/bundle/K.pub", std::string(kKey.armoured)}};
  Mirror mirror(tree, "");
  const auto key = KeyActions(tree.root(), mirror, {})
                       .content_of(action("file:///srv/bundle/K.pub"));
  ASSERT_TRUE(key) << key.error().message();
  EXPECT_EQ(*key, kKey.armoured);
  EXPECT_THAT(mirror.lines, IsEmpty());
}

TEST(KeyActions, WhatIsNoKeyIsNoKey) {
  const host::HostTree tree{{"etc/os-release", kRhel}};
  Mirror mirror(tree, "<html>404</html>");
  const auto key = KeyActions(tree.root(), mirror, {}).content_of(action());
  ASSERT_FALSE(key);
  EXPECT_EQ(key.error().code(), ErrorCode::kCorrupt);
}

}  // namespace
}  // namespace gpunode::provision
