#include "node/provision/packages/dnf_output.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <utility>

#include "node/provision/packages/lines.h"
#include "node/provision/packages/rpm_output.h"

namespace gpunode::packages {
namespace {

/// What the rows below a heading are.
struct Section {
  std::string_view heading;
  enum class Kind { kChange, kSkip, kNotPackages } kind;
  ChangeKind change = ChangeKind::kInstall;
};

// dnf/cli/output.py, dnf5's libdnf5-cli/output/transaction_table.cpp.
// Compared by prefix: "Installing dependencies", "Installing weak
// dependencies", "Removing dependent packages", ….
constexpr auto kSections = std::to_array<Section>({
    {"Installing group", Section::Kind::kNotPackages},
    {"Installing Environment", Section::Kind::kNotPackages},
    {"Installing module", Section::Kind::kNotPackages},
    {"Removing module", Section::Kind::kNotPackages},
    {"Removing group", Section::Kind::kNotPackages},
    {"Installing", Section::Kind::kChange, ChangeKind::kInstall},
    {"Upgrading", Section::Kind::kChange, ChangeKind::kUpgrade},
    // yum.
    {"Updating", Section::Kind::kChange, ChangeKind::kUpgrade},
    {"Downgrading", Section::Kind::kChange, ChangeKind::kDowngrade},
    {"Reinstalling", Section::Kind::kChange, ChangeKind::kReinstall},
    {"Removing", Section::Kind::kChange, ChangeKind::kRemove},
    {"Skipping", Section::Kind::kSkip},
    {"Skipped", Section::Kind::kSkip},
});

const Section* section_of(std::string_view line) {
  const auto found = std::find_if(kSections.begin(), kSections.end(),
                                  [line](const Section& section) {
                                    return line.starts_with(section.heading);
                                  });
  return found == kSections.end() ? nullptr : &*found;
}

/// Rows of the table with what belongs to each: dnf wraps a row whose cells
/// are too long, and indents its rest.
struct Row {
  const Section* section = nullptr;
  std::vector<std::string_view> words;
  bool is_replaced = false;  ///< "     replacing  old.noarch 1.0-1".
};

bool is_rule(std::string_view line) {
  return line.size() > 10 &&
         line.find_first_not_of('=') == std::string_view::npos;
}

std::vector<Row> rows_of(std::string_view text) {
  std::vector<Row> rows;
  bool is_inside = false;
  const Section* section = nullptr;
  for (const std::string_view line : lines_of(text)) {
    if (line.starts_with("Transaction Summary")) is_inside = false;
    const auto words = words_of(line);
    if (words.size() >= 5 && words[0] == "Package" && words[2] == "Version") {
      is_inside = true;
      section = nullptr;
      continue;
    }
    if (!is_inside || words.empty() || is_rule(line)) continue;
    if (line[0] != ' ') {
      // "(add '--best --allowerasing' to command line …):" continues one.
      if (line[0] != '(') section = section_of(line);
      continue;
    }
    if (section == nullptr || section->kind == Section::Kind::kNotPackages) {
      continue;
    }
    if (words[0] == "replacing") {
      rows.push_back({section, {words.begin() + 1, words.end()}, true});
    } else if (line.starts_with("  ") && !rows.empty()) {
      auto& row = rows.back().words;
      row.insert(row.end(), words.begin(), words.end());
    } else {
      rows.push_back({section, words, false});
    }
  }
  return rows;
}

std::string old_version_of(const Observation& before, const std::string& name,
                           const std::string& architecture) {
  const Package* any = nullptr;
  for (const Package& package : before.installed) {
    if (package.name != name) continue;
    if (package.architecture == architecture) return package.version;
    any = &package;
  }
  return any == nullptr ? "" : any->version;
}

Error not_understood(const Row& row) {
  std::string text = "dnf: a row that is not understood:";
  for (const std::string_view word : row.words) text += " " + std::string(word);
  return {ErrorCode::kCorrupt, std::move(text)};
}

/// name arch version repository size [unit].
Result<PackageChange> change_of(const Row& row, const Observation& before) {
  if (row.words.size() < 5) return not_understood(row);
  PackageChange change;
  change.kind = row.section->change;
  change.name = row.words[0];
  change.architecture = row.words[1];
  std::string version = without_zero_epoch(row.words[2]);
  change.repository = row.words[3];
  std::string size(row.words[4]);
  if (row.words.size() > 5) size += " " + std::string(row.words[5]);
  const auto bytes = parse_dnf_size(size);
  if (!bytes) return not_understood(row);
  if (change.kind == ChangeKind::kRemove) {
    // Its size is that of what is freed.
    change.old_version = std::move(version);
    change.repository.clear();
    return change;
  }
  change.new_version = std::move(version);
  // dnf 5 says what it takes on the disk, and its sizes end so.
  if (!size.ends_with('B')) change.download_bytes = bytes;
  if (change.kind != ChangeKind::kInstall) {
    change.old_version =
        old_version_of(before, change.name, change.architecture);
  }
  return change;
}

/// "old.noarch 1.0-1" (dnf 4) or "old noarch 1.0-1 repo size" (dnf5).
Result<PackageChange> replaced_of(const Row& row) {
  if (row.words.size() < 2) return not_understood(row);
  PackageChange change;
  change.kind = ChangeKind::kRemove;
  if (row.words.size() == 2) {
    const std::size_t dot = row.words[0].rfind('.');
    if (dot == std::string_view::npos) return not_understood(row);
    change.name = row.words[0].substr(0, dot);
    change.architecture = row.words[0].substr(dot + 1);
    change.old_version = without_zero_epoch(row.words[1]);
  } else {
    change.name = row.words[0];
    change.architecture = row.words[1];
    change.old_version = without_zero_epoch(row.words[2]);
  }
  return change;
}

/// The size after `label` at the start of a line.
std::optional<std::uint64_t> total(std::string_view text,
                                   std::string_view label) {
  for (const std::string_view line : lines_of(text)) {
    if (line.starts_with(label)) {
      return parse_dnf_size(trimmed(line.substr(label.size())));
    }
  }
  return std::nullopt;
}

/// The size between `before` and `after` in a line.
std::optional<std::uint64_t> size_between(std::string_view text,
                                          std::string_view before,
                                          std::string_view after) {
  for (std::string_view line : lines_of(text)) {
    const std::size_t begin = line.find(before);
    if (begin == std::string_view::npos) continue;
    line.remove_prefix(begin + before.size());
    const std::size_t end = line.find(after);
    if (end != std::string_view::npos)
      return parse_dnf_size(line.substr(0, end));
  }
  return std::nullopt;
}

/// "Need to download 12 KiB.", "After this operation, 98 KiB will be freed
/// (install 0 B, remove 98 KiB)."
void read_dnf5_totals(std::string_view text, DnfTable& table) {
  table.download_bytes = size_between(text, "Need to download ", ".");
  const auto more = size_between(text, "(install ", ", remove ");
  const auto less = size_between(text, ", remove ", ")");
  if (!more || !less) return;
  table.installed_bytes =
      static_cast<std::int64_t>(*more) - static_cast<std::int64_t>(*less);
}

void read_totals(std::string_view text, DnfTable& table) {
  if (text.find("\nAfter this operation, ") != std::string_view::npos) {
    return read_dnf5_totals(text, table);
  }
  table.download_bytes = total(text, "Total download size:");
  // When all is in the cache, or on this machine.
  if (!table.download_bytes) table.download_bytes = total(text, "Total size:");
  if (const auto bytes = total(text, "Installed size:")) {
    table.installed_bytes = static_cast<std::int64_t>(*bytes);
  } else if (const auto freed = total(text, "Freed space:")) {
    table.installed_bytes = -static_cast<std::int64_t>(*freed);
  }
}

}  // namespace

std::optional<std::uint64_t> parse_dnf_size(std::string_view text) {
  double value = 0;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || value < 0) return std::nullopt;
  std::string_view unit =
      trimmed(text.substr(static_cast<std::size_t>(end - text.data())));
  // dnf5: "6.0 KiB", "512   B".
  if (unit.ends_with("iB")) unit.remove_suffix(2);
  if (unit == "B") unit = "";
  constexpr std::string_view kUnits = "kMGT";
  double scale = 1;
  if (!unit.empty()) {
    const char letter = unit[0] == 'K' ? 'k' : unit[0];
    const std::size_t power = kUnits.find(letter);
    if (unit.size() != 1 || power == std::string_view::npos) {
      return std::nullopt;
    }
    scale = std::pow(1024.0, static_cast<double>(power) + 1);
  }
  if (value * scale > 1e18) return std::nullopt;
  return static_cast<std::uint64_t>(std::llround(value * scale));
}

Result<DnfTable> parse_dnf_table(std::string_view text,
                                 const Observation& before) {
  DnfTable table;
  for (const Row& row : rows_of(text)) {
    if (row.section->kind == Section::Kind::kSkip) {
      if (!row.words.empty()) table.skipped.emplace_back(row.words[0]);
      continue;
    }
    if (!row.is_replaced) {
      TRY(PackageChange change, change_of(row, before));
      table.changes.push_back(std::move(change));
      continue;
    }
    TRY(PackageChange replaced, replaced_of(row));
    // dnf5 names below an upgrade the version that it replaces: no removal.
    if (!table.changes.empty() && table.changes.back().name == replaced.name) {
      table.changes.back().old_version = replaced.old_version;
      continue;
    }
    // It belongs to the row before it, which goes on to be the last.
    const auto last = table.changes.empty() ? table.changes.end()
                                            : std::prev(table.changes.end());
    table.changes.insert(last, std::move(replaced));
  }
  std::stable_sort(table.changes.begin(), table.changes.end(),
                   [](const PackageChange& a, const PackageChange& b) {
                     return a.name < b.name;
                   });
  read_totals(text, table);
  return table;
}

std::vector<Candidate> parse_dnf_repoquery(std::string_view text) {
  std::vector<Candidate> candidates;
  for (const std::string_view line : lines_of(text)) {
    std::array<std::string_view, 5> fields;
    std::size_t count = 0;
    for (std::size_t at = 0; at <= line.size() && count < fields.size();) {
      const std::size_t end = std::min(line.find('|', at), line.size());
      fields[count++] = line.substr(at, end - at);
      at = end + 1;
    }
    if (count != fields.size()) continue;
    Candidate candidate;
    candidate.name = fields[0];
    candidate.version = without_zero_epoch(std::string(fields[1]) + ":" +
                                           std::string(fields[2]));
    candidate.architecture = fields[3];
    candidate.repository = fields[4];
    candidates.push_back(std::move(candidate));
  }
  return candidates;
}

std::vector<Candidate> parse_yum_list(std::string_view text) {
  std::vector<Candidate> candidates;
  bool is_inside = false;
  std::vector<std::string_view> row;
  for (const std::string_view line : lines_of(text)) {
    if (line.starts_with("Installed Packages") ||
        line.starts_with("Available Packages")) {
      is_inside = true;
      row.clear();
      continue;
    }
    if (!is_inside) continue;
    for (const std::string_view word : words_of(line)) {
      row.push_back(word);
      if (row.size() < 3) continue;
      const std::size_t dot = row[0].rfind('.');
      std::string_view from = row[2];
      // "@epel": it came from there. "installed": nobody knows.
      if (from.starts_with('@')) from.remove_prefix(1);
      if (dot != std::string_view::npos && from != "installed") {
        candidates.push_back(
            {std::string(row[0].substr(0, dot)), without_zero_epoch(row[1]),
             std::string(row[0].substr(dot + 1)), std::string(from)});
      }
      row.clear();
    }
  }
  return candidates;
}

Hold parse_dnf_lock(std::string_view line) {
  line = trimmed(line);
  // "!name-…" excludes what others lock; "Last metadata expiration check: …"
  // and other messages have blanks.
  if (line.empty() || line[0] == '#' || line[0] == '!' ||
      line.find(' ') != std::string_view::npos) {
    return {};
  }
  // name-epoch:version-release.arch: the name ends two dashes from the end. In
  // yum's the epoch is before the name, which has no colon.
  const std::size_t release = line.rfind('-');
  if (release == std::string_view::npos || release == 0) return {};
  const std::size_t version = line.rfind('-', release - 1);
  if (version == std::string_view::npos) return {};
  std::string_view name = line.substr(0, version);
  const std::size_t digits = name.find_first_not_of("0123456789");
  if (digits != 0 && digits != std::string_view::npos && name[digits] == ':') {
    name.remove_prefix(digits + 1);
  }
  return {std::string(name), std::string(line)};
}

std::vector<Hold> parse_dnf_locks(std::string_view text) {
  std::vector<Hold> holds;
  for (const std::string_view line : lines_of(text)) {
    Hold hold = parse_dnf_lock(line);
    if (!hold.name.empty()) holds.push_back(std::move(hold));
  }
  return holds;
}

namespace {

/// One more entry, of a name alone yet.
void begin_lock(std::string_view name, std::vector<Hold>& holds) {
  holds.push_back({std::string(name), std::string(name) + ":"});
}

void add_condition(std::string_view words, std::vector<Hold>& holds) {
  if (holds.empty()) return;
  std::string& entry = holds.back().entry;
  entry += (entry.ends_with(':') ? " " : ", ") + std::string(words);
}

/// Of `name = "value"`: the value of that name; nothing for another.
std::optional<std::string_view> value_of(std::string_view line,
                                         std::string_view name) {
  const std::size_t equals = line.find('=');
  if (equals == std::string_view::npos ||
      trimmed(line.substr(0, equals)) != name) {
    return std::nullopt;
  }
  const std::string_view value = trimmed(line.substr(equals + 1));
  if (value.size() < 2 || (value[0] != '"' && value[0] != '\'')) {
    return std::nullopt;
  }
  const std::size_t end = value.find(value[0], 1);
  if (end == std::string_view::npos) return std::nullopt;
  return value.substr(1, end - 1);
}

}  // namespace

std::vector<Hold> parse_dnf5_locks(std::string_view text) {
  constexpr std::string_view kName = "Package name:";
  std::vector<Hold> holds;
  for (std::string_view line : lines_of(text)) {
    // "# Added by …", and what is wrong with an entry.
    line = trimmed(line.substr(0, line.find('#')));
    if (line.starts_with(kName)) {
      begin_lock(trimmed(line.substr(kName.size())), holds);
    } else if (words_of(line).size() == 3) {
      add_condition(line, holds);
    }
  }
  return holds;
}

std::vector<Hold> parse_dnf5_lock_file(std::string_view text) {
  std::vector<Hold> holds;
  std::string key;
  std::string comparator;
  for (std::string_view line : lines_of(text)) {
    line = trimmed(line);
    if (const auto name = value_of(line, "name")) begin_lock(*name, holds);
    if (const auto said = value_of(line, "key")) key = *said;
    if (const auto said = value_of(line, "comparator")) comparator = *said;
    if (const auto value = value_of(line, "value")) {
      add_condition(key + " " + comparator + " " + std::string(*value), holds);
    }
  }
  return holds;
}

bool is_lock_on(const Hold& hold, std::string_view version) {
  constexpr std::string_view kBegin = ": evr = ";
  std::string_view entry = hold.entry;
  if (!entry.starts_with(hold.name)) return false;
  entry.remove_prefix(hold.name.size());
  return entry.starts_with(kBegin) &&
         without_zero_epoch(entry.substr(kBegin.size())) == version;
}

std::vector<ModuleStream> parse_dnf_modules(std::string_view text) {
  // "Name        Stream       Profiles Summary": columns by their headings.
  std::vector<ModuleStream> streams;
  std::size_t stream_at = 0;
  std::size_t profiles_at = 0;
  std::size_t summary_at = 0;
  for (const std::string_view line : lines_of(text)) {
    if (line.starts_with("Name ")) {
      stream_at = line.find("Stream");
      profiles_at = line.find("Profiles");
      summary_at = line.find("Summary");
      continue;
    }
    if (line.empty() || line.starts_with("Hint:")) stream_at = 0;
    if (stream_at == 0 || stream_at == std::string_view::npos ||
        profiles_at == std::string_view::npos || line.size() <= stream_at) {
      continue;
    }
    ModuleStream stream;
    stream.module = trimmed(line.substr(0, stream_at));
    const auto words =
        words_of(line.substr(stream_at, profiles_at - stream_at));
    if (stream.module.empty() || words.empty()) continue;
    stream.stream = words[0];
    for (const std::string_view mark : words) {
      if (mark == "[d]" || mark == "[d][e]") stream.is_default = true;
      if (mark == "[e]" || mark == "[d][e]") stream.is_enabled = true;
    }
    if (line.size() > profiles_at && summary_at > profiles_at) {
      for (std::string_view word :
           words_of(line.substr(profiles_at, summary_at - profiles_at))) {
        if (word.ends_with(',')) word.remove_suffix(1);
        if (word[0] != '[') stream.profiles.emplace_back(word);
      }
    }
    streams.push_back(std::move(stream));
  }
  return streams;
}

}  // namespace gpunode::packages
