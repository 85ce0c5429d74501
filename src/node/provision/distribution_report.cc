#include "node/provision/distribution_report.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/text/json_splice.h"
#include "base/text/node.h"
#include "node/distribution/names.h"

namespace gpunode::provision {
namespace {

using console::Page;
using console::Style;
using distribution::Architecture;
using distribution::Distribution;
using distribution::Flavour;
using distribution::Status;
using packages::ExtraRepository;
using packages::Source;
using text::json_array;
using text::json_object;
using text::json_string;

constexpr std::string_view kUnknownKey =
    "not known to this version: `keyFingerprint` says it";

std::string_view name_of(Flavour flavour) {
  return flavour == Flavour::kOpen ? "open" : "proprietary";
}

/// "595+", "to 550", "580-615"; "" for any.
std::string branches(const Architecture& one) {
  if (one.first_branch == 0 && one.last_branch == 0) return "";
  if (one.last_branch == 0) return fmt::format("{}+", one.first_branch);
  if (one.first_branch == 0) return fmt::format("to {}", one.last_branch);
  return fmt::format("{}-{}", one.first_branch, one.last_branch);
}

std::string with_branches(std::string name, const Architecture& one) {
  const std::string range = branches(one);
  return range.empty() ? name : name + " " + range;
}

/// With the release in it, as far as the row tells it.
std::string filled(std::string_view text, const Distribution& row) {
  return packages::filled_in(text, packages::major_of(row.version), "{version}",
                             "{arch}");
}

std::string_view word_of(Source source) {
  switch (source) {
    case Source::kNone:
      return "none";
    case Source::kEnable:
      return "enable";
    case Source::kPackage:
      return "package";
    case Source::kFile:
      return "file";
    case Source::kComponents:
      return "components";
    case Source::kSubscription:
      return "subscription";
    case Source::kExtras:
      return "topic";
    case Source::kModule:
      return "product";
  }
  return "";
}

/// "epel-release is installed (DKMS)".
std::string sentence(const ExtraRepository& extra, const Distribution& row) {
  const std::string what = filled(extra.what, row);
  const auto told = [&](const std::string& how) {
    return fmt::format("{} ({})", how, extra.gives);
  };
  switch (extra.source) {
    case Source::kNone:
      return fmt::format("none is needed: {}", extra.gives);
    case Source::kEnable:
      return told(what + " is turned on");
    case Source::kPackage:
      return told(what + " is installed");
    case Source::kFile:
      return told(what + " comes in a file of gpunode's, by its pinned key");
    case Source::kComponents:
      return told("the archive's components " + what);
    case Source::kSubscription:
      return told(what + " by subscription-manager");
    case Source::kExtras:
      return told("the topic " + what + " of amazon-linux-extras");
    case Source::kModule:
      return told("the product " + what + " of SUSEConnect");
  }
  return what;
}

/// In a table: what is turned on or installed, without words.
std::string short_extras(const ListedDistribution& listed) {
  std::vector<std::string> names;
  for (const ExtraRepository& one : listed.extra) {
    if (one.source == Source::kNone) return "none needed";
    names.push_back(one.source == Source::kSubscription
                        ? "codeready-builder"
                        : filled(one.what, *listed.row));
  }
  return names.empty() ? "none known"
                       : fmt::format("{}", fmt::join(names, ", "));
}

std::string short_drivers(const ListedDistribution& listed) {
  std::vector<std::string_view> names;
  for (const OfferedDriver& one : offered_drivers(listed)) {
    if (one.packages) names.push_back(name_of(one.flavour));
  }
  return names.empty() ? "none" : fmt::format("{}", fmt::join(names, ", "));
}

std::string short_state(const ListedDistribution& listed) {
  if (!refusals_of(listed).empty()) return "refused";
  return listed.row->status == Status::kEndOfLife ? "end of life" : "";
}

constexpr std::size_t kColumns = 7;
using Cells = std::array<std::string, kColumns>;

Cells cells_of(const ListedDistribution& listed) {
  const Distribution& row = *listed.row;
  std::vector<std::string> machines;
  for (const Architecture& one : row.architectures) {
    machines.push_back(with_branches(std::string(one.machine), one));
  }
  return {listed.name() + (listed.is_of_file ? " *" : ""),
          std::string(distribution::name_of(row.manager)),
          row.repository.empty() ? "none" : std::string(row.repository),
          fmt::format("{}", fmt::join(machines, ", ")),
          short_drivers(listed),
          short_extras(listed),
          short_state(listed)};
}

/// Columns with two blanks between, none behind the last word.
std::string line_of(const Cells& cells,
                    const std::array<std::size_t, kColumns>& widths) {
  std::string line;
  for (std::size_t i = 0; i < kColumns; ++i) {
    line += fmt::format("{:<{}}", cells[i], widths[i] + 2);
  }
  return line.substr(0, line.find_last_not_of(' ') + 1);
}

Style style_of(const ListedDistribution& listed) {
  const std::string state = short_state(listed);
  if (state == "refused") return Style::kBad;
  return state.empty() ? Style::kPlain : Style::kWarning;
}

std::string driver_words(const OfferedDriver& one) {
  if (!one.packages) return one.packages.error().message();
  const std::string stream =
      one.packages->stream.empty()
          ? ""
          : fmt::format("stream {} of the module nvidia-driver: ",
                        one.packages->stream);
  return fmt::format("branch {}: {}{}", one.branch, stream,
                     fmt::join(one.packages->packages, ", "));
}

void add_packages(const ListedDistribution& listed, Page& page) {
  const Distribution& row = *listed.row;
  for (const OfferedDriver& one : offered_drivers(listed)) {
    page.line(2, fmt::format("driver, {}: {}", name_of(one.flavour),
                             driver_words(one)));
  }
  std::vector<std::string> devel;
  for (const distribution::DevelRule& one : row.devel) {
    devel.push_back(one.flavour.empty()
                        ? std::string(one.package)
                        : fmt::format("{} (kernels with \"{}\")", one.package,
                                      one.flavour));
  }
  page.line(2, fmt::format("headers: {}", fmt::join(devel, ", ")));
  page.line(2, fmt::format("compiler: {}", fmt::join(row.compilers, ", ")));
  const std::string dkms =
      row.dkms == "epel"   ? "of EPEL"
      : row.dkms == "main" ? "of the distribution's archive"
      : row.dkms == "own"  ? "of the distribution's or NVIDIA's own repository"
                           : "none";
  page.line(2, "DKMS: " + dkms);
  if (listed.extra.empty()) {
    page.line(2, "further repositories: none known");
  }
  for (const ExtraRepository& one : listed.extra) {
    page.line(2, "further repositories: " + sentence(one, row));
  }
}

std::string branch_json(int branch) {
  return branch == 0 ? "null" : std::to_string(branch);
}

std::string text_json(std::string_view text) {
  return text.empty() ? "null" : json_string(text);
}

template <class Items, class Text>
std::string list_json(const Items& items, Text text) {
  std::vector<std::string> texts;
  for (const auto& one : items) texts.push_back(text(one));
  return json_array(texts);
}

std::string driver_json(const OfferedDriver& one) {
  const auto quote = [](const std::string& name) { return json_string(name); };
  const bool is_there = one.packages.has_value();
  return json_object(
      {{"flavour", json_string(name_of(one.flavour))},
       {"branch", std::to_string(one.branch)},
       {"stream", is_there ? text_json(one.packages->stream) : "null"},
       {"packages", is_there ? list_json(one.packages->packages, quote) : "[]"},
       {"refused",
        is_there ? "null" : json_string(one.packages.error().message())}});
}

std::string extra_json(const ExtraRepository& one, const Distribution& row) {
  return json_object({{"how", json_string(word_of(one.source))},
                      {"what", text_json(filled(one.what, row))},
                      {"ids", text_json(filled(one.ids, row))},
                      {"gives", json_string(one.gives)},
                      {"cited", json_string(one.cited)}});
}

std::string row_json(const ListedDistribution& listed) {
  const Distribution& row = *listed.row;
  const auto quote = [](std::string_view text) { return json_string(text); };
  return json_object(
      {{"id", json_string(row.id)},
       {"version", json_string(row.version)},
       {"source", listed.is_of_file ? R"("file")" : R"("table")"},
       {"like", listed.kin == nullptr
                    ? "null"
                    : json_string(fmt::format("{} {}", listed.kin->id,
                                              listed.kin->version))},
       {"status", json_string(distribution::name_of(row.status))},
       {"note", text_json(row.note)},
       {"refusals", list_json(refusals_of(listed), quote)},
       {"packageManager", json_string(distribution::name_of(row.manager))},
       {"driverPackages", json_string(distribution::name_of(row.family))},
       {"repository", text_json(row.repository)},
       {"architectures",
        list_json(row.architectures,
                  [](const Architecture& one) {
                    return json_object(
                        {{"machine", json_string(one.machine)},
                         {"directory", json_string(one.directory)},
                         {"firstBranch", branch_json(one.first_branch)},
                         {"lastBranch", branch_json(one.last_branch)}});
                  })},
       {"keyFile", text_json(row.key.file)},
       {"keyFingerprint", text_json(row.key.fingerprint)},
       {"drivers", list_json(offered_drivers(listed), driver_json)},
       {"devel", list_json(row.devel,
                           [](const distribution::DevelRule& one) {
                             return json_object(
                                 {{"kernel", text_json(one.flavour)},
                                  {"package", json_string(one.package)}});
                           })},
       {"compilers", list_json(row.compilers, quote)},
       {"dkms", text_json(row.dkms)},
       {"extraRepositories", list_json(listed.extra,
                                       [&row](const ExtraRepository& one) {
                                         return extra_json(one, row);
                                       })},
       {"cited", json_string(row.cited)}});
}

}  // namespace

std::string distributions_json(const DistributionList& rows) {
  return json_object(
             {{"version", "1"}, {"distributions", list_json(rows, row_json)}}) +
         "\n";
}

Page distributions_page(const DistributionList& rows) {
  const Cells head = {"DISTRIBUTION",  "MANAGER", "REPOSITORY",
                      "ARCHITECTURES", "MODULES", "FURTHER REPOSITORIES",
                      "STATE"};
  std::vector<Cells> lines;
  std::array<std::size_t, kColumns> widths = {};
  for (const ListedDistribution& one : rows) lines.push_back(cells_of(one));
  for (std::size_t i = 0; i < kColumns; ++i) {
    widths[i] = head[i].size();
    for (const Cells& cells : lines) {
      widths[i] = std::max(widths[i], cells[i].size());
    }
  }
  Page page;
  page.line(0, line_of(head, widths), Style::kHeading);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    page.line(0, line_of(lines[i], widths), style_of(rows[i]));
  }
  if (std::ranges::any_of(rows, &ListedDistribution::is_of_file)) {
    page.line(0, "* as the file says", Style::kDim);
  }
  for (const ListedDistribution& one : rows) {
    std::vector<std::string> words = refusals_of(one);
    const bool is_told =
        one.row->note.empty() || one.row->status == Status::kRefused;
    if (!is_told) words.emplace_back(one.row->note);
    for (const std::string& each : words) {
      page.line(0, fmt::format("{}: {}", one.name(), each), style_of(one));
    }
  }
  return page;
}

Page distribution_page(const ListedDistribution& listed) {
  const Distribution& row = *listed.row;
  Page page;
  std::string from = listed.is_of_file ? "as the file says" : "";
  if (listed.kin != nullptr) {
    from += fmt::format(", like {} {}", listed.kin->id, listed.kin->version);
  }
  page.line(0, listed.name() + (from.empty() ? "" : " (" + from + ")"),
            Style::kHeading);
  for (const std::string& one : refusals_of(listed)) {
    page.line(2, "refused: " + one, Style::kBad);
  }
  if (!row.note.empty() && row.status != Status::kRefused) {
    page.line(
        2,
        fmt::format("{}: {}",
                    row.status == Status::kEndOfLife ? "end of life" : "note",
                    row.note),
        Style::kWarning);
  }
  page.line(2, fmt::format("package manager: {}",
                           distribution::name_of(row.manager)));
  for (const Architecture& one : row.architectures) {
    const std::string range = branches(one);
    page.line(2,
              fmt::format("{}: {}{}", one.machine,
                          row.repository.empty()
                              ? "no repository"
                              : fmt::format("{}/{}/{}/", distribution::kBaseUrl,
                                            row.repository, one.directory),
                          range.empty() ? "" : ", branches " + range));
  }
  if (!row.key.file.empty()) {
    page.line(2,
              fmt::format("signed with: {}, {}", row.key.file,
                          row.key.fingerprint.empty() ? kUnknownKey
                                                      : row.key.fingerprint));
  }
  add_packages(listed, page);
  page.line(2, fmt::format("said in: {}", row.cited), Style::kDim);
  return page;
}

}  // namespace gpunode::provision
