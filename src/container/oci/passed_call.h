// Calls that change nothing: which low-level runtime they go to, found out
// without a library, a heap or libc.
//
// Every `state`, `start`, `kill` and `exec` of a node passes through here, so
// this runs before libc has started (apps/runtime/fast_start.cc) and must stay
// freestanding: no includes but <cstddef>, no calls, no static data with
// pointers. It answers only what is plain and says so of everything else; the
// ordinary start uses the very same functions, so that the two cannot differ.
#pragma once

#include <cstddef>

#include "base/core/ascii.h"

namespace gpunode::oci {

// What runs before libc is compiled with options of its own, so it must not
// share its functions with the rest of the program: the linker keeps only one
// of two equal ones.
#ifdef GPUNODE_BEFORE_LIBC
inline namespace before_libc {
#else
inline namespace after_libc {
#endif

/// Characters that somebody else owns; not terminated.
struct Chars {
  const char* data = nullptr;
  std::size_t size = 0;

  constexpr char operator[](std::size_t i) const {
    // NOLINTNEXTLINE(clang-analyzer-core.uninitialized.UndefReturn): read(2)
    return data[i];  // wrote it, which the analyzer does not see in the asm.
  }
};

constexpr Chars chars_of(const char* text) {
  std::size_t size = 0;
  while (text[size] != '\0') ++size;
  return {text, size};
}

// NOLINTBEGIN(modernize-avoid-c-arrays): literals, without a library.
template <std::size_t N>
constexpr bool equals(Chars text, const char (&word)[N]) {
  if (text.size != N - 1) return false;
  for (std::size_t i = 0; i < text.size; ++i) {
    if (text[i] != word[i]) return false;
  }
  return true;
}

template <std::size_t N>
constexpr bool starts_with(Chars text, const char (&word)[N]) {
  return text.size >= N - 1 && equals(Chars{text.data, N - 1}, word);
}

// NOLINTEND(modernize-avoid-c-arrays)

constexpr Chars base_name(Chars path) {
  std::size_t start = path.size;
  while (start > 0 && path[start - 1] != '/') --start;
  return {path.data + start, path.size - start};
}

/// "-b", "--bundle", "-bundle": the next argument is a value.
constexpr bool is_bundle_flag(Chars argument) {
  return equals(argument, "-b") || equals(argument, "--bundle") ||
         equals(argument, "-bundle");
}

/// "--version", "-version=true" and the like, which print our version too.
constexpr bool is_version_flag(Chars argument) {
  std::size_t dashes = 0;
  while (dashes < argument.size && argument[dashes] == '-') ++dashes;
  const Chars name{argument.data + dashes, argument.size - dashes};
  return dashes > 0 &&
         (equals(name, "version") || starts_with(name, "version="));
}

/// NVIDIA's rule: a bare word "create" that is not the value of a bundle flag.
constexpr bool has_create_word(std::size_t count,
                               const char* const* arguments) {
  for (std::size_t i = 1; i < count; ++i) {
    if (!equals(chars_of(arguments[i]), "create")) continue;
    if (!is_bundle_flag(chars_of(arguments[i - 1]))) return true;
  }
  return false;
}

/// Names under which this program is no OCI runtime.
constexpr bool is_hook_name(Chars name) {
  return equals(name, "nvidia-cdi-hook") ||
         equals(name, "nvidia-container-runtime-hook") ||
         equals(name, "nvidia-container-toolkit");
}

/// What this program has to do with a call.
enum class Call {
  kPassedOn,  ///< Nothing: it is the low-level runtime's as it is.
  kCreate,    ///< Look at the bundle first.
  kOwn,       ///< Answer it, or part of it.
};

/// `arguments` are argv, the program's name first.
constexpr Call kind_of(std::size_t count, const char* const* arguments) {
  if (count == 0 || is_hook_name(base_name(chars_of(arguments[0])))) {
    return Call::kOwn;
  }
  if (count > 1) {
    const Chars first = chars_of(arguments[1]);
    if (equals(first, "hook") || equals(first, "help") ||
        equals(first, "--help") || equals(first, "-h")) {
      return Call::kOwn;
    }
  }
  for (std::size_t i = 1; i < count; ++i) {
    if (is_version_flag(chars_of(arguments[i]))) return Call::kOwn;
  }
  return has_create_word(count, arguments) ? Call::kCreate : Call::kPassedOn;
}

/// The candidates for a low-level runtime, in order.
struct Candidates {
  static constexpr std::size_t kMax = 8;

  Chars names[kMax];  // NOLINT(modernize-avoid-c-arrays): freestanding.
  std::size_t count = 0;

  constexpr bool add(Chars name) {
    if (count == kMax || name.size == 0) return false;
    names[count++] = name;
    return true;
  }
};

/// What stands where config.toml says nothing: runc, then crun.
constexpr void add_default_candidates(Candidates& candidates) {
  candidates.add({"runc", 4});
  candidates.add({"crun", 4});
}

/// Reads the `runtimes` of [nvidia-container-runtime] from a config.toml that
/// has nothing but plain lines: comments, [bare.tables], and `bare-key = value`
/// with true, false, a number, a "string" without escapes or a list of such
/// strings on one line.
class PlainConfig {
 public:
  explicit constexpr PlainConfig(Chars text) : text_(text) {}

  /// Fills an empty `found`, which stays empty if the text names none. Names
  /// point into the text. False if the text is anything but plain; what is in
  /// `found` then means nothing.
  constexpr bool read(Candidates& found) {
    while (at_ < text_.size) {
      if (!read_line(found)) return false;
    }
    return true;
  }

  /// True if it may make requests of words that are not NVIDIA's: variables of
  /// its own choice, annotations with prefixes of its own.
  constexpr bool has_other_requests() const { return has_other_requests_; }

 private:
  constexpr char peek() const { return at_ < text_.size ? text_[at_] : '\n'; }

  constexpr void pass_blanks() {
    while (peek() == ' ' || peek() == '\t') ++at_;
  }

  /// What may still follow on a line: blanks and a comment.
  constexpr bool end_line() {
    pass_blanks();
    if (peek() == '#') {
      while (peek() != '\n') {
        if (!is_printable(peek())) return false;
        ++at_;
      }
    }
    if (peek() != '\n') return false;
    ++at_;
    return true;
  }

  static constexpr bool is_printable(char c) {
    return (c >= ' ' && c <= '~') || c == '\t';
  }

  static constexpr bool is_bare(char c) {
    return is_alphanumeric(c) || c == '-' || c == '_';
  }

  constexpr Chars bare_key() {
    const std::size_t begin = at_;
    while (is_bare(peek())) ++at_;
    return {text_.data + begin, at_ - begin};
  }

  constexpr bool read_line(Candidates& found) {
    pass_blanks();
    if (peek() == '\n' || peek() == '#') return end_line();
    if (peek() == '[') return read_table();
    const Chars key = bare_key();
    pass_blanks();
    if (key.size == 0 || peek() != '=') return false;
    ++at_;
    pass_blanks();
    if (equals(key, "swarm-resource")) has_other_requests_ = true;
    if (equals(key, "annotation-prefixes")) return read_prefixes();
    if (!is_in_runtime_ || !equals(key, "runtimes")) {
      return pass_value() && end_line();
    }
    if (has_runtimes_ || peek() != '[') return false;
    has_runtimes_ = true;
    return read_list(&found) && found.count > 0 && end_line();
  }

  /// NVIDIA's own config.toml has the usual one.
  constexpr bool read_prefixes() {
    Candidates prefixes;
    if (peek() != '[' || !read_list(&prefixes)) return false;
    for (std::size_t i = 0; i < prefixes.count; ++i) {
      if (!equals(prefixes.names[i], "cdi.k8s.io/")) has_other_requests_ = true;
    }
    return end_line();
  }

  constexpr bool read_table() {
    ++at_;
    const std::size_t begin = at_;
    for (;;) {
      if (bare_key().size == 0) return false;
      if (peek() != '.') break;
      ++at_;
    }
    is_in_runtime_ = equals(Chars{text_.data + begin, at_ - begin},
                            "nvidia-container-runtime");
    if (peek() != ']') return false;
    ++at_;
    return end_line();
  }

  constexpr bool pass_value() {
    if (peek() == '"') {
      Chars value;
      return read_string(value);
    }
    if (peek() == '[') return read_list(nullptr);
    const Chars word = bare_key();
    if (equals(word, "true") || equals(word, "false")) return true;
    if (word.size == 0 || word.size > 18) return false;
    if (word[0] == '0' && word.size > 1) return false;
    for (std::size_t i = 0; i < word.size; ++i) {
      if (word[i] < '0' || word[i] > '9') return false;
    }
    return true;
  }

  constexpr bool read_string(Chars& value) {
    ++at_;
    const std::size_t begin = at_;
    while (peek() != '"') {
      if (!is_printable(peek()) || peek() == '\\') return false;
      ++at_;
    }
    value = {text_.data + begin, at_ - begin};
    ++at_;
    return peek() != '"';  // """ begins a text of several lines.
  }

  constexpr bool read_list(Candidates* found) {
    ++at_;
    for (;;) {
      pass_blanks();
      if (peek() == ']') break;
      Chars value;
      if (peek() != '"' || !read_string(value)) return false;
      if (found != nullptr && !found->add(value)) return false;
      pass_blanks();
      if (peek() == ',') {
        ++at_;
      } else if (peek() != ']') {
        return false;
      }
    }
    ++at_;
    return true;
  }

  Chars text_;
  std::size_t at_ = 0;
  bool is_in_runtime_ = false;
  bool has_runtimes_ = false;
  bool has_other_requests_ = false;
};

/// A path in the making, in a buffer of fixed size.
class PathBuffer {
 public:
  static constexpr std::size_t kSize = 4096;

  /// False if it would not fit; it is empty then.
  constexpr bool assign(Chars directory, Chars name) {
    size_ = 0;
    if (directory.size + name.size + 2 > kSize) return false;
    append(directory);
    append({"/", 1});
    append(name);
    bytes_[size_] = '\0';
    return true;
  }

  const char* text() const { return bytes_; }

 private:
  constexpr void append(Chars part) {
    for (std::size_t i = 0; i < part.size; ++i) bytes_[size_++] = part[i];
  }

  std::size_t size_ = 0;
  char bytes_[kSize];  // NOLINT(modernize-avoid-c-arrays): freestanding.
};

/// What to do after one path was tried.
enum class Attempt {
  kNext,  ///< Nothing that can be run is there.
  kStop,
};

/// Tries `name` in each absolute directory of `path`, a list with colons.
/// True if `attempt` said stop.
template <class Try>
bool try_directories(Chars path, Chars name, PathBuffer& buffer, Try attempt) {
  std::size_t begin = 0;
  for (std::size_t i = 0; i <= path.size; ++i) {
    if (i < path.size && path[i] != ':') continue;
    const Chars directory{path.data + begin, i - begin};
    begin = i + 1;
    // A relative one would mean another program in every working directory.
    if (directory.size == 0 || directory[0] != '/') continue;
    if (!buffer.assign(directory, name)) continue;
    if (attempt(buffer.text()) == Attempt::kStop) return true;
  }
  return false;
}

/// Calls `attempt(const char* path)` for every place where a candidate could
/// be: an absolute one as it is, others in the directories of `path` (the
/// value of PATH) and then in the six standard ones. Until one says stop: true
/// then. A relative candidate with a slash is in no such place.
template <class Try>
bool try_candidates(const Candidates& candidates, Chars path,
                    PathBuffer& buffer, Try attempt) {
  constexpr Chars kStandard{
      "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", 60};
  for (std::size_t i = 0; i < candidates.count; ++i) {
    const Chars name = candidates.names[i];
    if (name[0] == '/') {
      if (!buffer.assign({name.data, 0}, {name.data + 1, name.size - 1})) {
        continue;
      }
      if (attempt(buffer.text()) == Attempt::kStop) return true;
      continue;
    }
    if (base_name(name).size != name.size) continue;
    if (try_directories(path, name, buffer, attempt)) return true;
    if (try_directories(kStandard, name, buffer, attempt)) return true;
  }
  return false;
}

/// What the environment says, as far as passed-on calls need it.
struct PassedEnvironment {
  const char* config_file = nullptr;  ///< NVIDIA_CTK_CONFIG_FILE_PATH
  const char* config_home = nullptr;  ///< XDG_CONFIG_HOME
  Chars path;                         ///< PATH
};

template <std::size_t N>
// NOLINTNEXTLINE(modernize-avoid-c-arrays): as above.
constexpr const char* value_of(const char* entry, const char (&name)[N]) {
  for (std::size_t i = 0; i + 1 < N; ++i) {
    if (entry[i] != name[i]) return nullptr;
  }
  // Set but empty counts as not set.
  return entry[N - 1] != '\0' ? entry + N - 1 : nullptr;
}

/// Of repeated names the first counts, as for getenv(3). Null, which
/// clearenv(3) leaves, is none.
constexpr PassedEnvironment read_environment(const char* const* entries) {
  PassedEnvironment found;
  bool has_file = false;
  bool has_home = false;
  for (; entries != nullptr && *entries != nullptr; ++entries) {
    const Chars entry = chars_of(*entries);
    if (!has_file && starts_with(entry, "NVIDIA_CTK_CONFIG_FILE_PATH=")) {
      has_file = true;
      found.config_file = value_of(*entries, "NVIDIA_CTK_CONFIG_FILE_PATH=");
    } else if (!has_home && starts_with(entry, "XDG_CONFIG_HOME=")) {
      has_home = true;
      found.config_home = value_of(*entries, "XDG_CONFIG_HOME=");
    } else if (found.path.data == nullptr && starts_with(entry, "PATH=")) {
      found.path = {*entries + 5, entry.size - 5};
    }
  }
  return found;
}

/// Where config.toml is. False if the path does not fit.
constexpr bool config_path(const PassedEnvironment& environment,
                           PathBuffer& buffer) {
  constexpr Chars kName{"nvidia-container-runtime/config.toml", 36};
  if (environment.config_file != nullptr) {
    const Chars file = chars_of(environment.config_file);
    const Chars name = base_name(file);
    if (name.size == file.size) return buffer.assign({".", 1}, file);
    return buffer.assign({file.data, file.size - name.size - 1}, name);
  }
  if (environment.config_home != nullptr) {
    return buffer.assign(chars_of(environment.config_home), kName);
  }
  return buffer.assign({"/etc", 4}, kName);
}

}  // namespace before_libc or after_libc
}  // namespace gpunode::oci
