#include "k8s/api/credentials.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/host/host_tree.h"

namespace gpunode::kube {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr char kToken[] = "var/run/secrets/kubernetes.io/serviceaccount/token";
constexpr char kCa[] = "var/run/secrets/kubernetes.io/serviceaccount/ca.crt";
constexpr char kPem[] = "-----BEGIN CERTIFICATE-----";
constexpr char kSpace[] =
    "var/run/secrets/kubernetes.io/serviceaccount/namespace";

TEST(InClusterCredentials, AreTheServiceAccounts) {
  const host::HostTree host{
      {kToken, "ey.a.b\n"}, {kCa, kPem}, {kSpace, "gpu\n"}};
  InClusterCredentials credentials(host.root(), "fd00::1", "6443");
  const auto access = credentials.access(false);
  ASSERT_TRUE(access) << access.error().message();
  EXPECT_EQ(access->server.authority(), "[fd00::1]:6443");
  EXPECT_EQ(access->token, "ey.a.b");
  EXPECT_EQ(access->tls.authorities_pem, kPem);
  EXPECT_FALSE(access->tls.is_insecure);
  EXPECT_EQ(access->default_space, "gpu");
}

TEST(InClusterCredentials, FollowRotation) {
  const host::HostTree host{{kToken, "old"}, {kCa, kPem}};
  InClusterCredentials credentials(host.root(), "10.0.0.1", "443");
  EXPECT_EQ(credentials.access(false)->token, "old");
  // As the kubelet does it: the file is a link to a link.
  host.remove(kToken);
  host.file("data/token", "new");
  host.link(kToken, "/data/token");
  host.file(kCa, std::string(kPem) + "2");
  const auto access = credentials.access(false);
  ASSERT_TRUE(access) << access.error().message();
  EXPECT_EQ(access->token, "new");
  EXPECT_EQ(access->tls.authorities_pem, std::string(kPem) + "2");
}

TEST(InClusterCredentials, AnEmptyAuthorityIsNotEveryAuthority) {
  const host::HostTree host{{kToken, "t"}, {kCa, "\n"}};
  InClusterCredentials credentials(host.root(), "10.0.0.1", "443");
  const auto access = credentials.access(false);
  ASSERT_FALSE(access);
  EXPECT_EQ(access.error().code(), ErrorCode::kCorrupt);
  EXPECT_THAT(access.error().message(), HasSubstr("ca.crt"));
}

TEST(InClusterCredentials, SayWhatIsMissing) {
  const host::HostTree host{{kCa, kPem}};
  InClusterCredentials credentials(host.root(), "10.0.0.1", "443");
  const auto access = credentials.access(false);
  ASSERT_FALSE(access);
  EXPECT_EQ(access.error().code(), ErrorCode::kNotFound);
  EXPECT_THAT(access.error().message(), HasSubstr("serviceaccount/token"));
  InClusterCredentials outside(host.root(), "", "");
  EXPECT_EQ(outside.access(false).error().code(), ErrorCode::kNotFound);
  EXPECT_THAT(outside.access(false).error().message(),
              HasSubstr("KUBERNETES_SERVICE_HOST"));
}

TEST(InClusterCredentials, ABrokenTokenIsNotQuoted) {
  for (const char* token : {"", "\n", "sec\nret", "sec ret",
                            "secr\xff"
                            "et"}) {
    const host::HostTree host{{kToken, token}, {kCa, kPem}};
    InClusterCredentials credentials(host.root(), "10.0.0.1", "443");
    const auto access = credentials.access(false);
    ASSERT_FALSE(access) << token;
    EXPECT_EQ(access.error().code(), ErrorCode::kCorrupt);
    EXPECT_THAT(access.error().message(), Not(HasSubstr("sec ")));
    EXPECT_THAT(access.error().message(), Not(HasSubstr("secr\xff")));
  }
}

TEST(InClusterCredentials, AnEndlessTokenIsNotRead) {
  const host::HostTree host{{kToken, std::string(kMaxSecretBytes + 1, 'x')},
                            {kCa, kPem}};
  InClusterCredentials credentials(host.root(), "10.0.0.1", "443");
  EXPECT_FALSE(credentials.access(false));
}

}  // namespace
}  // namespace gpunode::kube
