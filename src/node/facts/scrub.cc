#include "node/facts/scrub.h"

#include <sys/random.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <set>
#include <utility>
#include <variant>
#include <vector>

#include "base/core/ascii.h"
#include "base/host/path.h"
#include "node/facts/host_text.h"
#include "node/facts/secret_text.h"

namespace gpunode::facts {
namespace {

std::uint64_t word_at(const std::uint8_t* bytes) {
  std::uint64_t word = 0;
  std::memcpy(&word, bytes, sizeof word);
  return word;  // Its order of bytes is no matter: nobody compares bundles.
}

/// SipHash-2-4 (Aumasson and Bernstein, 2012): a keyed function of which no
/// input can be told from outputs.
class SipHash {
 public:
  explicit SipHash(const ScrubKey& key) {
    const std::uint64_t k0 = word_at(key.data());
    const std::uint64_t k1 = word_at(key.data() + 8);
    v_ = {k0 ^ 0x736f6d6570736575U, k1 ^ 0x646f72616e646f6dU,
          k0 ^ 0x6c7967656e657261U, k1 ^ 0x7465646279746573U};
  }

  void add(std::uint64_t word) {
    v_[3] ^= word;
    round();
    round();
    v_[0] ^= word;
  }

  std::uint64_t finish() {
    v_[2] ^= 0xffU;
    for (int i = 0; i < 4; ++i) round();
    return v_[0] ^ v_[1] ^ v_[2] ^ v_[3];
  }

 private:
  void round() {
    v_[0] += v_[1];
    v_[1] = std::rotl(v_[1], 13) ^ v_[0];
    v_[0] = std::rotl(v_[0], 32);
    v_[2] += v_[3];
    v_[3] = std::rotl(v_[3], 16) ^ v_[2];
    v_[0] += v_[3];
    v_[3] = std::rotl(v_[3], 21) ^ v_[0];
    v_[2] += v_[1];
    v_[1] = std::rotl(v_[1], 17) ^ v_[2];
    v_[2] = std::rotl(v_[2], 32);
  }

  std::array<std::uint64_t, 4> v_{};
};

std::string hex_of(std::string_view bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string hex;
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    hex += kDigits[byte >> 4U];
    hex += kDigits[byte & 15U];
  }
  return hex;
}

/// What tells a kind and no single thing: "AWS" of a disk of EC2, "naa." of a
/// world-wide name.
std::size_t kept_prefix_of(std::string_view value) {
  const std::size_t dot = value.find('.');
  if (dot <= 4) return dot + 1;
  const bool has_letters =
      value.size() >= 8 &&
      std::all_of(value.begin(), value.begin() + 3,
                  [](char c) { return is_lower(c) || is_upper(c); });
  return has_letters ? 3 : 0;
}

bool is_nobodys(std::string_view value) {
  std::string lower(value);
  for (char& c : lower) {
    c = to_lower(c);
  }
  constexpr std::array<std::string_view, 7> kLeftIn = {
      "0123456789", "123456789", "1234567890",
      // Azure's and others' tags name the cloud, and no machine of it.
      "7783-7084-3265-9085-8269-3286-77",
      "03000200-0400-0500-0006-000700080009", "amazon ec2", "uninitialized"};
  if (std::ranges::find(kLeftIn, lower) != kLeftIn.end()) return true;
  const auto is_telling = [&](char c) {
    return is_alphanumeric(c) && c != lower.front();
  };
  return value.size() < 4 || std::ranges::none_of(lower, is_digit) ||
         std::ranges::none_of(lower, is_telling);
}

/// Its content is the identity of the machine or of one of its parts.
bool holds_identity(const std::string& path) {
  constexpr std::array<std::string_view, 12> kNames = {"serial",
                                                       "wwid",
                                                       "wwn",
                                                       "nguid",
                                                       "eui",

                                                       "machine-id",
                                                       "product_serial",
                                                       "product_uuid",
                                                       "board_serial",
                                                       "chassis_serial",
                                                       "board_asset_tag",
                                                       "chassis_asset_tag"};
  const std::string_view name = host::base_name(path);
  return std::ranges::find(kNames, name) != kNames.end() ||
         path == "/sys/hypervisor/uuid";
}

}  // namespace

std::uint64_t Scrubber::hash(std::string_view value,
                             std::uint64_t round) const {
  SipHash sip(key_);
  sip.add(round);
  sip.add(value.size());
  for (std::size_t at = 0; at < value.size(); at += 8) {
    std::array<std::uint8_t, 8> bytes{};
    const std::string_view part = value.substr(at, 8);
    std::memcpy(bytes.data(), part.data(), part.size());
    sip.add(word_at(bytes.data()));
  }
  return sip.finish();
}

std::string Scrubber::alike(std::string_view value) const {
  const bool is_all_hex = std::ranges::all_of(
      value, [](char c) { return is_hex_digit(c) || c == '-' || c == ':'; });
  const unsigned letters = is_all_hex ? 6 : 26;
  std::string result(value);
  std::uint64_t stream = 0;
  std::uint64_t round = 0;
  for (std::size_t i = is_all_hex ? 0 : kept_prefix_of(value);
       i < result.size(); ++i) {
    if (i % 8 == 0 || stream == 0) stream = hash(value, round++);
    const auto byte = static_cast<unsigned>(stream & 0xffU);
    stream >>= 8U;
    char& c = result[i];
    if (is_digit(c)) {
      c = static_cast<char>('0' + byte % 10);
    } else if (is_lower(c)) {
      c = static_cast<char>('a' + byte % letters);
    } else if (is_upper(c)) {
      c = static_cast<char>('A' + byte % letters);
    }
  }
  return result;
}

std::string Scrubber::tag(std::string_view value) const {
  const std::uint64_t number = hash(value, 0);
  std::array<char, 6> bytes{};
  std::memcpy(bytes.data(), &number, bytes.size());
  return "scrubbed-" + hex_of({bytes.data(), bytes.size()});
}

void Scrubber::learn(std::string_view value) {
  value = trimmed(value);
  if (is_nobodys(value)) return;
  const std::string hashed = alike(value);
  learned_.emplace(value, hashed);
  // World-wide names of NVMe spell the serial in hexadecimal.
  if (value.size() >= 8) learned_.emplace(hex_of(value), hex_of(hashed));
}

std::string Scrubber::replace_learned(std::string_view text) const {
  std::string result(text);
  // The longest first: one may be a part of another.
  std::vector<std::pair<std::string_view, std::string_view>> learned(
      learned_.begin(), learned_.end());
  std::ranges::stable_sort(learned, [](const auto& a, const auto& b) {
    return a.first.size() > b.first.size();
  });
  for (const auto& [value, hashed] : learned) {
    for (std::size_t at = result.find(value); at != std::string::npos;
         at = result.find(value, at)) {
      const std::size_t end = at + value.size();
      // Short ones by chance are parts of other words.
      const bool is_whole =
          value.size() >= 16 ||
          ((at == 0 || !is_alphanumeric(result[at - 1])) &&
           (end == result.size() || !is_alphanumeric(result[end])));
      if (is_whole) result.replace(at, value.size(), hashed);
      at = end;
    }
  }
  return result;
}

std::string Scrubber::scrub(std::string_view text) const {
  std::string result(text);
  for (const SecretFinder& find : secret_finders()) {
    std::string next;
    std::size_t done = 0;
    for (const SecretSpan& span : find(result)) {
      next += result.substr(done, span.begin - done);
      const std::string_view secret =
          std::string_view(result).substr(span.begin, span.end - span.begin);
      next += span.keeps_form ? alike(secret) : tag(secret);
      done = span.end;
    }
    next += result.substr(done);
    result = std::move(next);
  }
  return replace_learned(result);
}

namespace {

/// Every text of a recording through one Scrubber.
class RecordingScrubber {
 public:
  explicit RecordingScrubber(const Scrubber& scrubber) : scrubber_(scrubber) {}

  std::string text(const std::string& text) const {
    return scrubber_.scrub(text);
  }
  std::size_t text(std::size_t number) const { return number; }
  host::FileStatus text(const host::FileStatus& status) const { return status; }
  std::vector<std::string> text(const std::vector<std::string>& texts) const {
    std::vector<std::string> result;
    result.reserve(texts.size());
    for (const std::string& one : texts) result.push_back(text(one));
    return result;
  }
  RecordedError text(const RecordedError& error) const {
    return {error.code, text(error.message)};
  }

  template <class T>
  std::map<std::string, Outcome<T>> table(
      const std::map<std::string, Outcome<T>>& answers) const {
    std::map<std::string, Outcome<T>> result;
    for (const auto& [path, answer] : answers) {
      result.insert_or_assign(text(path),
                              std::visit(
                                  [this](const auto& value) -> Outcome<T> {
                                    return this->text(value);
                                  },
                                  answer));
    }
    return result;
  }

  RecordedCommand command(const RecordedCommand& command) const {
    RecordedCommand result = command;
    result.argv = text(command.argv);
    result.input = text(command.input);
    result.out = text(command.out);
    result.err = text(command.err);
    result.error = text(command.error);
    return result;
  }

 private:
  const Scrubber& scrubber_;
};

}  // namespace

namespace {

/// Calls `use` with every file that could be read.
template <class Use>
void for_each_file(const Recording& recording, Use use) {
  for (const auto& [path, answer] : recording.files) {
    const auto* content = std::get_if<std::string>(&answer);
    if (content != nullptr) use(path, std::string_view(*content));
  }
}

}  // namespace

void learn_identities(const Recording& recording, Scrubber& scrubber) {
  // Google's local disks have one serial for all, their model's name.
  std::set<std::string_view> models;
  for_each_file(recording, [&](const std::string& path, std::string_view text) {
    if (host::base_name(path) == "model") models.insert(trimmed(text));
  });
  for_each_file(recording, [&](const std::string& path, std::string_view text) {
    if (models.contains(trimmed(text))) return;
    if (holds_identity(path)) scrubber.learn(text);
    // SCSI's page of the serial has four bytes before it.
    if (host::base_name(path) == "vpd_pg80" && text.size() > 4) {
      scrubber.learn(text.substr(4));
    }
  });
}

Result<ScrubKey> random_scrub_key() {
  ScrubKey key{};
  const ssize_t got = ::getrandom(key.data(), key.size(), 0);
  if (got != static_cast<ssize_t>(key.size())) {
    return Error::from_errno("get random bytes", errno);
  }
  return key;
}

Recording scrubbed(const Recording& recording, const ScrubKey& key) {
  Scrubber scrubber(key);
  learn_identities(recording, scrubber);
  const RecordingScrubber all(scrubber);
  Recording result;
  result.is_live = recording.is_live;
  result.files = all.table(recording.files);
  result.statuses = all.table(recording.statuses);
  result.links = all.table(recording.links);
  result.attributes = all.table(recording.attributes);
  result.resolved = all.table(recording.resolved);
  result.listings = all.table(recording.listings);
  result.counts = all.table(recording.counts);
  // Listings are in order, which hashes have changed.
  for (auto& [path, answer] : result.listings) {
    if (auto* names = std::get_if<std::vector<std::string>>(&answer)) {
      std::ranges::sort(*names);
    }
  }
  for (const RecordedCommand& command : recording.commands) {
    result.commands.push_back(all.command(command));
  }
  return result;
}

}  // namespace gpunode::facts
