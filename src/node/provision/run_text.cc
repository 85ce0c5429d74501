#include "node/provision/run_text.h"

#include <chrono>

#include <fmt/format.h>

#include "base/console/page.h"

namespace gpunode::provision {
namespace {

using console::Style;

constexpr std::size_t kActionIndent = 4;
/// Shorter is not worth a word.
constexpr std::chrono::milliseconds kNoticeable{500};

constexpr unsigned kAMoment = 2;
constexpr unsigned kMakingSeconds = 15;
constexpr unsigned kPackageSeconds = 60;
constexpr unsigned kCopySeconds = 300;

}  // namespace

unsigned usual_seconds(const Action& action) {
  if (std::holds_alternative<InstallPackages>(action) ||
      std::holds_alternative<RemovePackages>(action)) {
    return kPackageSeconds;
  }
  if (std::holds_alternative<MigrateTree>(action)) return kCopySeconds;
  if (std::holds_alternative<MakeFilesystem>(action)) return kMakingSeconds;
  if (std::holds_alternative<SetUnit>(action)) return kAMoment;
  return 0;
}

void RunText::say(std::size_t indent, const std::string& text, bool is_good) {
  if (has_open_line_) std::fputs("\r\x1b[K", out_);
  has_open_line_ = false;
  console::Page page;
  page.line(indent, text, is_good ? Style::kPlain : Style::kBad);
  std::fputs(page.render(terminal_).c_str(), out_);
  std::fflush(out_);
}

void RunText::started(const std::string& words, unsigned usual) {
  start_ = clock_.now();
  if (terminal_.width == 0 || usual == 0) return;
  std::string line =
      fmt::format("    ... {} (about {} s)", console::printable(words), usual);
  if (line.size() >= terminal_.width) line.resize(terminal_.width - 1);
  std::fputs(line.c_str(), out_);
  std::fflush(out_);
  has_open_line_ = true;
}

std::string RunText::took() const {
  const auto time = clock_.now() - start_;
  if (time < kNoticeable) return "";
  return fmt::format(
      " ({:.1f} s)",
      std::chrono::duration_cast<std::chrono::duration<double>>(time).count());
}

void RunText::step_started(const PlannedStep& step, std::size_t index,
                           std::size_t count) {
  say(0, fmt::format("[{}/{}] {}: {}", index, count, step.id, step.title),
      true);
}

void RunText::action_started(const Action& action) {
  started(describe(action), usual_seconds(action));
}

void RunText::action_ended(const Action& action, const Result<void>& how) {
  if (how) {
    say(kActionIndent,
        fmt::format("{} {}{}", symbol_of(action), describe(action), took()),
        true);
  } else {
    say(kActionIndent,
        fmt::format("x {}{}: {}", describe(action), took(),
                    how.error().message()),
        false);
  }
}

void RunText::step_ended(const PlannedStep& /*step*/,
                         const Result<void>& /*how*/) {}

void RunText::undoing(const Undoing& one) {
  started("undo: " + describe(*one.line.action),
          usual_seconds(*one.line.action));
}

void RunText::undone(const Undoing& one, const Result<void>& how) {
  const std::string words = fmt::format("undo {}: {}{}", one.line.seq,
                                        describe(*one.line.action), took());
  say(0, how ? words : fmt::format("{}: {}", words, how.error().message()),
      how.has_value());
}

}  // namespace gpunode::provision
