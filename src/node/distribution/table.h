// The table of distributions with what the owner of a host adds to it.
#pragma once

#include <deque>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/result.h"
#include "node/distribution/distribution.h"

namespace gpunode::distribution {

/// What a GPUNode file says of a distribution: of a row that is there, what
/// differs; of one that is not, what it is like.
struct Extension {
  std::string id = {};
  std::string version = {};
  /// "rhel 9": the row that a new one is like in all it does not say.
  std::string like = {};
  std::string repository = {};   ///< "rhel10"; "" as it is.
  std::string key_file = {};     ///< "CDF6BA43.pub"; "" as it is.
  std::string fingerprint = {};  ///< 40 hex digits; "" as it is.
  int first_branch = 0;          ///< 0: as it is.
  int last_branch = 0;

  friend bool operator==(const Extension&, const Extension&) = default;
};

/// Rows of the table and of extensions. Values; what find() gives lives as long
/// as the Table it came from, or a copy of it. One by default has no rows but
/// the table's.
class Table {
 public:
  /// kInvalidArgument, in words, for an extension that is of no row and like
  /// none, or whose values could mean something else in a file or an address.
  static Result<Table> with(std::span<const Extension> extensions);

  /// As find_distribution().
  Result<const Distribution*> find(std::string_view id,
                                   std::string_view version) const;

  /// Rows of extensions, which come before the table's of the same name.
  const std::deque<Distribution>& own_rows() const { return store_->rows; }

 private:
  /// Rows are views: this is what they see.
  struct Store {
    std::deque<std::string> texts;
    std::deque<std::vector<Architecture>> architectures;
    std::deque<Distribution> rows;
  };

  static Result<void> add(const Extension& extension, Store& store);

  std::shared_ptr<Store> store_ = std::make_shared<Store>();
};

}  // namespace gpunode::distribution
