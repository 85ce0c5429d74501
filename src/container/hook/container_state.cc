#include "container/hook/container_state.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <utility>
#include <vector>

#include "base/text/json_reader.h"

namespace gpunode::hook {
namespace {

constexpr std::size_t kMaxConfigBytes = std::size_t{64} << 20;

/// Reads a string, or passes what is none.
Result<std::string> string_or_nothing(text::JsonReader& reader) {
  TRY(const text::JsonKind kind, reader.kind());
  if (kind == text::JsonKind::kString) return reader.string();
  TRY_VOID(reader.skip());
  return std::string();
}

/// The string members of `names` in an object that starts here; of two with
/// one name the last, as Go reads it. Other members are passed.
Result<std::vector<std::string>> read_members(
    text::JsonReader& reader, const std::vector<std::string_view>& names) {
  std::vector<std::string> values(names.size());
  TRY_VOID(reader.enter_object());
  for (;;) {
    TRY(const auto key, reader.next_key());
    if (!key) return values;
    const auto named = std::find(names.begin(), names.end(), *key);
    if (named == names.end()) {
      TRY_VOID(reader.skip());
      continue;
    }
    TRY(values[static_cast<std::size_t>(named - names.begin())],
        string_or_nothing(reader));
  }
}

bool is_usable(const std::string& path) {
  return !path.empty() && path.find('\0') == std::string::npos;
}

/// A path that was written into config.json: relative ones are the bundle's.
std::string in_bundle(const ContainerState& state, const std::string& path) {
  if (path.starts_with('/') || state.bundle.empty()) return path;
  return state.bundle + "/" + path;
}

}  // namespace

Result<ContainerState> parse_container_state(std::string_view json) {
  text::JsonReader reader(json, "container state");
  TRY(auto values, read_members(reader, {"bundle", "root"}));
  TRY_VOID(reader.finish());
  ContainerState state{std::move(values[0]), std::move(values[1])};
  if (!is_usable(state.bundle) && !is_usable(state.root)) {
    return Error(ErrorCode::kCorrupt,
                 "container state: neither bundle nor root");
  }
  return state;
}

Result<std::string> parse_root_path(std::string_view json) {
  text::JsonReader reader(json, "config.json");
  std::string path;
  TRY_VOID(reader.enter_object());
  for (;;) {
    TRY(const auto key, reader.next_key());
    if (!key) break;
    TRY(const text::JsonKind kind, reader.kind());
    if (*key != "root" || kind != text::JsonKind::kObject) {
      TRY_VOID(reader.skip());
      continue;
    }
    TRY(auto values, read_members(reader, {"path"}));
    path = std::move(values[0]);
  }
  TRY_VOID(reader.finish());
  if (!is_usable(path)) {
    return Error(ErrorCode::kCorrupt, "config.json: no root.path");
  }
  return path;
}

Result<host::RootDirectory> open_container_root(const ContainerState& state) {
  if (!state.root.empty()) {
    return host::RootDirectory::open(in_bundle(state, state.root));
  }
  const std::string config = state.bundle + "/config.json";
  // The bundle is the runtime's, not the image's: opened as it is named.
  const UniqueFd fd(::open(config.c_str(), O_PATH | O_CLOEXEC));
  if (!fd) return Error::from_errno("open " + host::printable(config), errno);
  TRY(const UniqueFd file, host::reopen_file(fd, config));
  TRY(const std::string text,
      host::read_all(file.get(), kMaxConfigBytes, config));
  TRY(const std::string path, parse_root_path(text));
  return host::RootDirectory::open(in_bundle(state, path));
}

}  // namespace gpunode::hook
