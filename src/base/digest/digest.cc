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

/// The digest itself of one text after the other.
std::string raw_sha256(std::string_view first, std::string_view second) {
  std::string digest(SHA256_DIGEST_LENGTH, '\0');
  SHA256_CTX context;
  SHA256_Init(&context);
  SHA256_Update(&context, first.data(), first.size());
  SHA256_Update(&context, second.data(), second.size());
  SHA256_Final(reinterpret_cast<unsigned char*>(digest.data()), &context);
  return digest;
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

std::string hmac_sha256(std::string_view key, std::string_view bytes) {
  std::string block =
      key.size() > SHA256_CBLOCK ? raw_sha256(key, "") : std::string(key);
  block.resize(SHA256_CBLOCK, '\0');
  std::string inner = block;
  std::string outer = block;
  constexpr unsigned char kInner = 0x36;
  constexpr unsigned char kOuter = 0x5c;
  for (char& c : inner) {
    c = static_cast<char>(static_cast<unsigned char>(c) ^ kInner);
  }
  for (char& c : outer) {
    c = static_cast<char>(static_cast<unsigned char>(c) ^ kOuter);
  }
  return raw_sha256(outer, raw_sha256(inner, bytes));
}

}  // namespace gpunode::digest
