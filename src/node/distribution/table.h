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
#include "node/distribution/extension.h"

namespace gpunode::distribution {

/// Rows of the table and of extensions. Values; what find() gives lives as long
/// as the Table it came from, or a copy of it. One by default has no rows but
/// the table's.
class Table {
 public:
  /// kInvalidArgument, in words, for what find_problem() finds and for two
  /// extensions of one distribution.
  static Result<Table> with(std::span<const Extension> extensions);

  /// As find_distribution().
  Result<const Distribution*> find(std::string_view id,
                                   std::string_view version) const;

  /// The row of the table that an extension says a distribution is like, which
  /// has no row of its own there; nullptr otherwise. What is known of a
  /// distribution in other tables is known of it by that name.
  const Distribution* kin_of(std::string_view id,
                             std::string_view version) const;

  /// Rows of extensions, which come before the table's of the same name.
  const std::deque<Distribution>& own_rows() const { return store_->rows; }

 private:
  /// Rows are views: this is what they see.
  struct Store {
    std::string_view keep(const std::string& text);

    std::deque<std::string> texts;
    std::deque<std::vector<Architecture>> architectures;
    std::deque<std::vector<DevelRule>> devel;
    std::deque<std::vector<std::string_view>> compilers;
    std::deque<Distribution> rows;
    std::deque<const Distribution*> kin;  ///< Of each row; may be nullptr.
  };

  static Result<void> add(const Extension& extension, Store& store);
  static void take_texts(const Extension& extension, Store& store,
                         Distribution& row);
  static void take_architectures(const Extension& extension, Store& store,
                                 Distribution& row);
  static void take_packages(const Extension& extension, Store& store,
                            Distribution& row);

  std::shared_ptr<Store> store_ = std::make_shared<Store>();
};

}  // namespace gpunode::distribution
