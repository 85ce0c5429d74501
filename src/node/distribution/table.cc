#include "node/distribution/table.h"

#include <algorithm>
#include <utility>

#include "base/core/ascii.h"

namespace gpunode::distribution {
namespace {

constexpr std::size_t kFingerprintDigits = 40;

Error wrong(const Extension& extension, const std::string& words) {
  return {ErrorCode::kInvalidArgument, "distribution " + extension.id + " " +
                                           extension.version + ": " + words};
}

/// A part of an address and of a file's name.
bool is_plain(std::string_view text) {
  return !text.starts_with('.') && std::ranges::all_of(text, [](char c) {
    return is_alphanumeric(c) || c == '.' || c == '-' || c == '_';
  });
}

bool is_fingerprint(std::string_view text) {
  return text.size() == kFingerprintDigits &&
         std::ranges::all_of(text, [](char c) {
           return is_digit(c) || (c >= 'A' && c <= 'F');
         });
}

Result<void> check(const Extension& extension) {
  if (extension.id.empty() || extension.version.empty()) {
    return wrong(extension, "id and version are needed, as in /etc/os-release");
  }
  for (const std::string* text : {&extension.id, &extension.version,
                                  &extension.repository, &extension.key_file}) {
    if (!is_plain(*text)) return wrong(extension, "\"" + *text + "\" can't be");
  }
  if (!extension.fingerprint.empty() &&
      !is_fingerprint(extension.fingerprint)) {
    return wrong(extension,
                 "a key's fingerprint is 40 hex digits, 0 to 9 and A to F");
  }
  return {};
}

}  // namespace

Result<void> Table::add(const Extension& extension, Store& store) {
  TRY_VOID(check(extension));
  const auto keep = [&store](const std::string& text) -> std::string_view {
    return store.texts.emplace_back(text);
  };
  const auto exact =
      std::ranges::find_if(distributions(), [&](const Distribution& row) {
        return row.id == extension.id && row.version == extension.version;
      });
  Distribution row;
  if (exact != distributions().end()) {
    row = *exact;
  } else {
    const std::size_t blank = extension.like.find(' ');
    if (blank == std::string::npos) {
      return wrong(extension,
                   "it is not in the table: say what it is `like`, as in "
                   "\"rhel 9\"");
    }
    TRY(const Distribution* like,
        find_distribution(extension.like.substr(0, blank),
                          extension.like.substr(blank + 1)));
    row = *like;
    row.id = keep(extension.id);
    row.version = keep(extension.version);
    row.cited = "the file of this host";
  }
  if (!extension.repository.empty())
    row.repository = keep(extension.repository);
  if (!extension.key_file.empty()) row.key.file = keep(extension.key_file);
  if (!extension.fingerprint.empty()) {
    row.key.fingerprint = keep(extension.fingerprint);
  }
  std::vector<Architecture>& all = store.architectures.emplace_back(
      row.architectures.begin(), row.architectures.end());
  for (Architecture& one : all) {
    if (extension.first_branch != 0) one.first_branch = extension.first_branch;
    if (extension.last_branch != 0) one.last_branch = extension.last_branch;
  }
  row.architectures = all;
  store.rows.push_back(row);
  return {};
}

Result<Table> Table::with(std::span<const Extension> extensions) {
  Table table;
  for (const Extension& one : extensions) TRY_VOID(add(one, *table.store_));
  return table;
}

Result<const Distribution*> Table::find(std::string_view id,
                                        std::string_view version) const {
  for (const Distribution& row : store_->rows) {
    if (row.id == id && is_version_of(row, version)) return &row;
  }
  return find_distribution(id, version);
}

}  // namespace gpunode::distribution
