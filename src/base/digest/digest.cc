// The plain functions, which OpenSSL would have us replace by EVP's: those
// start its providers, 6 million instructions and 1.9 MB for the first digest,
// where a whole plan has 50 ms; these take 2000. They are the same code
// beneath.
#define OPENSSL_SUPPRESS_DEPRECATED

#include "base/digest/digest.h"

#include <openssl/sha.h>

namespace gpunode::digest {
namespace {

const unsigned char* start_of(std::string_view bytes) {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}

}  // namespace

// They say 0 for nothing that can happen here: no context of theirs is shared,
// and none asks for memory.
std::string sha256(std::string_view bytes) {
  std::array<unsigned char, SHA256_DIGEST_LENGTH> digest{};
  SHA256_CTX context;
  SHA256_Init(&context);
  SHA256_Update(&context, start_of(bytes), bytes.size());
  SHA256_Final(digest.data(), &context);
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  text.reserve(2 * digest.size());
  for (const unsigned char byte : digest) {
    text += kDigits[byte >> 4U];
    text += kDigits[byte & 0xfU];
  }
  return text;
}

std::array<std::uint8_t, 20> sha1(std::string_view bytes) {
  std::array<std::uint8_t, SHA_DIGEST_LENGTH> digest{};
  SHA_CTX context;
  SHA1_Init(&context);
  SHA1_Update(&context, start_of(bytes), bytes.size());
  SHA1_Final(digest.data(), &context);
  return digest;
}

}  // namespace gpunode::digest
