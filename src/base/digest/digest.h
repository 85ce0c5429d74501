// Digests of bytes, by libcrypto (docs/adr/0022).
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace gpunode::digest {

/// SHA-256 (FIPS 180-4), for telling whether two texts are the same: 64
/// hexadecimal digits. Any thread.
std::string sha256(std::string_view bytes);

/// SHA-1 (FIPS 180-4), for fingerprints that are defined by it, as those of
/// OpenPGP keys are: no proof that two texts are the same. Any thread.
std::array<std::uint8_t, 20> sha1(std::string_view bytes);

/// HMAC (RFC 2104) with SHA-256: 32 bytes. `key` of any length. Any thread.
std::string hmac_sha256(std::string_view key, std::string_view bytes);

}  // namespace gpunode::digest
