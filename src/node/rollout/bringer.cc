#include "node/rollout/bringer.h"

#include <sys/stat.h>

#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "base/console/page.h"
#include "base/host/host_file.h"
#include "node/provision/delivery.h"
#include "node/provision/run_lock.h"
#include "node/provision/spec_file.h"

namespace gpunode::rollout {
namespace {

using Kind = BringMove::Kind;
using State = BringStamp::State;

constexpr std::chrono::seconds kBetweenLooks(2);
constexpr const char* kSystemctl = "/usr/bin/systemctl";
constexpr const char* kJournalctl = "/usr/bin/journalctl";
constexpr const char* kUnit = provision::kFirstUnit;
constexpr const char* kCheckUnit = "gpunode-check.service";
constexpr const char* kCheckUnitPath =
    "/etc/systemd/system/gpunode-check.service";
constexpr std::chrono::minutes kCheckTime(3);
constexpr mode_t kProgramMode = 0755;
constexpr mode_t kFileMode = 0600;
constexpr mode_t kUnitMode = 0644;
constexpr std::string_view kCursor = "-- cursor: ";

host::FileForm durable(mode_t mode) {
  return {.mode = mode, .durability = host::Durability::kDurable};
}

/// "gpunode 0.1.0": the last word of its first line.
std::string version_in(std::string_view printed) {
  printed = printed.substr(0, printed.find('\n'));
  constexpr std::string_view kName = "gpunode ";
  if (!printed.starts_with(kName)) return {};
  return std::string(printed.substr(kName.size()));
}

}  // namespace

std::string Bringer::version_of(const std::string& directory) {
  const std::string program = directory + "/gpunode";
  if (!host_.exists(program)) return {};
  host::Command ask;
  ask.argv = {program, "version"};
  const auto printed = runner_.output(ask);
  if (printed) return version_in(*printed);
  say_(fmt::format("{} does not run and does not count: {}", program,
                   printed.error().message()));
  return {};
}

Result<void> Bringer::systemctl(std::vector<std::string> words) {
  host::Command command;
  command.argv = {kSystemctl};
  command.argv.insert(command.argv.end(), words.begin(), words.end());
  TRY_VOID(runner_.output(command));
  return {};
}

Result<BringLook> Bringer::look() {
  BringLook look;
  if (host_.exists(kBringStamp)) {
    TRY(const std::string text, host_.read_file(kBringStamp));
    look.stamp = read_stamp(text);
  }
  host::Command show;
  show.argv = {kSystemctl, "show", "--property=ActiveState,ExecMainStatus",
               kUnit};
  TRY(const std::string shown, runner_.output(show));
  TRY(look.unit, read_first_unit(shown));
  // After the unit: it makes the mark before it ends.
  look.has_ended_well = host_.exists(provision::kFirstBootStamp);
  return look;
}

Result<void> Bringer::stamp(State state, const std::string& words) {
  return host::replace_host_file(
      host_, kBringStamp,
      stamp_text({state, task_.wish.digest, task_.wish.attempt, words}),
      durable(kFileMode));
}

Result<std::string> Bringer::put_programs() {
  const std::string package = version_of(kPackageDirectory);
  const std::string brought = version_of(kBroughtDirectory);
  const ProgramChoice choice = choose_program(task_.version, package, brought);
  if (!choice.is_brought) {
    say_(
        fmt::format("{}/gpunode {} is as new as the {} of this image: it stays",
                    choice.directory,
                    choice.directory == kPackageDirectory ? package : brought,
                    task_.version));
    return choice.directory;
  }
  for (const BroughtProgram& program : task_.programs) {
    const std::string path = choice.directory + "/" + program.name;
    TRY(const std::string bytes, program.read());
    TRY_VOID(
        host::replace_host_file(host_, path, bytes, durable(kProgramMode)));
  }
  say_(fmt::format("gpunode {} is in {}", task_.version, choice.directory));
  return choice.directory;
}

/// As never started: what it did for another file, or in an earlier attempt, is
/// not taken for this one.
Result<void> Bringer::clear_unit() {
  TRY_VOID(systemctl({"daemon-reload"}));
  TRY_VOID(systemctl({"enable", kUnit}));
  // Nothing of it changes the host, which it needs the lock for: this ends
  // "active (exited)", or what has only begun to wait for that.
  TRY_VOID(systemctl({"stop", kUnit}));
  // Of a unit that has not failed systemd may say that it is not loaded.
  (void)systemctl({"reset-failed", kUnit});
  return host::remove_host_file(host_, provision::kFirstBootStamp);
}

/// By units, whose program may not have come as far as the lock yet.
Result<bool> Bringer::is_anything_at_work() {
  for (const char* unit : {kUnit, provision::kResumeUnit}) {
    host::Command show;
    show.argv = {kSystemctl, "show", "--property=ActiveState,ExecMainStatus",
                 unit};
    TRY(const std::string shown, runner_.output(show));
    TRY(const FirstUnit state, read_first_unit(shown));
    if (state.is_running()) {
      tell_once(fmt::format("{} is at work: waiting for its end", unit));
      return true;
    }
  }
  return false;
}

Result<bool> Bringer::prepare() {
  // From here on none begins: not by hand, not at a boot, and not in the moment
  // since the last look. A run that this stopped would be half of one.
  auto lock = provision::RunLock::take(host_, "gpunode bring");
  if (!lock) {
    if (lock.error().code() != ErrorCode::kUnavailable) {
      return std::move(lock).error();
    }
    tell_once(lock.error().message());
    return false;
  }
  TRY(const bool is_busy, is_anything_at_work());
  if (is_busy) return false;
  TRY(const std::string directory, put_programs());
  TRY_VOID(host::replace_host_file(host_,
                                   std::string(provision::kDefaultSpecPath),
                                   task_.spec, durable(kFileMode)));
  provision::Delivery delivery;
  delivery.program_path = directory + "/gpunode";
  TRY_VOID(host::replace_host_file(host_, provision::kFirstUnitPath,
                                   provision::first_boot_unit(delivery),
                                   durable(kUnitMode)));
  TRY_VOID(clear_unit());
  TRY_VOID(stamp(State::kStarted));
  return true;
}

Result<void> Bringer::start() {
  say_(
      fmt::format("starting {} on the host: it goes on whatever becomes of "
                  "this Pod",
                  kUnit));
  return systemctl({"start", "--no-block", kUnit});
}

/// A run that another Pod began is told by this one from now on.
Result<void> Bringer::adopt(const BringLook& look) {
  const bool is_mine = look.stamp &&
                       look.stamp->attempt == task_.wish.attempt &&
                       look.stamp->state == State::kStarted;
  return is_mine ? Result<void>() : stamp(State::kStarted);
}

void Bringer::tell_log() {
  host::Command read;
  read.argv = {kJournalctl,  "--unit",  kUnit,          "--output=cat",
               "--no-pager", "--quiet", "--show-cursor"};
  if (cursor_.empty()) {
    read.argv.insert(read.argv.end(), {"--boot", "--lines=200"});
  } else {
    read.argv.push_back("--after-cursor=" + cursor_);
  }
  const auto lines = runner_.output(read);
  if (!lines) {
    tell_once("the journal cannot be read: " + lines.error().message());
    return;
  }
  std::string_view rest = *lines;
  while (!rest.empty()) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
    if (line.starts_with(kCursor)) {
      cursor_ = line.substr(kCursor.size());
    } else {
      say_("| " + console::printable(line));
    }
  }
}

/// What gpunode-check told of the node before is told of it as it was.
void Bringer::check_anew() {
  if (!host_.exists(kCheckUnitPath)) return;
  host::Command start;
  start.argv = {kSystemctl, "start", kCheckUnit};
  start.timeout = kCheckTime;
  const auto done = runner_.output(start);
  if (!done) say_("the node's condition is as old: " + done.error().message());
}

void Bringer::tell_once(const std::string& line) {
  if (line == told_) return;
  told_ = line;
  say_(line);
}

Result<BringEnd> Bringer::run() {
  for (;;) {
    TRY(const BringLook now, look());
    const BringMove move = next_move(now, task_.wish);
    switch (move.kind) {
      case Kind::kPrepare: {
        TRY(const bool is_prepared, prepare());
        if (is_prepared) continue;
        break;
      }
      case Kind::kStart:
        // Nothing is begun for a Pod that is on its way out.
        if (!pause_(std::chrono::milliseconds(0))) {
          say_("this Pod ends; nothing was begun on the host");
          return BringEnd::kStopped;
        }
        TRY_VOID(adopt(now));
        TRY_VOID(start());
        break;
      case Kind::kFollow:
        TRY_VOID(adopt(now));
        tell_log();
        if (!now.unit.is_running()) tell_once("the machine reboots");
        break;
      case Kind::kWaitForOther:
        tell_once(
            fmt::format("{} is at work for another file: waiting for its "
                        "end",
                        kUnit));
        break;
      case Kind::kDone:
        if (!now.stamp || now.stamp->state != State::kDone) {
          tell_log();
          check_anew();
          TRY_VOID(stamp(State::kDone));
        }
        say_("done: this host is what the file says");
        return BringEnd::kDone;
      case Kind::kFailed:
        if (now.stamp->state != State::kFailed) {
          TRY_VOID(stamp(State::kFailed, move.words));
        }
        tell_log();
        say_("failed: " + move.words);
        return BringEnd::kFailed;
    }
    if (!pause_(kBetweenLooks)) {
      say_("this Pod ends; what runs on the host goes on");
      return BringEnd::kStopped;
    }
  }
}

bool is_brought(const host::HostRoot& host, const std::string& digest) {
  const auto text = host.read_file(kBringStamp);
  if (!text) return false;
  const auto stamp = read_stamp(*text);
  return stamp && stamp->digest == digest && stamp->state == State::kDone;
}

}  // namespace gpunode::rollout
