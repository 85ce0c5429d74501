// gpunode distributions: which distributions are known, and what of each.
// Looks at no host.

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "apps/gpunode/commands/commands.h"
#include "apps/gpunode/commands/node_run.h"
#include "apps/gpunode/commands/output_options.h"
#include "node/distribution/table.h"
#include "node/provision/distribution_list.h"
#include "node/provision/distribution_report.h"
#include "node/provision/distribution_yaml.h"

namespace gpunode::cli {
namespace {

constexpr const char* kFooter = R"(
Without a name all of them, a line each, and what is refused and why; with one
name of one release all that is known of it. MODULES are those of the branch
that is taken where nobody says.

A row is changed, or one that is not there is added, by spec.distributions of
the GPUNode file, best in a drop-in: --yaml writes one to start from.

Examples:
  gpunode distributions
  gpunode distributions rocky-8
  gpunode distributions rocky -f node.yaml --json
  gpunode distributions rocky-10 --yaml > /etc/gpunode/conf.d/distributions.yaml

Exit code 0: it is told; 1: the name is of no distribution, or the file is
wrong.)";

struct Options {
  NodeOptions node;
  std::vector<std::string> names;
  bool as_yaml = false;
};

Result<distribution::Table> table_of(const Options& options) {
  if (options.node.spec_path.empty()) return distribution::Table();
  TRY(const provision::NodeSpec spec, load_spec(options.node));
  return distribution::Table::with(spec.distributions);
}

Result<provision::DistributionList> selected(
    const distribution::Table& table, const std::vector<std::string>& names) {
  const provision::DistributionList all = provision::list_distributions(table);
  if (names.empty()) return all;
  provision::DistributionList rows;
  for (const std::string& name : names) {
    TRY(const provision::DistributionList some,
        provision::select_distributions(all, name));
    for (const provision::ListedDistribution& one : some) {
      const bool is_new = std::ranges::none_of(
          rows, [&one](const auto& other) { return other.row == one.row; });
      if (is_new) rows.push_back(one);
    }
  }
  return rows;
}

std::string text_of(const Options& options,
                    const provision::DistributionList& rows,
                    const Session& session) {
  if (options.node.as_json) return provision::distributions_json(rows);
  if (options.as_yaml) return provision::distributions_yaml(rows);
  const bool is_one = !options.names.empty() && rows.size() == 1;
  return (is_one ? provision::distribution_page(rows.front())
                 : provision::distributions_page(rows))
      .render(terminal_of(options.node, session));
}

void run(const Options& options, Session& session) {
  const auto table = table_of(options);
  if (!table) return session.fail(table.error());
  const auto rows = selected(*table, options.names);
  if (!rows) return session.fail(rows.error());
  const auto printed = print(text_of(options, *rows, session));
  if (!printed) session.fail(printed.error());
}

}  // namespace

void add_distributions(CLI::App& gpunode, Session& session) {
  CLI::App* verb = gpunode.add_subcommand(
      "distributions", "Say which distributions are known, and what of each");
  const auto options = std::make_shared<Options>();
  verb->add_option("name", options->names,
                   "Which: rocky-8, or rocky for each release of it");
  verb->add_option("-f,--file", options->node.spec_path,
                   "With what this GPUNode file, and conf.d/*.yaml beside it, "
                   "says of distributions");
  verb->add_option("--root", options->node.root,
                   "Of the host mounted here the file")
      ->capture_default_str();
  CLI::Option* json =
      verb->add_flag("--json", options->node.as_json,
                     "One JSON object (docs/formats/distributions.md)");
  verb->add_flag("--yaml", options->as_yaml,
                 "A drop-in of a GPUNode file that says the same")
      ->excludes(json);
  add_no_color(*verb, options->node.no_color);
  verb->footer(kFooter);
  verb->callback([options, &session] { run(*options, session); });
}

}  // namespace gpunode::cli
