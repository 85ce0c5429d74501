#include "node/provision/spec_file.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/text/nearest.h"
#include "base/text/tree.h"
#include "base/text/yaml.h"
#include "node/provision/spec_merge.h"
#include "node/provision/storage_spec.h"

namespace gpunode::provision {
namespace {

using text::Node;

/// Sections that later versions carry out; their content is not looked at.
constexpr std::array<std::string_view, 7> kLaterSections = {
    "gpu", "driver", "cuda", "runtime", "kubernetes", "devicePlugin", "verify"};

constexpr std::string_view kApiVersion = "gpunode.dev/v1alpha1";

void read_expect(SpecSection section, ExpectedHost& expect) {
  section.text("os", expect.os);
  section.text("arch", expect.arch);
  section.finish();
}

void read_reboot(SpecSection section, RebootSpec& reboot) {
  section.choice<RebootMode>("mode", reboot.mode,
                             {{"never", RebootMode::kNever},
                              {"ask", RebootMode::kAsk},
                              {"auto", RebootMode::kAuto}});
  section.number("max", reboot.max, 0, 10);
  section.null_only("window");
  section.finish();
}

void read_host(SpecSection section, HostSpec& host) {
  section.section("expect", [&](SpecSection inner) {
    read_expect(std::move(inner), host.expect);
  });
  section.section("reboot", [&](SpecSection inner) {
    read_reboot(std::move(inner), host.reboot);
  });
  section.choice<bool>("swap", host.swap_off,
                       {{"off", true}, {"false", true}, {"keep", false}});
  section.choice<bool>("timeSync", host.time_sync,
                       {{"true", true}, {"keep", false}, {"false", false}});
  section.choice<bool>("extraRepositories", host.extra_repositories,
                       {{"true", true}, {"false", false}});
  section.texts("packages", host.packages);
  // Of part two: read, so that one file serves both, and not carried out.
  section.later("update");
  section.later("kernel");
  section.later("selinux");
  section.finish();
}

void read_metadata(SpecSection section, NodeSpec& spec) {
  section.text("name", spec.name);
  section.finish();
}

void read_proxy(SpecSection section, NodeSpec& spec) {
  section.text("http", spec.proxy);
  section.finish();
}

void read_inner_spec(SpecSection section, NodeSpec& spec) {
  section.section("host", [&](SpecSection inner) {
    read_host(std::move(inner), spec.host);
  });
  section.list("storage", [&](SpecSection inner) {
    spec.storage.push_back(read_storage(std::move(inner)));
  });
  section.section(
      "proxy", [&](SpecSection inner) { read_proxy(std::move(inner), spec); });
  section.later("mirrors");
  for (const std::string_view name : kLaterSections) {
    if (section.later(name)) spec.not_carried_out.emplace_back(name);
  }
  section.finish();
}

/// Whole files and drop-ins alike; what must be there is asked of the whole.
NodeSpec read_tree(SpecSection section, bool whole) {
  NodeSpec spec;
  section.constant("apiVersion", kApiVersion, whole);
  section.constant("kind", "GPUNode", whole);
  section.section("metadata", [&](SpecSection inner) {
    read_metadata(std::move(inner), spec);
  });
  section.section("spec", [&](SpecSection inner) {
    read_inner_spec(std::move(inner), spec);
  });
  section.finish();
  return spec;
}

std::optional<Node> parse(const SpecText& text,
                          std::vector<SpecProblem>& problems) {
  auto document = text::parse_yaml(text.text, text.file_name);
  if (!document) {
    problems.push_back(document.error().message());
    return std::nullopt;
  }
  for (const text::DuplicateKey& twice : document->duplicates) {
    problems.push_back(fmt::format(
        "{}: \"{}\" stands there twice, first in line {}",
        text::at(text.file_name, twice.second), twice.key, twice.first.line));
  }
  if (document->second_document.line != 0) {
    problems.push_back(
        fmt::format("{}: a second document starts here; a file is one node",
                    text::at(text.file_name, document->second_document)));
  }
  if (document->root.is(Node::Kind::kNull)) {
    problems.push_back(fmt::format("{}: the file is empty", text.file_name));
    return std::nullopt;
  }
  return std::move(document->root);
}

}  // namespace

SpecReading read_spec(const std::vector<SpecText>& texts) {
  SpecReading reading;
  std::vector<SpecTree> trees;
  for (const SpecText& text : texts) {
    auto root = parse(text, reading.problems);
    if (!root) continue;
    // Alone first, so that a problem is told with its own file and line.
    const SpecOrigins origins(text.file_name);
    read_tree(SpecSection(*root, origins, reading.problems), texts.size() == 1);
    trees.push_back({text.file_name, *std::move(root)});
  }
  if (!reading.problems.empty() || trees.empty()) return reading;
  const MergedSpec merged = merge_specs(trees, reading.problems);
  if (!reading.problems.empty()) return reading;
  std::vector<SpecProblem> problems;
  reading.spec =
      read_tree(SpecSection(merged.root, merged.origins, problems), true);
  check_storage(reading.spec.storage, merged.origins.first_file(), problems);
  reading.problems = std::move(problems);
  return reading;
}

Result<std::vector<SpecText>> find_spec_files(const host::HostRoot& host,
                                              const std::string& path) {
  constexpr std::size_t kLimit = std::size_t{1} << 20U;
  std::vector<SpecText> texts;
  TRY(std::string main, host.read_file(path, kLimit));
  texts.push_back({path, std::move(main)});
  const std::string directory =
      path.substr(0, path.find_last_of('/') + 1) + "conf.d";
  if (!host.exists(directory)) return texts;
  TRY(const auto names, host.list_directory(directory));
  for (const std::string& name : names) {
    if (!name.ends_with(".yaml") || name.starts_with('.')) continue;
    const std::string file = directory + "/" + name;
    TRY(std::string text, host.read_file(file, kLimit));
    texts.push_back({file, std::move(text)});
  }
  return texts;
}

}  // namespace gpunode::provision
