#include "apps/gpunode/commands/facts_host.h"

#include <cstdio>
#include <filesystem>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include "apps/gpunode/commands/host_source.h"
#include "apps/gpunode/session.h"
#include "base/host/file.h"
#include "base/host/host_root.h"
#include "node/diagnose/doctor_look.h"
#include "node/facts/bundle.h"
#include "node/facts/facts_json.h"
#include "node/facts/facts_text.h"
#include "node/facts/observe.h"
#include "node/facts/recording.h"
#include "node/facts/scrub.h"

namespace gpunode::cli {
namespace {

Result<std::string> absolute(const std::string& path) {
  std::error_code problem;
  const std::filesystem::path full = std::filesystem::absolute(path, problem);
  if (problem) return Error::from_errno("find " + path, problem.value());
  return full.string();
}

Result<facts::HostFacts> observe(const host::HostRoot& host,
                                 host::CommandRunner& runner) {
  auto facts = facts::observe(host, runner, facts::usual_wants());
  if (!facts) {
    return Error(ErrorCode::kUnsupported,
                 facts.error().message() + ": no Linux host at " +
                     host.prefix() + "; name its root with --root");
  }
  return facts;
}

Result<void> show(const facts::HostFacts& facts, bool as_json) {
  return print(as_json ? facts::to_json(facts) + "\n" : facts::describe(facts));
}

Result<void> export_host(const HostFactsOptions& options,
                         host::CommandRunner& runner) {
  facts::Recording recording;
  facts::RecordingRunner recorder(runner, recording);
  const host::HostRoot host =
      facts::recorded(host::HostRoot(options.root), recording);
  TRY(const facts::HostFacts facts, observe(host, recorder));
  // What `gpunode doctor --from` judges.
  static_cast<void>(diagnose::look_for_doctor(host, recorder));
  TRY(const facts::ScrubKey key, facts::random_scrub_key());
  TRY(const std::string archive,
      facts::write_bundle(facts::scrubbed(recording, key)));
  TRY(const std::string path, absolute(options.export_file));
  TRY_VOID(host::write_file_atomic(path, archive, 0600,
                                   host::Durability::kVolatile));
  for (const std::string& gap : facts.gaps) {
    fmt::print(stderr, "gpunode: warning: {}\n", harmless(gap));
  }
  fmt::print(stderr,
             "gpunode: wrote {} ({} KiB): secrets, serials and hardware "
             "addresses are hashed; names of hosts and users are not. Look "
             "into it before you send it\n",
             options.export_file, archive.size() / 1024);
  return {};
}

}  // namespace

Result<void> show_host(const HostFactsOptions& options,
                       host::CommandRunner& runner) {
  if (!options.export_file.empty() && options.from.empty()) {
    return export_host(options, runner);
  }
  TRY(const HostSource source,
      HostSource::open(options.root, options.from, runner));
  TRY(const facts::HostFacts facts, observe(source.host(), source.runner()));
  return show(facts, options.as_json);
}

}  // namespace gpunode::cli
