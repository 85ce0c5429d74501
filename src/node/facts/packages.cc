#include "node/facts/packages.h"

#include <charconv>
#include <cstdint>
#include <utility>

#include "node/facts/host_text.h"

namespace gpunode::facts {
namespace {

constexpr const char* kDpkgStatus = "/var/lib/dpkg/status";
// A desktop with 5000 packages has 10 MB.
constexpr std::size_t kDpkgStatusLimitBytes = std::size_t{64} << 20U;

enum class Database { kNone, kDpkg, kRpm };

Database database_of(const host::HostRoot& host, const OsRelease& os) {
  if (const auto manager = os.package_manager()) {
    return manager == distribution::Manager::kApt ? Database::kDpkg
                                                  : Database::kRpm;
  }
  // Distributions that say nothing of their family: by their own database,
  // since the tool of the other family may be installed as well.
  if (host.exists(kDpkgStatus)) return Database::kDpkg;
  if (host.exists("/var/lib/rpm") || host.exists("/usr/lib/sysimage/rpm")) {
    return Database::kRpm;
  }
  return Database::kNone;
}

void keep_dpkg(std::string_view name, std::string_view wish,
               std::string_view state, std::string_view version,
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
  packages.emplace(name, PackageFacts{std::string(version), wish == "hold"});
}

/// Whether rpm failed: it says so in words, and may list what it can see
/// beside.
bool is_wrong_of_rpm(const host::Completed& done) {
  const bool has_error = done.err.starts_with("error: ") ||
                         done.err.find("\nerror: ") != std::string::npos;
  return has_error || done.status != 0;
}

/// What the list says, if it can be had.
Result<std::string> list(host::CommandRunner& runner,
                         std::vector<std::string> argv) {
  host::Command command;
  command.argv = std::move(argv);
  TRY(host::Completed done, runner.run(command));
  const bool is_rpm = command.argv[0].ends_with("rpm");
  // dpkg-query: 1, and nothing said, of a database without any package.
  const bool is_wrong = is_rpm ? is_wrong_of_rpm(done) : done.status > 1;
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
  const auto said = list(runner, dpkg_list_argv());
  if (said) {
    facts.packages = parse_dpkg_lines(*said, wanted, facts.gaps);
  } else {
    facts.gaps.push_back("ask for packages: " + said.error().message());
  }
}

void ask_rpm(const host::HostRoot& host, host::CommandRunner& runner,
             const Wanted& wanted, HostFacts& facts) {
  const auto said = list(runner, rpm_list_argv(host));
  if (said) {
    facts.packages = parse_rpm_lines(*said, wanted);
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
  switch (database_of(host, facts.os)) {
    case Database::kDpkg:
      if (is_here) return ask_dpkg(runner, wanted, facts);
      return read_dpkg_status(host, wanted, facts);
    case Database::kRpm:
      if (is_here) return ask_rpm(host, runner, wanted, facts);
      facts.gaps.emplace_back(
          "which packages are installed is not known: the rpm database of a "
          "host mounted elsewhere is not read");
      return;
    case Database::kNone:
      facts.gaps.emplace_back(
          "which packages are installed is not known: there is neither dpkg "
          "nor rpm");
  }
}

std::vector<std::string> dpkg_list_argv() {
  return {"/usr/bin/dpkg-query", "--show", "--showformat", kDpkgFormat};
}

std::vector<std::string> rpm_list_argv(const host::HostRoot& host) {
  const bool is_old = !host.exists("/usr/bin/rpm") && host.exists("/bin/rpm");
  return {is_old ? "/bin/rpm" : "/usr/bin/rpm", "-qa", "--queryformat",
          kRpmFormat};
}

bool is_package_list(const host::Command& command) {
  const auto& argv = command.argv;
  if (argv == dpkg_list_argv()) return true;
  return argv.size() == 4 && argv[0].ends_with("/rpm") && argv[1] == "-qa" &&
         argv[2] == "--queryformat" && argv[3] == kRpmFormat;
}

std::map<std::string, PackageFacts> parse_dpkg_lines(
    std::string_view text, const Wanted& wanted,
    std::vector<std::string>& gaps) {
  std::map<std::string, PackageFacts> packages;
  while (!text.empty()) {
    std::string_view line = take_line(text);
    const std::string_view name = take_until(line, '\t');
    if (!wanted.has_package(name)) continue;
    (void)take_until(line, '\t');  // The architecture.
    const std::string_view version = take_until(line, '\t');
    const std::string_view wish = take_until(line, '\t');
    (void)take_until(line, '\t');  // Whether to do it over.
    const std::string_view state = take_until(line, '\t');
    if (state.empty()) continue;
    keep_dpkg(name, wish, state, version, packages, gaps);
  }
  return packages;
}

std::map<std::string, PackageFacts> parse_rpm_lines(std::string_view text,
                                                    const Wanted& wanted) {
  std::map<std::string, PackageFacts> packages;
  // The list has no order; of several versions the last to come counts.
  std::map<std::string, std::uint64_t> times;
  while (!text.empty()) {
    std::string_view line = take_line(text);
    const std::string name(take_until(line, '\t'));
    if (!wanted.has_package(name)) continue;
    const std::string_view version = take_until(line, '\t');
    (void)take_until(line, '\t');  // The architecture.
    (void)take_until(line, '\t');  // Its size.
    if (version.empty()) continue;
    std::uint64_t time = 0;
    std::from_chars(line.data(), line.data() + line.size(), time);
    const auto [known, is_first] = times.try_emplace(name, time);
    if (!is_first && time < known->second) continue;
    known->second = time;
    packages[name].version = version;
  }
  return packages;
}

std::vector<DpkgStanza> dpkg_stanzas(std::string_view text) {
  std::vector<DpkgStanza> stanzas;
  DpkgStanza stanza;
  const auto close = [&] {
    if (!stanza.package.empty() && !stanza.status.empty()) {
      stanzas.push_back(stanza);
    }
    stanza = {};
  };
  while (!text.empty()) {
    std::string_view line = take_line(text);
    if (line.empty()) {
      close();
      continue;
    }
    const std::string_view key = take_until(line, ':');
    line = trimmed(line);
    if (key == "Package") stanza.package = line;
    if (key == "Architecture") stanza.architecture = line;
    if (key == "Version") stanza.version = line;
    if (key == "Status") stanza.status = line;
  }
  close();
  return stanzas;
}

std::map<std::string, PackageFacts> parse_dpkg_status(
    std::string_view text, const Wanted& wanted,
    std::vector<std::string>& gaps) {
  std::map<std::string, PackageFacts> packages;
  for (const DpkgStanza& stanza : dpkg_stanzas(text)) {
    if (!wanted.has_package(stanza.package)) continue;
    const std::string_view status = stanza.status;
    keep_dpkg(stanza.package, status.substr(0, status.find(' ')),
              status.substr(status.rfind(' ') + 1), stanza.version, packages,
              gaps);
  }
  return packages;
}

}  // namespace gpunode::facts
