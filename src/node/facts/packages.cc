#include "node/facts/packages.h"

#include <algorithm>
#include <array>
#include <utility>

#include "node/facts/host_text.h"

namespace gpunode::facts {
namespace {

constexpr const char* kDpkgStatus = "/var/lib/dpkg/status";
// A desktop with 5000 packages has 10 MB.
constexpr std::size_t kDpkgStatusLimitBytes = std::size_t{64} << 20U;

enum class Manager { kNone, kDpkg, kRpm };

Manager manager_of(const host::HostRoot& host, const OsRelease& os) {
  if (os.is_like("debian") || os.is_like("ubuntu")) return Manager::kDpkg;
  constexpr std::array<std::string_view, 4> kRpmFamilies = {"rhel", "fedora",
                                                            "suse", "amzn"};
  if (std::ranges::any_of(kRpmFamilies, [&](std::string_view family) {
        return os.is_like(family);
      })) {
    return Manager::kRpm;
  }
  // Distributions that say nothing of their family: by their own database,
  // since the tool of the other family may be installed as well.
  if (host.exists(kDpkgStatus)) return Manager::kDpkg;
  if (host.exists("/var/lib/rpm") || host.exists("/usr/lib/sysimage/rpm")) {
    return Manager::kRpm;
  }
  return Manager::kNone;
}

void keep_dpkg(std::string_view name, std::string_view state,
               std::string_view version,
               std::map<std::string, PackageFacts>& packages,
               std::vector<std::string>& gaps) {
  if (state == "not-installed" || state == "config-files") return;
  if (state != "installed" && state != "triggers-awaited" &&
      state != "triggers-pending") {
    gaps.push_back("package " + std::string(name) + " is " +
                   std::string(state) + ": `dpkg --configure -a` ends that");
    return;
  }
  // The first of two architectures is the host's own.
  packages.emplace(name, PackageFacts{std::string(version)});
}

/// Runs a query whose exit status counts the packages that are not installed.
Result<std::string> query(host::CommandRunner& runner,
                          std::vector<std::string> argv, const Wanted& wanted) {
  host::Command command;
  command.argv = std::move(argv);
  command.argv.insert(command.argv.end(), wanted.packages.begin(),
                      wanted.packages.end());
  TRY(host::Completed done, runner.run(command));
  // dpkg-query: 1 for names it does not know, 2 for what is really wrong. rpm
  // counts names, and says what is wrong in words on standard error alone.
  const bool is_wrong = command.argv[0].ends_with("rpm")
                            ? !done.err.empty() && done.out.empty()
                            : done.status > 1;
  if (is_wrong) {
    return Error(ErrorCode::kUnavailable,
                 command.argv[0] + " ended with status " +
                     std::to_string(done.status) + ": " +
                     host::output_tail(done.err));
  }
  return std::move(done.out);
}

void ask_dpkg(host::CommandRunner& runner, const Wanted& wanted,
              HostFacts& facts) {
  const auto said = query(
      runner,
      {"/usr/bin/dpkg-query", "--show",
       R"(--showformat=${Package}\t${db:Status-Status}\t${Version}\n)", "--"},
      wanted);
  if (said) {
    facts.packages = parse_dpkg_lines(*said, facts.gaps);
  } else {
    facts.gaps.push_back("ask for packages: " + said.error().message());
  }
}

void ask_rpm(const host::HostRoot& host, host::CommandRunner& runner,
             const Wanted& wanted, HostFacts& facts) {
  const std::string program =
      host.exists("/usr/bin/rpm") ? "/usr/bin/rpm" : "/bin/rpm";
  const auto said = query(
      runner,
      {program, "--query", "--queryformat",
       R"(%{NAME}\t%|EPOCH?{%{EPOCH}:}:{}|%{VERSION}-%{RELEASE}\n)", "--"},
      wanted);
  if (said) {
    facts.packages = parse_rpm_lines(*said);
  } else {
    facts.gaps.push_back("ask for packages: " + said.error().message());
  }
}

void read_dpkg_status(const host::HostRoot& host, const Wanted& wanted,
                      HostFacts& facts) {
  const auto text = host.read_file(kDpkgStatus, kDpkgStatusLimitBytes);
  if (text) {
    facts.packages = parse_dpkg_status(*text, wanted, facts.gaps);
  } else {
    facts.gaps.push_back(std::string("read ") + kDpkgStatus + ": " +
                         cause_of(host, kDpkgStatus, text.error()));
  }
}

}  // namespace

void read_wanted_packages(const host::HostRoot& host,
                          host::CommandRunner& runner, const Wanted& wanted,
                          HostFacts& facts) {
  if (wanted.packages.empty()) return;
  const bool is_here = host.prefix() == "/";
  switch (manager_of(host, facts.os)) {
    case Manager::kDpkg:
      if (is_here) return ask_dpkg(runner, wanted, facts);
      return read_dpkg_status(host, wanted, facts);
    case Manager::kRpm:
      if (is_here) return ask_rpm(host, runner, wanted, facts);
      facts.gaps.emplace_back(
          "which packages are installed is not known: the rpm database of a "
          "host mounted elsewhere is not read");
      return;
    case Manager::kNone:
      facts.gaps.emplace_back(
          "which packages are installed is not known: there is neither dpkg "
          "nor rpm");
  }
}

std::map<std::string, PackageFacts> parse_dpkg_lines(
    std::string_view text, std::vector<std::string>& gaps) {
  std::map<std::string, PackageFacts> packages;
  while (!text.empty()) {
    std::string_view line = take_line(text);
    const std::string_view name = take_until(line, '\t');
    const std::string_view state = take_until(line, '\t');
    if (name.empty() || state.empty()) continue;
    keep_dpkg(name, state, line, packages, gaps);
  }
  return packages;
}

std::map<std::string, PackageFacts> parse_rpm_lines(std::string_view text) {
  std::map<std::string, PackageFacts> packages;
  while (!text.empty()) {
    std::string_view line = take_line(text);
    const std::string_view name = take_until(line, '\t');
    if (name.empty() || line.empty()) continue;
    packages[std::string(name)] = PackageFacts{std::string(line)};
  }
  return packages;
}

std::map<std::string, PackageFacts> parse_dpkg_status(
    std::string_view text, const Wanted& wanted,
    std::vector<std::string>& gaps) {
  std::map<std::string, PackageFacts> packages;
  std::string_view name;
  std::string_view state;
  std::string_view version;
  const auto close = [&] {
    if (!state.empty() && wanted.packages.contains(std::string(name))) {
      keep_dpkg(name, state, version, packages, gaps);
    }
    name = state = version = {};
  };
  while (!text.empty()) {
    std::string_view line = take_line(text);
    if (line.empty()) {
      close();
      continue;
    }
    const std::string_view key = take_until(line, ':');
    line = trimmed(line);
    if (key == "Package") name = line;
    if (key == "Version") version = line;
    // "install ok installed": wanted, error, state.
    if (key == "Status") state = line.substr(line.rfind(' ') + 1);
  }
  close();
  return packages;
}

}  // namespace gpunode::facts
