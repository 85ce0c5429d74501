#include "base/http/certificate.h"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/http/test_certificates.h"

namespace gpunode::http {
namespace {

using std::chrono::seconds;
using std::chrono::sys_seconds;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;

// Made by `openssl ca -selfsign -startdate 20200102030405Z -enddate
// 99991231235959Z` for "/O=system:nodes/CN=system:node:gpu-1", so that the
// times are another program's word.
constexpr const char* kForEver = R"(-----BEGIN CERTIFICATE-----
MIIBRDCB96ADAgECAgEBMAUGAytlcDAzMRUwEwYDVQQKDAxzeXN0ZW06bm9kZXMx
GjAYBgNVBAMMEXN5c3RlbTpub2RlOmdwdS0xMCAXDTIwMDEwMjAzMDQwNVoYDzk5
OTkxMjMxMjM1OTU5WjAzMRUwEwYDVQQKDAxzeXN0ZW06bm9kZXMxGjAYBgNVBAMM
EXN5c3RlbTpub2RlOmdwdS0xMCowBQYDK2VwAyEAn/xsDkYBdzSquwRG67hR+U4i
aferBmwZWJnTMJnjg2mjLjAsMAsGA1UdDwQEAwIHgDAdBgNVHQ4EFgQU0zJ8F9/v
4CndeIVOvDYK0oVF/SgwBQYDK2VwA0EACJG3eysp2V1NwvFOIRNRIWQPz80W2TjL
4CY91KuvOgCrN94Pnne4rZjuvhjBP4ounhGTIZ54M2+1AdvbD3g5Dg==
-----END CERTIFICATE-----
)";

sys_seconds at(int year, unsigned month, unsigned day, seconds time) {
  return std::chrono::sys_days(std::chrono::year(year) /
                               std::chrono::month(month) /
                               std::chrono::day(day)) +
         time;
}

TEST(CertificateTest, SaysWhoseItIsAndUntilWhen) {
  const auto read = read_certificates(kForEver);
  ASSERT_TRUE(read) << read.error().message();
  ASSERT_THAT(*read, SizeIs(1));
  const Certificate& one = read->front();
  EXPECT_EQ(one.common_name, "system:node:gpu-1");
  EXPECT_THAT(one.organizations, ::testing::ElementsAre("system:nodes"));
  EXPECT_EQ(one.not_before, at(2020, 1, 2, seconds(3 * 3600 + 4 * 60 + 5)));
  EXPECT_EQ(one.not_after, at(9999, 12, 31, seconds(23 * 3600 + 59 * 60 + 59)));
  EXPECT_FALSE(one.is_authority);
  // As `openssl x509 -pubkey` has it, in DER: the algorithm, then the key.
  ASSERT_THAT(one.public_key, SizeIs(44));
  EXPECT_THAT(one.public_key,
              ::testing::StartsWith("\x30\x2a\x30\x05\x06\x03\x2b\x65\x70"));
  EXPECT_THAT(one.public_key, ::testing::EndsWith("\x99\xe3\x83\x69"));
}

TEST(CertificateTest, KeysAndWordsBetweenArePassedOver) {
  const TestAuthority authority("of tests");
  const IssuedCertificate issued = authority.issue("DNS:a.example");
  const auto read = read_certificates(
      "The kubelet's:\n" + issued.key_pem + issued.certificate_pem +
      "# and who signed it\n" + authority.pem());
  ASSERT_TRUE(read) << read.error().message();
  ASSERT_THAT(*read, SizeIs(2));
  EXPECT_EQ((*read)[0].common_name, "issued");
  EXPECT_FALSE((*read)[0].is_authority);
  EXPECT_EQ((*read)[0].not_after - (*read)[0].not_before, seconds(7200));
  EXPECT_EQ((*read)[1].common_name, "of tests");
  EXPECT_TRUE((*read)[1].is_authority);
}

TEST(CertificateTest, WithoutACertificateThereIsNone) {
  const TestAuthority authority("of tests");
  for (const std::string& text : {std::string(), std::string("no PEM"),
                                  authority.issue("DNS:a.example").key_pem}) {
    const auto read = read_certificates(text);
    ASSERT_FALSE(read);
    EXPECT_EQ(read.error().code(), ErrorCode::kNotFound);
  }
}

TEST(CertificateTest, OneThatIsBrokenIsNamedAndNotQuoted) {
  const TestAuthority authority("of tests");
  std::string broken = authority.pem();
  const std::size_t middle = broken.size() / 2;
  broken.replace(middle, 8, "SECRET==");
  const auto read = read_certificates(authority.pem() + broken);
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code(), ErrorCode::kCorrupt);
  EXPECT_THAT(read.error().message(), HasSubstr("certificate 2"));
  EXPECT_THAT(read.error().message(), Not(HasSubstr("SECRET")));
}

// Every text that begins as one and ends too early is refused, and whatever
// single byte is another is read or refused, and no more.
TEST(CertificateTest, NoPartAndNoOtherByteIsMistaken) {
  const std::string whole = kForEver;
  for (std::size_t size = 0; size + 2 < whole.size(); ++size) {
    EXPECT_FALSE(read_certificates(whole.substr(0, size))) << size;
  }
  for (std::size_t at = 0; at < whole.size(); ++at) {
    std::string other = whole;
    other[at] = other[at] == 'A' ? 'B' : 'A';
    const auto read = read_certificates(other);
    if (!read) continue;
    EXPECT_THAT(*read, SizeIs(1)) << at;
  }
}

}  // namespace
}  // namespace gpunode::http
