#include "node/provision/distribution_yaml.h"

#include <algorithm>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/text/node.h"
#include "node/distribution/names.h"

namespace gpunode::provision {
namespace {

using distribution::Distribution;
using text::json_string;

constexpr std::string_view kHead =
    "# As this version of gpunode has it: a drop-in beside the GPUNode file, "
    "such as\n"
    "# /etc/gpunode/conf.d/distributions.yaml. What is left out stays as it "
    "is in the\n"
    "# table; a list replaces the list of a file before "
    "(docs/formats/distributions.md).\n"
    "spec:\n"
    "  distributions:\n";

/// ", firstBranch: 595" where it is said.
std::string branch_text(std::string_view key, int branch) {
  return branch == 0 ? "" : fmt::format(", {}: {}", key, branch);
}

/// A copy of a row of the table for another release is like that row; a row
/// that says all itself is like none.
std::string like_of(const ListedDistribution& listed) {
  const Distribution& row = listed.kin ? *listed.kin : *listed.row;
  const bool is_in_table = std::ranges::any_of(
      distribution::distributions(), [&row](const Distribution& one) {
        return one.id == row.id && one.version == row.version;
      });
  return is_in_table ? fmt::format("{} {}", row.id, row.version) : "";
}

class RowText {
 public:
  explicit RowText(const ListedDistribution& listed)
      : row_(*listed.row), like_(like_of(listed)) {}

  std::string text() {
    out_ = fmt::format("    - id: {}\n", json_string(row_.id));
    add("version", row_.version);
    if (!like_.empty()) add("like", like_);
    add_word("status", distribution::name_of(row_.status));
    if (!row_.note.empty()) add("note", row_.note);
    add_word("packageManager", distribution::name_of(row_.manager));
    add_word("driverPackages", distribution::name_of(row_.family));
    if (!row_.repository.empty()) add("repository", row_.repository);
    add_key();
    add_architectures();
    add_packages();
    return out_;
  }

 private:
  void add(std::string_view key, std::string_view value) {
    out_ += fmt::format("      {}: {}\n", key, json_string(value));
  }
  void add_word(std::string_view key, std::string_view word) {
    out_ += fmt::format("      {}: {}\n", key, word);
  }

  void add_key() {
    if (row_.key.file.empty()) return;
    add("keyFile", row_.key.file);
    if (row_.key.fingerprint.empty()) {
      out_ +=
          "      # keyFingerprint: its 40 digits, which this version does not "
          "know\n";
    } else {
      add("keyFingerprint", row_.key.fingerprint);
    }
  }

  void add_architectures() {
    out_ += "      architectures:\n";
    for (const distribution::Architecture& one : row_.architectures) {
      out_ += fmt::format("        - {{machine: {}, directory: {}{}{}}}\n",
                          json_string(one.machine), json_string(one.directory),
                          branch_text("firstBranch", one.first_branch),
                          branch_text("lastBranch", one.last_branch));
    }
  }

  void add_packages() {
    out_ += "      devel:\n";
    for (const distribution::DevelRule& one : row_.devel) {
      out_ += fmt::format(
          "        - {{{}package: {}}}\n",
          one.flavour.empty()
              ? ""
              : fmt::format("kernel: {}, ", json_string(one.flavour)),
          json_string(one.package));
    }
    std::vector<std::string> compilers;
    for (const std::string_view one : row_.compilers) {
      compilers.push_back(json_string(one));
    }
    out_ += fmt::format("      compilers: [{}]\n", fmt::join(compilers, ", "));
    add_word("dkms", row_.dkms.empty() ? "none" : row_.dkms);
  }

  const Distribution& row_;
  std::string like_;
  std::string out_;
};

}  // namespace

std::string distributions_yaml(const DistributionList& rows) {
  std::string out(kHead);
  for (const ListedDistribution& one : rows) out += RowText(one).text();
  return out;
}

}  // namespace gpunode::provision
