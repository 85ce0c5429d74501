#include "node/provision/steps/driver/cuda_sources.h"

#include <algorithm>
#include <cctype>
#include <utility>

#include <fmt/format.h>

#include "node/provision/packages/lines.h"
#include "node/provision/packages/openpgp_key.h"
#include "node/provision/packages/repo_file.h"

namespace gpunode::provision {
namespace {

constexpr std::string_view kPlace = "/compute/cuda/repos/";
// NVIDIA's announcement of 2022-04-27: withdrawn.
constexpr std::string_view kOldKey = "7fa2af80";
constexpr const char* kDnfConf = "/etc/dnf/dnf.conf";

/// "rhel8/x86_64" of an address below kPlace; empty of any other.
std::string directory_of(std::string_view address) {
  const std::size_t at = address.find(kPlace);
  if (at == std::string_view::npos) return {};
  address.remove_prefix(at + kPlace.size());
  address = address.substr(0, address.find_first_of(" \t"));
  while (address.ends_with('/')) address.remove_suffix(1);
  return std::string(address);
}

bool has_old_key(std::string_view text) {
  std::string lower(text);
  std::ranges::transform(lower, lower.begin(), [](unsigned char c) {
    return static_cast<char>(std::tolower(c));
  });
  return lower.find(kOldKey) != std::string::npos;
}

std::string_view value_of(std::string_view line, std::string_view key) {
  const std::size_t equals = line.find('=');
  if (equals == std::string_view::npos ||
      packages::trimmed(line.substr(0, equals)) != key) {
    return {};
  }
  return packages::trimmed(line.substr(equals + 1));
}

/// Words between commas and blanks.
void add_words(std::string_view text, std::vector<std::string>& words) {
  while (!text.empty()) {
    const std::size_t end = std::min(text.find_first_of(", \t"), text.size());
    if (end > 0) words.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

/// dnf checks nothing unless it is told to; the distributions' dnf.conf does.
bool is_checked_by_default(const std::string& dnf_conf) {
  bool is_checked = false;
  for (const std::string_view line : packages::lines_of(dnf_conf)) {
    if (const auto check = value_of(line, "gpgcheck"); !check.empty()) {
      is_checked = packages::is_yes(check);
    }
  }
  return is_checked;
}

void add_sections(const std::string& path, const std::string& text,
                  bool is_checked, std::vector<CudaSource>& sources) {
  const auto sections = packages::repo_sections(text);
  CudaSource now;
  bool is_in_keys = false;
  const auto close = [&] {
    const bool is_on =
        std::ranges::any_of(sections, [&](const packages::RepoSection& one) {
          return one.id == now.id && one.is_enabled;
        });
    if (is_on && !now.directory.empty()) sources.push_back(now);
    now = {};
  };
  for (const std::string_view line : packages::lines_of(text)) {
    if (line.starts_with('[')) {
      close();
      now.path = path;
      now.id = line.substr(1, line.find(']') - 1);
      now.is_checked = is_checked;
      is_in_keys = false;
      continue;
    }
    if (const auto url = value_of(line, "baseurl"); !url.empty()) {
      now.directory = directory_of(url);
    }
    if (const auto check = value_of(line, "gpgcheck"); !check.empty()) {
      now.is_checked = packages::is_yes(check);
    }
    // A list goes on in lines that begin with a blank.
    if (!line.starts_with(' ') && !line.starts_with('\t')) {
      const auto keys = value_of(line, "gpgkey");
      is_in_keys = line.starts_with("gpgkey");
      add_words(keys, now.keys);
    } else if (is_in_keys) {
      add_words(packages::trimmed(line), now.keys);
    }
    if (is_in_keys) now.has_old_key |= has_old_key(line);
  }
  close();
}

/// What an option of a line of apt's is: "/k" of "[arch=amd64 signed-by=/k]".
std::string_view option_of(std::string_view line, std::string_view option) {
  const std::size_t at = line.find(option);
  if (at == std::string_view::npos) return {};
  line.remove_prefix(at + option.size());
  return line.substr(0, line.find_first_of(" \t]"));
}

/// "deb [signed-by=…] https://…/debian12/x86_64/ /", a line each.
void add_list(const std::string& path, const std::string& text,
              std::vector<CudaSource>& sources) {
  for (std::string_view line : packages::lines_of(text)) {
    line = packages::trimmed(line);
    if (!line.starts_with("deb ") && !line.starts_with("deb\t")) continue;
    std::string directory = directory_of(line);
    if (directory.empty()) continue;
    sources.push_back(
        {.path = path,
         .id = "",
         .directory = std::move(directory),
         .is_checked =
             line.find("signed-by=") != std::string_view::npos &&
             line.find("trusted=yes") == std::string_view::npos &&
             line.find("allow-insecure=yes") == std::string_view::npos,
         .has_old_key = has_old_key(line)});
    add_words(option_of(line, "signed-by="), sources.back().keys);
  }
}

/// A further line of Signed-By: a path, or a line of a whole key, in which "."
/// stands for an empty one.
void add_folded(std::string_view line, std::vector<std::string>& keys) {
  line = packages::trimmed(line);
  const bool begins = line.starts_with("-----BEGIN PGP");
  const bool is_in_key =
      !keys.empty() && keys.back().starts_with("-----BEGIN PGP");
  if (!begins && !is_in_key) {
    add_words(line, keys);
    return;
  }
  if (begins) keys.emplace_back();
  keys.back() += line == "." ? std::string_view() : line;
  keys.back() += '\n';
}

/// deb822: stanzas of fields.
void add_stanzas(const std::string& path, const std::string& text,
                 std::vector<CudaSource>& sources) {
  CudaSource now;
  bool is_on = true;
  bool is_signed = false;
  bool is_trusted = false;
  bool is_in_keys = false;
  const auto close = [&] {
    now.is_checked = is_signed && !is_trusted;
    if (is_on && !now.directory.empty()) sources.push_back(now);
    now = {.path = path};
    is_on = true;
    is_signed = false;
    is_trusted = false;
  };
  close();
  for (const std::string_view line : packages::lines_of(text)) {
    if (packages::trimmed(line).empty()) close();
    const bool goes_on = line.starts_with(' ') || line.starts_with('\t');
    if (goes_on && is_in_keys) add_folded(line, now.keys);
    if (!goes_on) is_in_keys = false;
    if (line.starts_with("URIs:")) now.directory = directory_of(line);
    if (line.starts_with("Signed-By:")) {
      is_signed = true;
      is_in_keys = true;
      add_words(packages::trimmed(line.substr(10)), now.keys);
      now.has_old_key = has_old_key(line);
    }
    if (line.starts_with("Trusted:") || line.starts_with("Allow-Insecure:")) {
      is_trusted |=
          packages::is_yes(packages::trimmed(line.substr(line.find(':') + 1)));
    }
    if (line.starts_with("Enabled:")) {
      is_on = packages::is_yes(packages::trimmed(line.substr(8)));
    }
  }
  close();
}

}  // namespace

std::vector<CudaSource> cuda_sources(
    const std::map<std::string, facts::FileFacts>& files) {
  std::vector<CudaSource> sources;
  const auto dnf = files.find(kDnfConf);
  const bool is_checked = dnf == files.end() || !dnf->second.content ||
                          is_checked_by_default(*dnf->second.content);
  for (const auto& [path, file] : files) {
    if (!file.content) continue;
    if (path.ends_with(".repo")) {
      const bool is_zyppers = path.starts_with("/etc/zypp/");
      add_sections(path, *file.content, is_zyppers || is_checked, sources);
    } else if (path.ends_with(".list")) {
      add_list(path, *file.content, sources);
    } else if (path.ends_with(".sources")) {
      add_stanzas(path, *file.content, sources);
    }
  }
  return sources;
}

namespace {

std::string digits_of(std::string_view key) {
  std::string digits;
  for (const char c : key) {
    // apt: "!" is this key and none of its subkeys.
    if (c == '!' || c == ' ' || c == ':') continue;
    digits += static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  }
  return digits;
}

/// Why the keys in `text` are not the pinned one alone; empty if they are.
std::string other_key(const std::string& text, const std::string& fingerprint) {
  const auto keys = packages::parse_openpgp_keys(text);
  if (!keys) return "holds no key that can be read";
  for (const packages::OpenPgpKey& key : *keys) {
    if (key.fingerprint == fingerprint) continue;
    return fmt::format("holds the key {}", key.fingerprint);
  }
  return {};
}

}  // namespace

CudaKeyVerdict judge_keys(const CudaSource& source,
                          const std::map<std::string, facts::FileFacts>& files,
                          const std::string& fingerprint,
                          const std::vector<std::string>& trusted) {
  CudaKeyVerdict verdict;
  const std::string pinned = digits_of(fingerprint);
  for (const std::string& key : source.keys) {
    std::string why;
    std::string_view path = key;
    if (path.starts_with("file://")) path.remove_prefix(7);
    if (key.starts_with("-----BEGIN PGP")) {
      why = other_key(key, pinned);
      if (!why.empty()) why.insert(0, "itself ");
    } else if (path.starts_with('/')) {
      const auto file = files.find(std::string(path));
      if (file == files.end() || !file->second.content) {
        verdict.unknown = key;
        continue;
      }
      why = other_key(*file->second.content, pinned);
      if (!why.empty()) why.insert(0, fmt::format("trusts {}, which ", path));
    } else if (key.find("://") != std::string::npos) {
      const bool is_vouched =
          key.starts_with("https://") &&
          std::ranges::any_of(trusted, [&](const std::string& begin) {
            return key.starts_with(begin);
          });
      if (!is_vouched) {
        why = fmt::format("takes whatever key is at {}", key);
      }
    } else if (digits_of(key) != pinned) {
      why = fmt::format("trusts the key {}", key);
    }
    if (!why.empty() && verdict.trouble.empty()) {
      verdict.trouble = fmt::format("{}, and NVIDIA's is {}", why, pinned);
    }
  }
  return verdict;
}

facts::Wanted key_wants() {
  facts::Wanted wanted;
  wanted.files = {kDnfConf,
                  "/etc/pki/rpm-gpg/*",
                  "/etc/apt/keyrings/*.asc",
                  "/etc/apt/keyrings/*.gpg",
                  "/usr/share/keyrings/cuda-archive-keyring.gpg",
                  "/usr/share/keyrings/nvidia-drivers.gpg"};
  return wanted;
}

}  // namespace gpunode::provision
