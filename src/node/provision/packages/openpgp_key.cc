#include "node/provision/packages/openpgp_key.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/digest/digest.h"
#include "base/text/base64.h"
#include "node/provision/packages/lines.h"

namespace gpunode::packages {
namespace {

constexpr std::string_view kBegin = "-----BEGIN PGP PUBLIC KEY BLOCK-----";
constexpr std::string_view kEnd = "-----END";

// RFC 4880 §4.3 and §5.2.3.1.
constexpr int kSignature = 2;
constexpr int kPrimaryKey = 6;
constexpr int kUserId = 13;
constexpr int kCreated = 2;
constexpr int kKeyExpires = 9;
constexpr int kIssuer = 16;

Error corrupt(const char* what) {
  return {ErrorCode::kCorrupt, std::string("read OpenPGP key: ") + what};
}

/// Reads big-endian numbers and slices off the front; what is not there makes
/// it fail for good.
class Cursor {
 public:
  explicit Cursor(std::string_view bytes) : bytes_(bytes) {}

  bool is_good() const { return is_good_; }
  bool is_at_end() const { return bytes_.empty(); }

  std::uint32_t number(std::size_t size) {
    std::uint32_t value = 0;
    for (const char c : take(size)) {
      value = value << 8 | static_cast<std::uint8_t>(c);
    }
    return value;
  }

  std::string_view take(std::size_t size) {
    if (size > bytes_.size()) {
      is_good_ = false;
      bytes_ = {};
      return {};
    }
    const std::string_view taken = bytes_.substr(0, size);
    bytes_.remove_prefix(size);
    return taken;
  }

  /// The length of a packet in the new format, or of a subpacket.
  std::size_t length() {
    const std::uint32_t first = number(1);
    if (first < 192) return first;
    if (first == 255) return number(4);
    // 224 and more: a part of a packet, which keys are not sent in.
    if (first >= 224) is_good_ = false;
    return (first - 192) * 256 + number(1) + 192;
  }

 private:
  std::string_view bytes_;
  bool is_good_ = true;
};

struct Packet {
  int tag = 0;
  std::string_view body;
};

Result<std::vector<Packet>> packets_of(std::string_view bytes) {
  std::vector<Packet> packets;
  Cursor cursor(bytes);
  while (!cursor.is_at_end()) {
    const std::uint32_t head = cursor.number(1);
    if ((head & 0x80) == 0) return corrupt("not a packet");
    Packet packet;
    std::size_t size = 0;
    if ((head & 0x40) != 0) {
      packet.tag = static_cast<int>(head & 0x3f);
      size = cursor.length();
    } else {
      packet.tag = static_cast<int>(head >> 2 & 0xf);
      if ((head & 3) == 3) return corrupt("a packet without a length");
      size = cursor.number(std::size_t{1} << (head & 3));
    }
    packet.body = cursor.take(size);
    if (!cursor.is_good()) return corrupt("it ends in the middle of a packet");
    packets.push_back(packet);
  }
  return packets;
}

/// What matters of a signature of version 4.
struct Signature {
  std::uint32_t type = 0;
  std::uint32_t hash = 0;
  std::uint32_t created = 0;
  std::optional<std::uint32_t> key_expires;  ///< Seconds after its creation.
  std::string_view issuer;                   ///< The key's id, 8 bytes.
};

void read_subpackets(std::string_view bytes, bool is_hashed,
                     Signature& signature) {
  Cursor cursor(bytes);
  while (cursor.is_good() && !cursor.is_at_end()) {
    Cursor packet(cursor.take(cursor.length()));
    const std::uint32_t type = packet.number(1) & 0x7f;
    if (type == kIssuer) signature.issuer = packet.take(8);
    // Unhashed ones anybody could have added.
    if (!is_hashed) continue;
    if (type == kCreated) signature.created = packet.number(4);
    if (type == kKeyExpires) signature.key_expires = packet.number(4);
  }
}

std::optional<Signature> read_signature(std::string_view body) {
  Cursor cursor(body);
  if (cursor.number(1) != 4) return std::nullopt;
  Signature signature;
  signature.type = cursor.number(1);
  cursor.number(1);  // Algorithm of the key.
  signature.hash = cursor.number(1);
  read_subpackets(cursor.take(cursor.number(2)), true, signature);
  read_subpackets(cursor.take(cursor.number(2)), false, signature);
  if (!cursor.is_good()) return std::nullopt;
  return signature;
}

/// Certifications of a user id, and signatures directly on the key.
bool binds_key(const Signature& signature) {
  return (signature.type >= 0x10 && signature.type <= 0x13) ||
         signature.type == 0x1f;
}

/// A key while its packets are read.
struct Reading {
  OpenPgpKey key;
  std::string id;  ///< The last 8 bytes of the fingerprint.
  std::uint32_t newest = 0;
  int weak = 0;
  int strong = 0;

  void take(const Signature& signature) {
    if (!binds_key(signature) || signature.issuer != id) return;
    // 1 is MD5, 2 SHA-1 (RFC 4880 §9.4).
    ++(signature.hash == 1 || signature.hash == 2 ? weak : strong);
    if (signature.created < newest) return;
    newest = signature.created;
    key.expires.reset();
    if (signature.key_expires && *signature.key_expires != 0) {
      key.expires = key.created + std::int64_t{*signature.key_expires};
    }
  }

  OpenPgpKey done() {
    key.is_weakly_bound = weak > 0 && strong == 0;
    return std::move(key);
  }
};

Result<Reading> start(std::string_view body) {
  Cursor cursor(body);
  const std::uint32_t version = cursor.number(1);
  if (version != 4) {
    return Error(ErrorCode::kUnsupported,
                 fmt::format("read OpenPGP key: version {}", version));
  }
  Reading reading;
  reading.key.created = cursor.number(4);
  if (!cursor.is_good() || body.size() > 0xffff) return corrupt("no key");
  std::string hashed = {static_cast<char>(0x99),
                        static_cast<char>(body.size() >> 8),
                        static_cast<char>(body.size() & 0xff)};
  hashed += body;
  const auto digest = digest::sha1(hashed);
  for (const std::uint8_t byte : digest) {
    reading.key.fingerprint += fmt::format("{:02X}", byte);
  }
  reading.id.assign(digest.end() - 8, digest.end());
  return reading;
}

/// The bytes of every armoured block.
Result<std::string> unarmoured(std::string_view text) {
  std::string bytes;
  std::string base64;
  enum class Where { kOutside, kHeaders, kData } where = Where::kOutside;
  for (const std::string_view line : lines_of(text)) {
    if (line.starts_with(kBegin)) {
      where = Where::kHeaders;
      base64.clear();
    } else if (line.starts_with(kEnd) && where != Where::kOutside) {
      const auto decoded = text::decode_base64(base64);
      if (!decoded) return corrupt("its armour is damaged");
      bytes += *decoded;
      where = Where::kOutside;
    } else if (where == Where::kHeaders && trimmed(line).empty()) {
      where = Where::kData;
    } else if (where == Where::kData && !line.starts_with('=')) {
      base64 += line;
    }
  }
  if (where != Where::kOutside) return corrupt("its armour has no end");
  return bytes;
}

}  // namespace

Result<std::vector<OpenPgpKey>> parse_openpgp_keys(std::string_view bytes) {
  std::string plain;
  if (bytes.find(kBegin) != std::string_view::npos) {
    TRY(plain, unarmoured(bytes));
    bytes = plain;
  }
  TRY(const std::vector<Packet> packets, packets_of(bytes));
  std::vector<OpenPgpKey> keys;
  std::optional<Reading> reading;
  for (const Packet& packet : packets) {
    if (packet.tag == kPrimaryKey) {
      if (reading) keys.push_back(reading->done());
      TRY(reading, start(packet.body));
    }
    if (!reading) return corrupt("it does not begin with a key");
    if (packet.tag == kUserId && reading->key.user.empty()) {
      reading->key.user = packet.body;
    }
    if (packet.tag != kSignature) continue;
    if (const auto signature = read_signature(packet.body)) {
      reading->take(*signature);
    }
  }
  if (!reading) return corrupt("there is none in it");
  keys.push_back(reading->done());
  return keys;
}

}  // namespace gpunode::packages
