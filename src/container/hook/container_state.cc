#include "container/hook/container_state.h"

#include <fcntl.h>

#include <map>
#include <vector>

#include <rapidjson/memorystream.h>
#include <rapidjson/reader.h>

namespace gpunode::hook {
namespace {

constexpr std::size_t kMaxConfigBytes = std::size_t{64} << 20;
constexpr std::size_t kMaxDepth = 1000;

/// Collects texts by where they are ("root.path") without building a tree: a
/// config.json may be large, and is only looked at for one of them.
class TextsByPath
    : public rapidjson::BaseReaderHandler<rapidjson::UTF8<>, TextsByPath> {
 public:
  bool StartObject() {  // NOLINT(readability-identifier-naming): rapidjson's.
    keys_.emplace_back();
    return keys_.size() <= kMaxDepth;
  }
  // NOLINTNEXTLINE(readability-identifier-naming): rapidjson's.
  bool Key(const char* text, rapidjson::SizeType size, bool /*copy*/) {
    keys_.back().assign(text, size);
    return true;
  }
  // NOLINTNEXTLINE(readability-identifier-naming): rapidjson's.
  bool EndObject(rapidjson::SizeType /*members*/) {
    keys_.pop_back();
    return true;
  }
  bool StartArray() {  // NOLINT(readability-identifier-naming): rapidjson's.
    keys_.emplace_back("[]");
    return keys_.size() <= kMaxDepth;
  }
  // NOLINTNEXTLINE(readability-identifier-naming): rapidjson's.
  bool EndArray(rapidjson::SizeType /*elements*/) {
    keys_.pop_back();
    return true;
  }
  // NOLINTNEXTLINE(readability-identifier-naming): rapidjson's.
  bool String(const char* text, rapidjson::SizeType size, bool /*copy*/) {
    if (keys_.empty() || keys_.size() > 2) return true;
    std::string path = keys_.front();
    if (keys_.size() == 2) path += "." + keys_.back();
    // As Go reads it: of two the last.
    texts_[path].assign(text, size);
    return true;
  }

  std::string take(const std::string& path) { return std::move(texts_[path]); }

 private:
  std::vector<std::string> keys_;
  std::map<std::string, std::string> texts_;
};

Result<TextsByPath> read_texts(std::string_view json, const char* what) {
  TextsByPath texts;
  rapidjson::Reader reader;
  rapidjson::MemoryStream stream(json.data(), json.size());
  const auto parsed =
      reader.Parse<rapidjson::kParseIterativeFlag>(stream, texts);
  if (parsed.IsError() || json.find_first_not_of(" \t\r\n") == json.npos ||
      json[json.find_first_not_of(" \t\r\n")] != '{') {
    return Error(ErrorCode::kCorrupt,
                 std::string(what) + ": not a JSON object");
  }
  return texts;
}

bool is_usable(const std::string& path) {
  return !path.empty() && path.find('\0') == std::string::npos;
}

}  // namespace

Result<ContainerState> parse_container_state(std::string_view json) {
  TRY(auto texts, read_texts(json, "container state"));
  ContainerState state{texts.take("bundle"), texts.take("root")};
  if (!is_usable(state.bundle) && !is_usable(state.root)) {
    return Error(ErrorCode::kCorrupt,
                 "container state: neither bundle nor root");
  }
  return state;
}

Result<std::string> parse_root_path(std::string_view json) {
  TRY(auto texts, read_texts(json, "config.json"));
  std::string path = texts.take("root.path");
  if (!is_usable(path)) {
    return Error(ErrorCode::kCorrupt, "config.json: no root.path");
  }
  return path;
}

Result<host::RootDirectory> open_container_root(const ContainerState& state) {
  if (!state.root.empty()) return host::RootDirectory::open(state.root);
  const std::string config = state.bundle + "/config.json";
  // The bundle is the runtime's, not the image's: opened as it is named.
  const UniqueFd fd(::open(config.c_str(), O_PATH | O_CLOEXEC));
  if (!fd) return Error::from_errno("open " + host::printable(config), errno);
  TRY(const UniqueFd file, host::reopen_file(fd, config));
  TRY(const std::string text,
      host::read_all(file.get(), kMaxConfigBytes, config));
  TRY(std::string path, parse_root_path(text));
  if (!path.starts_with('/')) path = state.bundle + "/" + path;
  return host::RootDirectory::open(path);
}

}  // namespace gpunode::hook
