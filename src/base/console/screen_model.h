// For tests: a terminal, as far as programs here use one.
#pragma once

#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cstddef>
#include <cstdio>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <pty.h>

#include "base/core/unique_fd.h"

namespace gpunode::console {

/// What a person sees: rows of columns, folded at the edge and scrolled at the
/// bottom, as a VT100 does it. An escape that it does not know fails the test.
class ScreenModel {
 public:
  ScreenModel(std::size_t width, std::size_t height)
      : width_(width), rows_(height) {}

  void feed(std::string_view bytes) {
    for (const char c : bytes) take(c);
  }

  /// Rows without what is blank at their ends, blank ones at the bottom left
  /// out; what scrolled away comes first.
  std::vector<std::string> lines() const {
    std::vector<std::string> all = scrolled_;
    all.insert(all.end(), rows_.begin(), rows_.end());
    for (std::string& row : all) {
      row.resize(row.find_last_not_of(' ') + 1);
    }
    while (!all.empty() && all.back().empty()) all.pop_back();
    return all;
  }

  std::size_t row() const { return row_; }
  std::size_t folded() const { return folded_; }
  bool has_cursor() const { return has_cursor_; }
  bool is_other() const { return is_other_; }  ///< The alternate one.

 private:
  void take(char c) {
    if (!escape_.empty()) return take_escape(c);
    switch (c) {
      case '\x1b':
        escape_ = "\x1b";
        break;
      case '\r':
        column_ = 0;
        break;
      case '\n':
        next_row();
        break;
      default:
        put(c);
    }
  }

  void put(char c) {
    if (static_cast<unsigned char>(c) < 0x20) {
      ADD_FAILURE() << "control byte " << static_cast<int>(c);
      return;
    }
    if (column_ == width_) {
      column_ = 0;
      ++folded_;
      next_row();
    }
    std::string& row = rows_[row_];
    if (row.size() <= column_) row.resize(column_ + 1, ' ');
    row[column_++] = c;
  }

  void next_row() {
    if (row_ + 1 < rows_.size()) {
      ++row_;
      return;
    }
    scrolled_.push_back(rows_.front());
    rows_.erase(rows_.begin());
    rows_.emplace_back();
  }

  void take_escape(char c) {
    escape_ += c;
    if (escape_.size() == 2 && c == '[') return;
    if (std::isdigit(static_cast<unsigned char>(c)) != 0 || c == ';' ||
        (c == '?' && escape_.size() == 3)) {
      return;
    }
    const std::string number = escape_.substr(2, escape_.size() - 3);
    if (c == 'A') {
      const std::size_t up = number.empty() ? 1 : std::stoul(number);
      // A real terminal stops at its top and draws over what is there.
      EXPECT_LE(up, row_) << "moved above the screen";
      row_ -= std::min(up, row_);
    } else if (c == 'J' && number.empty()) {
      rows_[row_].resize(std::min(rows_[row_].size(), column_));
      for (std::size_t i = row_ + 1; i < rows_.size(); ++i) rows_[i].clear();
    } else if (c == 'K' && number.empty()) {
      rows_[row_].resize(std::min(rows_[row_].size(), column_));
    } else if (c == 'H' && number.empty()) {
      row_ = 0;
      column_ = 0;
    } else if ((c == 'h' || c == 'l') && number == "?1049") {
      switch_screen(c == 'h');
    } else if ((c == 'h' || c == 'l') && number == "?25") {
      has_cursor_ = c == 'h';
    } else if (c != 'm') {
      ADD_FAILURE() << "unknown escape ^" << escape_.substr(1);
    }
    escape_.clear();
  }

  /// The other screen is empty; this one is kept, with the cursor's place.
  void switch_screen(bool to_other) {
    if (to_other == is_other_) return;
    is_other_ = to_other;
    std::swap(rows_, kept_rows_);
    std::swap(scrolled_, kept_scrolled_);
    std::swap(row_, kept_row_);
    std::swap(column_, kept_column_);
    if (!to_other) return;
    rows_.assign(kept_rows_.size(), "");
    scrolled_.clear();
    row_ = 0;
    column_ = 0;
  }

  std::size_t width_;
  std::vector<std::string> rows_;
  std::vector<std::string> scrolled_;
  std::size_t row_ = 0;
  std::size_t column_ = 0;
  std::size_t folded_ = 0;  ///< Lines that were longer than the screen.
  std::string escape_;
  bool has_cursor_ = true;
  bool is_other_ = false;
  std::vector<std::string> kept_rows_;
  std::vector<std::string> kept_scrolled_;
  std::size_t kept_row_ = 0;
  std::size_t kept_column_ = 0;
};

/// A pty with a screen on the other side.
class PtyScreen {
 public:
  PtyScreen(unsigned short width, unsigned short height)
      : screen_(width, height) {
    int master = -1;
    int slave = -1;
    winsize size{};
    size.ws_col = width;
    size.ws_row = height;
    EXPECT_EQ(::openpty(&master, &slave, nullptr, nullptr, &size), 0);
    master_.reset(master);
    out_ = ::fdopen(slave, "w");
  }
  PtyScreen(const PtyScreen&) = delete;
  PtyScreen& operator=(const PtyScreen&) = delete;
  ~PtyScreen() { std::fclose(out_); }

  std::FILE* out() { return out_; }
  int fd() const { return ::fileno(out_); }

  void resize(unsigned short width, unsigned short height) {
    winsize size{};
    size.ws_col = width;
    size.ws_row = height;
    EXPECT_EQ(::ioctl(fd(), TIOCSWINSZ, &size), 0);
  }

  /// The screen with all that was written so far.
  const ScreenModel& screen() {
    // The kernel hands bytes over when it likes: read until our own.
    constexpr char kMark = '\x06';
    std::fputc(kMark, out_);
    std::fflush(out_);
    for (char c = 0; ::read(master_.get(), &c, 1) == 1 && c != kMark;) {
      raw_ += c;
      screen_.feed({&c, 1});
    }
    return screen_;
  }

  std::vector<std::string> lines() { return screen().lines(); }
  /// Everything that came, escapes too.
  const std::string& raw() const { return raw_; }

 private:
  UniqueFd master_;
  std::FILE* out_ = nullptr;
  ScreenModel screen_;
  std::string raw_;
};

}  // namespace gpunode::console
