#include "node/provision/packages/repository.h"

#include <algorithm>
#include <chrono>
#include <string_view>

#include <fmt/format.h>

#include "base/core/ascii.h"
#include "base/core/rfc3339.h"
#include "node/provision/packages/openpgp_key.h"

namespace gpunode::packages {
namespace {

Error bad(const std::string& what, const std::string& value) {
  return {ErrorCode::kInvalidArgument,
          "repository: " + what + " \"" + value + "\" can't be written"};
}

bool has_control(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](char c) {
    return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
  });
}

/// One word in a file of ours: no blank, no line end, no comment, no list.
Result<void> check_word(const std::string& what, const std::string& word) {
  const bool is_bad = word.empty() || has_control(word) ||
                      word.find_first_of(" \"#,;[]\\") != std::string::npos;
  if (is_bad) return bad(what, word);
  return {};
}

Result<void> check_id(const std::string& id) {
  const bool is_good =
      !id.empty() && id.size() <= 100 && id[0] != '.' && id[0] != '-' &&
      std::all_of(id.begin(), id.end(), [](char c) {
        return is_alphanumeric(c) || c == '-' || c == '_' || c == '.';
      });
  if (is_good) return {};
  return bad("id", id);
}

Result<void> check_values(const Repository& repository) {
  TRY_VOID(check_id(repository.id));
  if (has_control(repository.name)) return bad("name", repository.name);
  if (repository.urls.empty()) return bad("URLs of", repository.id);
  for (const std::string& url : repository.urls) {
    TRY_VOID(check_word("URL", url));
    if (url.find(':') == std::string::npos) return bad("URL", url);
  }
  TRY_VOID(check_word("suite", repository.suite));
  for (const auto* words : {&repository.components, &repository.architectures,
                            &repository.excludes}) {
    for (const std::string& word : *words) TRY_VOID(check_word("value", word));
  }
  return {};
}

std::string joined(const std::vector<std::string>& words,
                   const std::string& between = " ") {
  std::string text;
  for (const std::string& word : words) {
    if (!text.empty()) text += between;
    text += word;
  }
  return text;
}

/// Upper-case hex without blanks.
std::string normal(const std::string& fingerprint) {
  std::string digits;
  for (const char c : fingerprint) {
    if (c == ' ' || c == ':') continue;
    digits += static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  }
  return digits;
}

bool is_armoured(const std::string& key) {
  return key.find("-----BEGIN PGP") != std::string::npos;
}

/// deb822-style, sources.list(5).
FileToHave apt_file(const Repository& repository, const std::string& key) {
  std::string text;
  if (!repository.name.empty())
    text += "X-Repolib-Name: " + repository.name + "\n";
  text += "Types: deb\nURIs: " + joined(repository.urls) +
          "\nSuites: " + repository.suite + "\n";
  if (!repository.components.empty()) {
    text += "Components: " + joined(repository.components) + "\n";
  }
  if (!repository.architectures.empty()) {
    text += "Architectures: " + joined(repository.architectures) + "\n";
  }
  text += "Signed-By: " + key + "\n";
  return {"/etc/apt/sources.list.d/" + repository.id + ".sources", text};
}

/// dnf.conf(5), "Repo options"; zypper reads the same form.
FileToHave rpm_file(Tool tool, const Repository& repository,
                    const std::string& key) {
  const std::string& name =
      repository.name.empty() ? repository.id : repository.name;
  std::string text = "[" + repository.id + "]\nname=" + name +
                     "\nbaseurl=" + joined(repository.urls, "\n        ") +
                     "\nenabled=1\ngpgcheck=1\n";
  text += fmt::format("repo_gpgcheck={}\n", repository.checks_index ? 1 : 0);
  text += "gpgkey=file://" + key + "\n";
  if (repository.priority != 0) {
    text += fmt::format("priority={}\n", repository.priority);
  }
  if (tool == Tool::kZypper) {
    text += "autorefresh=1\ntype=rpm-md\n";
    return {"/etc/zypp/repos.d/" + repository.id + ".repo", text};
  }
  if (repository.has_hotfixes) text += "module_hotfixes=1\n";
  if (!repository.excludes.empty()) {
    text += "excludepkgs=" + joined(repository.excludes, ",") + "\n";
  }
  return {"/etc/yum.repos.d/" + repository.id + ".repo", text};
}

}  // namespace

Result<void> check_key(const std::string& key,
                       const std::vector<std::string>& fingerprints,
                       std::int64_t now) {
  TRY(const std::vector<OpenPgpKey> keys, parse_openpgp_keys(key));
  std::vector<std::string> pinned;
  for (const std::string& one : fingerprints) pinned.push_back(normal(one));
  for (const OpenPgpKey& one : keys) {
    if (std::find(pinned.begin(), pinned.end(), one.fingerprint) ==
        pinned.end()) {
      return Error(
          ErrorCode::kPermissionDenied,
          "repository key " + one.fingerprint +
              " is not the one that is expected (" + joined(pinned, ", ") +
              "); next: do not use it: somebody may have put it in the place "
              "of the right one; compare with what the repository's owner "
              "publishes");
    }
    if (one.expires && *one.expires <= now) {
      return Error(
          ErrorCode::kPermissionDenied,
          "repository key " + one.fingerprint + " expired at " +
              rfc3339(std::chrono::system_clock::from_time_t(*one.expires)) +
              "; next: get the current key from the repository's "
              "owner, and check this machine's clock");
    }
  }
  return {};
}

Result<std::vector<FileToHave>> repository_files(Tool tool,
                                                 const Repository& repository,
                                                 std::int64_t now) {
  TRY_VOID(check_values(repository));
  TRY_VOID(check_key(repository.key, repository.fingerprints, now));
  const std::string key =
      repository_key_path(tool, repository.id, is_armoured(repository.key));
  TRY(FileToHave file, repository_file(tool, repository, key));
  return std::vector<FileToHave>{{key, repository.key}, std::move(file)};
}

std::string repository_key_path(Tool tool, const std::string& id,
                                bool is_armoured) {
  // apt tells the two by the name.
  if (tool == Tool::kApt) {
    return "/etc/apt/keyrings/" + id + (is_armoured ? ".asc" : ".gpg");
  }
  return "/etc/pki/rpm-gpg/RPM-GPG-KEY-" + id;
}

Result<FileToHave> repository_file(Tool tool, const Repository& repository,
                                   const std::string& key_path) {
  TRY_VOID(check_values(repository));
  return tool == Tool::kApt ? apt_file(repository, key_path)
                            : rpm_file(tool, repository, key_path);
}

bool is_repository_file(std::string_view path) {
  return path.starts_with("/etc/apt/") ||
         path.starts_with("/etc/yum.repos.d/") ||
         path.starts_with("/etc/zypp/repos.d/");
}

Result<FileToHave> apt_preferences_file(const std::string& id,
                                        const std::vector<Pin>& pins) {
  TRY_VOID(check_id(id));
  std::string text;
  for (const Pin& pin : pins) {
    if (pin.packages.empty()) return bad("pin without packages in", id);
    for (const std::string& name : pin.packages) {
      TRY_VOID(check_word("package", name));
    }
    TRY_VOID(check_word("version", pin.version));
    text += fmt::format("{}Package: {}\nPin: version {}\nPin-Priority: {}\n",
                        text.empty() ? "" : "\n", joined(pin.packages),
                        pin.version, pin.priority);
  }
  return FileToHave{"/etc/apt/preferences.d/" + id + ".pref", text};
}

}  // namespace gpunode::packages
