#include "node/facts/units.h"

#include <algorithm>
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

std::vector<std::string> words_of(std::string_view line) {
  std::vector<std::string> words;
  while (!line.empty()) {
    const std::string_view word = take_until(line, ' ');
    if (!word.empty()) words.emplace_back(word);
  }
  return words;
}

std::string joined(std::string path, std::string_view name) {
  path += '/';
  path += name;
  return path;
}

/// "x.target.wants" and "x.target.requires" in /etc hold what is enabled.
bool is_enabled(const host::HostRoot& host, const std::string& unit) {
  const std::string directory = kUnitDirectories.front();
  const auto names = host.list_directory(directory);
  if (!names) return false;
  return std::ranges::any_of(*names, [&](const std::string& name) {
    // The link alone counts, wherever it leads.
    return (name.ends_with(".wants") || name.ends_with(".requires")) &&
           host.read_link(joined(joined(directory, name), unit));
  });
}

bool has_install_section(std::string_view text) {
  while (!text.empty()) {
    if (trimmed(take_line(text)) == "[Install]") return true;
  }
  return false;
}

std::string file_state(const host::HostRoot& host, const std::string& unit,
                       std::string_view text) {
  if (is_enabled(host, unit)) return "enabled";
  return has_install_section(text) ? "disabled" : "static";
}

Result<std::map<std::string, UnitFacts>> show_units(
    const host::HostRoot& host, host::CommandRunner& runner,
    const std::set<std::string>& units) {
  std::string program = "/usr/bin/systemctl";
  if (!host.exists(program)) program = "/bin/systemctl";
  host::Command command;
  command.argv = {program, "show", "--property",
                  "Id,LoadState,ActiveState,UnitFileState,TriggeredBy", "--"};
  command.argv.insert(command.argv.end(), units.begin(), units.end());
  TRY(const std::string said, runner.output(command));
  return parse_unit_blocks(said, units);
}

/// Units that start one of `units` and are not among them.
std::set<std::string> further_triggers(
    const std::map<std::string, UnitFacts>& units) {
  std::set<std::string> further;
  for (const auto& [name, unit] : units) {
    for (const std::string& trigger : unit.triggered_by) {
      if (!units.contains(trigger)) further.insert(trigger);
    }
  }
  return further;
}

void ask_systemctl(const host::HostRoot& host, host::CommandRunner& runner,
                   const Wanted& wanted, HostFacts& facts) {
  auto units = show_units(host, runner, wanted.units);
  if (!units) {
    facts.gaps.push_back("ask systemd: " + units.error().message());
    return;
  }
  facts.units = *std::move(units);
  // Who wants a service wants its socket too (docker.socket); seldom is there
  // another one.
  const std::set<std::string> further = further_triggers(facts.units);
  if (further.empty()) return;
  auto triggers = show_units(host, runner, further);
  if (!triggers) {
    facts.gaps.push_back("ask systemd: " + triggers.error().message());
    return;
  }
  facts.units.merge(*triggers);
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
    if (key == "TriggeredBy") unit.triggered_by = words_of(line);
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
  std::vector<std::string> names = {unit};
  if (auto name = template_of(unit)) names.push_back(*std::move(name));
  for (const std::string& name : names) {
    for (const char* directory : kUnitDirectories) {
      const std::string path = joined(directory, name);
      const auto link = host.read_link(path);
      const auto text = host.read_file(path, kUnitLimitBytes);
      // Masked by a link to /dev/null or by an empty file.
      if ((link && *link == "/dev/null") || (text && text->empty())) {
        return {"masked", "", "masked"};
      }
      if (text) return {"loaded", "", file_state(host, unit, *text)};
    }
  }
  return {"not-found", "", ""};
}

}  // namespace gpunode::facts
