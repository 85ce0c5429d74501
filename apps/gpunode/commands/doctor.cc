// gpunode doctor: what is wrong with a host, by what it shows. Changes nothing.
#include <algorithm>
#include <array>
#include <cstdio>
#include <iterator>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "apps/gpunode/commands/commands.h"
#include "apps/gpunode/commands/host_source.h"
#include "apps/gpunode/commands/output_options.h"
#include "apps/gpunode/session.h"
#include "base/console/page.h"
#include "base/core/utf8.h"
#include "base/host/host_root.h"
#include "base/text/json_splice.h"
#include "container/cdi/registry.h"
#include "container/oci/ungranted_report.h"
#include "node/diagnose/cdi_check.h"
#include "node/diagnose/doctor_look.h"
#include "node/diagnose/pains.h"
#include "node/diagnose/ungranted_check.h"
#include "node/distribution/table.h"
#include "node/provision/spec_file.h"

namespace gpunode::cli {
namespace {

using diagnose::Finding;
using diagnose::Findings;
using diagnose::Severity;

constexpr const char* kFooter = R"(
Looks at the host's driver, kernels, disks, engine and repositories, at the logs
of this boot, of DKMS and of the package manager, at the CDI specs that engines
read, and at containers that asked for GPUs which nobody had granted them
(require-allocation). Asks no driver and wakes no GPU: `gpunode verify` does.
Each finding says what is wrong, by what it shows, why, and what to do.

Examples:
  gpunode doctor
  gpunode facts --export host.tar, and elsewhere `gpunode doctor --from host.tar`

Exit code 0: nothing to report, or notes alone; 5: somebody should act; 1: it
could not be looked at; 8: there is no Linux host at that root.)";

struct Options {
  std::string root = "/";
  std::string from;
  bool as_json = false;
};

void append(Findings more, Findings& all) {
  std::move(more.begin(), more.end(), std::back_inserter(all));
}

/// Files of engines, which a bundle does not have.
Result<Findings> examine_containers(const host::HostRoot& host) {
  const std::array<std::string, 2> directories = {cdi::kSpecDirectories[0],
                                                  cdi::kSpecDirectories[1]};
  Findings findings = diagnose::check_cdi(host, directories);
  TRY(auto report, oci::read_ungranted(host, oci::kUngrantedDirectory));
  append(diagnose::check_ungranted(std::move(report)), findings);
  return findings;
}

/// What the host's own GPUNode file adds to the table of distributions. A file
/// that cannot be read is a gap: the table alone may name other packages.
void read_distributions(const host::HostRoot& host,
                        diagnose::DoctorLook& look) {
  const std::string path(provision::kDefaultSpecPath);
  const auto texts = provision::find_spec_files(host, path);
  if (!texts) {
    if (texts.error().code() != ErrorCode::kNotFound) {
      look.gaps.push_back(texts.error().message());
    }
    return;
  }
  const provision::SpecReading reading = provision::read_spec(*texts);
  if (!reading.problems.empty()) {
    look.gaps.push_back("spec.distributions is not known: " +
                        reading.problems.front());
    return;
  }
  auto table = distribution::Table::with(reading.spec.distributions);
  if (!table) {
    look.gaps.push_back("spec.distributions: " + table.error().message());
    return;
  }
  look.distributions = *std::move(table);
}

Result<Findings> examine(const Options& options, Session& session) {
  TRY(const HostSource source,
      HostSource::open(options.root, options.from, session.runner));
  auto look = diagnose::look_for_doctor(source.host(), source.runner());
  if (!look) {
    return Error(ErrorCode::kUnsupported,
                 look.error().message() + ": no Linux host at " +
                     source.host().prefix() + "; name its root with --root");
  }
  read_distributions(source.host(), *look);
  Findings findings = diagnose::find_pains(*look);
  if (!source.is_recorded()) {
    TRY(Findings more, examine_containers(source.host()));
    append(std::move(more), findings);
  }
  for (const std::string& gap : look->gaps) {
    fmt::print(stderr, "gpunode: warning: {}\n", harmless(gap));
  }
  return findings;
}

/// What is quoted may be a stranger's, and must stay one line.
std::string as_lines(const Findings& findings) {
  using console::printable;
  if (findings.empty()) return "Nothing to report.\n";
  std::string out;
  for (const Finding& one : findings) {
    out += one.check;
    // Most are warnings.
    if (one.severity != Severity::kWarning) {
      out += fmt::format(" ({})", diagnose::severity_name(one.severity));
    }
    out += fmt::format(": {}\n", printable(one.what));
    if (!one.seen.empty()) {
      out += fmt::format("    seen: {}\n", printable(one.seen));
    }
    if (!one.why.empty()) {
      out += fmt::format("    why:  {}\n", printable(one.why));
    }
    out += fmt::format("    next: {}\n", printable(one.next));
  }
  return out;
}

std::string as_json(const Findings& findings) {
  // Logs may hold any bytes, and JSON may not.
  const auto quoted = [](std::string_view text) {
    return text::json_string(mended_utf8(text));
  };
  std::string out;
  for (const Finding& one : findings) {
    out += text::json_object(
               {{"check", quoted(one.check)},
                {"what", quoted(one.what)},
                {"next", quoted(one.next)},
                {"severity", quoted(diagnose::severity_name(one.severity))},
                {"seen", quoted(one.seen)},
                {"why", quoted(one.why)}}) +
           "\n";
  }
  return out;
}

void run(const Options& options, Session& session) {
  const Result<Findings> findings = examine(options, session);
  if (!findings) {
    return session.fail(findings.error(),
                        findings.error().code() == ErrorCode::kUnsupported
                            ? ExitCode::kUnsupportedHost
                            : ExitCode::kError);
  }
  const Result<void> printed =
      print(options.as_json ? as_json(*findings) : as_lines(*findings));
  if (!printed) return session.fail(printed.error());
  const bool is_to_act =
      std::ranges::any_of(*findings, [](const Finding& finding) {
        return finding.severity != Severity::kNote;
      });
  if (is_to_act) session.outcome = ExitCode::kPersonNeeded;
}

}  // namespace

void add_doctor(CLI::App& gpunode, Session& session) {
  CLI::App* verb = gpunode.add_subcommand(
      "doctor", "Say what is wrong with this node's GPUs and what to do");
  const auto options = std::make_shared<Options>();
  CLI::Option* root =
      verb->add_option("--root", options->root, "Examine the host mounted here")
          ->capture_default_str();
  verb->add_option("--from", options->from,
                   "Examine the host of this bundle, a file or a folder")
      ->excludes(root);
  verb->add_flag("--json", options->as_json, "One JSON object a line");
  add_no_color(*verb);
  verb->footer(kFooter);
  verb->callback([options, &session] { run(*options, session); });
}

}  // namespace gpunode::cli
