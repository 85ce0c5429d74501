#include "base/http/test_certificates.h"

#include <memory>

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

namespace gpunode::http {
namespace {

std::string text_of(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  std::string text(data, static_cast<std::size_t>(size));
  BIO_free(bio);
  return text;
}

void set_name(X509_NAME* name, const std::string& common_name) {
  X509_NAME_add_entry_by_txt(
      name, "CN", MBSTRING_UTF8,
      reinterpret_cast<const unsigned char*>(common_name.c_str()), -1, -1, 0);
}

void add_extension(X509* certificate, int id, const std::string& value) {
  X509V3_CTX context{};
  X509V3_set_ctx(&context, certificate, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* extension =
      X509V3_EXT_conf_nid(nullptr, &context, id, value.c_str());
  X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
}

struct Parts {
  std::string subject;
  std::string extension;
  int extension_id = 0;
  long from = -3600;
  long until = 3600;
};

/// Signed by `issuer`, or by itself if that is empty.
IssuedCertificate make(const Parts& parts, const IssuedCertificate& issuer) {
  EVP_PKEY* key = EVP_EC_gen("P-256");
  X509* certificate = X509_new();
  X509_set_version(certificate, 2);
  unsigned char serial[8] = {};
  RAND_bytes(serial, sizeof serial);
  serial[0] = 1;
  BIGNUM* number = BN_bin2bn(serial, sizeof serial, nullptr);
  BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate));
  BN_free(number);
  X509_gmtime_adj(X509_getm_notBefore(certificate), parts.from);
  X509_gmtime_adj(X509_getm_notAfter(certificate), parts.until);
  X509_set_pubkey(certificate, key);
  set_name(X509_get_subject_name(certificate), parts.subject);
  add_extension(certificate, parts.extension_id, parts.extension);
  if (issuer.key_pem.empty()) {
    set_name(X509_get_issuer_name(certificate), parts.subject);
    X509_sign(certificate, key, EVP_sha256());
  } else {
    BIO* bio = BIO_new_mem_buf(issuer.certificate_pem.data(), -1);
    X509* authority = PEM_read_bio_X509(bio, nullptr, nullptr, nullptr);
    BIO_free(bio);
    bio = BIO_new_mem_buf(issuer.key_pem.data(), -1);
    EVP_PKEY* signer = PEM_read_bio_PrivateKey(bio, nullptr, nullptr, nullptr);
    BIO_free(bio);
    X509_set_issuer_name(certificate, X509_get_subject_name(authority));
    X509_sign(certificate, signer, EVP_sha256());
    EVP_PKEY_free(signer);
    X509_free(authority);
  }
  BIO* certificate_bio = BIO_new(BIO_s_mem());
  PEM_write_bio_X509(certificate_bio, certificate);
  BIO* key_bio = BIO_new(BIO_s_mem());
  PEM_write_bio_PrivateKey(key_bio, key, nullptr, nullptr, 0, nullptr, nullptr);
  X509_free(certificate);
  EVP_PKEY_free(key);
  return {text_of(certificate_bio), text_of(key_bio)};
}

}  // namespace

TestAuthority::TestAuthority(const std::string& common_name)
    : own_(make(
          {common_name, "critical,CA:TRUE", NID_basic_constraints, -7200, 7200},
          {})) {}

IssuedCertificate TestAuthority::issue(const std::string& names, long from,
                                       long until,
                                       const std::string& common_name) const {
  return make({common_name, names, NID_subject_alt_name, from, until}, own_);
}

}  // namespace gpunode::http
