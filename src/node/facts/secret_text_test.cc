#include "node/facts/secret_text.h"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gpunode::facts {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

std::vector<std::string> found(SecretFinder find, std::string_view text) {
  std::vector<std::string> secrets;
  std::size_t done = 0;
  for (const SecretSpan& span : find(text)) {
    EXPECT_LE(done, span.begin);
    EXPECT_LT(span.begin, span.end);
    EXPECT_LE(span.end, text.size());
    done = span.end;
    secrets.emplace_back(text.substr(span.begin, span.end - span.begin));
  }
  return secrets;
}

std::vector<std::string> settings_in(std::string_view text) {
  return found(find_settings, text);
}

TEST(Secrets, ArePrivateKeysWithoutTheirFirstAndLastLine) {
  EXPECT_THAT(found(find_private_keys,
                    "-----BEGIN CERTIFICATE-----\nMIIC\n-----END "
                    "CERTIFICATE-----\n"
                    "-----BEGIN RSA PRIVATE KEY-----\nMIIE\nabc\n"
                    "-----END RSA PRIVATE KEY-----\n"),
              ElementsAre("\nMIIE\nabc\n"));
  EXPECT_THAT(found(find_private_keys, "-----BEGIN PRIVATE KEY-----\nMIIE"),
              ElementsAre("\nMIIE"));
  EXPECT_THAT(found(find_private_keys, "-----BEGIN "), IsEmpty());
}

TEST(Secrets, AreLoginsInUrls) {
  EXPECT_THAT(found(find_logins,
                    "proxy=http://me:p@ss@proxy:3128/ https://mirror/x@y "
                    "baseurl=https://u@h"),
              ElementsAre("me:p@ss", "u"));
  EXPECT_THAT(found(find_logins, "a://"), IsEmpty());
}

TEST(Secrets, AreValuesOfSettingsInEveryForm) {
  EXPECT_THAT(settings_in("password = hunter2"), ElementsAre("hunter2"));
  EXPECT_THAT(settings_in("PASSWORD=\"two words\" x"),
              ElementsAre("two words"));
  EXPECT_THAT(settings_in(R"({"auth": "dXNlcjpwYXNz", "a": 1})"),
              ElementsAre("dXNlcjpwYXNz"));
  EXPECT_THAT(settings_in("identitytoken='x\\'y' z"), ElementsAre("x\\'y"));
  EXPECT_THAT(settings_in("kubeadm join --token abc --v 5"),
              ElementsAre("abc"));
  EXPECT_THAT(settings_in("--token=abc,x"), ElementsAre("abc"));
  EXPECT_THAT(settings_in("machine x login y password z\n"), ElementsAre("z"));
  EXPECT_THAT(settings_in("client-key-data: LS0tLS1C\nx: y"),
              ElementsAre("LS0tLS1C"));
  EXPECT_THAT(settings_in("Authorization: Bearer abc.def"),
              ElementsAre("abc.def"));
  EXPECT_THAT(settings_in("aws_secret_access_key=a/b+c="),
              ElementsAre("a/b+c="));
  EXPECT_THAT(settings_in("proxy_password=x\npassphrase: y"),
              ElementsAre("x", "y"));
}

TEST(Secrets, AreBlocksOfYaml) {
  EXPECT_THAT(settings_in("a:\n  token: |\n    one\n\n    two\n  b: c\n"),
              ElementsAre("    one\n\n    two"));
  EXPECT_THAT(settings_in("token: >-\n  one"), ElementsAre("  one"));
  EXPECT_THAT(settings_in("token: |"), IsEmpty());
}

TEST(Secrets, AreNotWhatOnlyTellsWhereTheyAre) {
  for (const char* text :
       {"password: true", "tokenFile: /etc/token", "token = /run/secrets/x",
        "password_file=/x", "secret:", "auth = none", "token\nnext: line",
        "password", "a secret is kept", "certificate: x", "passwd:\n  - a"}) {
    EXPECT_THAT(settings_in(text), IsEmpty()) << text;
  }
}

TEST(Secrets, AreTokensByTheirForm) {
  const std::string jwt = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc_DEF-123";
  for (const std::string& token :
       {jwt, std::string("abcdef.0123456789abcdef"),
        std::string("AKIAIOSFODNN7EXAMPLE"), "ghp_" + std::string(36, 'a'),
        "nvapi-" + std::string(64, 'b'), "glpat-" + std::string(20, 'c')}) {
    EXPECT_THAT(found(find_tokens, "x " + token + "\n"), ElementsAre(token));
  }
  for (const char* text : {"kernel.unprivilegedbpfab", "eyJ", "AKIA",
                           "AKIAiosfodnn7example", "ghp_short", "6.1.0-18"}) {
    EXPECT_THAT(found(find_tokens, text), IsEmpty()) << text;
  }
}

// Each would take hours if what was passed were looked at again.
TEST(Secrets, AreFoundInOnePassOverHostileTexts) {
  for (const std::string_view part :
       {"://", "://a", "token:/", "token: |", "token='", "token:\"", "a.",
        "aa:", "-----BEGIN ", "-----BEGIN PRIVATE KEY-----", "password ",
        "token: x\n", "token: |\n", "eyJ."}) {
    std::string text;
    while (text.size() < (std::size_t{1} << 20U)) text += part;
    for (const SecretFinder find : secret_finders()) {
      static_cast<void>(found(find, text));
    }
  }
}

TEST(Secrets, AreHardwareAddresses) {
  EXPECT_THAT(found(find_addresses,
                    "link/ether 0a:1b:2C:3d:4e:5f brd ff:ff:ff:ff:ff:ff\n"
                    "0a-1b-2c-3d-4e-5f\n00:00:00:00:00:00 "
                    "a0:00:02:20:fe:80:00:00:00:00:00:01"),
              ElementsAre("0a:1b:2C:3d:4e:5f", "0a-1b-2c-3d-4e-5f",
                          "a0:00:02:20:fe:80:00:00:00:00:00:01"));
  for (const char* text :
       {"0000:3b:00.0", "12:30:45", "fe80::1:2:3:4",
        "1f8c8c54-6e3c-4c0f-9c1e-2f62e0d5f0a1", "0a:1b:2c:3d:4e",
        "0a:1b:2c:3d:4e:5", "0a:1b:2c:3d:4e:5fz", "0a:1b-2c:3d-4e:5f"}) {
    EXPECT_THAT(found(find_addresses, text), IsEmpty()) << text;
  }
}

}  // namespace
}  // namespace gpunode::facts
