#include "node/provision/packages/failure.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "node/provision/packages/lock_holder.h"
#include "node/provision/packages/redaction.h"

namespace gpunode::packages {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

struct Case {
  Tool tool;
  const char* output;
  FailureKind kind;
};

// What the tools of Debian 12 printed in tests/packages, or what their sources
// print where Debian's can't be brought to it.
constexpr Case kCases[] = {
    {Tool::kApt,
     "E: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process "
     "5225 (python3)\n",
     FailureKind::kLocked},
    {Tool::kApt,
     "E: dpkg was interrupted, you must manually run 'dpkg --configure -a' to "
     "correct the problem. \n",
     FailureKind::kInterrupted},
    {Tool::kApt,
     "W: GPG error: file:/d stub InRelease: The following signatures couldn't "
     "be verified because the public key is not available: NO_PUBKEY 35011\n"
     "E: The repository 'file:/d stub InRelease' is not signed.\n",
     FailureKind::kUnknownKey},
    {Tool::kApt,
     "W: GPG error: file:/d stub InRelease: The following signatures were "
     "invalid: EXPKEYSIG D4298A8441514D3C Stub\nE: The repository 'file:/d "
     "stub InRelease' is not signed.\n",
     FailureKind::kExpiredKey},
    {Tool::kApt,
     "W: OpenPGP signature verification failed: https://h InRelease: "
     "Sub-process /usr/bin/sqv returned an error code (1), error message is: "
     "Signing key on EB69 is not bound: Policy rejected non-revocation "
     "signature requiring second pre-image resistance because: SHA1 is not "
     "considered secure since 2026-02-01\n",
     FailureKind::kWeakKey},
    {Tool::kApt, "E: Failed to fetch http://h/x.deb  Hash Sum mismatch\n",
     FailureKind::kHashMismatch},
    {Tool::kApt,
     "E: Failed to fetch http://h/x.deb  404  Not Found [IP: 127.0.0.1 80]\n",
     FailureKind::kStaleIndex},
    {Tool::kApt,
     "E: Failed to fetch http://h/x.deb  503  Service Unavailable [IP: 1]\n",
     FailureKind::kMirror},
    {Tool::kApt,
     "E: You don't have enough free space in /var/cache/apt/archives/.\n",
     FailureKind::kNoSpace},
    {Tool::kApt,
     "E: Held packages were changed and -y was used without "
     "--allow-change-held-packages.\n",
     FailureKind::kHeld},
    {Tool::kApt,
     " stub-needy : Depends: stub-nowhere but it is not installable\n"
     "E: Unable to correct problems, you have held broken packages.\n",
     FailureKind::kUnmet},
    {Tool::kApt, "E: Version '9.9' for 'stub-driver' was not found\n",
     FailureKind::kNotFound},
    {Tool::kApt,
     " installed stub-broken package post-installation script subprocess "
     "returned error exit status 7\n",
     FailureKind::kScript},
    {Tool::kDnf,
     "metadata already locked by 18951\n  The application with PID 18951 is: "
     "sleep\n",
     FailureKind::kLocked},
    {Tool::kDnf,
     "The GPG keys listed for the \"Stub\" repository are already installed "
     "but they are not correct for this package.\nError: GPG check FAILED\n",
     FailureKind::kUnknownKey},
    {Tool::kDnf,
     "Error: Failed to download metadata for repo 'stub': repomd.xml GPG "
     "signature verification error: Bad GPG signature\n",
     FailureKind::kBadSignature},
    {Tool::kDnf,
     "[MIRROR] x.rpm: Downloading successful, but checksum doesn't match. "
     "Calculated: 16d(sha256)  Expected: 50d(sha256) \n",
     FailureKind::kHashMismatch},
    {Tool::kDnf, "[MIRROR] x.rpm: Status code: 404 for http://h/x.rpm\n",
     FailureKind::kStaleIndex},
    {Tool::kDnf, "[MIRROR] x.rpm: Status code: 503 for http://h/x.rpm\n",
     FailureKind::kMirror},
    {Tool::kDnf,
     "Error: Transaction test error:\n  installing package x needs 2GB more "
     "space needed on the / filesystem\n",
     FailureKind::kNoSpace},
    {Tool::kDnf,
     "All matches were filtered out by exclude filtering for argument: x\n"
     "Error: Unable to find a match: x\n",
     FailureKind::kHeld},
    {Tool::kDnf,
     "All matches were filtered out by modular filtering for argument: x\n"
     "Error: Unable to find a match: x\n",
     FailureKind::kFiltered},
    {Tool::kDnf,
     "No such command: versionlock. Please use /usr/bin/dnf --help\n",
     FailureKind::kNoPlugin},
    {Tool::kDnf,
     "Error: \n Problem: conflicting requests\n  - nothing provides "
     "stub-nowhere needed by stub-needy-580.1-1.noarch\n",
     FailureKind::kUnmet},
    {Tool::kDnf,
     "Error: The operation would result in removing the following protected "
     "packages: systemd\n",
     FailureKind::kWouldRemove},
    {Tool::kZypper,
     "System management is locked by the application with pid 18951 (sleep).\n",
     FailureKind::kLocked},
    {Tool::kZypper,
     "File 'repomd.xml' from repository 'Stub' is signed with an unknown key "
     "'35'. Continue?\n - Signature verification failed for repomd.xml\n",
     FailureKind::kUnknownKey},
    {Tool::kZypper, "The gpg key signing file 'repomd.xml' has expired.\n",
     FailureKind::kExpiredKey},
    {Tool::kZypper, "Digest verification failed for file 'x.rpm'\n",
     FailureKind::kHashMismatch},
    {Tool::kZypper, "File './x.rpm' not found on medium 'http://h'\n",
     FailureKind::kStaleIndex},
    {Tool::kZypper, "Location 'http://h/x' is temporarily unaccessible.\n",
     FailureKind::kMirror},
    {Tool::kZypper, "  remove lock to allow removal of stub-lib\n",
     FailureKind::kHeld},
    {Tool::kZypper, "Problem: a-1 conflicts with b provided by b-1\n",
     FailureKind::kConflict},
    {Tool::kZypper, "No provider of 'nothere' found.\n",
     FailureKind::kNotFound},
    {Tool::kZypper, "something new\n", FailureKind::kOther},
};

TEST(Failure, IsRecognisedFromWhatTheToolSays) {
  for (const Case& one : kCases) {
    const Failure failure = explain(one.tool, one.output);
    EXPECT_EQ(failure.kind, one.kind) << one.output;
    EXPECT_FALSE(failure.evidence.empty()) << one.output;
    const Error error = to_error(one.tool, failure, "change packages");
    EXPECT_THAT(error.message(), HasSubstr("change packages: "));
    EXPECT_THAT(error.message(), HasSubstr("; next: "));
  }
}

TEST(Failure, OnlyMirrorsAreAskedAgain) {
  for (const Case& one : kCases) {
    const bool is_mirrors = one.kind == FailureKind::kMirror ||
                            one.kind == FailureKind::kHashMismatch ||
                            one.kind == FailureKind::kStaleIndex;
    EXPECT_EQ(is_worth_retrying(one.kind), is_mirrors) << one.output;
  }
}

TEST(Failure, ScriptsThatFailBehindTheToolsBack) {
  EXPECT_THAT(failed_scripts("Complete!\n"), IsEmpty());
  EXPECT_THAT(
      failed_scripts("warning: %post(nvidia-1.x86_64) scriptlet failed, exit "
                     "status 10\nError in POSTIN scriptlet in rpm package "
                     "nvidia\n"),
      ElementsAre("warning: %post(nvidia-1.x86_64) scriptlet failed, exit "
                  "status 10",
                  "Error in POSTIN scriptlet in rpm package nvidia"));
}

TEST(Redaction, TakesSecretsOutAndLeavesTheRest) {
  EXPECT_EQ(redacted("get http://u:p@ss/w@proxy:3128/x now"),
            "get http://***@proxy:3128/x now");
  EXPECT_EQ(redacted("https://token@host/a"), "https://***@host/a");
  EXPECT_EQ(redacted("http://host/pkg@1/x"), "http://host/pkg@1/x");
  EXPECT_EQ(redacted("https://h/x?a=1&access_token=abc&b=2"),
            "https://h/x?a=1&access_token=***&b=2");
  EXPECT_EQ(redacted("https://s3/x?X-Amz-Signature=ab12 end"),
            "https://s3/x?X-Amz-Signature=*** end");
  EXPECT_EQ(redacted("proxy_password=hunter2"), "proxy_password=***");
  EXPECT_EQ(redacted("Authorization: Bearer abc.def"),
            "Authorization: Bearer ***");
  EXPECT_EQ(redacted("  password = \"a b\" # of r\nauth='c'\ntoken = 1"),
            "  password = \"***\" # of r\nauth='***'\ntoken = 1");
  EXPECT_EQ(redacted("identitytoken=\"a\\\"b\""), "identitytoken=\"***\"");
  EXPECT_EQ(redacted("password = \"cut"), "password = \"***");
  EXPECT_EQ(redacted("nothing here"), "nothing here");
}

TEST(Redaction, NoPasswordOfAUrlComesThrough) {
  EXPECT_TRUE(rc::check([](std::string password) {
    std::erase_if(password, [](char c) {
      return static_cast<unsigned char>(c) <= ' ' || c == '"' || c == '\'' ||
             c == '<' || c == '>' || c == 0x7f;
    });
    const std::string shown =
        redacted("run -x http://user:" + password + "@proxy:1/ end");
    RC_ASSERT(shown == "run -x http://***@proxy:1/ end");
  }));
}

TEST(LockHolder, IsNamedByTheTool) {
  EXPECT_EQ(blamed_pid("It is held by process 5225 (python3)"), 5225);
  EXPECT_EQ(blamed_pid("RPMDB already locked by 18951\n"), 18951);
  EXPECT_EQ(blamed_pid("locked by the application with pid 7 (zypper)."), 7);
  EXPECT_EQ(blamed_pid("Waiting for process with pid 12 to finish."), 12);
  EXPECT_EQ(blamed_pid("held by process nobody"), 0);
  EXPECT_EQ(blamed_pid(""), 0);
}

}  // namespace
}  // namespace gpunode::packages
