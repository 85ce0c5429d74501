#include "node/provision/conffiles_left.h"

#include <cstddef>
#include <set>
#include <string_view>
#include <utility>

namespace gpunode::provision {
namespace {

constexpr const char* kDpkgStatus = "/var/lib/dpkg/status";
constexpr std::size_t kLimitBytes = std::size_t{64} << 20U;

std::string_view take_line(std::string_view& text) {
  const std::size_t end = text.find('\n');
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  return line;
}

/// "stub" of "stub:i386".
std::string bare(const std::string& package) {
  return package.substr(0, package.find(':'));
}

std::set<std::string> removed_by(const std::vector<Undoing>& plan) {
  std::set<std::string> names;
  for (const Undoing& one : plan) {
    if (one.left) continue;
    for (const Action& inverse : one.line.inverse) {
      const auto* remove = std::get_if<RemovePackages>(&inverse);
      if (remove == nullptr) continue;
      for (const std::string& name : remove->packages) names.insert(bare(name));
    }
  }
  return names;
}

/// One paragraph of dpkg's status file, as far as it matters.
struct Paragraph {
  std::string package;
  bool is_removed = false;
  std::vector<std::string> conffiles;
};

Paragraph take_paragraph(std::string_view& text) {
  Paragraph paragraph;
  bool is_among_conffiles = false;
  while (!text.empty()) {
    std::string_view line = take_line(text);
    if (line.empty()) break;
    if (line.starts_with(' ')) {
      // " /etc/x 0123…", with "obsolete" or "remove-on-upgrade" behind it.
      line.remove_prefix(1);
      if (is_among_conffiles) {
        paragraph.conffiles.emplace_back(line.substr(0, line.find(' ')));
      }
      continue;
    }
    is_among_conffiles = line == "Conffiles:";
    constexpr std::string_view kPackage = "Package: ";
    if (line.starts_with(kPackage)) {
      paragraph.package = line.substr(kPackage.size());
    }
    if (line.starts_with("Status: ")) {
      paragraph.is_removed = line.ends_with(" config-files");
    }
  }
  return paragraph;
}

}  // namespace

std::vector<LeftConffiles> conffiles_left(const host::HostRoot& host,
                                          const std::vector<Undoing>& plan) {
  const std::set<std::string> removed = removed_by(plan);
  std::vector<LeftConffiles> left;
  if (removed.empty()) return left;
  const auto status = host.read_file(kDpkgStatus, kLimitBytes);
  if (!status) return left;
  for (std::string_view text = *status; !text.empty();) {
    Paragraph paragraph = take_paragraph(text);
    if (!paragraph.is_removed || !removed.contains(paragraph.package)) continue;
    std::erase_if(paragraph.conffiles,
                  [&](const std::string& path) { return !host.exists(path); });
    if (paragraph.conffiles.empty()) continue;
    left.push_back(
        {std::move(paragraph.package), std::move(paragraph.conffiles)});
  }
  return left;
}

}  // namespace gpunode::provision
