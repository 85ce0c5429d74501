#include "base/http/tls_stream.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "base/core/ascii.h"

namespace gpunode::http {
namespace {

// OpenSSL's own socket BIO writes with write(2), and a peer that is gone would
// end the process by SIGPIPE. This one has no other difference.

int socket_of(BIO* bio) {
  return static_cast<const UniqueFd*>(BIO_get_data(bio))->get();
}

int bio_write(BIO* bio, const char* bytes, int size) {
  BIO_clear_retry_flags(bio);
  const ssize_t n = ::send(socket_of(bio), bytes,
                           static_cast<std::size_t>(size), MSG_NOSIGNAL);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) BIO_set_retry_write(bio);
  return static_cast<int>(n);
}

int bio_read(BIO* bio, char* into, int size) {
  BIO_clear_retry_flags(bio);
  const ssize_t n =
      ::recv(socket_of(bio), into, static_cast<std::size_t>(size), 0);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) BIO_set_retry_read(bio);
  return static_cast<int>(n);
}

long bio_control(BIO* /*bio*/, int command, long /*number*/,
                 void* /*pointer*/) {
  return command == BIO_CTRL_FLUSH ? 1 : 0;
}

/// Made once, for good.
BIO_METHOD* socket_method() {
  static BIO_METHOD* const kMethod = [] {
    BIO_METHOD* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK,
                                    "socket without SIGPIPE");
    BIO_meth_set_write(made, bio_write);
    BIO_meth_set_read(made, bio_read);
    BIO_meth_set_ctrl(made, bio_control);
    return made;
  }();
  return kMethod;
}

bool is_address(const std::string& name) {
  std::array<unsigned char, sizeof(in6_addr)> address{};
  return ::inet_pton(AF_INET, name.c_str(), address.data()) == 1 ||
         ::inet_pton(AF_INET6, name.c_str(), address.data()) == 1;
}

/// What could be in DNS. To OpenSSL a name that begins with a dot is every name
/// below it, and one with a NUL in it is none.
bool is_host_name(const std::string& name) {
  return !name.empty() && name.front() != '.' &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return is_alphanumeric(c) || c == '-' || c == '_' || c == '.';
         });
}

std::string time_text(const ASN1_TIME* time) {
  tm parts{};
  if (ASN1_TIME_to_tm(time, &parts) != 1) return "an unreadable date";
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z",
                     parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday,
                     parts.tm_hour, parts.tm_min, parts.tm_sec);
}

/// A string that a stranger chose, short and on one line.
std::string printable(std::string text) {
  constexpr std::size_t kMost = 100;
  if (text.size() > kMost) text.resize(kMost);
  std::replace_if(
      text.begin(), text.end(), [](char c) { return c < ' ' || c > '~'; }, '?');
  return text;
}

std::string issuer_of(X509* certificate) {
  std::array<char, 256> text{};
  X509_NAME_oneline(X509_get_issuer_name(certificate), text.data(),
                    static_cast<int>(text.size()));
  return printable(text.data());
}

std::string general_name(const GENERAL_NAME* name) {
  if (name->type == GEN_DNS) {
    return printable(
        {reinterpret_cast<const char*>(ASN1_STRING_get0_data(name->d.dNSName)),
         static_cast<std::size_t>(ASN1_STRING_length(name->d.dNSName))});
  }
  if (name->type != GEN_IPADD) return {};
  std::array<char, INET6_ADDRSTRLEN> text{};
  const int size = ASN1_STRING_length(name->d.iPAddress);
  if (size != 4 && size != 16) return {};
  ::inet_ntop(size == 16 ? AF_INET6 : AF_INET,
              ASN1_STRING_get0_data(name->d.iPAddress), text.data(),
              text.size());
  return text.data();
}

/// "a.example, 10.0.0.1": what a certificate is for, the first few.
std::string names_of(X509* certificate) {
  constexpr int kMost = 8;
  auto* names = static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr));
  std::string out;
  for (int i = 0; i < sk_GENERAL_NAME_num(names) && i < kMost; ++i) {
    const std::string name = general_name(sk_GENERAL_NAME_value(names, i));
    if (name.empty()) continue;
    out += (out.empty() ? "" : ", ") + name;
  }
  GENERAL_NAMES_free(names);
  return out.empty() ? "no name at all" : out;
}

std::string complaint(int error, X509* certificate) {
  switch (error) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
      return "expired at " + time_text(X509_get0_notAfter(certificate)) +
             " by this host's clock";
    case X509_V_ERR_CERT_NOT_YET_VALID:
      return "is valid from " + time_text(X509_get0_notBefore(certificate)) +
             ", which is later than this host's clock";
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
      return "is for another name: " + names_of(certificate);
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
      return "is signed by an authority that is not trusted here: " +
             issuer_of(certificate);
    default:
      return fmt::format("is not accepted: {}",
                         X509_verify_cert_error_string(error));
  }
}

/// The peer's words on why it ended the handshake, if it is about us.
bool is_about_our_certificate(int reason) {
  switch (reason) {
    case SSL_R_SSLV3_ALERT_BAD_CERTIFICATE:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN:
    case SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE:
    case SSL_R_TLSV1_ALERT_UNKNOWN_CA:
    case SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED:
      return true;
    default:
      return false;
  }
}

class TlsStream final : public Stream {
 public:
  TlsStream(SSL_CTX* context, UniqueFd socket, std::string name)
      : socket_(std::move(socket)),
        name_(std::move(name)),
        ssl_(SSL_new(context), SSL_free) {
    if (ssl_ == nullptr) return;  // expect_name() tells.
    SSL_set_app_data(ssl_.get(), &complaint_);
    BIO* bio = BIO_new(socket_method());
    BIO_set_data(bio, &socket_);
    BIO_set_init(bio, 1);
    SSL_set_bio(ssl_.get(), bio, bio);
  }

  ~TlsStream() override {
    // Told, not waited for; never after a failure, by OpenSSL's rules.
    if (is_good_) SSL_shutdown(ssl_.get());
    ERR_clear_error();
  }

  /// Whom the certificate must be of. Without this anybody would do.
  Result<void> expect_name() {
    if (ssl_ == nullptr) return Error(ErrorCode::kInternal, "no TLS session");
    // A certificate's names count, its subject does not: as for Go.
    X509_VERIFY_PARAM* wanted = SSL_get0_param(ssl_.get());
    X509_VERIFY_PARAM_set_hostflags(wanted,
                                    X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS |
                                        X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
    const bool is_set =
        is_address(name_)
            ? X509_VERIFY_PARAM_set1_ip_asc(wanted, name_.c_str()) == 1
            : is_host_name(name_) &&
                  X509_VERIFY_PARAM_set1_host(wanted, name_.c_str(),
                                              name_.size()) == 1 &&
                  SSL_set_tlsext_host_name(ssl_.get(), name_.c_str()) == 1;
    if (is_set) return {};
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("{:?} is no name that a server could prove to "
                             "have",
                             name_));
  }

  Result<void> shake_hands(const Limit& limit) {
    TRY(const int done,
        drive(limit, [this] { return SSL_connect(ssl_.get()); }));
    if (done == 0) return failed("the server ended the handshake");
    is_good_ = true;
    return {};
  }

  Result<std::size_t> read(std::span<char> into, const Limit& limit) override {
    TRY_VOID(limit.check());
    const int most =
        static_cast<int>(std::min<std::size_t>(into.size(), INT_MAX));
    TRY(const int n,
        drive(limit, [&] { return SSL_read(ssl_.get(), into.data(), most); }));
    return static_cast<std::size_t>(n);
  }

  Result<void> write(std::string_view bytes, const Limit& limit) override {
    if (bytes.empty()) return {};
    if (bytes.size() > INT_MAX) return failed("too much to send at once");
    TRY(const int n, drive(limit, [&] {
          return SSL_write(ssl_.get(), bytes.data(),
                           static_cast<int>(bytes.size()));
        }));
    if (n == 0) return failed("the server ended the connection");
    return {};
  }

  bool is_idle() override {
    char byte = 0;
    ERR_clear_error();
    const int n = SSL_peek(ssl_.get(), &byte, 1);
    // Session tickets may come, and are no data.
    const bool is_idle =
        n <= 0 && SSL_get_error(ssl_.get(), n) == SSL_ERROR_WANT_READ;
    if (!is_idle) is_good_ = false;
    return is_idle;
  }

 private:
  /// Repeats `step` until it is done: its result, or 0 for an orderly end.
  template <class Step>
  Result<int> drive(const Limit& limit, Step step) {
    for (;;) {
      ERR_clear_error();
      const int n = step();
      if (n > 0) return n;
      const int errno_value = errno;
      switch (SSL_get_error(ssl_.get(), n)) {
        case SSL_ERROR_WANT_READ:
          TRY_VOID(wait_ready(socket_.get(), POLLIN, limit));
          break;
        case SSL_ERROR_WANT_WRITE:
          TRY_VOID(wait_ready(socket_.get(), POLLOUT, limit));
          break;
        case SSL_ERROR_ZERO_RETURN:
          return 0;
        case SSL_ERROR_SYSCALL:
          return failed(n == 0 || errno_value == 0
                            ? "the server ended the connection"
                            : errno_text(errno_value));
        default:
          return protocol_error();
      }
    }
  }

  Error failed(const std::string& words) {
    is_good_ = false;
    return {ErrorCode::kUnavailable, "TLS: " + words};
  }

  Error protocol_error() {
    is_good_ = false;
    if (!complaint_.empty()) {
      return {ErrorCode::kPermissionDenied,
              fmt::format("TLS: the certificate of {} {}", name_, complaint_)};
    }
    const auto code = ERR_get_error();
    const int reason = ERR_GET_REASON(code);
    const char* words = ERR_reason_error_string(code);
    if (is_about_our_certificate(reason)) {
      return {ErrorCode::kPermissionDenied,
              fmt::format("TLS: the server refused our certificate, or wants "
                          "one: {}",
                          words == nullptr ? "no reason given" : words)};
    }
    if (reason == SSL_R_WRONG_VERSION_NUMBER || reason == SSL_R_HTTP_REQUEST) {
      return failed("the server does not speak TLS at this port");
    }
    if (reason == SSL_R_UNEXPECTED_EOF_WHILE_READING) {
      return failed("the server ended the connection");
    }
    return failed(words == nullptr ? "protocol error" : words);
  }

  UniqueFd socket_;
  std::string name_;
  std::string complaint_;  // Of note_verification().
  bool is_good_ = false;
  std::unique_ptr<SSL, decltype(&SSL_free)> ssl_;
};

}  // namespace

int note_verification(int is_good, x509_store_ctx_st* found) {
  if (is_good == 1) return 1;
  auto* ssl = static_cast<SSL*>(
      X509_STORE_CTX_get_ex_data(found, SSL_get_ex_data_X509_STORE_CTX_idx()));
  auto* words = static_cast<std::string*>(SSL_get_app_data(ssl));
  X509* certificate = X509_STORE_CTX_get_current_cert(found);
  if (certificate == nullptr) certificate = X509_STORE_CTX_get0_cert(found);
  if (certificate != nullptr) {
    *words = complaint(X509_STORE_CTX_get_error(found), certificate);
  }
  return 0;
}

Result<std::unique_ptr<Stream>> connect_tls(ssl_ctx_st* context,
                                            UniqueFd socket,
                                            const std::string& name,
                                            const Limit& limit) {
  auto stream = std::make_unique<TlsStream>(context, std::move(socket), name);
  TRY_VOID(stream->expect_name());
  TRY_VOID(stream->shake_hands(limit));
  return std::unique_ptr<Stream>(std::move(stream));
}

}  // namespace gpunode::http
