// What the owner of a host says of a distribution, in a GPUNode file or a
// drop-in of it.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/result.h"
#include "node/distribution/distribution.h"

namespace gpunode::distribution {

/// Architecture, of an extension.
struct SaidArchitecture {
  std::string machine = {};
  std::string directory = {};
  int first_branch = 0;  ///< 0: any.
  int last_branch = 0;   ///< 0: no end.

  friend bool operator==(const SaidArchitecture&,
                         const SaidArchitecture&) = default;
};

/// DevelRule, of an extension.
struct SaidDevel {
  std::string flavour = {};
  std::string package = {};

  friend bool operator==(const SaidDevel&, const SaidDevel&) = default;
};

/// What a GPUNode file says of a distribution: of a row that is there, what
/// differs; of one that is not, what it is like, or all of it.
struct Extension {
  std::string id = {};
  std::string version = {};
  /// "rhel 9": the row of the table that it is like in all it does not say.
  /// Empty: its own, which then must be there, or none.
  std::string like = {};
  std::string repository = {};   ///< "rhel10"; "" as it is.
  std::string key_file = {};     ///< "CDF6BA43.pub"; "" as it is.
  std::string fingerprint = {};  ///< 40 hex digits; "" as it is.
  int first_branch = 0;          ///< Of each architecture; 0: as it is.
  int last_branch = 0;
  std::optional<Manager> manager = {};
  std::optional<Family> family = {};
  std::vector<SaidArchitecture> architectures = {};  ///< Empty: as they are.
  std::vector<SaidDevel> devel = {};                 ///< Empty: as they are.
  std::vector<std::string> compilers = {};           ///< Empty: as they are.
  std::optional<std::string> dkms = {};              ///< As Distribution's.
  std::optional<Status> status = {};
  std::optional<std::string> note = {};

  friend bool operator==(const Extension&, const Extension&) = default;
};

/// What an extension can't mean, and by which key of the file.
struct ExtensionProblem {
  std::string_view key;  ///< "keyFingerprint"; docs/formats/gpunode.md.
  std::string words;
};

/// The first thing that is wrong with `extension` for itself: it is of no row
/// and neither like one nor whole, or its values contradict each other or could
/// mean something else in a file or an address.
std::optional<ExtensionProblem> find_problem(const Extension& extension);

/// The row of the table that `extension` changes: the one it is like, else its
/// own; nullptr if it is neither and says all itself. An Error where what it is
/// like is in no row.
Result<const Distribution*> base_of(const Extension& extension);

}  // namespace gpunode::distribution
