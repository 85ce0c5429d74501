#include "node/provision/key_actions.h"

#include <map>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/host/fake_command_runner.h"
#include "base/host/host_tree.h"
#include "node/provision/packages/epel_keys.h"

namespace gpunode::provision {
namespace {

using host::Completed;
using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

const packages::EpelKey kKey = *packages::epel_key(9);
const packages::EpelKey kOther = *packages::epel_key(8);

// Made with gpg for these tests; nobody has their secret parts.
constexpr const char* kExpired =
    "-----BEGIN PGP PUBLIC KEY BLOCK-----\n"
    "\n"
    "mDMEXgvhABYJKwYBBAHaRw8BAQdAqYLXq/8kb2wbFdO+z0WI/LqKxkNxvsiBaAuj\n"
    "atSw0Jy0I1N0dWIgZXhwaXJlZCA8ZXhwaXJlZEBzdHViLmludmFsaWQ+iJYEExYI\n"
    "AD4WIQRi6Jama1EusPWfvk1+BAMbq5pCeAUCXgvhAAIbAQUJAeHcQAULCQgHAgYV\n"
    "CgkICwIEFgIDAQIeAQIXgAAKCRB+BAMbq5pCePfXAP9KismvI3jb6YaPQBSXYfrM\n"
    "fUvUGg+g7WboT004Mf5KXAD5AbxXKWdscT1N+cPaE6/YjjgUOA3xkEObU+HZ2ivT\n"
    "0g8=\n"
    "=Cve8\n"
    "-----END PGP PUBLIC KEY BLOCK-----\n";
constexpr const char* kExpiredOne = "62E896A66B512EB0F59FBE4D7E04031BAB9A4278";
/// Its only self-signature is by SHA-1.
constexpr const char* kWeak =
    "-----BEGIN PGP PUBLIC KEY BLOCK-----\n"
    "\n"
    "mI0EXgvhAAEEALu27uUWLGhRAssbCU0xdfy1/lKozl9ZX7V3re1iLXsRHBAihld7\n"
    "g4OEeD53WrrctyGd+J7A09tVGHALynyq0B1u9IV6zR+UdCw7llbTrwQkQJsj276T\n"
    "p+PydOPYLDDdcvPHZKrrNsXy35tSbX27z5caJNGyErp1Q2k/Rj7OLmohABEBAAG0\n"
    "HVN0dWIgd2VhayA8d2Vha0BzdHViLmludmFsaWQ+iM4EEwECADgWIQSXj845i80N\n"
    "QA6ehPS8ZUKvTEtNdgUCXgvhAAIbAQULCQgHAgYVCgkICwIEFgIDAQIeAQIXgAAK\n"
    "CRC8ZUKvTEtNdkCqA/4md2t4DTA0IAK9DtynXlaQA1vmlWVf9N1PYHlUMEjVFFCd\n"
    "lgLOg5z/8xzOGp8QI++lQBXVAL5HK0Y6fT3qOY2g/oJZgi0Rnk5VDCfeghezzzlV\n"
    "5y03n+pgtLLtwxlqR1yexShD62VZLrm4JcQendjyn9RHh/7XhH04mtwKanye5A==\n"
    "=l+Uz\n"
    "-----END PGP PUBLIC KEY BLOCK-----\n";
constexpr const char* kWeakOne = "978FCE398BCD0D400E9E84F4BC6542AF4C4B4D76";

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

/// What is said of `key`, fetched for `fingerprint` on a host of `files`; that
/// nothing is put in place.
std::string said_of(const std::string& key, const std::string& fingerprint,
                    const std::map<std::string, std::string>& files = {}) {
  const host::HostTree tree{{"etc/os-release", kRhel}};
  for (const auto& [path, text] : files) tree.file(path, text);
  Mirror mirror(tree, key);
  const auto got =
      KeyActions(tree.root(), mirror, {})
          .content_of({"https://mirror/x/K.pub", "/etc/pki/K", {fingerprint}});
  EXPECT_FALSE(tree.root().exists("/etc/pki/K"));
  EXPECT_FALSE(tree.root().exists("/var/lib/gpunode/fetch/key"));
  if (got) return "";
  EXPECT_THAT(got.error().message(), HasSubstr("https://mirror/x/K.pub"));
  return got.error().message();
}

TEST(KeyActions, WhatIsNoKeyIsNoKey) {
  const std::string pinned(kKey.fingerprint);
  for (const char* page :
       {"<html>404</html>", "<!DOCTYPE html>\n<title>Login"}) {
    EXPECT_THAT(said_of(page, pinned),
                AllOf(HasSubstr("a web page came instead of a key"),
                      HasSubstr("spec.proxy")));
  }
  EXPECT_THAT(said_of("", pinned), HasSubstr("there is none in it"));
  EXPECT_THAT(said_of("gone\n", pinned), HasSubstr("not a packet"));
  const std::string whole(kKey.armoured);
  EXPECT_THAT(said_of(whole.substr(0, whole.size() / 2), pinned),
              HasSubstr("its armour has no end"));
}

TEST(KeyActions, AnExpiredOneIsRefusedAndTold) {
  EXPECT_THAT(said_of(kExpired, kExpiredOne),
              AllOf(HasSubstr(kExpiredOne), HasSubstr("expired at 2020-12-31"),
                    HasSubstr("clock")));
}

TEST(KeyActions, ASecondKeyInTheFileIsRefused) {
  const std::string good(kKey.armoured);
  for (const std::string& both :
       {good + std::string(kOther.armoured),
        std::string(kOther.armoured) + good, good + kExpired}) {
    EXPECT_THAT(said_of(both, std::string(kKey.fingerprint)),
                HasSubstr("is not the one that is expected"));
  }
}

// What rpm of Enterprise Linux 9 calls "key 1 import failed".
TEST(KeyActions, OneThatShaOneBindsIsRefusedWhereThePolicyDoes) {
  const auto by_policy = [](const std::string& os, const std::string& policy) {
    return said_of(kWeak, kWeakOne,
                   {{"etc/os-release", os},
                    {"etc/crypto-policies/state/current", policy}});
  };
  const std::string eight =
      "ID=rocky\nID_LIKE=\"rhel fedora\"\nVERSION_ID=\"8.9\"\n";
  EXPECT_THAT(by_policy(kRhel, "DEFAULT\n"),
              AllOf(HasSubstr(kWeakOne), HasSubstr("SHA-1 alone"),
                    HasSubstr("by the policy DEFAULT;")));
  EXPECT_THAT(by_policy(kRhel, "FIPS\n"), HasSubstr("the policy FIPS"));
  EXPECT_EQ(by_policy(kRhel, "DEFAULT:SHA1\n"), "");
  EXPECT_EQ(by_policy(kRhel, "LEGACY\n"), "");
  EXPECT_EQ(by_policy(eight, "DEFAULT\n"), "");
  EXPECT_THAT(said_of(kWeak, kWeakOne, {{"usr/bin/sqv", ""}}),
              HasSubstr("apt here takes no such key"));
}

}  // namespace
}  // namespace gpunode::provision
