#include "node/provision/run_text.h"

#include <algorithm>
#include <chrono>

#include <fmt/format.h>

#include "base/console/page.h"
#include "node/provision/packages/redaction.h"

namespace gpunode::provision {
namespace {

using console::Style;

constexpr std::size_t kActionIndent = 4;
constexpr std::size_t kTailIndent = 6;
/// Beneath the status line; more of them would push what was said away.
constexpr std::size_t kTailLines = 4;
/// Shorter is not worth a word.
constexpr std::chrono::milliseconds kNoticeable{500};
/// A flood of output is not drawn line by line.
constexpr std::chrono::milliseconds kBetweenDrawings{100};
/// Where lines stay, as in a log.
constexpr std::chrono::seconds kBetweenLines{30};

}  // namespace

void RunText::say(std::size_t indent, const std::string& text, Style style) {
  const console::Terminal terminal = look_();
  area_.clear(terminal);
  console::Page page;
  page.line(indent, text, style);
  std::fputs(page.render(terminal).c_str(), out_);
  std::fflush(out_);
}

void RunText::start(const std::string& words, unsigned usual) {
  tail_.clear();
  status_.start(words, usual);
  said_ = clock_.now();
  // What takes no time is not worth a flicker; a tick shows what does after
  // all.
  if (usual != 0) draw(look_());
}

void RunText::draw(const console::Terminal& terminal) {
  drawn_ = clock_.now();
  std::vector<console::LiveArea::Line> lines = {
      {std::string(kActionIndent, ' ') + "... " + status_.line()}};
  std::vector<std::string> tail = tail_.lines();
  const std::size_t first = tail.size() - std::min(tail.size(), kTailLines);
  for (std::size_t i = first; i < tail.size(); ++i) {
    lines.push_back(
        {std::string(kTailIndent, ' ') + "| " + packages::redacted(tail[i]),
         Style::kDim});
  }
  area_.show(lines, terminal);
}

void RunText::tick() {
  if (!status_.is_running()) return;
  const console::Terminal terminal = look_();
  if (terminal.can_redraw) return draw(terminal);
  if (clock_.now() - said_ < kBetweenLines) return;
  said_ = clock_.now();
  const std::vector<std::string> tail = tail_.lines();
  say(kActionIndent,
      fmt::format("... {}{}{}", status_.line(), tail.empty() ? "" : " | ",
                  tail.empty() ? "" : packages::redacted(tail.back())),
      Style::kPlain);
}

void RunText::started(const host::Command& /*command*/) {
  tail_.clear();
}

void RunText::printed(host::OutputStream stream, std::string_view bytes) {
  tail_.feed(stream == host::OutputStream::kOut ? 0 : 1, bytes);
  if (!status_.is_running() || clock_.now() - drawn_ < kBetweenDrawings) return;
  const console::Terminal terminal = look_();
  if (terminal.can_redraw) draw(terminal);
}

void RunText::copy_started(std::uint64_t total,
                           std::function<std::uint64_t()> copied) {
  status_.copy_started(total, std::move(copied));
}

std::string RunText::took() const {
  const Duration time = status_.elapsed();
  if (time < kNoticeable) return "";
  return fmt::format(
      " ({:.1f} s)",
      std::chrono::duration_cast<std::chrono::duration<double>>(time).count());
}

void RunText::end(std::size_t indent, const std::string& text, bool is_good) {
  status_.end();
  say(indent, text, is_good ? Style::kPlain : Style::kBad);
  if (is_good) return;
  for (const std::string& line : tail_.lines()) {
    say(kTailIndent, "| " + packages::redacted(line), Style::kDim);
  }
}

void RunText::step_started(const PlannedStep& step, std::size_t index,
                           std::size_t count) {
  actions_ = 0;
  say(0, fmt::format("[{}/{}] {}: {}", index, count, step.id, step.title),
      Style::kPlain);
}

void RunText::action_started(const Action& action) {
  ++actions_;
  start(describe(action), usual_seconds(action));
}

void RunText::action_ended(const Action& action, const Result<void>& how) {
  const std::string words = describe(action) + took();
  end(kActionIndent,
      how ? fmt::format("{} {}", symbol_of(action), words)
          : fmt::format("x {}: {}", words, how.error().message()),
      how.has_value());
}

void RunText::step_ended(const PlannedStep& /*step*/, const Result<void>& how) {
  if (how && actions_ == 0)
    say(kActionIndent, "= it is so by now", Style::kDim);
}

void RunText::undoing(const Undoing& one) {
  start("undo: " + describe(*one.line.action), usual_seconds(*one.line.action));
}

void RunText::undone(const Undoing& one, const Result<void>& how) {
  const std::string words = fmt::format("undo {}: {}{}", one.line.seq,
                                        describe(*one.line.action), took());
  end(0, how ? words : fmt::format("{}: {}", words, how.error().message()),
      how.has_value());
}

}  // namespace gpunode::provision
