// Takes out of a recording what is nobody else's business.
//
// Secrets and identities become hashes under a key that is thrown away: the
// same value is the same hash everywhere in one bundle, so that what matched
// still matches, and it cannot be guessed back from outside.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "base/core/result.h"
#include "node/facts/recording.h"

namespace gpunode::facts {

/// 16 random bytes, which nobody keeps.
using ScrubKey = std::array<std::uint8_t, 16>;

/// Of the kernel's random numbers.
Result<ScrubKey> random_scrub_key();

/// Replaces in texts (secret_text.h finds most of them):
///  - what was learned to be an identity (serials, machine-id, WWIDs), letter
///    for letter and digit for digit, the first three letters kept ("AWS",
///    "vol": they tell a kind);
///  - MAC and InfiniBand addresses;
///  - values of members and settings that are called password, token, secret
///    and the like; logins in URLs; private keys; tokens of known forms (JWT,
///    kubeadm, AWS, GitHub, NGC).
/// Left in: names and addresses of hosts, users, kernels, packages and file
/// systems, which a plan follows from.
class Scrubber {
 public:
  explicit Scrubber(const ScrubKey& key) : key_(key) {}

  /// `value` identifies this machine or a part of it. Values that vendors leave
  /// in by the thousand ("To be filled by O.E.M.", "0") are none.
  void learn(std::string_view value);

  std::string scrub(std::string_view text) const;

  /// The hash of a value in the value's own form.
  std::string alike(std::string_view value) const;
  /// "scrubbed-0123456789ab".
  std::string tag(std::string_view value) const;

 private:
  std::uint64_t hash(std::string_view value, std::uint64_t round) const;
  std::string replace_learned(std::string_view text) const;

  ScrubKey key_;
  std::map<std::string, std::string, std::less<>> learned_;
};

/// Tells `scrubber` of what the recording's files say that this machine is, for
/// texts that go beside it.
void learn_identities(const Recording& recording, Scrubber& scrubber);

/// All texts of a recording scrubbed: paths, contents, names, links, commands.
/// Learns from the files that hold identities before.
Recording scrubbed(const Recording& recording, const ScrubKey& key);

}  // namespace gpunode::facts
