// Where in a text secrets and hardware addresses are. Pure; no text is judged
// by what it is for, so that a token in a comment is found as well.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

namespace gpunode::facts {

/// A range of bytes that somebody should not see.
struct SecretSpan {
  std::size_t begin = 0;
  std::size_t end = 0;
  /// What stands there must look as before: an address is read by programs.
  bool keeps_form = false;

  friend bool operator==(const SecretSpan&, const SecretSpan&) = default;
};

/// Finds one kind of secret: spans in order, none overlapping, none empty.
using SecretFinder = std::vector<SecretSpan> (*)(std::string_view text);

/// All of them, in the order in which they are to be applied.
std::span<const SecretFinder> secret_finders();

/// What is between the first and last line of a PEM private key.
std::vector<SecretSpan> find_private_keys(std::string_view text);

/// "user:password" of "https://user:password@host/".
std::vector<SecretSpan> find_logins(std::string_view text);

/// The value of `password: x`, `"auth": "x"`, `--token x`, `api_key=x`. Words
/// that are no secret (true, none) and paths of files stay.
std::vector<SecretSpan> find_settings(std::string_view text);

/// Tokens by their form: JWT, kubeadm's, AWS, GitHub, GitLab, NGC, Docker,
/// Vault, Slack.
std::vector<SecretSpan> find_tokens(std::string_view text);

/// Hardware addresses: six and more pairs of digits with ":" or "-" between.
std::vector<SecretSpan> find_addresses(std::string_view text);

}  // namespace gpunode::facts
