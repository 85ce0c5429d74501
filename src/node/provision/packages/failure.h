// What package managers say when they fail, as what, why and what next.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/core/error.h"
#include "node/provision/packages/package.h"

namespace gpunode::packages {

enum class FailureKind {
  kLocked,       ///< Another program holds the tool's lock.
  kInterrupted,  ///< dpkg was stopped half-way and must finish first.
  kUnknownKey,   ///< Signed by a key that is not the repository's.
  kExpiredKey,
  kWeakKey,       ///< Bound by SHA-1 or the like; today's policies refuse it.
  kBadSignature,  ///< Not signed, or signed and altered.
  kHashMismatch,  ///< A mirror between two states, or tampered with.
  kStaleIndex,    ///< The index names files that are gone.
  kMirror,        ///< No answer, or an answer that says "later".
  kNoSpace,
  kHeld,   ///< A hold or version lock forbids it.
  kUnmet,  ///< Needs what nobody provides.
  kConflict,
  kNotFound,     ///< No such package or version.
  kNoPlugin,     ///< The tool lacks a part that we need.
  kScript,       ///< A package's own script failed.
  kFiltered,     ///< There, but hidden by the default of a dnf module.
  kWouldRemove,  ///< Possible only by removing what must stay.
  kWouldDowngrade,
  kOther,
};

/// A failure of one command, recognised from what it printed.
struct Failure {
  FailureKind kind = FailureKind::kOther;
  /// The line or lines in which the tool says it; secrets redacted.
  std::string evidence;
};

/// Reads what a failed `tool` printed. kOther, with the tail, if none of its
/// known sentences is in it. Pure.
Failure explain(Tool tool, std::string_view output);

/// True if the same command may succeed a little later without anyone doing
/// anything: only what comes from mirrors. A key, a dependency or a full disk
/// does not change by waiting.
bool is_worth_retrying(FailureKind kind);

/// "attempted: why: evidence; next: …", with the code that callers branch on:
/// kUnavailable for locks and mirrors, kPermissionDenied for keys and
/// signatures, kCorrupt for hashes, kNotFound, kUnsupported for what cannot be
/// resolved, kInternal for the rest.
Error to_error(Tool tool, const Failure& failure, std::string_view attempted);

/// What a person does about it: "run dpkg --configure -a, then again".
std::string next_step(Tool tool, FailureKind kind);

/// Lines that tell of a package's script that failed while the tool itself
/// went on: dnf and zypper end with status 0 then. Pure.
std::vector<std::string> failed_scripts(std::string_view output);

}  // namespace gpunode::packages
