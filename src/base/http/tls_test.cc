#include "base/http/tls.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/http/client.h"
#include "base/http/scripted_server.h"
#include "base/http/test_certificates.h"

namespace gpunode::http {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr std::string_view kOk =
    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
constexpr char kNames[] = "DNS:api.example,IP:127.0.0.1";

void answer_all(Peer& peer, int) {
  while (!peer.receive().empty()) peer.send(kOk);
}

class TlsTest : public testing::Test {
 protected:
  ServerTls serve_as(const IssuedCertificate& issued) {
    return {issued.certificate_pem, issued.key_pem, ""};
  }

  Client client_of(const ScriptedServer& server, TlsOptions options) {
    Url url;
    url.host = "127.0.0.1";
    url.port = server.port();
    return {url, std::move(options)};
  }

  TlsOptions trusting(const TestAuthority& authority) {
    TlsOptions options;
    options.authorities_pem = authority.pem();
    return options;
  }

  /// The code and words of a call to a server that shows `tls`.
  Error refusal(const ServerTls& tls, const TlsOptions& options) {
    ScriptedServer server(answer_all, &tls);
    Client client = client_of(server, options);
    const auto answer = client.call({}, nullptr);
    if (answer) return {ErrorCode::kInternal, "no failure"};
    return answer.error();
  }

  TestAuthority authority_{"our authority"};
};

TEST_F(TlsTest, SpeaksWithAServerItTrusts) {
  const auto tls = serve_as(authority_.issue(kNames));
  ScriptedServer server(answer_all, &tls);
  Client client = client_of(server, trusting(authority_));
  for (int i = 0; i < 2; ++i) {
    const auto answer = client.call({}, nullptr);
    ASSERT_TRUE(answer) << answer.error().message();
    EXPECT_EQ(answer->body, "ok");
  }
  EXPECT_EQ(server.connections(), 1);
}

TEST_F(TlsTest, CarriesMoreThanOneRecord) {
  const std::string body(3'000'000, 'b');
  const auto tls = serve_as(authority_.issue(kNames));
  std::size_t received = 0;
  ScriptedServer server(
      [&](Peer& peer, int) {
        received = peer.receive().size();
        peer.send("HTTP/1.1 200 OK\r\nContent-Length: 3000000\r\n\r\n" + body);
        peer.receive();
      },
      &tls);
  Client client = client_of(server, trusting(authority_));
  const auto answer = client.call({"PUT", "/", {}, body}, nullptr);
  ASSERT_TRUE(answer) << answer.error().message();
  EXPECT_EQ(answer->body, body);
  EXPECT_GT(received, body.size());
}

TEST_F(TlsTest, TrustsTheServersOwnCertificate) {
  const auto issued = authority_.issue(kNames);
  const auto tls = serve_as(issued);
  ScriptedServer server(answer_all, &tls);
  TlsOptions options;
  options.authorities_pem = issued.certificate_pem;
  Client client = client_of(server, options);
  const auto answer = client.call({}, nullptr);
  EXPECT_TRUE(answer) << answer.error().message();
}

TEST_F(TlsTest, TellsAnAuthorityThatIsNotTrusted) {
  const TestAuthority other("another authority");
  const Error error =
      refusal(serve_as(other.issue(kNames)), trusting(authority_));
  EXPECT_EQ(error.code(), ErrorCode::kPermissionDenied);
  EXPECT_THAT(error.message(),
              HasSubstr("TLS: the certificate of 127.0.0.1 is signed by an "
                        "authority that is not trusted here: /CN=another "
                        "authority"));
}

TEST_F(TlsTest, TellsACertificateOutOfItsTime) {
  const Error expired = refusal(serve_as(authority_.issue(kNames, -3600, -60)),
                                trusting(authority_));
  EXPECT_EQ(expired.code(), ErrorCode::kPermissionDenied);
  EXPECT_THAT(expired.message(), HasSubstr("expired at 20"));
  const Error early = refusal(serve_as(authority_.issue(kNames, 600, 3600)),
                              trusting(authority_));
  EXPECT_THAT(early.message(), HasSubstr("is valid from 20"));
}

TEST_F(TlsTest, TellsACertificateForAnotherName) {
  const Error error =
      refusal(serve_as(authority_.issue("DNS:a.example,IP:10.0.0.1")),
              trusting(authority_));
  EXPECT_EQ(error.code(), ErrorCode::kPermissionDenied);
  EXPECT_THAT(error.message(),
              HasSubstr("is for another name: a.example, 10.0.0.1"));
}

TEST_F(TlsTest, ChecksTheNameItIsTold) {
  const auto tls = serve_as(authority_.issue("DNS:*.cluster.example"));
  ScriptedServer server(answer_all, &tls);
  TlsOptions options = trusting(authority_);
  options.server_name = "api.cluster.example";
  {
    Client client = client_of(server, options);
    const auto answer = client.call({}, nullptr);
    EXPECT_TRUE(answer) << answer.error().message();
  }
  options.server_name = "api.other.example";
  Client other = client_of(server, options);
  EXPECT_FALSE(other.call({}, nullptr));
}

// To OpenSSL some of these are any name at all.
TEST_F(TlsTest, WantsANameThatCanBeProven) {
  const auto tls = serve_as(authority_.issue("DNS:evil.example"));
  ScriptedServer server(answer_all, &tls);
  TlsOptions options = trusting(authority_);
  for (const std::string& name :
       {std::string(1, '\0'), std::string("a\0b", 3), std::string(".example"),
        std::string(".evil.example"), std::string("*"), std::string("a b")}) {
    options.server_name = name;
    Client client = client_of(server, options);
    const auto answer = client.call({}, nullptr);
    ASSERT_FALSE(answer) << name;
    EXPECT_EQ(answer.error().code(), ErrorCode::kInvalidArgument)
        << answer.error().message();
  }
}

TEST_F(TlsTest, AcceptsAnybodyOnlyWhenAskedTo) {
  const TestAuthority other("another authority");
  const auto tls = serve_as(other.issue("DNS:x.example", -3600, -60));
  ScriptedServer server(answer_all, &tls);
  TlsOptions options;
  options.is_insecure = true;
  Client client = client_of(server, options);
  const auto answer = client.call({}, nullptr);
  EXPECT_TRUE(answer) << answer.error().message();
}

TEST_F(TlsTest, ShowsAClientCertificate) {
  ServerTls tls = serve_as(authority_.issue(kNames));
  tls.client_authority_pem = authority_.pem();
  ScriptedServer server(answer_all, &tls);
  const auto own = authority_.issue("DNS:node-1");
  TlsOptions options = trusting(authority_);
  options.certificate_pem = own.certificate_pem;
  options.key_pem = own.key_pem;
  Client client = client_of(server, options);
  const auto answer = client.call({}, nullptr);
  EXPECT_TRUE(answer) << answer.error().message();
}

TEST_F(TlsTest, TellsThatTheServerWantsACertificate) {
  ServerTls tls = serve_as(authority_.issue(kNames));
  tls.client_authority_pem = authority_.pem();
  const Error none = refusal(tls, trusting(authority_));
  EXPECT_EQ(none.code(), ErrorCode::kPermissionDenied) << none.message();
  EXPECT_THAT(none.message(), HasSubstr("or wants one"));
  const TestAuthority other("another authority");
  const auto own = other.issue("DNS:node-1");
  TlsOptions options = trusting(authority_);
  options.certificate_pem = own.certificate_pem;
  options.key_pem = own.key_pem;
  const Error wrong = refusal(tls, options);
  EXPECT_EQ(wrong.code(), ErrorCode::kPermissionDenied) << wrong.message();
}

TEST_F(TlsTest, TellsAServerWithoutTls) {
  // Its first bytes are no TLS record.
  ScriptedServer server([](Peer& peer, int) {
    peer.send("HTTP/1.0 400 Bad Request\r\n\r\n");
    peer.wait_for_end();
  });
  Client client = client_of(server, trusting(authority_));
  const auto answer = client.call({}, nullptr);
  ASSERT_FALSE(answer);
  EXPECT_THAT(answer.error().message(),
              HasSubstr("TLS: the server does not speak TLS at this port"));
}

TEST_F(TlsTest, AServerThatDoesNotShakeHandsIsNotWaitedFor) {
  ScriptedServer server([](Peer& peer, int) { peer.wait_for_end(); });
  Url url;
  url.host = "127.0.0.1";
  url.port = server.port();
  ClientLimits limits;
  limits.connect = std::chrono::milliseconds(50);
  Client client(url, trusting(authority_), limits);
  const auto answer = client.call({}, nullptr);
  ASSERT_FALSE(answer);
  EXPECT_THAT(answer.error().message(),
              HasSubstr("TLS: no answer within 0.05 s"));
}

TEST_F(TlsTest, AReturnWithoutGoodbyeIsTold) {
  const auto tls = serve_as(authority_.issue(kNames));
  ScriptedServer server(
      [](Peer& peer, int) {
        peer.receive();
        peer.send("HTTP/1.1 200 OK\r\n\r\nhalf");
        peer.reset();
      },
      &tls);
  Client client = client_of(server, trusting(authority_));
  EXPECT_FALSE(client.call({}, nullptr));
}

TEST_F(TlsTest, RefusesTextsThatAreNotWhatTheyShouldBe) {
  const auto own = authority_.issue("DNS:node-1");
  const auto other = authority_.issue("DNS:node-2");
  const auto words = [](TlsOptions options) {
    const auto made = TlsContext::make(options);
    return made ? "no failure" : made.error().message();
  };
  TlsOptions options;
  options.authorities_pem = "not PEM";
  EXPECT_THAT(words(options), HasSubstr("no certificate in the PEM text"));
  options.authorities_pem = authority_.pem() +
                            "-----BEGIN CERTIFICATE-----\nAAAA\n"
                            "-----END CERTIFICATE-----\n";
  EXPECT_THAT(words(options), HasSubstr("certificate 2 of the PEM text"));
  options = trusting(authority_);
  options.certificate_pem = own.certificate_pem;
  EXPECT_THAT(words(options), HasSubstr("client key: no private key"));
  options.key_pem = other.key_pem;
  EXPECT_THAT(words(options), HasSubstr("does not belong"));
  options.key_pem = own.key_pem;
  EXPECT_EQ(words(options), "no failure");
  options.certificate_pem = "x";
  EXPECT_THAT(words(options), HasSubstr("client certificate: no certificate"));
  options.key_pem =
      "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n"
      "DEK-Info: AES-128-CBC,00112233445566778899AABBCCDDEEFF\n\n"
      "AAAAAAAAAAAAAAAAAAAAAA==\n-----END RSA PRIVATE KEY-----\n";
  options.certificate_pem = own.certificate_pem;
  EXPECT_THAT(words(options), HasSubstr("it is encrypted"));
}

}  // namespace
}  // namespace gpunode::http
