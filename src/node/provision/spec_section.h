// One mapping of a GPUNode file while it is read: every key is asked for once,
// and what nobody asked for is a problem.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/text/node.h"

namespace gpunode::provision {

/// Which file each value of a merged tree came from, by the path of keys.
class SpecOrigins {
 public:
  explicit SpecOrigins(std::string first_file)
      : first_file_(std::move(first_file)) {}

  void set(const std::string& path, const std::string& file) {
    files_[path] = file;
  }
  /// The file of the value at `path`, or of the nearest thing above it.
  const std::string& file_of(std::string path) const;
  const std::string& first_file() const { return first_file_; }

 private:
  std::string first_file_;
  std::map<std::string, std::string> files_;
};

/// Reads typed values out of a mapping. Every failure is one line in
/// `problems` with file, line and column, and reading goes on, so that a person
/// sees all of them at once. Node, origins and problems must outlive it.
class SpecSection {
 public:
  SpecSection(const text::Node& node, const SpecOrigins& origins,
              std::vector<std::string>& problems, std::string path = "");

  void text(std::string_view key, std::string& value);
  void texts(std::string_view key, std::vector<std::string>& values);
  /// Every key of this mapping with its text; all count as asked for.
  std::vector<std::pair<std::string, std::string>> text_pairs();
  void number(std::string_view key, int& value, int least, int most);
  /// "500Gi", "600G", "1Ti" or plain bytes.
  void size(std::string_view key, std::uint64_t& bytes);
  void boolean(std::string_view key, bool& value);

  /// One of a few words; a bool is the word "true" or "false" (YAML 1.1 reads
  /// `off` and `no` so).
  template <class T>
  void choice(std::string_view key, T& value,
              std::initializer_list<std::pair<std::string_view, T>> words) {
    std::vector<std::string_view> names;
    for (const auto& [name, meant] : words) names.push_back(name);
    const std::string chosen = word(key, names);
    for (const auto& [name, meant] : words) {
      if (chosen == name) value = meant;
    }
  }

  /// Exactly this text; must be there if `required`.
  void constant(std::string_view key, std::string_view wanted, bool required);

  /// A mapping of its own, if it is there.
  void section(std::string_view key,
               const std::function<void(SpecSection)>& read);
  /// A list of mappings.
  void list(std::string_view key, const std::function<void(SpecSection)>& read);

  /// A mapping of somebody else's, as it is; nullptr if it is not there.
  const text::Node* mapping(std::string_view key);

  /// A key whose value is not looked at. True if it is there.
  bool later(std::string_view key);
  /// A key that may only be null.
  void null_only(std::string_view key);

  /// A problem at the value of `key`, or at this mapping if it has none.
  void complain(std::string_view key, std::string_view words);

  /// Every key that was not asked for is a problem, with the nearest name.
  void finish();

  /// Whether no problem of this mapping, or of what is below it, was found yet.
  bool is_good() const { return problems_->size() == problems_before_; }

 private:
  const text::Entry* find(std::string_view key);
  std::string word(std::string_view key,
                   const std::vector<std::string_view>& words);
  std::string place(text::Mark mark, const std::string& path) const;
  std::string path_of(std::string_view key) const;

  const text::Node* node_;
  const SpecOrigins* origins_;
  std::vector<std::string>* problems_;
  std::size_t problems_before_;
  std::string path_;  ///< "spec.storage[0]".
  std::vector<std::string_view> asked_;
  bool is_mapping_;
};

}  // namespace gpunode::provision
