// Any bytes as what an image or a runtime may hand a hook: a library, a line
// of ld.so.conf, a container's state. No crash, no hang, and what is accepted
// is what the rest counts on.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "container/hook/container_state.h"
#include "container/hook/cuda_compat.h"
#include "container/hook/library_name.h"
#include "container/hook/loader_cache.h"
#include "container/hook/loader_config.h"
#include "container/hook/musl_path.h"
#include "container/hook/preload.h"

namespace {

using namespace gpunode::hook;  // NOLINT(google-build-using-namespace)

void require(bool claim) {
  if (!claim) std::abort();
}

void require_one_line(const std::string& message) {
  require(!message.empty() && message.find('\n') == std::string::npos);
}

void check_line(std::string_view line) {
  const LoaderLine parsed = parse_loader_line(line);
  for (const std::string& value : parsed.values) {
    require(!value.empty() && value.find('\0') == std::string::npos);
    require(parsed.kind != LoaderLine::Kind::kDirectory || value[0] == '/');
  }
  static_cast<void>(matches_pattern(line, line.substr(0, line.size() / 2)));
  static_cast<void>(matches_pattern(line.substr(line.size() / 2), line));
}

/// The names of `text` as libraries: the order in the file must be one in which
/// a binary search finds them.
void check_cache(const std::vector<std::string>& names) {
  std::vector<CacheEntry> entries;
  for (const std::string& name : names) {
    entries.push_back({0x0303, name, "/lib/" + name,
                       name.size() % 3 == 0 ? "x86-64-v3" : "", 2});
  }
  const std::string once = encode_loader_cache(entries);
  require(once.size() > 48 && once == encode_loader_cache(entries));
}

void check_json(std::string_view text) {
  const auto state = parse_container_state(text);
  if (state) {
    require(!state->bundle.empty() || !state->root.empty());
  } else {
    require_one_line(state.error().message());
  }
  const auto root = parse_root_path(text);
  if (root) require(!root->empty());
  const auto note = parse_compat_note(text);
  if (note) static_cast<void>(should_use_compat("570.1", *note, {"550.1", ""}));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  check_json(bytes);
  std::vector<std::string> lines;
  for (std::string_view rest = bytes; !rest.empty();) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    check_line(rest.substr(0, end));
    lines.emplace_back(rest.substr(0, std::min<std::size_t>(end, 255)));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  check_cache(lines);
  require(with_musl_folders(bytes, lines).size() >= bytes.size());
  require(merged_preload("/our.so", bytes).size() >= bytes.size());
  return 0;
}
