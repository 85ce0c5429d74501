#include "base/http/certificate.h"

#include <ctime>
#include <limits>
#include <memory>
#include <optional>
#include <utility>

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

namespace gpunode::http {
namespace {

using Bio = std::unique_ptr<BIO, decltype(&BIO_free_all)>;
using Parsed = std::unique_ptr<X509, decltype(&X509_free)>;

/// More in one file is no chain and no bundle of a cluster's authorities.
constexpr std::size_t kMostCertificates = 4096;

/// No password: nobody is there to be asked.
int no_password(char* /*buffer*/, int /*size*/, int /*writing*/,
                void* /*argument*/) {
  return -1;
}

std::optional<std::chrono::sys_seconds> time_of(const ASN1_TIME* time) {
  std::tm parts{};
  if (time == nullptr || ASN1_TIME_to_tm(time, &parts) != 1) {
    return std::nullopt;
  }
  // In 64 bits, to the year 9999.
  const std::time_t seconds = ::timegm(&parts);
  return std::chrono::sys_seconds(std::chrono::seconds(seconds));
}

std::string text_of(const X509_NAME_ENTRY* entry) {
  unsigned char* bytes = nullptr;
  const int size = ASN1_STRING_to_UTF8(&bytes, X509_NAME_ENTRY_get_data(entry));
  if (size < 0) return "";
  std::string text(reinterpret_cast<const char*>(bytes),
                   static_cast<std::size_t>(size));
  OPENSSL_free(bytes);
  return text;
}

std::vector<std::string> texts_of(const X509_NAME* name, int kind) {
  std::vector<std::string> texts;
  int at = X509_NAME_get_index_by_NID(name, kind, -1);
  for (; at >= 0; at = X509_NAME_get_index_by_NID(name, kind, at)) {
    texts.push_back(text_of(X509_NAME_get_entry(name, at)));
  }
  return texts;
}

std::string key_of(X509* parsed) {
  unsigned char* bytes = nullptr;
  const int size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(parsed), &bytes);
  if (size < 0) return "";
  std::string der(reinterpret_cast<const char*>(bytes),
                  static_cast<std::size_t>(size));
  OPENSSL_free(bytes);
  return der;
}

std::optional<Certificate> claims_of(X509* parsed) {
  const auto from = time_of(X509_get0_notBefore(parsed));
  const auto until = time_of(X509_get0_notAfter(parsed));
  if (!from || !until) return std::nullopt;
  Certificate claims;
  claims.not_before = *from;
  claims.not_after = *until;
  const X509_NAME* subject = X509_get_subject_name(parsed);
  // The last one is what Go's CommonName is.
  const auto names = texts_of(subject, NID_commonName);
  if (!names.empty()) claims.common_name = names.back();
  claims.organizations = texts_of(subject, NID_organizationName);
  claims.is_authority = (X509_get_extension_flags(parsed) & EXFLAG_CA) != 0;
  claims.public_key = key_of(parsed);
  return claims;
}

/// Whether reading stopped for no better reason than the end of the text.
bool is_at_end() {
  const auto last = ERR_peek_last_error();
  const bool is_end = ERR_GET_LIB(last) == ERR_LIB_PEM &&
                      ERR_GET_REASON(last) == PEM_R_NO_START_LINE;
  ERR_clear_error();
  return is_end;
}

Error unreadable(std::size_t number) {
  return {ErrorCode::kCorrupt,
          fmt::format("certificate {} of the PEM text cannot be read", number)};
}

}  // namespace

Result<std::vector<Certificate>> read_certificates(std::string_view pem) {
  std::vector<Certificate> all;
  if (pem.size() > std::numeric_limits<int>::max()) return unreadable(1);
  const Bio bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())),
                BIO_free_all);
  ERR_clear_error();
  while (all.size() < kMostCertificates) {
    const Parsed parsed(
        PEM_read_bio_X509(bio.get(), nullptr, no_password, nullptr), X509_free);
    if (!parsed) {
      if (!is_at_end()) return unreadable(all.size() + 1);
      break;
    }
    auto claims = claims_of(parsed.get());
    if (!claims) return unreadable(all.size() + 1);
    all.push_back(*std::move(claims));
  }
  ERR_clear_error();
  if (all.empty()) {
    return Error(ErrorCode::kNotFound, "no certificate in the PEM text");
  }
  return all;
}

}  // namespace gpunode::http
