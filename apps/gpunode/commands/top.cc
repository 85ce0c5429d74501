// gpunode top: what GPUs do and for whom, while one watches.

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>

#include "apps/gpunode/commands/commands.h"
#include "apps/gpunode/commands/given_path.h"
#include "apps/gpunode/commands/gpu_names.h"
#include "apps/gpunode/commands/output_options.h"
#include "apps/gpunode/session.h"
#include "apps/gpunode/top/collector.h"
#include "apps/gpunode/top/document.h"
#include "apps/gpunode/top/frame.h"
#include "apps/gpunode/top/lately.h"
#include "apps/gpunode/top/view.h"
#include "apps/gpunode/top/watcher.h"
#include "base/console/full_screen.h"
#include "base/console/page.h"
#include "base/console/terminal.h"

namespace gpunode::cli {
namespace {

constexpr const char* kFooter = R"(
On a terminal a screen that is drawn again every --interval seconds: ? tells its
keys, q ends it. In a pipe, or with --once, plain lines, once.

GPUs are read through gpunode-probe, names are asked of the agent (as root), and
limits are read from the accounts of containers, all at the same time. Who does
not answer is named at the top ("driver: ..." while that is waited for); the
rest is shown all the same. Without an agent the names are those
of the kubelet's files. On GPUs without persistence mode each reading wakes the
GPU, which may take seconds.

Examples:
  gpunode top
  gpunode top --once --sort memory --filter team-a/
  gpunode top --history            # what was used at most: who asks for too much
  gpunode top --json --watch --interval 10 | jq -c .holders
  kubectl exec -it AGENT-POD -c gpunode-agent -- gpunode top

Exit code 0: it is told; 1: nobody tells anything; 64: the command line is
wrong.)";

/// An Escape key is told from the start of an arrow's by what follows at once.
constexpr std::chrono::milliseconds kEscapeEnds{50};
constexpr std::chrono::milliseconds kForever{60'000};

struct Options {
  top::Sources sources;
  unsigned interval_seconds = 2;
  std::string sort = "gpu";
  std::string filter;
  bool as_json = false;
  bool is_watching = false;
  bool is_once = false;
  bool is_history = false;
  bool is_plain = false;
};

top::View view_of(const Options& options) {
  top::View view;
  view.filter = options.filter;
  for (const top::Sort sort :
       {top::Sort::kMemory, top::Sort::kLimit, top::Sort::kPod,
        top::Sort::kRefused, top::Sort::kTime, top::Sort::kWaits}) {
    if (options.sort == top::name_of(sort)) view.sort = sort;
  }
  return view;
}

bool tells_nothing(const top::Snapshot& snapshot) {
  return !snapshot.driver_problem.empty() && !snapshot.agent_problem.empty() &&
         snapshot.gpus.empty() && snapshot.holders.empty();
}

class Screen {
 public:
  Screen(const Options& options, Session& session)
      : options_(options), session_(session), view_(view_of(options)) {}

  Result<void> run() {
    // It outlives the screen: the terminal is given back at once, also where
    // the driver lets the last look wait.
    std::optional<top::Watcher> watcher;
    TRY(console::FullScreen screen,
        console::FullScreen::enter(STDIN_FILENO, STDOUT_FILENO));
    watcher.emplace(options_.sources,
                    std::chrono::seconds(options_.interval_seconds),
                    session_.runner);
    TRY_VOID(draw(screen));
    while (!view_.is_over) {
      TRY(const console::FullScreen::Event event,
          screen.wait(keys_.is_waiting() ? kEscapeEnds : kForever,
                      watcher->news_fd()));
      if (event.is_over) return {};
      press(event.bytes.empty() && keys_.is_waiting()
                ? keys_.flush()
                : keys_.take(event.bytes));
      if (event.is_called) snapshot_ = watcher->newest();
      TRY_VOID(draw(screen));
    }
    return {};
  }

 private:
  void press(const std::vector<top::Key>& keys) {
    for (const top::Key& key : keys) {
      view_.press(key, snapshot_ ? top::choose(*snapshot_, view_).size() : 0);
    }
  }

  Result<void> draw(const console::FullScreen& screen) {
    const console::Terminal terminal = console::look_at(
        STDOUT_FILENO, session_.environment, !options_.is_plain);
    view_.page = std::max<std::size_t>(terminal.height / 2, 1);
    if (!snapshot_) {
      return screen.show({{"Asking the driver and the agent ... q ends it."}},
                         terminal);
    }
    return screen.show(
        top::draw(*snapshot_, view_, {terminal.width, terminal.height}),
        terminal);
  }

  const Options& options_;
  Session& session_;
  top::View view_;
  top::KeyReader keys_;
  std::shared_ptr<const top::Snapshot> snapshot_;
};

std::string text_of(const top::Snapshot& snapshot, const Options& options,
                    const console::Terminal& terminal) {
  const top::View view = view_of(options);
  if (options.as_json) {
    return top::document(snapshot, view, options.is_watching);
  }
  console::Page page;
  for (const top::Line& line :
       options.is_history ? top::draw_history(snapshot, view, terminal.width)
                          : top::draw(snapshot, view, {terminal.width, 0})) {
    page.line(0, line.text, line.style);
  }
  return page.render(terminal);
}

Result<void> print_looks(const Options& options, Session& session) {
  const top::Collector collector(options.sources, session.runner);
  top::Lately lately;
  const bool is_watching = options.is_watching && !options.is_once;
  for (bool is_first = true;; is_first = false) {
    top::Snapshot snapshot = collector.look();
    lately.note(snapshot.counted, snapshot);
    session.outcome =
        tells_nothing(snapshot) ? ExitCode::kError : ExitCode::kOk;
    const std::string gap = is_first || options.as_json ? "" : "\n";
    TRY_VOID(
        print(gap + text_of(snapshot, options,
                            console::look_at(STDOUT_FILENO, session.environment,
                                             !options.is_plain))));
    if (!is_watching) return {};
    // Until a signal ends it, or nobody reads any more.
    std::this_thread::sleep_for(std::chrono::seconds(options.interval_seconds));
  }
}

void run(const Options& options, Session& session) {
  const bool is_screen =
      !options.as_json && !options.is_once && !options.is_history &&
      ::isatty(STDIN_FILENO) != 0 &&
      console::look_at(STDOUT_FILENO, session.environment, false).can_redraw;
  const auto done = is_screen ? Screen(options, session).run()
                              : print_looks(options, session);
  if (!done) session.fail(done.error());
}

}  // namespace

void add_top(CLI::App& gpunode, Session& session) {
  CLI::App* verb = gpunode.add_subcommand(
      "top", "Watch what the GPUs do, and for which containers");
  const auto options = std::make_shared<Options>();
  verb->add_option("--root", options->sources.root, "Of the host mounted here")
      ->capture_default_str();
  verb->add_option("--plugin-directory", options->sources.plugin_directory,
                   "Where the agent listens, in gpunode/agent.sock")
      ->capture_default_str();
  verb->add_option("--driver-root", options->sources.driver_root,
                   "Where the driver's files are, if not in --root");
  add_probe(*verb, options->sources.probe);
  verb->add_flag("--json", options->as_json,
                 "One JSON object (docs/formats/top.md)");
  CLI::Option* watch = verb->add_flag(
      "--watch", options->is_watching,
      "Without a terminal: again and again; with --json one line each");
  verb->add_flag("--once", options->is_once, "Plain lines, once")
      ->excludes(watch);
  verb->add_flag("--history", options->is_history,
                 "What containers have used at most, against their shares");
  verb->add_option("--interval", options->interval_seconds,
                   "Seconds between two looks")
      ->capture_default_str()
      ->check(CLI::Range(1U, 3600U));
  verb->add_option("--sort", options->sort, "What the first container is by")
      ->capture_default_str()
      ->check(CLI::IsMember(
          {"gpu", "memory", "limit", "pod", "refused", "time", "waits"}));
  verb->add_option("--filter", options->filter,
                   "Only containers that have this text in a name");
  add_no_color(*verb, options->is_plain);
  verb->footer(kFooter);
  verb->callback([options, &session] {
    top::Sources& sources = options->sources;
    sources.plugin_directory =
        given_path(sources.plugin_directory, sources.root);
    run(*options, session);
  });
}

}  // namespace gpunode::cli
