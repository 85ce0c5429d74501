#include "node/provision/packages/tool_runner.h"

#include <algorithm>
#include <thread>
#include <utility>

#include <fmt/format.h>

#include "node/provision/packages/lock_holder.h"
#include "node/provision/packages/redaction.h"

namespace gpunode::packages {
namespace {

using std::chrono::milliseconds;

void add_proxy(const Proxy& proxy, std::vector<std::string>& env) {
  // curl reads http_proxy in lower case only; some tools want upper case.
  const auto add = [&env](const char* lower, const char* upper,
                          const std::string& value) {
    if (value.empty()) return;
    env.push_back(std::string(lower) + "=" + value);
    env.push_back(std::string(upper) + "=" + value);
  };
  add("http_proxy", "HTTP_PROXY", proxy.http);
  add("https_proxy", "HTTPS_PROXY", proxy.https);
  add("no_proxy", "NO_PROXY", proxy.none);
}

/// dnf 5 waits for others' locks by itself and without an end: who holds them
/// is looked at before it is run.
bool waits_for_ever(const std::string& program) {
  return program == "/usr/bin/dnf5";
}

/// What a person is told to run is named as this host has it.
Error in_words_of(const std::string& program, const Error& error) {
  if (program != "/usr/bin/yum") return error;
  std::string words = error.message();
  for (const auto& [dnfs, yums] :
       {std::pair{"dnf install 'dnf-command(versionlock)'",
                  "yum install yum-plugin-versionlock"},
        std::pair{"dnf clean metadata", "yum clean metadata"},
        std::pair{"dnf versionlock list", "yum versionlock list"}}) {
    if (const std::size_t at = words.find(dnfs); at != std::string::npos) {
      words.replace(at, std::string_view(dnfs).size(), yums);
    }
  }
  return {error.code(), std::move(words)};
}

std::string seconds(milliseconds time) {
  return fmt::format("{} s",
                     std::chrono::ceil<std::chrono::seconds>(time).count());
}

}  // namespace

std::string all_output(const host::Completed& completed) {
  return completed.out + "\n" + completed.err;
}

ToolRunner::ToolRunner(Tool tool, host::CommandRunner& runner,
                       Settings settings, Waiting waiting, host::HostRoot host)
    : tool_(tool),
      runner_(runner),
      settings_(std::move(settings)),
      waiting_(std::move(waiting)),
      host_(std::move(host)) {}

host::Command ToolRunner::command(const std::vector<std::string>& argv,
                                  const std::string& input,
                                  milliseconds timeout) const {
  host::Command command;
  command.argv = argv;
  command.input = input;
  command.timeout = timeout;
  // Nobody is there to answer: debconf, needrestart and apt-listchanges must
  // not ask.
  command.env.insert(
      command.env.end(),
      {"HOME=/root", "DEBIAN_FRONTEND=noninteractive", "NEEDRESTART_MODE=l",
       "APT_LISTCHANGES_FRONTEND=none", "ZYPP_LOCK_TIMEOUT=0"});
  add_proxy(settings_.proxy, command.env);
  for (const std::string& variable : settings_.environment) {
    // execve's first one would count: a later one replaces it.
    const std::string name = variable.substr(0, variable.find('=') + 1);
    std::erase_if(command.env, [&name](const std::string& known) {
      return known.starts_with(name);
    });
    command.env.push_back(variable);
  }
  return command;
}

Result<host::Completed> ToolRunner::ask(const std::vector<std::string>& argv,
                                        const std::string& input) {
  auto completed = runner_.run(command(argv, input, settings_.query_timeout));
  if (!completed) {
    return Error(completed.error().code(),
                 redacted(completed.error().message()));
  }
  return completed;
}

void ToolRunner::pause(milliseconds time, const std::string& why) {
  if (waiting_.notice) waiting_.notice(why);
  if (waiting_.pause) {
    waiting_.pause(time);
  } else {
    std::this_thread::sleep_for(time);
  }
}

Result<host::Completed> ToolRunner::act(const std::string& attempted,
                                        const std::vector<std::string>& argv,
                                        const std::string& input,
                                        const Judge& is_done,
                                        const std::function<void()>& refresh) {
  milliseconds waited{0};
  milliseconds next_pause = settings_.first_pause;
  const auto wait_for = [&](const std::string& who) -> Result<void> {
    if (waited >= settings_.lock_wait) {
      return to_error(
          tool_,
          {FailureKind::kLocked,
           fmt::format("held by {}, waited {}", who, seconds(waited))},
          attempted);
    }
    const milliseconds left = settings_.lock_wait - waited;
    const milliseconds time = std::min(settings_.lock_poll, left);
    pause(time, fmt::format("{}: waiting for {}, {} more at most", attempted,
                            who, seconds(left)));
    waited += time;
    return {};
  };
  for (int attempt = 1;;) {
    if (waits_for_ever(argv.front())) {
      const auto holders = lock_holders(host_, tool_);
      if (!holders.empty()) {
        TRY_VOID(wait_for(describe(holders.front())));
        continue;
      }
    }
    auto completed =
        runner_.run(command(argv, input, settings_.change_timeout));
    if (!completed) {
      return Error(completed.error().code(),
                   redacted(completed.error().message()))
          .with_context(attempted);
    }
    if (is_done ? is_done(*completed) : completed->status == 0) {
      return completed;
    }
    const std::string output = all_output(*completed);
    Failure failure = explain(tool_, output);
    if (failure.kind == FailureKind::kLocked) {
      const int pid = blamed_pid(output);
      const std::string who = pid > 0 ? describe(holder_of(host_, pid))
                                      : "a process it cannot name";
      TRY_VOID(wait_for(who));
      continue;
    }
    if (!is_worth_retrying(failure.kind) ||
        attempt >= settings_.mirror_attempts) {
      if (attempt > 1) {
        failure.evidence += fmt::format(", {} attempts", attempt);
      }
      return in_words_of(argv.front(), to_error(tool_, failure, attempted));
    }
    pause(next_pause,
          fmt::format("{}: {}; attempt {} of {} in {}", attempted,
                      failure.evidence, attempt + 1, settings_.mirror_attempts,
                      seconds(next_pause)));
    next_pause *= 2;
    ++attempt;
    if (refresh && failure.kind != FailureKind::kMirror) refresh();
  }
}

}  // namespace gpunode::packages
