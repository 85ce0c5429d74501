#include "node/facts/units.h"

#include <array>
#include <optional>
#include <utility>
#include <vector>

#include "node/facts/host_text.h"

namespace gpunode::facts {
namespace {

/// systemd.unit(5), the first one wins.
constexpr std::array<const char*, 5> kUnitDirectories = {
    "/etc/systemd/system", "/run/systemd/system",
    "/usr/local/lib/systemd/system", "/usr/lib/systemd/system",
    "/lib/systemd/system"};

constexpr std::size_t kUnitLimitBytes = std::size_t{1} << 20U;

/// "getty@.service" of "getty@tty1.service".
std::optional<std::string> template_of(const std::string& unit) {
  const std::size_t at = unit.find('@');
  const std::size_t dot = unit.rfind('.');
  if (at == std::string::npos || dot == std::string::npos || dot <= at + 1) {
    return std::nullopt;
  }
  return unit.substr(0, at + 1) + unit.substr(dot);
}

/// "x.target.wants" and "x.target.requires" in /etc hold what is enabled.
bool is_enabled(const host::HostRoot& host, const std::string& unit) {
  const std::string directory = kUnitDirectories.front();
  const auto names = host.list_directory(directory);
  if (!names) return false;
  for (const std::string& name : *names) {
    if (!name.ends_with(".wants") && !name.ends_with(".requires")) continue;
    // The link alone counts, wherever it leads.
    if (host.read_link(directory + "/" + name + "/" + unit)) return true;
  }
  return false;
}

bool has_install_section(std::string_view text) {
  while (!text.empty()) {
    if (trimmed(take_line(text)) == "[Install]") return true;
  }
  return false;
}

void ask_systemctl(const host::HostRoot& host, host::CommandRunner& runner,
                   const Wanted& wanted, HostFacts& facts) {
  std::string program = "/usr/bin/systemctl";
  if (!host.exists(program)) program = "/bin/systemctl";
  host::Command command;
  command.argv = {program, "show", "--property",
                  "Id,LoadState,ActiveState,UnitFileState", "--"};
  command.argv.insert(command.argv.end(), wanted.units.begin(),
                      wanted.units.end());
  const auto said = runner.output(command);
  if (!said) {
    facts.gaps.push_back("ask systemd: " + said.error().message());
    return;
  }
  auto units = parse_unit_blocks(*said, wanted.units);
  if (!units) {
    facts.gaps.push_back("ask systemd: " + units.error().message());
    return;
  }
  facts.units = *std::move(units);
}

}  // namespace

void read_wanted_units(const host::HostRoot& host, host::CommandRunner& runner,
                       const Wanted& wanted, HostFacts& facts) {
  if (wanted.units.empty()) return;
  if (facts.machine.systemd && host.prefix() == "/") {
    ask_systemctl(host, runner, wanted, facts);
    return;
  }
  for (const std::string& unit : wanted.units) {
    facts.units.emplace(unit, read_unit_file(host, unit));
  }
}

Result<std::map<std::string, UnitFacts>> parse_unit_blocks(
    std::string_view text, const std::set<std::string>& units) {
  std::vector<UnitFacts> blocks;
  bool is_inside = false;
  while (!text.empty()) {
    std::string_view line = take_line(text);
    if (trimmed(line).empty()) {
      is_inside = false;
      continue;
    }
    if (!is_inside) blocks.emplace_back();
    is_inside = true;
    const std::string_view key = take_until(line, '=');
    UnitFacts& unit = blocks.back();
    if (key == "LoadState") unit.load_state = line;
    if (key == "ActiveState") unit.active_state = line;
    if (key == "UnitFileState") unit.unit_file_state = line;
  }
  if (blocks.size() != units.size()) {
    return Error(ErrorCode::kCorrupt,
                 "systemctl show tells of " + std::to_string(blocks.size()) +
                     " units, asked for " + std::to_string(units.size()));
  }
  std::map<std::string, UnitFacts> result;
  std::size_t i = 0;
  for (const std::string& unit : units) result[unit] = std::move(blocks[i++]);
  return result;
}

UnitFacts read_unit_file(const host::HostRoot& host, const std::string& unit) {
  UnitFacts facts{
      .load_state = "not-found", .active_state = "", .unit_file_state = ""};
  std::vector<std::string> names = {unit};
  if (auto name = template_of(unit)) names.push_back(*std::move(name));
  for (const std::string& name : names) {
    for (const std::string directory : kUnitDirectories) {
      const std::string path = directory + "/" + name;
      const auto link = host.read_link(path);
      const auto text = host.read_file(path, kUnitLimitBytes);
      // Masked by a link to /dev/null or by an empty file.
      if ((link && *link == "/dev/null") || (text && text->empty())) {
        return {.load_state = "masked",
                .active_state = "",
                .unit_file_state = "masked"};
      }
      if (!text) continue;
      facts.load_state = "loaded";
      if (is_enabled(host, unit)) {
        facts.unit_file_state = "enabled";
      } else {
        facts.unit_file_state =
            has_install_section(*text) ? "disabled" : "static";
      }
      return facts;
    }
  }
  return facts;
}

}  // namespace gpunode::facts
