#include "node/facts/certificates.h"

#include <chrono>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/host/host_tree.h"
#include "base/http/certificate.h"
#include "base/http/test_certificates.h"
#include "base/text/base64.h"

namespace gpunode::facts {
namespace {

using host::HostTree;
using http::TestAuthority;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr long kDay = 86400;

std::chrono::sys_seconds end_of(const std::string& pem) {
  return http::read_certificates(pem)->front().not_after;
}

TEST(CertificatesTest, AHostThatIsNoNodeHasNone) {
  const HostTree host{{"etc/os-release", "ID=rocky\n"}};
  EXPECT_THAT(read_certificates(host.root()), IsEmpty());
}

TEST(CertificatesTest, AWorkersAreTheKubelets) {
  const TestAuthority authority("kubernetes");
  const auto client = authority.issue("DNS:gpu-1", -kDay, 5 * kDay);
  const auto server = authority.issue("DNS:gpu-1", -kDay, 9 * kDay);
  const HostTree host{
      // As the kubelet writes it: with its key, and through a link.
      {"var/lib/kubelet/pki/kubelet-client-2026.pem",
       client.certificate_pem + client.key_pem},
      {"var/lib/kubelet/pki/kubelet.crt", server.certificate_pem},
      {"var/lib/kubelet/pki/kubelet.key", server.key_pem},
  };
  host.link("var/lib/kubelet/pki/kubelet-client-current.pem",
            "/var/lib/kubelet/pki/kubelet-client-2026.pem");
  const auto found = read_certificates(host.root());
  ASSERT_THAT(found, SizeIs(2));
  EXPECT_EQ(found[0].path, "/var/lib/kubelet/pki/kubelet-client-current.pem");
  EXPECT_EQ(found[0].common_name, "issued");
  EXPECT_EQ(found[0].not_after, end_of(client.certificate_pem));
  EXPECT_EQ(found[0].not_after - found[0].not_before,
            std::chrono::seconds(6 * kDay));
  EXPECT_EQ(found[0].error, "");
  EXPECT_EQ(found[1].path, "/var/lib/kubelet/pki/kubelet.crt");
  EXPECT_EQ(found[1].not_after, end_of(server.certificate_pem));
}

TEST(CertificatesTest, ARotatedServingCertificateCountsForTheOldOne) {
  const TestAuthority authority("kubernetes");
  const auto old = authority.issue("DNS:gpu-1", -9 * kDay, -kDay);
  const auto rotated = authority.issue("DNS:gpu-1", -kDay, 9 * kDay);
  const HostTree host{
      {"var/lib/kubelet/pki/kubelet.crt", old.certificate_pem},
      {"var/lib/kubelet/pki/kubelet-server-current.pem",
       rotated.certificate_pem},
  };
  const auto found = read_certificates(host.root());
  ASSERT_THAT(found, SizeIs(1));
  EXPECT_EQ(found[0].path, "/var/lib/kubelet/pki/kubelet-server-current.pem");
}

TEST(CertificatesTest, AControlPlanesAreAllOfKubeadms) {
  const TestAuthority authority("kubernetes");
  const auto one = authority.issue("DNS:apiserver", -kDay, 5 * kDay);
  const auto admin = authority.issue("DNS:admin", -kDay, 3 * kDay);
  const HostTree host{
      {"etc/kubernetes/pki/apiserver.crt", one.certificate_pem},
      {"etc/kubernetes/pki/apiserver.key", one.key_pem},
      {"etc/kubernetes/pki/ca.crt", authority.pem()},
      {"etc/kubernetes/pki/etcd/server.crt", one.certificate_pem},
      {"etc/kubernetes/admin.conf",
       "apiVersion: v1\nkind: Config\nusers:\n- name: kubernetes-admin\n"
       "  user:\n    client-certificate-data: " +
           text::encode_base64(admin.certificate_pem) +
           "\n    client-key-data: aGVsbG8=\n"},
      // As kubeadm writes it: the file is looked at where it lies.
      {"etc/kubernetes/kubelet.conf",
       "users:\n- name: default-auth\n  user:\n    client-certificate: "
       "/var/lib/kubelet/pki/kubelet-client-current.pem\n"},
  };
  const auto found = read_certificates(host.root());
  ASSERT_THAT(found, SizeIs(4));
  EXPECT_EQ(found[0].path, "/etc/kubernetes/pki/apiserver.crt");
  EXPECT_EQ(found[1].path, "/etc/kubernetes/pki/ca.crt");
  EXPECT_EQ(found[1].common_name, "kubernetes");
  EXPECT_EQ(found[2].path, "/etc/kubernetes/pki/etcd/server.crt");
  EXPECT_EQ(found[3].path, "/etc/kubernetes/admin.conf");
  EXPECT_EQ(found[3].user, "kubernetes-admin");
  EXPECT_EQ(found[3].not_after, end_of(admin.certificate_pem));
}

TEST(CertificatesTest, OfAuthoritiesTheLongestCountsOfAChainTheFirst) {
  const TestAuthority first("old");
  const TestAuthority second("new");
  const auto leaf = first.issue("DNS:x", -kDay, 60);
  const HostTree host{
      {"etc/kubernetes/pki/ca.crt", first.pem() + second.pem()},
      {"etc/kubernetes/pki/x.crt", leaf.certificate_pem + first.pem()},
  };
  const auto found = read_certificates(host.root());
  ASSERT_THAT(found, SizeIs(2));
  EXPECT_EQ(found[0].not_after,
            std::max(end_of(first.pem()), end_of(second.pem())));
  EXPECT_EQ(found[1].not_after, end_of(leaf.certificate_pem));
}

TEST(CertificatesTest, WhatCannotBeReadIsSaidAndNotQuoted) {
  const HostTree host{
      {"etc/kubernetes/pki/empty.crt", ""},
      {"etc/kubernetes/pki/huge.crt", std::string(std::size_t{2} << 20U, 'x')},
      {"etc/kubernetes/a.conf", "users: [\n"},
      {"etc/kubernetes/b.conf",
       "users:\n- name: x\n  user: {client-certificate-data: '!SECRET!'}\n"},
      {"etc/kubernetes/c.conf", "users: none\n"},
      {"etc/kubernetes/d.conf", "users:\n- 7\n- {user: [1]}\n"},
  };
  host.directory("etc/kubernetes/pki/directory.crt");
  const auto found = read_certificates(host.root());
  ASSERT_THAT(found, SizeIs(5));
  EXPECT_EQ(found[0].path, "/etc/kubernetes/pki/directory.crt");
  EXPECT_EQ(found[1].error, "no certificate in the PEM text");
  EXPECT_EQ(found[2].path, "/etc/kubernetes/pki/huge.crt");
  EXPECT_EQ(found[3].error, "this is no YAML");
  EXPECT_EQ(found[4].user, "x");
  for (const auto& one : found) {
    EXPECT_FALSE(one.error.empty()) << one.path;
    EXPECT_THAT(one.error, ::testing::Not(HasSubstr("SECRET")));
  }
}

}  // namespace
}  // namespace gpunode::facts
