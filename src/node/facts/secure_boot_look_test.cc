#include "node/facts/secure_boot_look.h"

#include <optional>
#include <string>

#include <gtest/gtest.h>

#include "base/host/host_tree.h"

namespace gpunode::facts {
namespace {

using host::HostTree;

constexpr const char* kVariables = "sys/firmware/efi/efivars/";
constexpr const char* kSecureBoot =
    "sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c";
constexpr const char* kMokList =
    "sys/firmware/efi/efivars/MokListRT-605dab50-e046-4300-abb6-3dd810dd8b23";

std::string variable(const std::string& value) {
  return std::string("\x06\0\0\0", 4) + value;
}

SecureBootFacts look(const HostTree& host, const char* os = "rocky") {
  OsRelease release;
  release.id = os;
  return look_at_secure_boot(host.root(), release);
}

TEST(SecureBootLook, ItsStateIsTheFirmwares) {
  const HostTree host;
  EXPECT_EQ(look(host).state, SecureBoot::kAbsent);
  host.file("sys/firmware/efi/fw_platform_size", "64\n");
  // efivarfs is not mounted.
  EXPECT_EQ(look(host).state, SecureBoot::kUnknown);
  host.file(std::string(kVariables) + "BootOrder-8be4df61", variable("1"));
  EXPECT_EQ(look(host).state, SecureBoot::kAbsent);
  host.file(kSecureBoot, variable(std::string(1, '\0')));
  EXPECT_EQ(look(host).state, SecureBoot::kOff);
  host.file(kSecureBoot, variable("\x01"));
  EXPECT_EQ(look(host).state, SecureBoot::kOn);
  host.file(kSecureBoot, "\x01");
  EXPECT_EQ(look(host).state, SecureBoot::kUnknown);
}

TEST(SecureBootLook, LockdownAndSigEnforceAskForSignatures) {
  const HostTree host;
  EXPECT_FALSE(look(host).enforces_signatures);
  host.file("sys/kernel/security/lockdown",
            "[none] integrity confidentiality\n");
  EXPECT_EQ(look(host).lockdown, "none");
  EXPECT_FALSE(look(host).enforces_signatures);
  host.file("sys/module/module/parameters/sig_enforce", "Y\n");
  EXPECT_TRUE(look(host).enforces_signatures);
  host.remove("sys/module");
  host.file("sys/kernel/security/lockdown",
            "none [integrity] confidentiality\n");
  EXPECT_EQ(look(host).lockdown, "integrity");
  EXPECT_TRUE(look(host).enforces_signatures);
}

TEST(SecureBootLook, ACertificateIsEnrolledIfTheLoaderHandsItOn) {
  const HostTree host{{"var/lib/dkms/mok.pub", "0\x82 DER of the key"}};
  SecureBootFacts facts = look(host);
  EXPECT_EQ(facts.mok_certificate, "/var/lib/dkms/mok.pub");
  // Nothing tells: no shim, no variables.
  EXPECT_EQ(facts.is_mok_enrolled, std::nullopt);
  host.file(kMokList, variable("some list 0\x82 DER of another key"));
  EXPECT_EQ(look(host).is_mok_enrolled, false);
  host.file(std::string(kVariables) +
                "MokListRT1-605dab50-e046-4300-abb6-3dd810dd8b23",
            variable("more 0\x82 DER of the key more"));
  EXPECT_EQ(look(host).is_mok_enrolled, true);
}

TEST(SecureBootLook, TheKeyIsTheOneThatDkmsSignsWith) {
  const HostTree host{{"var/lib/dkms/mok.pub", "a"},
                      {"var/lib/shim-signed/mok/MOK.der", "b"}};
  EXPECT_EQ(look(host, "debian").mok_certificate, "/var/lib/dkms/mok.pub");
  EXPECT_EQ(look(host, "ubuntu").mok_certificate,
            "/var/lib/shim-signed/mok/MOK.der");
  host.file("etc/dkms/framework.conf",
            "# mok_certificate=/no\nmok_certificate=\"/etc/keys/ours.der\"\n");
  // Named and not there: DKMS will make it, and signs with no other.
  EXPECT_EQ(look(host, "debian").mok_certificate, "");
  host.file("etc/keys/ours.der", "c");
  EXPECT_EQ(look(host, "ubuntu").mok_certificate, "/etc/keys/ours.der");
}

TEST(SecureBootLook, AnEmptyCertificateIsEnrolledNowhere) {
  const HostTree host{{"var/lib/dkms/mok.pub", ""}};
  host.file(kMokList, variable("list"));
  EXPECT_EQ(look(host).is_mok_enrolled, std::nullopt);
}

TEST(ChosenOf, WhatIsInBrackets) {
  EXPECT_EQ(chosen_of(""), "");
  EXPECT_EQ(chosen_of("none integrity"), "");
  EXPECT_EQ(chosen_of("[none] integrity"), "none");
}

}  // namespace
}  // namespace gpunode::facts
