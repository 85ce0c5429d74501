#include "node/provision/steps/driver/cuda_sources.h"

#include <algorithm>
#include <utility>

#include "node/provision/packages/lines.h"
#include "node/provision/packages/repo_file.h"

namespace gpunode::provision {
namespace {

constexpr std::string_view kPlace = "/compute/cuda/repos/";
// NVIDIA's announcement of 2022-04-27: withdrawn.
constexpr std::string_view kOldKey = "7fa2af80";

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

void add_sections(const std::string& path, const std::string& text,
                  std::vector<CudaSource>& sources) {
  const auto sections = packages::repo_sections(text);
  CudaSource now;
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
      continue;
    }
    if (const auto url = value_of(line, "baseurl"); !url.empty()) {
      now.directory = directory_of(url);
    }
    if (const auto check = value_of(line, "gpgcheck"); !check.empty()) {
      now.is_checked = packages::is_yes(check);
    }
    if (!value_of(line, "gpgkey").empty()) now.has_old_key |= has_old_key(line);
  }
  close();
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
  }
}

/// deb822: stanzas of fields.
void add_stanzas(const std::string& path, const std::string& text,
                 std::vector<CudaSource>& sources) {
  CudaSource now;
  bool is_on = true;
  bool is_signed = false;
  bool is_trusted = false;
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
    if (line.starts_with("URIs:")) now.directory = directory_of(line);
    if (line.starts_with("Signed-By:")) {
      is_signed = true;
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
  for (const auto& [path, file] : files) {
    if (!file.content) continue;
    if (path.ends_with(".repo")) {
      add_sections(path, *file.content, sources);
    } else if (path.ends_with(".list")) {
      add_list(path, *file.content, sources);
    } else if (path.ends_with(".sources")) {
      add_stanzas(path, *file.content, sources);
    }
  }
  return sources;
}

}  // namespace gpunode::provision
