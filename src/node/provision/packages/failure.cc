#include "node/provision/packages/failure.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <span>
#include <utility>

#include "base/host/command_runner.h"
#include "node/provision/packages/redaction.h"
#include "node/provision/packages/zypper_output.h"

namespace gpunode::packages {
namespace {

/// One sentence of a tool and what it means. Of those that are in an output,
/// the first of the table counts: causes come before the "could not" that
/// follows from them.
struct Sentence {
  std::string_view text;
  FailureKind kind;
};

// apt-get 1.0 to 3.0: its apt-pkg and methods' words, gpgv's status words and,
// from 3.0, sqv's.
constexpr auto kApt = std::to_array<Sentence>({
    {"Could not get lock", FailureKind::kLocked},
    {"Unable to acquire the dpkg frontend lock", FailureKind::kLocked},
    {"is locked by another process", FailureKind::kLocked},
    {"Unable to lock directory", FailureKind::kLocked},
    {"dpkg was interrupted", FailureKind::kInterrupted},
    {"No space left on device", FailureKind::kNoSpace},
    {"have enough free space", FailureKind::kNoSpace},
    {"Policy rejected", FailureKind::kWeakKey},
    {"is not considered secure", FailureKind::kWeakKey},
    {"EXPKEYSIG", FailureKind::kExpiredKey},
    {"KEYEXPIRED", FailureKind::kExpiredKey},
    {"NO_PUBKEY", FailureKind::kUnknownKey},
    {"Missing key", FailureKind::kUnknownKey},
    {"BADSIG", FailureKind::kBadSignature},
    {"Bad signature", FailureKind::kBadSignature},
    {"Clearsigned file isn't valid", FailureKind::kBadSignature},
    {"Hash Sum mismatch", FailureKind::kHashMismatch},
    {"unexpected size", FailureKind::kHashMismatch},
    {"  500  ", FailureKind::kMirror},
    {"  502  ", FailureKind::kMirror},
    {"  503  ", FailureKind::kMirror},
    {"  504  ", FailureKind::kMirror},
    {"  429  ", FailureKind::kMirror},
    {"  408  ", FailureKind::kMirror},
    {"Could not connect", FailureKind::kMirror},
    {"Unable to connect", FailureKind::kMirror},
    {"Could not resolve", FailureKind::kMirror},
    {"Temporary failure resolving", FailureKind::kMirror},
    {"Connection timed out", FailureKind::kMirror},
    {"Connection failed", FailureKind::kMirror},
    {"Connection reset", FailureKind::kMirror},
    {"Error reading from server", FailureKind::kMirror},
    {"does not have a Release file", FailureKind::kNotFound},
    {"is not signed", FailureKind::kBadSignature},
    {"  404  ", FailureKind::kStaleIndex},
    {"File not found", FailureKind::kStaleIndex},
    {"Held packages were changed", FailureKind::kHeld},
    {"Packages were downgraded", FailureKind::kWouldDowngrade},
    {"remove is disabled", FailureKind::kWouldRemove},
    {"Essential packages were removed", FailureKind::kWouldRemove},
    {"Unable to locate package", FailureKind::kNotFound},
    {"has no installation candidate", FailureKind::kNotFound},
    {"was not found", FailureKind::kNotFound},
    {" Conflicts: ", FailureKind::kConflict},
    {" Breaks: ", FailureKind::kConflict},
    {"script subprocess returned error", FailureKind::kScript},
    {"trying to overwrite", FailureKind::kConflict},
    {" Depends: ", FailureKind::kUnmet},
    {" PreDepends: ", FailureKind::kUnmet},
    {"unmet dependencies", FailureKind::kUnmet},
    {"Failed to fetch", FailureKind::kMirror},
    {"returned an error code", FailureKind::kScript},
});

// dnf 4 with libdnf, librepo and rpm; dnf 5 has words of its own among those of
// the same libraries, and yum 3 those that dnf 4 did not take over.
constexpr auto kDnf = std::to_array<Sentence>({
    {"already locked by", FailureKind::kLocked},
    {"Waiting for process with pid", FailureKind::kLocked},
    {"Failed to obtain the transaction lock", FailureKind::kLocked},
    {"Failed to obtain rpm transaction lock", FailureKind::kLocked},
    {"can't create transaction lock", FailureKind::kLocked},
    {"holding the yum lock", FailureKind::kLocked},
    {"another copy is running as pid", FailureKind::kLocked},
    {"No space left on device", FailureKind::kNoSpace},
    {"more space needed on the", FailureKind::kNoSpace},
    {"checksum doesn't match", FailureKind::kHashMismatch},
    {"Checksum error", FailureKind::kHashMismatch},
    {"certificate is not alive", FailureKind::kExpiredKey},
    {"key is not alive", FailureKind::kExpiredKey},
    {"key has expired", FailureKind::kExpiredKey},
    {"SHA1 is not considered secure", FailureKind::kWeakKey},
    {"Policy rejects", FailureKind::kWeakKey},
    {"they are not correct for this package", FailureKind::kUnknownKey},
    {"Public key for", FailureKind::kUnknownKey},
    {"key import failed", FailureKind::kUnknownKey},
    {"Signing key not found", FailureKind::kUnknownKey},
    {"Import of the key didn't help", FailureKind::kUnknownKey},
    {"GPG signature verification error", FailureKind::kBadSignature},
    {"GPG check FAILED", FailureKind::kBadSignature},
    {"Signature verification failed", FailureKind::kBadSignature},
    {"is not signed", FailureKind::kBadSignature},
    {"signature could not be verified", FailureKind::kBadSignature},
    {"Status code: 404", FailureKind::kStaleIndex},
    {"HTTP Error 404", FailureKind::kStaleIndex},
    {"HTTP Error 5", FailureKind::kMirror},
    {"[Errno 14] curl#", FailureKind::kMirror},
    {"[Errno 12] Timeout", FailureKind::kMirror},
    {"Status code: 5", FailureKind::kMirror},
    {"Status code: 429", FailureKind::kMirror},
    {"Status code: 408", FailureKind::kMirror},
    {"Curl error", FailureKind::kMirror},
    {"All mirrors were", FailureKind::kMirror},
    {"all mirrors were", FailureKind::kMirror},
    {"No more mirrors to try", FailureKind::kMirror},
    {"protected packages", FailureKind::kWouldRemove},
    {"No such command: versionlock", FailureKind::kNoPlugin},
    {"filtered out by exclude filtering", FailureKind::kHeld},
    {"excluded by versionlock", FailureKind::kHeld},
    {"matches only excluded packages", FailureKind::kHeld},
    {"filtered out by modular filtering", FailureKind::kFiltered},
    {"nothing provides", FailureKind::kUnmet},
    {"conflicts with", FailureKind::kConflict},
    {"cannot install both", FailureKind::kConflict},
    {"none of the providers can be installed", FailureKind::kUnmet},
    {"Unable to find a match", FailureKind::kNotFound},
    {"No match for argument", FailureKind::kNotFound},
    {" Requires: ", FailureKind::kUnmet},
    {"No package ", FailureKind::kNotFound},
    {"No Match for argument", FailureKind::kNotFound},
    {"Unable to resolve argument", FailureKind::kNotFound},
    {"scriptlet failed", FailureKind::kScript},
    {"script failed:", FailureKind::kScript},
    {"rror in %", FailureKind::kScript},
    {"Error unpacking rpm package", FailureKind::kScript},
});

// zypper 1.14 with libzypp.
constexpr auto kZypper = std::to_array<Sentence>({
    {"System management is locked", FailureKind::kLocked},
    {"can't create transaction lock", FailureKind::kLocked},
    {"No space left on device", FailureKind::kNoSpace},
    {"not enough space", FailureKind::kNoSpace},
    {"more space needed on the", FailureKind::kNoSpace},
    {"The gpg key signing file", FailureKind::kExpiredKey},
    {"has expired", FailureKind::kExpiredKey},
    {"is signed with an unknown key", FailureKind::kUnknownKey},
    {"public key is unavailable", FailureKind::kUnknownKey},
    {"Signature verification failed", FailureKind::kBadSignature},
    {"is not signed", FailureKind::kBadSignature},
    {"Digest verification failed", FailureKind::kHashMismatch},
    {"invalid checksum", FailureKind::kHashMismatch},
    {"seems to be corrupted", FailureKind::kHashMismatch},
    {"error 5", FailureKind::kMirror},
    {"error: 5", FailureKind::kMirror},
    {"HTTP response: 5", FailureKind::kMirror},
    {"HTTP response: 429", FailureKind::kMirror},
    {"is temporarily unaccessible", FailureKind::kMirror},
    {"Timeout exceeded", FailureKind::kMirror},
    {"Could not resolve host", FailureKind::kMirror},
    {"Connection refused", FailureKind::kMirror},
    {"Failed to connect", FailureKind::kMirror},
    {"Download (curl) error", FailureKind::kMirror},
    {"not found on medium", FailureKind::kStaleIndex},
    {"remove lock to allow", FailureKind::kHeld},
    {"lower version than the installed", FailureKind::kWouldDowngrade},
    {"is older than the installed", FailureKind::kWouldDowngrade},
    {"nothing provides", FailureKind::kUnmet},
    {"conflicts with", FailureKind::kConflict},
    {"cannot be provided", FailureKind::kUnmet},
    {"No provider of", FailureKind::kNotFound},
    {"not found in package names", FailureKind::kNotFound},
    {"scriptlet failed", FailureKind::kScript},
});

std::span<const Sentence> sentences_of(Tool tool) {
  switch (tool) {
    case Tool::kApt:
      return kApt;
    case Tool::kDnf:
      return kDnf;
    case Tool::kZypper:
      return kZypper;
  }
  return {};
}

constexpr std::size_t kEvidenceLines = 4;

/// The lines that hold `sentence`, as one, each once.
std::string lines_with(std::string_view output, std::string_view sentence) {
  std::vector<std::string> found;
  for (std::size_t at = 0; at < output.size();) {
    const std::size_t end = std::min(output.find('\n', at), output.size());
    const std::string_view line = output.substr(at, end - at);
    at = end + 1;
    if (line.find(sentence) == std::string_view::npos) continue;
    std::string clean = host::output_tail(std::string(line));
    clean.erase(0, clean.find_first_not_of(' '));
    if (std::find(found.begin(), found.end(), clean) == found.end()) {
      found.push_back(std::move(clean));
    }
    if (found.size() == kEvidenceLines) break;
  }
  std::string all;
  for (const std::string& line : found) {
    if (!all.empty()) all += "; ";
    all += line;
  }
  return all;
}

ErrorCode code_of(FailureKind kind) {
  switch (kind) {
    case FailureKind::kLocked:
    case FailureKind::kMirror:
    case FailureKind::kStaleIndex:
      return ErrorCode::kUnavailable;
    case FailureKind::kUnknownKey:
    case FailureKind::kExpiredKey:
    case FailureKind::kWeakKey:
    case FailureKind::kBadSignature:
      return ErrorCode::kPermissionDenied;
    case FailureKind::kHashMismatch:
      return ErrorCode::kCorrupt;
    case FailureKind::kNotFound:
    case FailureKind::kFiltered:
    case FailureKind::kNoPlugin:
      return ErrorCode::kNotFound;
    case FailureKind::kHeld:
    case FailureKind::kUnmet:
    case FailureKind::kConflict:
    case FailureKind::kWouldRemove:
    case FailureKind::kWouldDowngrade:
      return ErrorCode::kUnsupported;
    case FailureKind::kInterrupted:
    case FailureKind::kNoSpace:
    case FailureKind::kScript:
    case FailureKind::kOther:
      return ErrorCode::kInternal;
  }
  return ErrorCode::kInternal;
}

const char* meaning_of(FailureKind kind) {
  switch (kind) {
    case FailureKind::kLocked:
      return "another program holds the package manager's lock";
    case FailureKind::kInterrupted:
      return "an earlier installation was interrupted and is not finished";
    case FailureKind::kUnknownKey:
      return "it is signed by a key that is not this repository's";
    case FailureKind::kExpiredKey:
      return "the key that signed it has expired";
    case FailureKind::kWeakKey:
      return "this system's policy finds its key or signature too weak";
    case FailureKind::kBadSignature:
      return "its signature is missing or does not fit";
    case FailureKind::kHashMismatch:
      return "what the mirror sent is not what its index promises";
    case FailureKind::kStaleIndex:
      return "the mirror no longer has what its index names";
    case FailureKind::kMirror:
      return "the mirror does not answer as it should";
    case FailureKind::kNoSpace:
      return "the disk is full";
    case FailureKind::kHeld:
      return "a hold or version lock forbids it";
    case FailureKind::kUnmet:
      return "it needs a package that no repository has";
    case FailureKind::kConflict:
      return "it conflicts with another package";
    case FailureKind::kNotFound:
      return "no repository has it";
    case FailureKind::kNoPlugin:
      return "a plugin of the package manager is missing";
    case FailureKind::kScript:
      return "a package's own script failed";
    case FailureKind::kFiltered:
      return "another stream of its module hides it";
    case FailureKind::kWouldRemove:
      return "it would remove packages that must stay";
    case FailureKind::kWouldDowngrade:
      return "it would put an older version in place of a newer one";
    case FailureKind::kOther:
      return "";
  }
  return "";
}

const char* refresh_of(Tool tool) {
  switch (tool) {
    case Tool::kApt:
      return "apt-get update";
    case Tool::kDnf:
      return "dnf clean metadata";
    case Tool::kZypper:
      return "zypper refresh --force";
  }
  return "";
}

const char* release_of(Tool tool) {
  switch (tool) {
    case Tool::kApt:
      return "apt-mark showhold";
    case Tool::kDnf:
      return "dnf versionlock list";
    case Tool::kZypper:
      return "zypper locks";
  }
  return "";
}

}  // namespace

Failure explain(Tool tool, std::string_view output) {
  // zypper speaks XML to us.
  std::string plain;
  if (tool == Tool::kZypper && output.find("<stream>") != output.npos) {
    plain = plain_text(output);
    output = plain;
  }
  for (const Sentence& sentence : sentences_of(tool)) {
    if (output.find(sentence.text) == std::string_view::npos) continue;
    return {sentence.kind, redacted(lines_with(output, sentence.text))};
  }
  return {FailureKind::kOther,
          redacted(host::output_tail(std::string(output)))};
}

bool is_worth_retrying(FailureKind kind) {
  return kind == FailureKind::kMirror || kind == FailureKind::kHashMismatch ||
         kind == FailureKind::kStaleIndex;
}

std::string next_step(Tool tool, FailureKind kind) {
  switch (kind) {
    case FailureKind::kLocked:
      return "let it finish (or stop it, if it hangs), then run this again";
    case FailureKind::kInterrupted:
      return "run dpkg --configure -a, mend what it says, then run this again";
    case FailureKind::kUnknownKey:
    case FailureKind::kBadSignature:
      return "do not trust it: compare the repository's URL and key with what "
             "its owner publishes";
    case FailureKind::kExpiredKey:
      return "get the repository's current key from its owner, and check this "
             "machine's clock";
    case FailureKind::kWeakKey:
      return "get a newer key from the repository's owner; the policy is not "
             "lowered for you";
    case FailureKind::kHashMismatch:
    case FailureKind::kStaleIndex:
      return std::string("run ") + refresh_of(tool) +
             " and try again in an hour; if it stays so, use another mirror or "
             "check the proxy's cache";
    case FailureKind::kMirror:
      return "check the network, the proxy and the repository's URL, then run "
             "this again";
    case FailureKind::kNoSpace:
      return "make room (df shows where), then run this again";
    case FailureKind::kHeld:
      return std::string("see ") + release_of(tool) +
             "; release what may change, then run this again";
    case FailureKind::kUnmet:
      return "enable the repository that has it, or choose another version";
    case FailureKind::kConflict:
      return "decide which of the two to keep and remove the other";
    case FailureKind::kNotFound:
      return "check the name, the version and which repositories are enabled";
    case FailureKind::kFiltered:
      return "enable the module's stream that has it (dnf module list)";
    case FailureKind::kNoPlugin:
      return "run dnf install 'dnf-command(versionlock)', then this again";
    case FailureKind::kScript:
      return tool == Tool::kApt
                 ? "mend what the script says, then run dpkg --configure -a"
                 : "mend what the script says, then reinstall the package";
    case FailureKind::kWouldRemove:
      return "remove them yourself if that is what you want, then run this "
             "again";
    case FailureKind::kWouldDowngrade:
      return "ask for the version that is installed, or allow a downgrade";
    case FailureKind::kOther:
      return "run the command by hand to see all of its output";
  }
  return "";
}

Error to_error(Tool tool, const Failure& failure, std::string_view attempted) {
  std::string message(attempted);
  message += ": ";
  const std::string meaning = meaning_of(failure.kind);
  message += meaning.empty() ? "it failed" : meaning;
  if (!failure.evidence.empty()) message += " (" + failure.evidence + ")";
  message += "; next: " + next_step(tool, failure.kind);
  return {code_of(failure.kind), std::move(message)};
}

std::vector<std::string> failed_scripts(std::string_view output) {
  static constexpr auto kSentences = std::to_array<std::string_view>(
      {"scriptlet failed", " scriptlet in rpm package ", "script failed:"});
  std::vector<std::string> found;
  for (const std::string_view sentence : kSentences) {
    const std::string lines = redacted(lines_with(output, sentence));
    if (!lines.empty()) found.push_back(lines);
  }
  return found;
}

}  // namespace gpunode::packages
