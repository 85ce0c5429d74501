#include "node/facts/bundle.h"

#include <algorithm>
#include <array>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "base/host/root_directory.h"
#include "base/text/json_reader.h"
#include "base/text/json_splice.h"
#include "base/text/node.h"
#include "node/facts/json_members.h"

namespace gpunode::facts {
namespace {

using json::for_each_member;
using json::read;
using json::read_items;
using text::json_array;
using text::json_object;
using text::json_string;
using text::JsonReader;

constexpr const char* kIndex = "bundle.json";
constexpr std::size_t kVersion = 1;
constexpr std::size_t kMemberLimitBytes = std::size_t{64} << 20U;

constexpr std::array<std::pair<ErrorCode, std::string_view>, 8> kCodes = {
    {{ErrorCode::kInvalidArgument, "invalidArgument"},
     {ErrorCode::kNotFound, "notFound"},
     {ErrorCode::kAlreadyExists, "alreadyExists"},
     {ErrorCode::kPermissionDenied, "permissionDenied"},
     {ErrorCode::kUnavailable, "unavailable"},
     {ErrorCode::kUnsupported, "unsupported"},
     {ErrorCode::kCorrupt, "corrupt"},
     {ErrorCode::kInternal, "internal"}}};

constexpr std::array<std::pair<host::FileKind, std::string_view>, 7> kKinds = {
    {{host::FileKind::kRegular, "regular"},
     {host::FileKind::kDirectory, "directory"},
     {host::FileKind::kLink, "link"},
     {host::FileKind::kCharDevice, "charDevice"},
     {host::FileKind::kBlockDevice, "blockDevice"},
     {host::FileKind::kSocket, "socket"},
     {host::FileKind::kOther, "other"}}};

template <class Table, class Value>
std::string_view word_of(const Table& table, Value value) {
  for (const auto& [candidate, word] : table) {
    if (candidate == value) return word;
  }
  return table.back().second;
}

template <class Table>
auto value_of(const Table& table, std::string_view word) {
  for (const auto& [value, candidate] : table) {
    if (candidate == word) return std::optional(value);
  }
  return decltype(std::optional(table.front().first))();
}

using Members = std::vector<std::pair<std::string_view, std::string>>;

std::string json_of(const RecordedError& error) {
  return json_object({{"error", json_string(word_of(kCodes, error.code))},
                      {"message", json_string(error.message)}});
}

std::string json_of(std::size_t number) {
  return std::to_string(number);
}
std::string json_of(const std::string& text) {
  return json_string(text);
}

std::string json_of(const std::vector<std::string>& texts) {
  std::vector<std::string> items;
  items.reserve(texts.size());
  for (const std::string& text : texts) items.push_back(json_string(text));
  return json_array(items);
}

std::string json_of(const host::FileStatus& status) {
  return json_object({{"kind", json_string(word_of(kKinds, status.kind))},
                      {"mode", json_of(std::size_t{status.mode})},
                      {"size", json_of(status.size_bytes)},
                      {"major", json_of(std::size_t{status.device_major})},
                      {"minor", json_of(std::size_t{status.device_minor})}});
}

std::string json_of(const RecordedCommand& command) {
  Members members = {{"argv", json_of(command.argv)},
                     {"input", json_of(command.input)}};
  if (command.has_failed) {
    members.emplace_back("failure", json_of(command.error));
  } else {
    members.emplace_back("status",
                         json_of(static_cast<std::size_t>(command.status)));
    members.emplace_back("out", json_of(command.out));
    members.emplace_back("err", json_of(command.err));
  }
  return json_object(members);
}

template <class T, class Write>
std::string table_of(const std::map<std::string, Outcome<T>>& answers,
                     Write write) {
  Members members;
  for (const auto& [path, answer] : answers) {
    const T* value = std::get_if<T>(&answer);
    members.emplace_back(path, value != nullptr
                                   ? json_object({{"is", write(path, *value)}})
                                   : json_of(std::get<RecordedError>(answer)));
  }
  return json_object(members);
}

template <class T>
std::string table_of(const std::map<std::string, Outcome<T>>& answers) {
  return table_of(answers, [](const std::string&, const T& value) {
    return json_of(value);
  });
}

Result<bool> read_value(JsonReader& reader, std::size_t& into) {
  return read(reader, into);
}

Result<bool> read_value(JsonReader& reader, std::string& into) {
  return read(reader, into);
}

Result<bool> read_value(JsonReader& reader, std::vector<std::string>& into) {
  return read_items(reader, [&]() -> Result<void> {
    TRY(std::string item, reader.string());
    into.push_back(std::move(item));
    return {};
  });
}

template <class Table, class Value>
Result<bool> read_word(JsonReader& reader, const Table& table, Value& into) {
  const std::size_t start = reader.position();
  TRY(const std::string word, reader.string());
  const auto value = value_of(table, word);
  if (!value) return reader.fault(start, "a word that is not known here");
  into = *value;
  return true;
}

Result<bool> read_value(JsonReader& reader, host::FileStatus& into) {
  TRY_VOID(for_each_member(reader, [&](const std::string& key) -> Result<bool> {
    if (key == "kind") return read_word(reader, kKinds, into.kind);
    if (key == "mode") return read(reader, into.mode);
    if (key == "size") return read(reader, into.size_bytes);
    if (key == "major") return read(reader, into.device_major);
    if (key == "minor") return read(reader, into.device_minor);
    return false;
  }));
  return true;
}

Result<bool> read_error_member(JsonReader& reader, const std::string& key,
                               RecordedError& into) {
  if (key == "error") return read_word(reader, kCodes, into.code);
  if (key == "message") return read(reader, into.message);
  return false;
}

/// {"is": value} or an error. Told apart by which member is there.
template <class T>
Result<Outcome<T>> read_outcome(JsonReader& reader) {
  const std::size_t start = reader.position();
  std::optional<T> value;
  std::optional<RecordedError> error;
  TRY_VOID(for_each_member(reader, [&](const std::string& key) -> Result<bool> {
    if (key == "is") return read_value(reader, value.emplace());
    if (!error) error.emplace();
    return read_error_member(reader, key, *error);
  }));
  if (value.has_value() == error.has_value()) {
    return reader.fault(start, "neither an answer nor an error");
  }
  if (value) return Outcome<T>(*std::move(value));
  return Outcome<T>(*std::move(error));
}

template <class T>
Result<bool> read_table(JsonReader& reader,
                        std::map<std::string, Outcome<T>>& into) {
  TRY_VOID(
      for_each_member(reader, [&](const std::string& path) -> Result<bool> {
        TRY(auto outcome, read_outcome<T>(reader));
        into.insert_or_assign(path, std::move(outcome));
        return true;
      }));
  return true;
}

Result<bool> read_commands(JsonReader& reader,
                           std::vector<RecordedCommand>& into) {
  return read_items(reader, [&]() -> Result<void> {
    RecordedCommand& command = into.emplace_back();
    return for_each_member(reader, [&](const std::string& key) -> Result<bool> {
      if (key == "argv") return read_value(reader, command.argv);
      if (key == "input") return read(reader, command.input);
      if (key == "status") return read(reader, command.status);
      if (key == "out") return read(reader, command.out);
      if (key == "err") return read(reader, command.err);
      if (key == "failure") {
        command.has_failed = true;
        TRY_VOID(for_each_member(
            reader, [&](const std::string& part) -> Result<bool> {
              return read_error_member(reader, part, command.error);
            }));
        return true;
      }
      return false;
    });
  });
}

/// Fetches the content of a member of the bundle.
using Fetch = std::function<Result<std::string>(const std::string& name)>;

Result<Recording> read_index(std::string_view index, const Fetch& fetch) {
  Recording recording;
  JsonReader reader(index, kIndex);
  std::size_t version = 0;
  TRY_VOID(for_each_member(reader, [&](const std::string& key) -> Result<bool> {
    if (key == "version") return read(reader, version);
    if (key == "live") return read(reader, recording.is_live);
    if (key == "files") return read_table(reader, recording.files);
    if (key == "statuses") return read_table(reader, recording.statuses);
    if (key == "links") return read_table(reader, recording.links);
    if (key == "attributes") return read_table(reader, recording.attributes);
    if (key == "resolved") return read_table(reader, recording.resolved);
    if (key == "listings") return read_table(reader, recording.listings);
    if (key == "counts") return read_table(reader, recording.counts);
    if (key == "commands") return read_commands(reader, recording.commands);
    return false;
  }));
  TRY_VOID(reader.finish());
  if (version != kVersion) {
    return Error(ErrorCode::kUnsupported, "a bundle of version " +
                                              std::to_string(version) +
                                              ": this gpunode reads version " +
                                              std::to_string(kVersion));
  }
  // The index names members; now what they contain. Each but once: a small
  // bundle must not become a large recording.
  std::set<std::string> used;
  for (auto& [path, answer] : recording.files) {
    auto* member = std::get_if<std::string>(&answer);
    if (member == nullptr) continue;
    if (!used.insert(*member).second) {
      return Error(ErrorCode::kCorrupt,
                   "the bundle names " + host::printable(*member) + " twice");
    }
    TRY(*member, fetch(*member));
  }
  return recording;
}

}  // namespace

Result<std::string> write_bundle(const Recording& recording) {
  std::vector<TarMember> members(1);
  const auto add_member = [&](const std::string& path,
                              const std::string& content) {
    // Names that ustar has no room for lose their place, not their content.
    std::string name = "root" + path;
    if (!is_tar_name(name)) name = "more/" + std::to_string(members.size());
    members.push_back({name, content});
    return json_string(name);
  };
  Members index;
  index.emplace_back("version", std::to_string(kVersion));
  index.emplace_back("live", recording.is_live ? "true" : "false");
  index.emplace_back("files", table_of(recording.files, add_member));
  index.emplace_back("statuses", table_of(recording.statuses));
  index.emplace_back("links", table_of(recording.links));
  index.emplace_back("attributes", table_of(recording.attributes));
  index.emplace_back("resolved", table_of(recording.resolved));
  index.emplace_back("listings", table_of(recording.listings));
  index.emplace_back("counts", table_of(recording.counts));
  std::vector<std::string> commands;
  for (const RecordedCommand& command : recording.commands) {
    commands.push_back(json_of(command));
  }
  index.emplace_back("commands", json_array(commands));
  members.front() = {kIndex, json_object(index) + "\n"};
  return write_tar(members);
}

Result<Recording> read_bundle(std::string_view archive) {
  TRY(std::vector<TarMember> members, read_tar(archive));
  std::map<std::string, std::string, std::less<>> contents;
  for (TarMember& member : members) {
    contents.emplace(std::move(member.name), std::move(member.content));
  }
  const auto fetch = [&](const std::string& name) -> Result<std::string> {
    const auto found = contents.find(name);
    if (found == contents.end()) {
      return Error(ErrorCode::kCorrupt,
                   "the bundle lacks " + host::printable(name));
    }
    return found->second;
  };
  TRY(const std::string index, fetch(kIndex));
  return read_index(index, fetch);
}

Result<Recording> read_unpacked_bundle(const host::HostRoot& folder) {
  const auto fetch = [&](const std::string& name) -> Result<std::string> {
    if (!is_tar_name(name)) {
      return Error(ErrorCode::kCorrupt,
                   "the bundle names " + host::printable(name));
    }
    return folder.read_file(name, kMemberLimitBytes);
  };
  TRY(const std::string index, fetch(kIndex));
  return read_index(index, fetch);
}

}  // namespace gpunode::facts
