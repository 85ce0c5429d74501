#include "demo/screen.h"

#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include <fmt/format.h>

namespace gpunode::demo {

namespace {

constexpr std::string_view kBold = "\x1b[1m";
constexpr std::string_view kDim = "\x1b[2m";
constexpr std::string_view kGreen = "\x1b[32m";
constexpr std::string_view kRed = "\x1b[1;31m";
constexpr std::string_view kReset = "\x1b[0m";

void put(const std::string& line) {
  std::fwrite(line.data(), 1, line.size(), stdout);
  std::fflush(stdout);  // A reader on a pipe follows along, too.
}

/// What others write may try to move the cursor: only text passes.
std::string harmless(std::string_view line) {
  std::string clean;
  for (const char c : line) {
    if (static_cast<unsigned char>(c) >= ' ' || c == '\t') clean += c;
  }
  return clean;
}

}  // namespace

Screen Screen::of_process() {
  // NOLINTNEXTLINE(concurrency-mt-unsafe): nothing changes the environment.
  const char* no_color = std::getenv("NO_COLOR");
  const bool is_refused = no_color != nullptr && *no_color != '\0';
  return Screen(!is_refused && ::isatty(STDOUT_FILENO) == 1);
}

std::string Screen::styled(std::string_view style,
                           std::string_view text) const {
  return has_colours_ ? fmt::format("{}{}{}", style, text, kReset)
                      : std::string(text);
}

void Screen::title(std::string_view text) {
  put(styled(kBold, text) + "\n");
}

void Screen::stage(std::string_view text) {
  put(styled(kBold, fmt::format("\n{}. {}", ++stages_, text)) + "\n");
}

void Screen::say(std::string_view text) {
  put(fmt::format("   {}\n", text));
}

void Screen::quote(std::string_view text) {
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    put(fmt::format("   {} {}\n", styled(kDim, "|"),
                    harmless(text.substr(0, end))));
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
}

void Screen::claim(bool is_true, std::string_view text) {
  all_true_ = all_true_ && is_true;
  put(fmt::format("   {} {}\n",
                  is_true ? styled(kGreen, "ok    ") : styled(kRed, "NOT SO"),
                  harmless(text)));
}

void Screen::trouble(std::string_view what, std::string_view why,
                     std::string_view next) {
  all_true_ = false;
  put(fmt::format("\n{} {}\n   why:  {}\n   next: {}\n",
                  styled(kRed, "gpunode demo:"), what, why, next));
}

}  // namespace gpunode::demo
