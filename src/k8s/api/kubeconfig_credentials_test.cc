#include "k8s/api/kubeconfig_credentials.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/host/fake_command_runner.h"
#include "base/host/host_tree.h"

namespace gpunode::kube {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::Not;
using testing::SizeIs;

constexpr char kVersion[] = "client.authentication.k8s.io/v1";

std::string credential(const std::string& status) {
  return std::string(R"({"apiVersion":")") + kVersion +
         R"(","kind":"ExecCredential","status":)" + status + "}";
}

class KubeconfigCredentialsTest : public testing::Test {
 protected:
  KubeconfigCredentialsTest() {
    config_.server = *http::parse_url("https://api:6443");
    config_.server_text = "https://api:6443";
    config_.directory = "/k";
  }

  KubeconfigCredentials make() {
    return {config_,
            host_.root(),
            runner_,
            {"PATH=relative:/opt/bin:/usr/bin", "HOME=/root", "A=theirs"},
            [this] { return now_; }};
  }

  void use_plugin() {
    config_.exec =
        ExecPlugin{kVersion, "aws", {"token"}, {"A=ours"}, "hint", false};
    host_.file("usr/bin/aws", "");
  }

  host::HostTree host_;
  host::FakeCommandRunner runner_;
  Kubeconfig config_;
  WallTime now_ = *parse_time("2026-01-01T00:00:00Z");
};

TEST_F(KubeconfigCredentialsTest, FilesAreReadAnew) {
  host_.file("k/ca.crt", "-----BEGIN CA");
  host_.file("k/me.crt", "CERT");
  host_.file("abs/me.key", "KEY");
  host_.file("abs/token", "one\n");
  config_.authority.path = "ca.crt";
  config_.certificate.path = "me.crt";
  config_.key.path = "/abs/me.key";
  config_.token.path = "/abs/token";
  KubeconfigCredentials credentials = make();
  auto access = credentials.access(false);
  ASSERT_TRUE(access) << access.error().message();
  EXPECT_EQ(access->tls.authorities_pem, "-----BEGIN CA");
  EXPECT_EQ(access->tls.certificate_pem, "CERT");
  EXPECT_EQ(access->tls.key_pem, "KEY");
  EXPECT_EQ(access->token, "one");
  host_.file("abs/token", "two");
  EXPECT_EQ(credentials.access(false)->token, "two");
  host_.remove("abs/token");
  EXPECT_EQ(credentials.access(false).error().code(), ErrorCode::kNotFound);
}

TEST_F(KubeconfigCredentialsTest, APluginIsAskedWhenItsAnswerEnds) {
  use_plugin();
  runner_.script("/usr/bin/aws token",
                 host::Completed{0,
                                 credential(R"({"token":"one",)"
                                            R"("expirationTimestamp":)"
                                            R"("2026-01-01T00:15:00Z"})"),
                                 ""});
  runner_.script("/usr/bin/aws token",
                 host::Completed{0, credential(R"({"token":"two"})"), ""});
  KubeconfigCredentials credentials = make();
  EXPECT_EQ(credentials.access(false)->token, "one");
  EXPECT_EQ(credentials.access(false)->token, "one");
  EXPECT_THAT(runner_.commands(), SizeIs(1));
  now_ += std::chrono::minutes(15);
  EXPECT_EQ(credentials.access(false)->token, "two");
  now_ += std::chrono::hours(100);  // Without an end it holds until refused.
  EXPECT_EQ(credentials.access(false)->token, "two");
  EXPECT_THAT(runner_.commands(), SizeIs(2));
  EXPECT_EQ(credentials.access(true)->token, "two");
  EXPECT_THAT(runner_.commands(), SizeIs(3));
  const auto& environment = runner_.commands().front().env;
  EXPECT_THAT(environment, Contains("A=ours"));
  EXPECT_THAT(environment, Not(Contains("A=theirs")));
  EXPECT_THAT(environment, Contains("HOME=/root"));
  EXPECT_THAT(environment,
              Contains(R"(KUBERNETES_EXEC_INFO={"apiVersion":")" +
                       std::string(kVersion) +
                       R"(","kind":"ExecCredential","spec":{"interactive":)"
                       R"(false}})"));
}

TEST_F(KubeconfigCredentialsTest, APluginLearnsTheClusterAndGivesACertificate) {
  use_plugin();
  config_.exec->wants_cluster = true;
  config_.authority.text = "PEM";
  runner_.script("/usr/bin/aws token",
                 host::Completed{0,
                                 credential(R"({"clientCertificateData":"C",)"
                                            R"("clientKeyData":"K"})"),
                                 ""});
  KubeconfigCredentials credentials = make();
  const auto access = credentials.access(false);
  ASSERT_TRUE(access) << access.error().message();
  EXPECT_EQ(access->tls.certificate_pem, "C");
  EXPECT_EQ(access->tls.key_pem, "K");
  EXPECT_EQ(access->token, "");
  EXPECT_THAT(runner_.commands().front().env.back(),
              HasSubstr(R"("cluster":{"certificate-authority-data":"UEVN",)"
                        R"("server":"https://api:6443"})"));
}

TEST_F(KubeconfigCredentialsTest, AFailingPluginIsToldWithoutItsSecrets) {
  use_plugin();
  const std::pair<Result<host::Completed>, std::string> cases[] = {
      {host::Completed{1, "secret", "no session\n"},
       "ended with 1: no session"},
      {Error(ErrorCode::kUnavailable, "/usr/bin/aws: not in time: secret"),
       "could not be run to its end"},
      {host::Completed{0, "secret", ""}, "no JSON"},
      {host::Completed{0, R"({"kind":"secret"})", ""}, "no ExecCredential"},
      {host::Completed{0, credential("{}"), ""}, "neither token"},
      {host::Completed{0, credential(R"({"token":"sec ret"})"), ""},
       "no bearer token"},
      {host::Completed{0, credential(R"({"clientCertificateData":"secret"})"),
                       ""},
       "go together"},
      {host::Completed{
           0, credential(R"({"token":"x","expirationTimestamp":"soon"})"), ""},
       "no time"},
  };
  for (const auto& [answer, words] : cases) {
    host::FakeCommandRunner runner;
    runner.script("/usr/bin/aws token", answer);
    KubeconfigCredentials credentials(config_, host_.root(), runner,
                                      {"PATH=/usr/bin"},
                                      [this] { return now_; });
    const auto access = credentials.access(false);
    ASSERT_FALSE(access) << words;
    EXPECT_THAT(access.error().message(), HasSubstr(words));
    EXPECT_THAT(access.error().message(), HasSubstr("aws"));
    EXPECT_THAT(access.error().message(), Not(HasSubstr("secret")));
  }
}

TEST_F(KubeconfigCredentialsTest, APluginThatIsNotThereHasItsHint) {
  use_plugin();
  host_.remove("usr/bin/aws");
  KubeconfigCredentials credentials = make();
  const auto access = credentials.access(false);
  ASSERT_FALSE(access);
  EXPECT_EQ(access.error().message(),
            "exec plugin aws: not found in PATH; hint");
}

}  // namespace
}  // namespace gpunode::kube
