#include "base/http/tls.h"

#include <unistd.h>

#include <array>

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

#include "base/http/tls_stream.h"

namespace gpunode::http {
namespace {

// Where distributions keep the certificates of public authorities.
constexpr std::array kBundles = {
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/cert.pem",
};

using Bio = std::unique_ptr<BIO, decltype(&BIO_free_all)>;
using Certificate = std::unique_ptr<X509, decltype(&X509_free)>;
using Key = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;

Bio bio_of(const std::string& text) {
  return {BIO_new_mem_buf(text.data(), static_cast<int>(text.size())),
          BIO_free_all};
}

Error invalid(std::string words) {
  ERR_clear_error();
  return {ErrorCode::kInvalidArgument, std::move(words)};
}

/// No password: a program without a terminal cannot ask for one.
int no_password(char* /*buffer*/, int /*size*/, int /*writing*/, void* asked) {
  *static_cast<bool*>(asked) = true;
  return -1;
}

Certificate next_certificate(BIO* bio) {
  bool asked = false;
  return {PEM_read_bio_X509(bio, nullptr, no_password, &asked), X509_free};
}

/// Whether reading stopped for no better reason than the end of the text.
bool is_at_end() {
  const auto last = ERR_peek_last_error();
  const bool is_end = ERR_GET_LIB(last) == ERR_LIB_PEM &&
                      ERR_GET_REASON(last) == PEM_R_NO_START_LINE;
  ERR_clear_error();
  return is_end;
}

Result<void> trust(SSL_CTX* context, const std::string& pem) {
  const Bio bio = bio_of(pem);
  X509_STORE* store = SSL_CTX_get_cert_store(context);
  int count = 0;
  for (;; ++count) {
    const Certificate next = next_certificate(bio.get());
    if (!next) break;
    X509_STORE_add_cert(store, next.get());  // Twice the same is no harm.
  }
  if (!is_at_end()) {
    return invalid(
        fmt::format("certificate authorities: certificate {} of the PEM text "
                    "is malformed",
                    count + 1));
  }
  if (count == 0) {
    return invalid("certificate authorities: no certificate in the PEM text");
  }
  // A server's own certificate may be what is trusted, as for Go.
  X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(context),
                              X509_V_FLAG_PARTIAL_CHAIN);
  return {};
}

Result<void> trust_host_bundle(SSL_CTX* context) {
  for (const char* path : kBundles) {
    if (::access(path, R_OK) == 0 &&
        SSL_CTX_load_verify_file(context, path) == 1) {
      return {};
    }
  }
  return invalid(
      "certificate authorities: none given, and this host has no bundle of "
      "them; next: install ca-certificates or name the server's authority");
}

Result<void> show_certificate(SSL_CTX* context, const TlsOptions& options) {
  if (options.certificate_pem.empty() && options.key_pem.empty()) return {};
  const Bio chain = bio_of(options.certificate_pem);
  const Certificate own = next_certificate(chain.get());
  if (!own)
    return invalid("client certificate: no certificate in the PEM text");
  SSL_CTX_use_certificate(context, own.get());
  for (;;) {
    const Certificate next = next_certificate(chain.get());
    if (!next) break;
    SSL_CTX_add1_chain_cert(context, next.get());
  }
  if (!is_at_end()) {
    return invalid("client certificate: its chain is malformed");
  }
  const Bio bio = bio_of(options.key_pem);
  bool asked = false;
  const Key key(
      PEM_read_bio_PrivateKey(bio.get(), nullptr, no_password, &asked),
      EVP_PKEY_free);
  if (asked) return invalid("client key: it is encrypted, and cannot be here");
  if (!key) return invalid("client key: no private key in the PEM text");
  if (SSL_CTX_use_PrivateKey(context, key.get()) != 1 ||
      SSL_CTX_check_private_key(context) != 1) {
    return invalid("client key: it does not belong to the client certificate");
  }
  return {};
}

}  // namespace

void TlsContext::Free::operator()(ssl_ctx_st* context) const {
  SSL_CTX_free(context);
}

Result<TlsContext> TlsContext::make(const TlsOptions& options) {
  // The host's openssl.cnf is not ours to follow: it can load modules.
  OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG, nullptr);
  TlsContext made(SSL_CTX_new(TLS_client_method()), options.server_name);
  SSL_CTX* context = made.context_.get();
  if (context == nullptr) return Error(ErrorCode::kInternal, "no TLS context");
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  // Of an idle connection no buffers are kept, 34 kB; nothing is resumed.
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION);
  if (options.is_insecure) {
    SSL_CTX_set_verify(context, SSL_VERIFY_NONE, nullptr);
  } else {
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, note_verification);
    TRY_VOID(options.authorities_pem.empty()
                 ? trust_host_bundle(context)
                 : trust(context, options.authorities_pem));
  }
  TRY_VOID(show_certificate(context, options));
  return made;
}

Result<std::unique_ptr<Stream>> TlsContext::connect(UniqueFd socket,
                                                    const std::string& host,
                                                    const Limit& limit) const {
  const std::string& name = server_name_.empty() ? host : server_name_;
  return connect_tls(context_.get(), std::move(socket), name, limit);
}

}  // namespace gpunode::http
