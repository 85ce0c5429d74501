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

#include "base/core/ascii.h"
#include "base/text/nearest.h"
#include "base/text/tree.h"
#include "base/text/yaml.h"
#include "node/provision/device_plugin_section.h"
#include "node/provision/distribution_spec.h"
#include "node/provision/driver_spec.h"
#include "node/provision/kubernetes_section.h"
#include "node/provision/packages/mirrors.h"
#include "node/provision/runtime_section.h"
#include "node/provision/spec_merge.h"
#include "node/provision/storage_spec.h"

namespace gpunode::provision {
namespace {

using text::Node;

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

/// What a package manager takes for an option, a file or a pattern is no name;
/// nor is one with a version, which would be missing for ever.
void check_packages(SpecSection& section,
                    const std::vector<std::string>& packages) {
  for (const std::string& name : packages) {
    const bool is_name = !name.empty() && is_alphanumeric(name.front()) &&
                         std::ranges::all_of(name, [](char c) {
                           return is_alphanumeric(c) || c == '+' || c == '-' ||
                                  c == '.' || c == '_';
                         });
    if (is_name) continue;
    section.complain("packages",
                     fmt::format("\"{}\" is no name of a package: letters, "
                                 "digits and + - . _, as htop or gcc-c++",
                                 name));
  }
}

void read_host(SpecSection section, HostSpec& host,
               std::vector<std::string>& not_carried_out) {
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
  section.choice<Choice>("extraRepositories", host.extra_repositories,
                         {{"needed", Choice::kAsNeeded},
                          {"true", Choice::kYes},
                          {"false", Choice::kNo}});
  section.section("kernel", [&](SpecSection inner) {
    read_kernel(std::move(inner), host.kernel);
  });
  section.texts("packages", host.packages);
  check_packages(section, host.packages);
  // Read, so that one file serves later versions, too.
  if (section.later("update")) not_carried_out.emplace_back("host.update");
  if (section.later("selinux")) not_carried_out.emplace_back("host.selinux");
  section.finish();
}

void read_metadata(SpecSection section, NodeSpec& spec) {
  section.text("name", spec.name);
  section.finish();
}

/// Nothing but what is seen of ASCII, and what `besides` has: these texts go
/// into files of others.
bool is_visible(std::string_view text, std::string_view besides) {
  return std::ranges::all_of(text, [&](char c) {
    return (c > 0x20 && c < 0x7f && c != '"' && c != '\'') ||
           besides.find(c) != std::string_view::npos;
  });
}

/// In words that do not repeat it: it may have a password.
void check_proxy(SpecSection& section, std::string_view key,
                 const std::string& url) {
  if (url.empty()) return;
  constexpr std::array<std::string_view, 4> kSchemes = {
      "http://", "https://", "socks5://", "socks5h://"};
  const bool has_scheme =
      std::ranges::any_of(kSchemes, [&](std::string_view one) {
        return url.starts_with(one) && url.size() > one.size();
      });
  if (!has_scheme || !is_visible(url, "")) {
    section.complain(key,
                     "it is no address of a proxy, such as "
                     "\"http://proxy.example:3128\"; other characters of a "
                     "user or password are written as %XX");
  }
}

void read_proxy(SpecSection section, NodeSpec& spec) {
  section.text("http", spec.proxy.http);
  section.text("https", spec.proxy.https);
  section.text("none", spec.proxy.none);
  check_proxy(section, "http", spec.proxy.http);
  check_proxy(section, "https", spec.proxy.https);
  if (!is_visible(spec.proxy.none, " ")) {
    section.complain("none",
                     "it is no list of hosts and networks, such as "
                     "\".internal,10.0.0.0/8\"");
  }
  section.finish();
}

/// It stands in repository files, whose blanks and signs mean something.
void check_bundle(SpecSection& section, const std::string& path) {
  if (path.empty()) return;
  const bool is_plain = std::ranges::all_of(path, [](char c) {
    return is_alphanumeric(c) ||
           std::string_view("/._-+").find(c) != std::string_view::npos;
  });
  if (is_plain && path.front() == '/' && path.back() != '/' &&
      path.find("/..") == std::string::npos) {
    return;
  }
  section.complain("bundle",
                   "it is no absolute path of letters, digits and ._-+, such "
                   "as \"/srv/bundle\"");
}

void read_check(SpecSection section, CheckSpec& check) {
  section.choice<CheckInterval>("interval", check.interval,
                                {{"hourly", CheckInterval::kHourly},
                                 {"daily", CheckInterval::kDaily},
                                 {"weekly", CheckInterval::kWeekly},
                                 {"off", CheckInterval::kOff},
                                 {"false", CheckInterval::kOff}});
  section.number("certificateDays", check.certificate_days, 1, 3650);
  section.finish();
}

void read_verify(SpecSection section, VerifySpec& verify) {
  constexpr int kHighest = 7;
  constexpr int kKubelet = 5;
  constexpr int kDay = 86400;
  section.number("level", verify.level, 0, kHighest);
  if (verify.level > kKubelet) {
    section.complain(
        "level",
        "a node may not make Pods: 5 is the highest that it can ask itself; "
        "`gpunode verify --level 6 --kubeconfig FILE` asks more");
    verify.level = kKubelet;
  }
  section.number("patienceSeconds", verify.patience, 0, kDay);
  section.finish();
}

void read_mirrors(SpecSection section, packages::Mirrors& mirrors) {
  for (auto& [key, url] : section.text_pairs()) {
    std::string from = key;
    while (from.ends_with('/')) from.pop_back();
    while (url.ends_with('/')) url.pop_back();
    if (const auto good = packages::check_mirror(from, url); !good) {
      section.complain(key, good.error().message());
    } else {
      mirrors[from] = url;
    }
  }
}

void read_inner_spec(SpecSection section, NodeSpec& spec) {
  section.section("host", [&](SpecSection inner) {
    read_host(std::move(inner), spec.host, spec.not_carried_out);
  });
  section.section(
      "gpu", [&](SpecSection inner) { read_gpu(std::move(inner), spec.gpu); });
  section.list("storage", [&](SpecSection inner) {
    spec.storage.push_back(read_storage(std::move(inner)));
  });
  section.section("driver", [&](SpecSection inner) {
    read_driver(std::move(inner), spec.driver);
  });
  section.section("cuda", [&](SpecSection inner) {
    read_cuda(std::move(inner), spec.cuda);
  });
  section.section("runtime", [&](SpecSection inner) {
    read_runtime(std::move(inner), spec.runtime);
  });
  section.section("kubernetes", [&](SpecSection inner) {
    read_kubernetes(std::move(inner), spec.kubernetes);
  });
  section.section("devicePlugin", [&](SpecSection inner) {
    read_device_plugin(std::move(inner), spec.device_plugin);
  });
  section.list("distributions", [&](SpecSection inner) {
    read_distribution(std::move(inner), spec.distributions);
  });
  section.section("check", [&](SpecSection inner) {
    read_check(std::move(inner), spec.check);
  });
  section.section("verify", [&](SpecSection inner) {
    read_verify(std::move(inner), spec.verify);
  });
  section.section(
      "proxy", [&](SpecSection inner) { read_proxy(std::move(inner), spec); });
  section.section("mirrors", [&](SpecSection inner) {
    read_mirrors(std::move(inner), spec.mirrors);
  });
  section.text("bundle", spec.bundle);
  check_bundle(section, spec.bundle);
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
  check_kubernetes(reading.spec.kubernetes, merged.origins.first_file(),
                   problems);
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
