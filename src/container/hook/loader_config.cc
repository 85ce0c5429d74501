#include "container/hook/loader_config.h"

#include <fcntl.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <utility>

#include "container/hook/library_name.h"

namespace gpunode::hook {
namespace {

constexpr const char* kConfigPath = "/etc/ld.so.conf";
constexpr std::size_t kMaxFileBytes = std::size_t{256} << 10;
constexpr int kMaxDepth = 8;
constexpr std::size_t kMaxFiles = 512;
constexpr std::size_t kMaxDirectories = 1024;
constexpr std::size_t kMaxMatches = 4096;
constexpr std::size_t kMaxNames = 65536;
constexpr std::size_t kMaxWarnings = 16;

#if defined(__x86_64__)
constexpr const char* kTriplet = "x86_64-linux-gnu";
#elif defined(__aarch64__)
constexpr const char* kTriplet = "aarch64-linux-gnu";
#else
#error "the multiarch triplet of this machine"
#endif

bool is_space(char c) {
  return c == ' ' || c == '\t' || c == '\r' || c == '\v' || c == '\f';
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

std::vector<std::string> words(std::string_view text) {
  std::vector<std::string> found;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find_first_of(" \t"), text.size());
    if (end != 0) found.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return found;
}

/// `word` and a blank start the line, in any case of letters.
bool starts_with_word(std::string_view line, std::string_view word) {
  if (line.size() <= word.size()) return false;
  const char after = line[word.size()];
  return (after == ' ' || after == '\t') &&
         std::equal(word.begin(), word.end(), line.begin(),
                    [](char a, char b) { return a == (b | 0x20); });
}

class Reading {
 public:
  Reading(const host::RootDirectory& root,
          bool (*is_ours)(std::string_view path))
      : root_(root), is_ours_(is_ours) {}

  void file(const std::string& path, int depth) {
    if (is_ours_(path)) return;
    if (depth > kMaxDepth || ++files_ > kMaxFiles) {
      warn(host::printable(path) + ": ignored: too many included files");
      return;
    }
    const auto text = root_.read_file(path, kMaxFileBytes);
    if (!text) {
      warn("ignored: " + text.error().message());
      return;
    }
    std::string_view rest = *text;
    while (!rest.empty()) {
      const std::size_t end = std::min(rest.find('\n'), rest.size());
      line(rest.substr(0, end), path, depth);
      rest.remove_prefix(std::min(end + 1, rest.size()));
    }
  }

  LoaderConfig result() { return std::move(result_); }

 private:
  void line(std::string_view text, const std::string& path, int depth) {
    LoaderLine parsed = parse_loader_line(text);
    if (parsed.kind == LoaderLine::Kind::kDirectory) {
      if (result_.directories.size() == kMaxDirectories) {
        warn(host::printable(path) + ": ignored: too many directories");
        return;
      }
      result_.directories.push_back(std::move(parsed.values.front()));
    }
    if (parsed.kind == LoaderLine::Kind::kInclude) {
      for (const std::string& pattern : parsed.values) {
        include(pattern, path, depth);
      }
    }
  }

  void include(const std::string& pattern, const std::string& from, int depth) {
    // A relative pattern counts from the file that has it.
    const std::string absolute =
        pattern.starts_with('/')
            ? pattern
            : from.substr(0, from.rfind('/') + 1) + pattern;
    for (const std::string& path : glob_in_root(root_, absolute)) {
      if (files_ > kMaxFiles) return;
      file(path, depth + 1);
    }
  }

  void warn(std::string text) {
    if (result_.warnings.size() < kMaxWarnings) {
      result_.warnings.push_back(std::move(text));
    }
  }

  const host::RootDirectory& root_;
  bool (*is_ours_)(std::string_view path);
  std::size_t files_ = 0;
  LoaderConfig result_;
};

/// Adds what `component` of a pattern matches in `parent`.
void add_matches(const host::RootDirectory& root, const std::string& parent,
                 const std::string& component,
                 std::vector<std::string>& matches) {
  const auto add = [&](const std::string& name) {
    std::string path = parent;
    path += '/';
    path += name;
    matches.push_back(std::move(path));
  };
  if (component.find_first_of("*?[\\") == std::string::npos) {
    add(component);
    return;
  }
  const auto names = root.list_directory(parent, kMaxNames);
  if (!names) return;
  for (const std::string& name : *names) {
    if (matches.size() == kMaxMatches) return;
    if (matches_pattern(name, component)) add(name);
  }
}

bool is_directory(const host::RootDirectory& root, const std::string& path) {
  return root.open_path(path, O_PATH | O_DIRECTORY).has_value();
}

}  // namespace

LoaderLine parse_loader_line(std::string_view line) {
  // In this order: a NUL ends what ldconfig sees of a line.
  line = line.substr(0, line.find('\0'));
  line = trimmed(line.substr(0, line.find('#')));
  LoaderLine parsed;
  if (line.empty() || starts_with_word(line, "hwcap")) return parsed;
  if (line.starts_with("include") && starts_with_word(line, "include")) {
    parsed.kind = LoaderLine::Kind::kInclude;
    parsed.values = words(line.substr(8));
    return parsed;
  }
  line = trimmed(line.substr(0, line.find('=')));
  while (line.ends_with('/')) line.remove_suffix(1);
  // Relative directories mean something to nobody but ldconfig itself.
  if (!line.starts_with('/')) return parsed;
  parsed.kind = LoaderLine::Kind::kDirectory;
  parsed.values.emplace_back(line);
  return parsed;
}

LoaderConfig read_loader_config(const host::RootDirectory& root,
                                bool (*is_ours)(std::string_view path)) {
  if (!root.exists(kConfigPath)) return {};
  Reading reading(root, is_ours);
  reading.file(kConfigPath, 0);
  return reading.result();
}

std::vector<std::string> glob_in_root(const host::RootDirectory& root,
                                      std::string_view pattern) {
  std::vector<std::string> found = {""};
  while (!pattern.empty() && !found.empty()) {
    pattern.remove_prefix(pattern.front() == '/' ? 1 : 0);
    const std::string component(
        pattern.substr(0, std::min(pattern.find('/'), pattern.size())));
    pattern.remove_prefix(component.size());
    if (component.empty()) continue;
    std::vector<std::string> next;
    for (const std::string& parent : found) {
      add_matches(root, parent, component, next);
    }
    found = std::move(next);
  }
  std::erase_if(found, [&](const std::string& path) {
    return path.empty() || !root.exists(path);
  });
  return found;
}

std::vector<std::string> system_directories(const host::RootDirectory& root) {
  const std::string triplet = std::string("/") + kTriplet;
  if (is_directory(root, "/usr/lib" + triplet) ||
      is_directory(root, "/lib" + triplet)) {
    return {"/lib" + triplet, "/usr/lib" + triplet, "/lib", "/usr/lib"};
  }
  return {"/lib", "/lib64", "/libx32", "/usr/lib", "/usr/lib64", "/usr/libx32"};
}

}  // namespace gpunode::hook
