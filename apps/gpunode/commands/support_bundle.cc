// gpunode support-bundle: all that somebody who helps would ask for, as one
// file without secrets. Changes nothing.
#include "node/diagnose/support_bundle.h"

#include <unistd.h>

#include <array>
#include <chrono>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "apps/gpunode/commands/commands.h"
#include "apps/gpunode/commands/output_options.h"
#include "apps/gpunode/session.h"
#include "base/host/file.h"
#include "base/host/host_root.h"
#include "node/diagnose/doctor_look.h"
#include "node/facts/bundle.h"
#include "node/facts/observe.h"
#include "node/facts/recording.h"
#include "node/facts/scrub.h"
#include "version.h"

namespace gpunode::cli {
namespace {

using diagnose::SupportPart;
using diagnose::SupportProgram;

constexpr const char* kFooter = R"(
What is in it (docs/formats/support-bundle.md): the recorded host, as `gpunode
facts --export` has it; what doctor, verify, status, check, facts and plan say;
logs of the kernel, containerd, the kubelet and NVIDIA's services; their
configuration and gpunode's journal; nvidia-smi, dkms and the like. Secrets,
serials and hardware addresses are hashed; names of hosts, users, Pods and
images are not. Nothing is sent anywhere: look into it first.

Examples:
  gpunode support-bundle
  gpunode support-bundle -o /tmp/node.tar --level 1
  tar -xOf node.tar reports/doctor.json

Exit code 0: the file is there, whatever is missing in it is named in its
manifest.json; 1: it could not be written; 8: no Linux host at that root.)";

struct Options {
  std::string root = "/";
  std::string output;
  int level = 3;
  int timeout_seconds = 60;
};

/// "/usr/bin/dkms" of "dkms"; "" where no distribution would have it.
std::string find_program(const std::string& name) {
  for (const char* directory :
       {"/usr/bin/", "/usr/sbin/", "/bin/", "/sbin/", "/usr/local/bin/"}) {
    const std::string path = directory + name;
    if (access(path.c_str(), X_OK) == 0) return path;
  }
  return {};
}

/// Collects parts, saying what it does; a part that fails says why.
class Collector {
 public:
  Collector(const Options& options, const host::HostRoot& host,
            Session& session)
      : options_(options), host_(host), runner_(session.runner) {}

  void add_reports() {
    for (const SupportProgram& report :
         diagnose::support_reports(options_.level)) {
      std::vector<std::string> argv = report.argv;
      argv.insert(argv.begin(), "/proc/self/exe");
      if (report.name != "version") {
        argv.insert(argv.end(), {"--root", options_.root});
      }
      add("reports/" + report.name + ".json", argv,
          fmt::format("gpunode {}", fmt::join(report.argv, " ")));
    }
  }

  /// Programs tell of the machine that they run on.
  void add_programs() {
    if (host_.prefix() != "/") return;
    for (const SupportProgram& program : diagnose::support_programs()) {
      std::vector<std::string> argv = program.argv;
      const std::string source = fmt::format("{}", fmt::join(argv, " "));
      argv.front() = find_program(argv.front());
      if (argv.front().empty()) continue;
      add("programs/" + program.name + ".txt", argv, source);
    }
  }

  void add_files() {
    for (const std::string& path : diagnose::support_files(host_)) {
      SupportPart part{"files" + path, path, {}};
      auto content = host_.read_file(path, std::size_t{64} << 20U);
      if (content) {
        part.content = *std::move(content);
      } else {
        part.problem = content.error().message();
        part.is_there = false;
      }
      parts_.push_back(std::move(part));
    }
  }

  std::vector<SupportPart> take() { return std::move(parts_); }

 private:
  void add(std::string name, std::vector<std::string> argv,
           std::string source) {
    host::Command command;
    command.argv = std::move(argv);
    command.timeout = std::chrono::seconds(options_.timeout_seconds);
    SupportPart part{std::move(name), std::move(source), {}};
    auto done = runner_.run(command);
    if (!done) {
      part.problem = done.error().message();
      part.is_there = false;
    } else {
      if (done->status != 0) {
        part.problem = fmt::format("exit code {}", done->status);
      }
      part.content = std::move(done->out);
      // A report is for programs, what else is said for people.
      if (part.name.ends_with(".txt")) {
        part.content += done->err;
      } else if (!done->err.empty()) {
        part.problem += (part.problem.empty() ? "" : ": ") + done->err;
      }
    }
    parts_.push_back(std::move(part));
  }

  const Options& options_;
  const host::HostRoot& host_;
  host::CommandRunner& runner_;
  std::vector<SupportPart> parts_;
};

Result<std::string> make_archive(const Options& options, Session& session) {
  facts::Recording recording;
  facts::RecordingRunner recorder(session.runner, recording);
  const host::HostRoot host =
      facts::recorded(host::HostRoot(options.root), recording);
  const auto seen = facts::observe(host, recorder, facts::usual_wants());
  if (!seen) {
    return Error(ErrorCode::kUnsupported,
                 seen.error().message() + ": no Linux host at " + options.root +
                     "; name its root with --root");
  }
  static_cast<void>(diagnose::look_for_doctor(host, recorder));
  TRY(const facts::ScrubKey key, facts::random_scrub_key());
  facts::Scrubber scrubber(key);
  facts::learn_identities(recording, scrubber);
  TRY(const std::string facts,
      facts::write_bundle(facts::scrubbed(recording, key)));
  const host::HostRoot plain(options.root);
  Collector collector(options, plain, session);
  collector.add_reports();
  collector.add_files();
  collector.add_programs();
  std::vector<SupportPart> parts = collector.take();
  diagnose::learn_machine(plain, scrubber);
  for (const SupportPart& part : parts) {
    if (part.source.starts_with("nvidia-smi")) {
      diagnose::learn_gpu_serials(part.content, scrubber);
    }
  }
  return diagnose::support_archive(std::move(parts), facts, kVersion, scrubber);
}

void run(const Options& options, Session& session) {
  auto archive = make_archive(options, session);
  if (!archive) {
    return session.fail(archive.error(),
                        archive.error().code() == ErrorCode::kUnsupported
                            ? ExitCode::kUnsupportedHost
                            : ExitCode::kError);
  }
  std::error_code problem;
  const std::string path =
      std::filesystem::absolute(options.output, problem).string();
  if (problem) {
    return session.fail(
        Error::from_errno("find " + options.output, problem.value()));
  }
  const auto written = host::write_file_atomic(path, *archive, 0600,
                                               host::Durability::kVolatile);
  if (!written) return session.fail(written.error());
  fmt::print(stderr,
             "gpunode: wrote {} ({} KiB): secrets, serials and hardware "
             "addresses are hashed; names are not. Look into it before you "
             "send it\n",
             options.output, archive->size() / 1024);
}

}  // namespace

void add_support_bundle(CLI::App& gpunode, Session& session) {
  CLI::App* verb = gpunode.add_subcommand(
      "support-bundle", "Put what a helper would ask for into one file");
  const auto options = std::make_shared<Options>();
  options->output = "gpunode-support.tar";
  verb->add_option("-o,--output", options->output, "The file to write")
      ->capture_default_str();
  verb->add_option("--root", options->root, "Ask the host mounted here")
      ->capture_default_str();
  verb->add_option("--level", options->level,
                   "The last level of verify; 0 and 1 wake no GPU")
      ->capture_default_str()
      ->check(CLI::Range(0, 3));
  verb->add_option("--timeout", options->timeout_seconds,
                   "Seconds that each program has for its answer")
      ->capture_default_str()
      ->check(CLI::Range(1, 3600));
  add_no_color(*verb);
  verb->footer(kFooter);
  verb->callback([options, &session] { run(*options, session); });
}

}  // namespace gpunode::cli
