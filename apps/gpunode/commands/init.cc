// gpunode init: a file for the machine at hand, to be looked at and edited.

#include <unistd.h>

#include <memory>
#include <string>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "apps/gpunode/commands/commands.h"
#include "apps/gpunode/commands/given_path.h"
#include "apps/gpunode/commands/linux_host.h"
#include "apps/gpunode/commands/node_run.h"
#include "base/host/host_file.h"
#include "node/facts/observe.h"
#include "node/provision/first_spec.h"
#include "node/provision/spec_file.h"

namespace gpunode::cli {
namespace {

struct Options {
  std::string root = "/";
  std::string output = std::string(provision::kDefaultSpecPath);
  bool force = false;
};

Result<facts::HostFacts> look_at(const host::HostRoot& host,
                                 host::CommandRunner& runner) {
  facts::Wanted wanted;
  wanted.units = {"containerd.service"};
  wanted.packages = {"containerd", "containerd.io"};
  wanted.disks = {facts::DiskFilter()};  // Any: what is on each is told.
  auto seen = facts::observe(host, runner, wanted);
  if (seen) return seen;
  // Without the kernel's tables no disk is told; the rest is.
  wanted.disks.clear();
  return facts::observe(host, runner, wanted);
}

Result<void> run(const Options& options, Session& session) {
  const host::HostRoot host(options.root);
  TRY_VOID(find_linux_host(host));
  TRY(const facts::HostFacts facts, look_at(host, session.runner));
  const std::string text = provision::first_spec(facts);
  if (options.output == "-") return print(text);
  const std::string path = given_path(options.output, options.root);
  if (host.exists(path) && !options.force) {
    return Error(ErrorCode::kAlreadyExists,
                 fmt::format("{} is there already; look at it with `gpunode "
                             "validate`, or write another with -o FILE",
                             options.output));
  }
  TRY_VOID(host::replace_host_file(
      host, path, text,
      {.mode = 0644, .durability = host::Durability::kDurable}));
  return print(fmt::format(
      "{} written for {}.\nNext: look at it, then `gpunode plan`.\n",
      options.output, facts.os.pretty_name));
}

}  // namespace

void add_init(CLI::App& gpunode, Session& session) {
  CLI::App* verb = gpunode.add_subcommand(
      "init", "Write a file that says what this host is to become");
  const auto options = std::make_shared<Options>();
  verb->add_option("--root", options->root, "Look at the host mounted here")
      ->capture_default_str();
  verb->add_option("-o,--output", options->output,
                   "Where to write it; - for standard output")
      ->capture_default_str();
  verb->add_flag("--force", options->force, "Replace a file that is there");
  verb->footer(
      "The file names this host, its GPUs and the disks that could hold "
      "containers.\nNothing else is changed.\n"
      "Exit code 0: it is written; 1: it could not be, or one is there; 8: "
      "there is no\nLinux host at that root.");
  verb->callback([options, &session] {
    if (const auto done = run(*options, session); !done) {
      session.fail(done.error(), done.error().code() == ErrorCode::kUnsupported
                                     ? ExitCode::kUnsupportedHost
                                     : ExitCode::kError);
    }
  });
}

}  // namespace gpunode::cli
