#include "node/provision/packages/zypper_output.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "node/provision/packages/rpm_output.h"

namespace gpunode::packages {
namespace {

struct Entity {
  std::string_view name;
  char character;
};

// XML's own five; zypper writes no others.
constexpr auto kEntities = std::to_array<Entity>({{"&lt;", '<'},
                                                  {"&gt;", '>'},
                                                  {"&amp;", '&'},
                                                  {"&apos;", '\''},
                                                  {"&quot;", '"'}});

/// The entity that `text` starts with; null if it is none.
const Entity* entity_at(std::string_view text) {
  const auto found = std::find_if(
      kEntities.begin(), kEntities.end(),
      [text](const Entity& e) { return text.starts_with(e.name); });
  return found == kEntities.end() ? nullptr : &*found;
}

std::string unescaped(std::string_view text) {
  std::string plain;
  for (std::size_t i = 0; i < text.size();) {
    const Entity* entity = entity_at(text.substr(i));
    plain += entity == nullptr ? text[i] : entity->character;
    i += entity == nullptr ? 1 : entity->name.size();
  }
  return plain;
}

/// One start tag, as it was written: "solvable type=\"package\" …".
struct Tag {
  std::string_view text;

  std::string_view name() const {
    return text.substr(0, text.find_first_of(" /\t\n"));
  }

  std::string attribute(std::string_view wanted) const {
    // A blank before it: "edition" is not the end of "edition-old".
    const std::string key = " " + std::string(wanted) + "=\"";
    const std::size_t at = text.find(key);
    if (at == std::string_view::npos) return "";
    const std::size_t begin = at + key.size();
    const std::size_t end = text.find('"', begin);
    if (end == std::string_view::npos) return "";
    return unescaped(text.substr(begin, end - begin));
  }
};

/// Every tag in the order of the text. zypper escapes > in attributes.
std::vector<Tag> tags_of(std::string_view xml) {
  std::vector<Tag> tags;
  for (std::size_t at = xml.find('<'); at != std::string_view::npos;) {
    const std::size_t end = xml.find('>', at);
    if (end == std::string_view::npos) break;
    tags.push_back({xml.substr(at + 1, end - at - 1)});
    at = xml.find('<', end);
  }
  return tags;
}

template <class Number>
std::optional<Number> number(const std::string& text) {
  Number value{};
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) {
    return std::nullopt;
  }
  return value;
}

/// The elements that packages are in; compared by prefix:
/// "to-upgrade-change-arch" is an upgrade too.
struct Section {
  std::string_view element;
  ChangeKind kind;
};
constexpr auto kSections = std::to_array<Section>({
    {"to-install", ChangeKind::kInstall},
    {"to-upgrade", ChangeKind::kUpgrade},
    {"to-downgrade", ChangeKind::kDowngrade},
    {"to-reinstall", ChangeKind::kReinstall},
    {"to-remove", ChangeKind::kRemove},
    // The same version of another architecture or vendor.
    {"to-change", ChangeKind::kReinstall},
});

const Section* section_of(std::string_view element) {
  const auto found = std::find_if(kSections.begin(), kSections.end(),
                                  [element](const Section& section) {
                                    return element.starts_with(section.element);
                                  });
  return found == kSections.end() ? nullptr : &*found;
}

Result<PackageChange> change_of(const Tag& tag, ChangeKind kind) {
  PackageChange change;
  change.kind = kind;
  change.name = tag.attribute("name");
  change.architecture = tag.attribute("arch");
  change.repository = tag.attribute("repository");
  const std::string edition = without_zero_epoch(tag.attribute("edition"));
  if (change.name.empty() || edition.empty()) {
    return Error(ErrorCode::kCorrupt,
                 "zypper: not understood: " + std::string(tag.text));
  }
  if (kind == ChangeKind::kRemove) {
    change.old_version = edition;
    change.repository.clear();
    return change;
  }
  change.new_version = edition;
  change.old_version = without_zero_epoch(tag.attribute("edition-old"));
  if (kind == ChangeKind::kReinstall && change.old_version.empty()) {
    change.old_version = edition;
  }
  return change;
}

}  // namespace

Result<ZypperSummary> parse_zypper_summary(std::string_view xml) {
  ZypperSummary summary;
  const Section* section = nullptr;
  for (const Tag& tag : tags_of(xml)) {
    const std::string_view name = tag.name();
    if (name == "install-summary") {
      summary.download_bytes =
          number<std::uint64_t>(tag.attribute("download-size"));
      summary.installed_bytes =
          number<std::int64_t>(tag.attribute("space-usage-diff"));
    } else if (name.starts_with("to-")) {
      section = section_of(name);
    } else if (tag.text.starts_with("/to-")) {
      section = nullptr;
    } else if (name == "solvable" && section != nullptr &&
               tag.attribute("type") == "package") {
      TRY(PackageChange change, change_of(tag, section->kind));
      summary.changes.push_back(std::move(change));
    }
  }
  std::stable_sort(summary.changes.begin(), summary.changes.end(),
                   [](const PackageChange& a, const PackageChange& b) {
                     return a.name < b.name;
                   });
  return summary;
}

std::vector<Hold> parse_zypper_locks(std::string_view xml) {
  std::vector<Hold> holds;
  for (std::size_t at = xml.find("<lock "); at != std::string_view::npos;) {
    const std::size_t end = std::min(xml.find("</lock>", at), xml.size());
    const std::string_view lock = xml.substr(at, end - at);
    const auto value = [lock](std::string_view element) -> std::string {
      const std::string open = "<" + std::string(element) + ">";
      const std::size_t begin = lock.find(open);
      if (begin == std::string_view::npos) return "";
      const std::size_t from = begin + open.size();
      return unescaped(lock.substr(from, lock.find('<', from) - from));
    };
    const std::string type = value("type");
    if (const std::string name = value("name");
        !name.empty() && (type.empty() || type == "package")) {
      holds.push_back({name, name});
    }
    at = xml.find("<lock ", end);
  }
  return holds;
}

std::vector<Candidate> parse_zypper_search(std::string_view xml) {
  std::vector<Candidate> candidates;
  for (const Tag& tag : tags_of(xml)) {
    if (tag.name() != "solvable" || tag.attribute("kind") != "package") {
      continue;
    }
    Candidate candidate{tag.attribute("name"),
                        without_zero_epoch(tag.attribute("edition")),
                        tag.attribute("arch"), tag.attribute("repository")};
    // What no repository has any more is in "(System Packages)".
    if (candidate.repository.starts_with('(')) continue;
    if (!candidate.name.empty() && !candidate.version.empty()) {
      candidates.push_back(std::move(candidate));
    }
  }
  return candidates;
}

std::string plain_text(std::string_view xml) {
  std::string text;
  for (std::size_t i = 0; i < xml.size();) {
    if (xml[i] == '<') {
      const std::size_t end = xml.find('>', i);
      if (end == std::string_view::npos) break;
      i = end + 1;
      continue;
    }
    const std::size_t next = std::min(xml.find('<', i), xml.size());
    text += unescaped(xml.substr(i, next - i));
    i = next;
  }
  return text;
}

}  // namespace gpunode::packages
