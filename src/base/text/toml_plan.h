// How to write one change into a TOML text so that it looks as if its author
// had written it. Internal to toml_edit.h, which proves the outcome.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/result.h"
#include "base/text/toml_layout.h"
#include "base/text/tree.h"

namespace gpunode::text {

/// Plans changes of one text; both arguments of make() must outlive it.
class TomlPlan {
 public:
  using Edits = std::vector<ByteEdit>;

  /// `tree` is what `text` means.
  static Result<TomlPlan> make(std::string_view text, const Node& tree);

  /// As TomlEditor's functions; no edits where nothing is to be done.
  Result<Edits> set(const KeyPath& path, const Node& value) const;
  Result<Edits> append(const KeyPath& path, const std::string& item) const;
  Result<Edits> remove(const KeyPath& path) const;

 private:
  /// Where `key = value` is; `siblings` if it is inside an inline table.
  struct Place {
    TomlItem item;
    std::vector<TomlItem> siblings;
  };

  /// How a table is written, which says how to add to it.
  struct Table {
    enum class Form { kSection, kInline, kDotted, kImplied };
    Form form = Form::kSection;
    /// Its section; the one with its dotted keys; the first below it.
    std::size_t section = 0;
    TomlItem item;  ///< The inline table, or the last dotted key.
  };

  TomlPlan(std::string_view text, const Node& tree,
           std::vector<TomlSection> sections)
      : text_(text), tree_(tree), sections_(std::move(sections)) {}

  Result<void> refuse_lists(const KeyPath& path) const;
  Result<std::optional<Place>> find(const KeyPath& path) const;
  Result<std::optional<Place>> find_inline(const TomlItem& table,
                                           const KeyPath& path) const;
  Result<Table> table_at(const KeyPath& path) const;
  std::optional<Table> dotted_table(const KeyPath& path) const;
  KeyPath nearest_table(const KeyPath& path) const;

  Result<Edits> add(const KeyPath& path, const Node& value) const;
  Result<Edits> add_member(const Table& table, const std::string& key,
                           const Node& value) const;
  Edits add_dotted(const Table& table, const KeyPath& path,
                   const Node& value) const;
  Edits add_item(std::size_t section, const std::string& key,
                 const Node& value) const;
  Edits add_first_root_item(const std::string& line) const;
  Edits add_section(const KeyPath& path, const Node& value) const;
  Edits add_header(const Table& table, const KeyPath& path,
                   const std::string& key, const Node& value) const;
  Edits append_item(ByteRange array, const std::vector<ByteRange>& items,
                    const std::string& item) const;
  static Edits remove_member(const Place& place);

  std::size_t items_end(const TomlSection& section) const;
  std::size_t content_end(const TomlSection& section) const;
  std::size_t comments_start(std::size_t header) const;
  bool is_blank_line(std::size_t start) const;
  bool is_comment_line(std::size_t start) const;

  bool are_headers_indented() const;
  bool are_items_deeper() const;
  std::string unit() const;
  std::string header_indent(const KeyPath& path) const;
  std::string section_text(const KeyPath& path, const Node& mapping,
                           const std::string& indent) const;
  ByteEdit insert_lines(std::size_t position, std::string lines) const;

  std::string_view text_;
  const Node& tree_;
  std::vector<TomlSection> sections_;
};

}  // namespace gpunode::text
