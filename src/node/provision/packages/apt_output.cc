#include "node/provision/packages/apt_output.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <set>

#include "node/provision/packages/lines.h"

namespace gpunode::packages {
namespace {

std::uint64_t number(std::string_view text) {
  std::uint64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

/// One line of facts::kDpkgFormat.
struct DpkgLine {
  std::string_view name, architecture, version, want, error, status, size;
};

Result<DpkgLine> split_dpkg_line(std::string_view line) {
  std::array<std::string_view, 7> fields;
  std::size_t count = 0;
  for (std::size_t at = 0; at <= line.size() && count < fields.size();) {
    const std::size_t end = std::min(line.find('\t', at), line.size());
    fields[count++] = line.substr(at, end - at);
    at = end + 1;
  }
  if (count != fields.size()) {
    return Error(ErrorCode::kCorrupt,
                 "dpkg-query: not a line of a package: " + std::string(line));
  }
  return DpkgLine{fields[0], fields[1], fields[2], fields[3],
                  fields[4], fields[5], fields[6]};
}

bool is_there(std::string_view status) {
  return status != "not-installed" && status != "config-files";
}

/// The trouble of a package that is neither installed nor gone.
Trouble trouble_of(const std::string& name, const DpkgLine& line) {
  const std::string id = name + " " + std::string(line.version);
  if (line.error == "reinstreq" || line.status == "half-installed") {
    return {id + " is only partly there (" + std::string(line.status) +
                "): its installation or removal broke off",
            "apt-get install --reinstall " + name};
  }
  if (line.status.starts_with("triggers-")) {
    return {id + " waits for triggers of other packages",
            "dpkg --configure -a"};
  }
  return {id + " is unpacked but not configured (" + std::string(line.status) +
              "): its script failed or dpkg was interrupted",
          "dpkg --configure -a"};
}

/// The text between `open` and `close`, from `at`, which is moved behind it.
/// Empty if it does not come next.
std::string_view bracketed(std::string_view line, std::size_t& at, char open,
                           char close) {
  const std::size_t begin = line.find_first_not_of(' ', at);
  if (begin == std::string_view::npos || line[begin] != open) return "";
  // Brackets nest: "(580.2-1 localhost [all])".
  const std::size_t end = line.find(close, begin);
  if (end == std::string_view::npos) return "";
  at = end + 1;
  return line.substr(begin + 1, end - begin - 1);
}

/// "580.2-1 Debian:12/stable, Debian-Security:12/stable [amd64]".
void read_new_version(std::string_view text, PackageChange& change) {
  const std::size_t space = std::min(text.find(' '), text.size());
  change.new_version = text.substr(0, space);
  const std::size_t bracket = text.rfind(" [");
  if (bracket == std::string_view::npos || bracket < space) return;
  change.architecture = text.substr(bracket + 2);
  while (change.architecture.ends_with(']')) change.architecture.pop_back();
  if (bracket > space) {
    change.repository = text.substr(space + 1, bracket - space - 1);
  }
}

/// One "Inst", "Conf", "Remv" or "Purg" line.
Result<PackageChange> read_change(std::string_view line) {
  PackageChange change;
  std::size_t at = 5;
  const std::size_t end = std::min(line.find(' ', at), line.size());
  change.name = line.substr(at, end - at);
  at = end;
  change.old_version = bracketed(line, at, '[', ']');
  const bool removes = line.starts_with("Remv") || line.starts_with("Purg");
  if (!removes) read_new_version(bracketed(line, at, '(', ')'), change);
  if (change.name.empty() ||
      (removes ? change.old_version : change.new_version).empty()) {
    return Error(ErrorCode::kCorrupt,
                 "apt-get: not understood: " + std::string(line));
  }
  change.kind = removes                      ? ChangeKind::kRemove
                : change.old_version.empty() ? ChangeKind::kInstall
                : change.old_version == change.new_version
                    ? ChangeKind::kReinstall
                    : ChangeKind::kUpgrade;
  return change;
}

/// The names below "The following packages will be DOWNGRADED:".
std::set<std::string, std::less<>> downgraded(std::string_view text) {
  std::set<std::string, std::less<>> names;
  bool is_inside = false;
  for (const std::string_view line : lines_of(text)) {
    if (!line.starts_with("  ")) {
      is_inside = line.ends_with("will be DOWNGRADED:");
      continue;
    }
    if (!is_inside) continue;
    for (const std::string_view word : words_of(line)) names.emplace(word);
  }
  return names;
}

}  // namespace

Result<Observation> parse_dpkg_list(std::string_view text) {
  std::vector<DpkgLine> lines;
  std::string_view native;
  for (const std::string_view line : lines_of(text)) {
    if (line.empty()) continue;
    TRY(const DpkgLine fields, split_dpkg_line(line));
    lines.push_back(fields);
    if (fields.name == "dpkg" && is_there(fields.status)) {
      native = fields.architecture;
    }
  }
  Observation observation;
  for (const DpkgLine& line : lines) {
    if (!is_there(line.status)) continue;
    std::string name(line.name);
    if (!native.empty() && line.architecture != native &&
        line.architecture != "all") {
      name += ":" + std::string(line.architecture);
    }
    const bool is_whole = line.status == "installed" && line.error == "ok";
    if (!is_whole) observation.troubles.push_back(trouble_of(name, line));
    Package package;
    package.name = std::move(name);
    package.version = line.version;
    package.architecture = line.architecture;
    package.is_held = line.want == "hold";
    package.installed_bytes = number(line.size) * 1024;
    observation.installed.push_back(std::move(package));
  }
  return observation;
}

Result<AptSimulation> parse_apt_simulation(std::string_view text) {
  AptSimulation simulation;
  std::set<std::string> installed;
  std::vector<std::string> configured;
  const auto older = downgraded(text);
  for (const std::string_view line : lines_of(text)) {
    const bool is_conf = line.starts_with("Conf ");
    if (!is_conf && !line.starts_with("Inst ") && !line.starts_with("Remv ") &&
        !line.starts_with("Purg ")) {
      continue;
    }
    TRY(PackageChange change, read_change(line));
    if (is_conf) {
      configured.push_back(change.name);
      continue;
    }
    if (older.contains(change.name)) change.kind = ChangeKind::kDowngrade;
    installed.insert(change.name);
    simulation.changes.push_back(std::move(change));
  }
  for (std::string& name : configured) {
    if (!installed.contains(name)) {
      simulation.finishes.push_back(std::move(name));
    }
  }
  std::sort(simulation.changes.begin(), simulation.changes.end(),
            [](const PackageChange& a, const PackageChange& b) {
              return a.name < b.name;
            });
  std::sort(simulation.finishes.begin(), simulation.finishes.end());
  return simulation;
}

std::vector<Wanted> exact_needs(std::string_view text) {
  // " stub-driver : Depends: stub-lib (= 580.1-1) but 580.2-1 is to be
  // installed"; further needs of one package come without its name.
  constexpr std::string_view kDepends = "Depends: ";
  constexpr std::string_view kExactly = " (= ";
  std::vector<Wanted> needs;
  for (const std::string_view line : lines_of(text)) {
    const std::size_t depends = line.find(kDepends);
    if (depends == std::string_view::npos ||
        !(line.ends_with("is to be installed") ||
          line.ends_with("is not going to be installed"))) {
      continue;
    }
    const std::size_t name = depends + kDepends.size();
    const std::size_t exactly = line.find(kExactly, name);
    if (exactly == std::string_view::npos) continue;
    const std::size_t version = exactly + kExactly.size();
    const std::size_t end = line.find(')', version);
    if (end == std::string_view::npos) continue;
    needs.push_back({std::string(line.substr(name, exactly - name)),
                     std::string(line.substr(version, end - version))});
  }
  return needs;
}

std::map<std::pair<std::string, std::string>, DebSizes> parse_apt_show(
    std::string_view text) {
  std::map<std::pair<std::string, std::string>, DebSizes> sizes;
  std::string name, version;
  DebSizes current;
  const auto finish = [&] {
    if (!name.empty()) sizes.try_emplace({name, version}, current);
    name.clear();
    version.clear();
    current = {};
  };
  const auto value = [](std::string_view line, std::string_view field) {
    return line.starts_with(field) ? line.substr(field.size())
                                   : std::string_view();
  };
  for (const std::string_view line : lines_of(text)) {
    if (line.empty()) finish();
    if (const auto v = value(line, "Package: "); !v.empty()) name = v;
    if (const auto v = value(line, "Version: "); !v.empty()) version = v;
    if (const auto v = value(line, "Size: "); !v.empty()) {
      current.download = number(v);
    }
    if (const auto v = value(line, "Installed-Size: "); !v.empty()) {
      current.installed = number(v) * 1024;
    }
  }
  finish();
  return sizes;
}

std::vector<Candidate> parse_apt_madison(std::string_view text) {
  std::vector<Candidate> candidates;
  std::set<std::pair<std::string, std::string>> known;
  for (const std::string_view line : lines_of(text)) {
    // " stub-driver |   580.2-1 | http://host/deb stub/main amd64 Packages".
    const std::size_t first = line.find('|');
    if (first == std::string_view::npos) continue;
    const std::size_t second = line.find('|', first + 1);
    if (second == std::string_view::npos) continue;
    Candidate candidate;
    candidate.name = trimmed(line.substr(0, first));
    candidate.version = trimmed(line.substr(first + 1, second - first - 1));
    const auto words = words_of(line.substr(second + 1));
    if (words.empty() || words.back() != "Packages") continue;  // A source.
    if (words.size() >= 4) candidate.architecture = words[words.size() - 2];
    candidate.repository = trimmed(line.substr(second + 1));
    if (known.emplace(candidate.name, candidate.version).second) {
      candidates.push_back(std::move(candidate));
    }
  }
  return candidates;
}

}  // namespace gpunode::packages
