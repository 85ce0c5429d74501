#include "node/provision/packages/apt_sources.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <set>
#include <utility>

namespace gpunode::packages {
namespace {

using Words = std::vector<std::string>;

constexpr std::string_view kBlanks = " \t\r";

Words words_of(std::string_view text) {
  Words words;
  while (true) {
    const std::size_t begin = text.find_first_not_of(" \t\r\n");
    if (begin == std::string_view::npos) return words;
    text.remove_prefix(begin);
    const std::size_t end =
        std::min(text.find_first_of(" \t\r\n"), text.size());
    words.emplace_back(text.substr(0, end));
    text.remove_prefix(end);
  }
}

bool has(const Words& words, std::string_view word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

std::string lower(std::string_view text) {
  std::string result(text);
  std::transform(
      result.begin(), result.end(), result.begin(),
      [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return result;
}

/// A source of packages as a file has it, and where to add components to it.
struct Entry {
  std::string path;
  Words uris;
  Words suites;
  Words components;
  std::string signed_by;  ///< Empty: whatever key apt trusts.
  std::size_t end = 0;    ///< Of the components, in the file's text.
};

/// The keyrings that Debian's and Ubuntu's own packages bring.
bool is_archive_key(std::string_view file) {
  const std::size_t slash = file.rfind('/');
  if (slash == std::string_view::npos) return false;
  const std::string_view name = file.substr(slash + 1);
  return name.starts_with("debian-archive-") ||
         name.starts_with("ubuntu-archive-");
}

/// Whether the address alone is one of the archive or of a mirror of it. Of a
/// third party "https://apt.example/debian bookworm main" would look so too,
/// but such ones name their key.
bool is_archive_address(const std::string& uri) {
  // Debian's cloud images: a list of mirrors in a file of its own.
  const auto [host, path] = host_and_path(uri);
  if (uri.starts_with("mirror+file:") &&
      path.starts_with("etc/apt/mirrors/debian")) {
    return true;
  }
  if (host.ends_with(".debian.org") || host.ends_with(".ubuntu.com")) {
    return true;
  }
  constexpr std::array<std::string_view, 4> kPaths = {
      "debian", "debian-security", "ubuntu", "ubuntu-ports"};
  if (host.starts_with("ppa.")) return false;
  return std::find(kPaths.begin(), kPaths.end(), path) != kPaths.end();
}

bool is_own_suite(std::string_view suite, std::string_view codename) {
  if (codename.empty() || !suite.starts_with(codename)) return false;
  const std::string_view rest = suite.substr(codename.size());
  return rest.empty() || rest == "-updates" || rest == "-security" ||
         rest == "/updates";
}

bool is_archive(const Entry& entry, std::string_view codename) {
  if (entry.suites.empty() ||
      !std::all_of(entry.suites.begin(), entry.suites.end(),
                   [&](const std::string& suite) {
                     return is_own_suite(suite, codename) ||
                            suite == std::string(codename) + "-backports" ||
                            suite == std::string(codename) + "-proposed";
                   })) {
    return false;
  }
  if (!entry.signed_by.empty()) return is_archive_key(entry.signed_by);
  return std::all_of(entry.uris.begin(), entry.uris.end(), is_archive_address);
}

/// Every line, without its end, and where it begins.
template <class Take>
void each_line(std::string_view text, Take&& take) {
  std::size_t at = 0;
  while (at < text.size()) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    take(at, text.substr(at, end - at));
    at = end + 1;
  }
}

/// sources.list(5), "deb [ options ] uri suite component…".
class LineReader {
 public:
  LineReader(const std::string& path, std::string_view text,
             std::vector<Entry>& entries)
      : path_(path), text_(text), entries_(entries) {}

  void read() {
    each_line(text_, [this](std::size_t at, std::string_view text) {
      line(at, text);
    });
  }

 private:
  void line(std::size_t at, std::string_view line) {
    line = line.substr(0, line.find('#'));
    const std::size_t last = line.find_last_not_of(kBlanks);
    if (last == std::string_view::npos) return;
    line = line.substr(0, last + 1);
    Entry entry;
    entry.path = path_;
    entry.end = at + line.size();
    std::size_t begin = line.find_first_not_of(kBlanks);
    std::string_view rest = line.substr(begin);
    if (!rest.starts_with("deb") || rest.size() < 4 ||
        kBlanks.find(rest[3]) == std::string_view::npos) {
      return;
    }
    rest.remove_prefix(
        std::min(rest.find_first_not_of(kBlanks, 3), rest.size()));
    if (rest.starts_with('[')) {
      const std::size_t close = rest.find(']');
      if (close == std::string_view::npos) return;
      for (const std::string& option : words_of(rest.substr(1, close - 1))) {
        if (lower(option).starts_with("signed-by=")) {
          entry.signed_by = option.substr(option.find('=') + 1);
        }
      }
      rest.remove_prefix(close + 1);
    }
    Words words = words_of(rest);
    // A flat repository has no component; a CD's name has blanks.
    if (words.size() < 3 || words[0].starts_with("cdrom:")) return;
    entry.uris = {words[0]};
    entry.suites = {words[1]};
    entry.components.assign(words.begin() + 2, words.end());
    entries_.push_back(std::move(entry));
  }

  const std::string& path_;
  std::string_view text_;
  std::vector<Entry>& entries_;
};

/// sources.list(5), "DEB822-STYLE FORMAT".
class StanzaReader {
 public:
  StanzaReader(const std::string& path, std::string_view text,
               std::vector<Entry>& entries)
      : path_(path), text_(text), entries_(entries) {}

  void read() {
    each_line(text_, [this](std::size_t at, std::string_view text) {
      line(at, text);
    });
    close();
  }

 private:
  void line(std::size_t at, std::string_view line) {
    if (line.starts_with('#')) return;
    const std::size_t last = line.find_last_not_of(kBlanks);
    if (last == std::string_view::npos) return close();
    std::string_view value = line;
    if (!line.starts_with(' ') && !line.starts_with('\t')) {
      const std::size_t colon = line.find(':');
      if (colon == std::string_view::npos) return;
      field_ = lower(line.substr(0, colon));
      value = line.substr(colon + 1);
    }
    values_[field_] += std::string(value) + " ";
    if (field_ == "components" &&
        value.find_first_not_of(kBlanks) != std::string_view::npos) {
      end_ = at + last + 1;
    }
  }

  void close() {
    const std::string enabled = lower(first("enabled"));
    const bool is_off = enabled == "no" || enabled == "false" ||
                        enabled == "off" || enabled == "0" ||
                        enabled == "without" || enabled == "disable";
    if (!is_off && has(words_of(values_["types"]), "deb") && end_ != 0) {
      Entry entry;
      entry.path = path_;
      entry.uris = words_of(values_["uris"]);
      entry.suites = words_of(values_["suites"]);
      entry.components = words_of(values_["components"]);
      entry.signed_by = first("signed-by");
      entry.end = end_;
      entries_.push_back(std::move(entry));
    }
    values_.clear();
    field_.clear();
    end_ = 0;
  }

  std::string first(const std::string& field) {
    const Words words = words_of(values_[field]);
    return words.empty() ? "" : words[0];
  }

  const std::string& path_;
  std::string_view text_;
  std::vector<Entry>& entries_;
  std::map<std::string, std::string> values_;
  std::string field_;
  std::size_t end_ = 0;
};

std::vector<Entry> entries_of(const std::map<std::string, std::string>& files) {
  std::vector<Entry> entries;
  for (const auto& [path, text] : files) {
    if (path.ends_with(".sources")) {
      StanzaReader(path, text, entries).read();
    } else {
      LineReader(path, text, entries).read();
    }
  }
  return entries;
}

/// Components by address and suite: a line for each is usual.
class Known {
 public:
  explicit Known(const std::vector<Entry>& archive) {
    for (const Entry& entry : archive) {
      each(entry, [&](std::set<std::string>& there, const std::string&) {
        there.insert(entry.components.begin(), entry.components.end());
      });
    }
  }

  /// Which of `components` some suite of the entry lacks, and no longer will.
  Words take_lacking(const Entry& entry, std::string_view codename,
                     const Words& components) {
    Words lacking;
    for (const std::string& component : components) {
      bool is_lacking = false;
      each(entry, [&](std::set<std::string>& there, const std::string& suite) {
        if (!is_own_suite(suite, codename)) return;
        is_lacking |= there.insert(component).second;
      });
      if (is_lacking) lacking.push_back(component);
    }
    return lacking;
  }

 private:
  template <class Visit>
  void each(const Entry& entry, const Visit& visit) {
    for (const std::string& uri : entry.uris) {
      const std::string bare = uri.substr(0, uri.find_last_not_of('/') + 1);
      for (const std::string& suite : entry.suites) {
        visit(known_[{bare, suite}], suite);
      }
    }
  }

  std::map<std::pair<std::string, std::string>, std::set<std::string>> known_;
};

bool has_own_suite(const Entry& entry, std::string_view codename) {
  return std::any_of(
      entry.suites.begin(), entry.suites.end(),
      [&](const std::string& suite) { return is_own_suite(suite, codename); });
}

}  // namespace

std::pair<std::string, std::string> host_and_path(std::string_view uri) {
  const std::size_t scheme = uri.find(':');
  if (scheme == std::string_view::npos) return {};
  std::string_view rest = uri.substr(scheme + 1);
  std::string host;
  if (rest.starts_with("//")) {
    rest.remove_prefix(2);
    const std::size_t slash = std::min(rest.find('/'), rest.size());
    host = lower(rest.substr(0, slash));
    // User and password before it, a port after it.
    host.erase(0, host.rfind('@') + 1);
    host.erase(std::min(host.find(':'), host.size()));
    rest.remove_prefix(slash);
  }
  while (rest.starts_with('/')) rest.remove_prefix(1);
  while (rest.ends_with('/')) rest.remove_suffix(1);
  return {host, std::string(rest)};
}

ComponentEdits with_components(const std::map<std::string, std::string>& files,
                               std::string_view codename,
                               const std::vector<std::string>& components) {
  ComponentEdits edits;
  std::vector<Entry> archive = entries_of(files);
  std::erase_if(archive, [&](const Entry& entry) {
    return !is_archive(entry, codename);
  });
  Known known(archive);
  // From the end, so that places before it stay true.
  std::reverse(archive.begin(), archive.end());
  for (const Entry& entry : archive) {
    if (!has(entry.components, "main")) continue;
    edits.has_archive |= has_own_suite(entry, codename);
    const Words lacking = known.take_lacking(entry, codename, components);
    if (lacking.empty()) continue;
    auto [file, is_new] = edits.files.try_emplace(entry.path);
    if (is_new) file->second = files.at(entry.path);
    std::string added;
    for (const std::string& component : lacking) {
      added += " " + component;
      if (!has(edits.missing, component)) edits.missing.push_back(component);
    }
    file->second.insert(entry.end, added);
  }
  std::sort(edits.missing.begin(), edits.missing.end());
  return edits;
}

}  // namespace gpunode::packages
