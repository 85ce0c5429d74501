#include "node/provision/cluster_info.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gpunode::provision {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

// Signed with Python's hmac by 0123456789abcdef.
constexpr const char* kSigned = R"({"kind": "ConfigMap", "data": {
  "kubeconfig": "apiVersion: v1\nclusters:\n- cluster:\n    server: https://10.0.0.10:6443\n  name: \"\"\nkind: Config\n",
  "jws-kubeconfig-abcdef": "eyJhbGciOiJIUzI1NiIsImtpZCI6ImFiY2RlZiJ9..WVRaWfBMmcP6njN8CSCXl-0Qwqsz9zeFsASvlKfGOi0"}})";

const BootstrapToken kToken{"abcdef", "0123456789abcdef"};

TEST(ClusterInfo, WhatTheTokenSignedIsTaken) {
  const auto kubeconfig = verified_kubeconfig(kSigned, kToken);
  ASSERT_TRUE(kubeconfig) << kubeconfig.error().message();
  const auto info = read_cluster_info(*kubeconfig, "cluster-info");
  ASSERT_TRUE(info) << info.error().message();
  EXPECT_EQ(info->server, "https://10.0.0.10:6443");
  EXPECT_THAT(info->authority, IsEmpty());
}

TEST(ClusterInfo, ATokenThatNobodySignsWithHasExpired) {
  const auto gone = verified_kubeconfig(kSigned, {"fedcba", kToken.secret});
  ASSERT_FALSE(gone);
  EXPECT_EQ(gone.error().code(), ErrorCode::kNotFound);
  EXPECT_THAT(gone.error().message(),
              AllOf(HasSubstr("expired"), HasSubstr("kubeadm token create"),
                    Not(HasSubstr(kToken.secret))));
}

TEST(ClusterInfo, AnotherSignatureIsNoProof) {
  const auto wrong =
      verified_kubeconfig(kSigned, {"abcdef", "0123456789abcdeg"});
  ASSERT_FALSE(wrong);
  EXPECT_EQ(wrong.error().code(), ErrorCode::kPermissionDenied);
  EXPECT_THAT(wrong.error().message(), Not(HasSubstr("0123456789")));
  // Changed on the way, and signed by no algorithm or as another token's.
  for (const auto& [from, to] :
       {std::pair<std::string, std::string>{"10.0.0.10", "10.0.0.66"},
        {"eyJhbGciOiJIUzI1NiIsImtpZCI6ImFiY2RlZiJ9",
         "eyJhbGciOiJub25lIiwia2lkIjoiYWJjZGVmIn0"},
        {"..WVRa", ".WVRa"},
        {"eyJhbGci", "!!!!"}}) {
    std::string text = kSigned;
    text.replace(text.find(from), from.size(), to);
    EXPECT_FALSE(verified_kubeconfig(text, kToken)) << to;
  }
}

TEST(ClusterInfo, WhatIsNoClusterInfoIsTold) {
  for (const char* text :
       {"", "[]", "{}", R"({"data": {}})", R"({"data": {"kubeconfig": 7}})"}) {
    EXPECT_FALSE(verified_kubeconfig(text, kToken)) << text;
  }
  for (const char* text : {"", "- 1", "clusters: 7", "clusters: []",
                           "clusters: [{cluster: "
                           "{certificate-authority-data: \"?\"}}]"}) {
    EXPECT_FALSE(read_cluster_info(text, "x")) << text;
  }
}

TEST(ClusterInfo, OfADiscoveryFileTheContextCounts) {
  const auto info = read_cluster_info(
      "current-context: b\ncontexts:\n- {name: b, context: {cluster: two}}\n"
      "clusters:\n- {name: one, cluster: {server: \"https://one:1\"}}\n"
      "- {name: two, cluster: {server: \"https://two:2\", "
      "certificate-authority: /etc/ca.crt}}\n",
      "/etc/discovery.conf");
  ASSERT_TRUE(info) << info.error().message();
  EXPECT_EQ(info->server, "https://two:2");
  EXPECT_EQ(info->authority_path, "/etc/ca.crt");
}

TEST(ClusterInfo, TokensAreReadWithTheWhiteSpaceOfFiles) {
  const auto token = parse_bootstrap_token("  abcdef.0123456789abcdef\r\n");
  ASSERT_TRUE(token);
  EXPECT_EQ(token->text(), "abcdef.0123456789abcdef");
  for (const char* text :
       {"", "abcdef", "ABCDEF.0123456789abcdef", "abcdef.0123456789abcdef0"}) {
    const auto none = parse_bootstrap_token(text);
    ASSERT_FALSE(none) << text;
    EXPECT_THAT(none.error().message(), Not(HasSubstr("0123456789")));
  }
}

// The certificate of base/http/certificate_test.cc; its digest by `openssl x509
// -pubkey | openssl pkey -pubin -outform DER | sha256sum`.
TEST(ClusterInfo, KeysHaveTheDigestThatKubeadmPins) {
  EXPECT_THAT(
      key_hashes(R"(-----BEGIN CERTIFICATE-----
MIIBRDCB96ADAgECAgEBMAUGAytlcDAzMRUwEwYDVQQKDAxzeXN0ZW06bm9kZXMx
GjAYBgNVBAMMEXN5c3RlbTpub2RlOmdwdS0xMCAXDTIwMDEwMjAzMDQwNVoYDzk5
OTkxMjMxMjM1OTU5WjAzMRUwEwYDVQQKDAxzeXN0ZW06bm9kZXMxGjAYBgNVBAMM
EXN5c3RlbTpub2RlOmdwdS0xMCowBQYDK2VwAyEAn/xsDkYBdzSquwRG67hR+U4i
aferBmwZWJnTMJnjg2mjLjAsMAsGA1UdDwQEAwIHgDAdBgNVHQ4EFgQU0zJ8F9/v
4CndeIVOvDYK0oVF/SgwBQYDK2VwA0EACJG3eysp2V1NwvFOIRNRIWQPz80W2TjL
4CY91KuvOgCrN94Pnne4rZjuvhjBP4ounhGTIZ54M2+1AdvbD3g5Dg==
-----END CERTIFICATE-----
)"),
      ElementsAre("sha256:c7d4044bcf50a45f19d242476716bb1ad7749b691e81501e049e6"
                  "655592a06b2"));
  EXPECT_THAT(key_hashes("nothing"), IsEmpty());
}

}  // namespace
}  // namespace gpunode::provision
