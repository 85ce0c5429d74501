#include "node/provision/journal.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <map>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "base/core/rfc3339.h"
#include "base/host/host_file.h"

namespace gpunode::provision {
namespace {

constexpr std::size_t kLimitBytes = std::size_t{64} << 20U;

Error failed(const char* attempt, int error) {
  return Error::from_errno(fmt::format("{} {}", attempt, kJournalPath), error);
}

/// In a file's name the journal is opened for appending, made if missing, in a
/// directory that is held: links lead nowhere else.
Result<UniqueFd> open_for_appending(const host::HostRoot& host) {
  TRY(const host::RootDirectory root, host::open_host(host));
  // Ours alone, as are the copies of what we replaced: they lie outside of the
  // directories that kept them from others.
  const std::string state = kStateDirectory;
  TRY(const UniqueFd above,
      root.make_directories(state.substr(0, state.rfind('/'))));
  constexpr mode_t kOwnerOnly = 0700;
  if (::mkdirat(above.get(), state.substr(state.rfind('/') + 1).c_str(),
                kOwnerOnly) != 0 &&
      errno != EEXIST) {
    return failed("make", errno);
  }
  TRY(const UniqueFd directory, root.make_directories(state));
  if (::mkdirat(directory.get(), "backup", kOwnerOnly) != 0 &&
      errno != EEXIST) {
    return failed("make", errno);
  }
  UniqueFd fd(::openat(directory.get(), "journal.jsonl",
                       O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC,
                       0600));
  if (!fd) return failed("open", errno);
  // The file's name must survive a power cut as well.
  const UniqueFd parent(
      ::openat(directory.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!parent || ::fsync(parent.get()) != 0) return failed("make", errno);
  return fd;
}

Result<void> write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return failed("write", errno);
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  if (::fdatasync(fd) != 0) return failed("sync", errno);
  return {};
}

/// A file that was written or removed, or may have been.
void remember_file(const std::string& path, const std::string& content,
                   bool is_done, History& history) {
  if (!is_done) {
    history.half_written[path] = content;
    return;
  }
  history.written[path] = content;
  history.half_written.erase(path);
}

/// A unit that was stopped or started, or may have been.
void remember_unit(const JournalLine& line, bool is_done, History& history) {
  const auto& set = std::get<SetUnit>(*line.action);
  if (set.active == Wish::kYes && is_done) history.stopped.erase(set.unit);
  if (set.active != Wish::kNo) return;
  const bool ran =
      std::ranges::any_of(line.inverse, [&](const Action& inverse) {
        const auto* back = std::get_if<SetUnit>(&inverse);
        return back != nullptr && back->unit == set.unit &&
               back->active == Wish::kYes;
      });
  if (ran) history.stopped[set.unit] = line.step;
}

/// Packages that were held, or may be, or were let go. What was held before is
/// in no inverse: that is somebody else's hold.
void remember_holds(const JournalLine& line, bool is_done, History& history) {
  const auto& hold = std::get<HoldPackages>(*line.action);
  if (!hold.held) {
    if (!is_done) return;
    for (const std::string& name : hold.packages) history.held.erase(name);
    return;
  }
  for (const Action& inverse : line.inverse) {
    const auto* back = std::get_if<HoldPackages>(&inverse);
    if (back == nullptr || back->held) continue;
    for (const std::string& name : back->packages) {
      history.held[name] = line.step;
    }
  }
}

std::string changed_file(const JournalLine& line) {
  if (const auto* write = std::get_if<WriteFile>(&*line.action)) {
    return write->path;
  }
  const auto* remove = std::get_if<RemoveFile>(&*line.action);
  return remove == nullptr ? "" : remove->path;
}

/// Follows the runs, of which each carries out one Step after the other and
/// ends with the first that fails.
class Unsettled {
 public:
  void see(const JournalLine& line, bool stands) {
    switch (line.event) {
      case JournalEvent::kRun:
        step_.clear();
        run_ = line.run;
        break;
      case JournalEvent::kBegin:
        if (step_ != line.step) settle();
        step_ = line.step;
        if (const std::string path = changed_file(line);
            stands && !path.empty()) {
          files_[path] = line.step;
        }
        break;
      case JournalEvent::kReboot:
        settle();
        break;
      case JournalEvent::kEnd:
        // The Step that it names is where it ended; older ones name none.
        if (line.note.starts_with("done") ||
            line.note.starts_with("more-to-do") ||
            (!line.step.empty() && line.step != step_)) {
          settle();
        }
        step_.clear();
        break;
      default:
        break;
    }
  }

  /// `run`: the one whose Step is being seen through now.
  std::map<std::string, std::string> files(std::string_view run) && {
    if (run == run_) settle();
    return std::move(files_);
  }

 private:
  void settle() {
    if (step_.empty()) return;
    std::erase_if(files_, [&](const auto& one) { return one.second == step_; });
    step_.clear();
  }

  std::string run_;
  std::string step_;  ///< The one that was begun last and not seen through.
  std::map<std::string, std::string> files_;
};

}  // namespace

Result<JournalText> Journal::read(const host::HostRoot& host) {
  if (!host.exists(kJournalPath)) return JournalText{};
  TRY(const std::string text, host.read_file(kJournalPath, kLimitBytes));
  return parse_journal(text);
}

Result<Journal> Journal::open(const host::HostRoot& host, std::string boot_id) {
  TRY(UniqueFd fd, open_for_appending(host));
  TRY(JournalText text, read(host));
  if (text.cut_off &&
      ::ftruncate(fd.get(), static_cast<off_t>(text.whole_bytes)) != 0) {
    return failed("mend the end of", errno);
  }
  return Journal(std::move(fd), std::move(boot_id), std::move(text.lines));
}

Result<void> Journal::start(std::string run, std::string command) {
  run_ = std::move(run);
  TRY_VOID(append({.event = JournalEvent::kRun, .note = std::move(command)}));
  return {};
}

Result<std::uint64_t> Journal::append(JournalLine line) {
  line.seq = lines_.size() + 1;
  line.time = rfc3339(std::chrono::system_clock::now());
  line.boot_id = boot_id_;
  line.run = run_;
  const off_t whole = ::lseek(fd_.get(), 0, SEEK_END);
  if (auto written = write_all(fd_.get(), journal_line_text(line)); !written) {
    // Half a line on a full disk would swallow the next one.
    if (whole >= 0) (void)::ftruncate(fd_.get(), whole);
    return std::move(written).error();
  }
  lines_.push_back(std::move(line));
  return lines_.back().seq;
}

std::vector<JournalLine> standing_actions(
    const std::vector<JournalLine>& lines) {
  std::set<std::uint64_t> undone;
  for (const JournalLine& line : lines) {
    if (line.event == JournalEvent::kUndone) undone.insert(line.of);
  }
  std::vector<JournalLine> standing;
  for (const JournalLine& line : lines) {
    if (line.event == JournalEvent::kBegin && !undone.contains(line.seq)) {
      standing.push_back(line);
    }
  }
  return standing;
}

History history_of(const std::vector<JournalLine>& lines,
                   std::string_view run) {
  History history;
  std::set<std::uint64_t> done;
  std::set<std::uint64_t> failed;
  for (const JournalLine& line : lines) {
    if (line.event == JournalEvent::kDone) done.insert(line.of);
    if (line.event == JournalEvent::kFailed) failed.insert(line.of);
  }
  const std::vector<JournalLine> standing = standing_actions(lines);
  Unsettled unsettled;
  for (const JournalLine& line : lines) {
    unsettled.see(line, std::ranges::binary_search(standing, line.seq, {},
                                                   &JournalLine::seq));
  }
  history.unsettled = std::move(unsettled).files(run);
  for (const JournalLine& line : standing) {
    if (const auto* write = std::get_if<WriteFile>(&*line.action)) {
      remember_file(write->path, write->content, done.contains(line.seq),
                    history);
    } else if (const auto* remove = std::get_if<RemoveFile>(&*line.action)) {
      remember_file(remove->path, "", done.contains(line.seq), history);
    } else if (std::holds_alternative<SetUnit>(*line.action)) {
      remember_unit(line, done.contains(line.seq), history);
    } else if (std::holds_alternative<HoldPackages>(*line.action)) {
      remember_holds(line, done.contains(line.seq), history);
    } else if (const auto* make = std::get_if<MakeFilesystem>(&*line.action)) {
      history.half_made.erase(make->uuid);
      auto& attempted = history.attempted[make->uuid];
      for (const DiskIdentity& disk : make->disks) {
        attempted.insert(disk.serial);
      }
      if (done.contains(line.seq)) {
        history.made.insert(make->uuid);
        history.attempted.erase(make->uuid);
      }
      // A failure may be a refusal: the disk was somebody's by then.
      if (done.contains(line.seq) || failed.contains(line.seq)) continue;
      auto& serials = history.half_made[make->uuid];
      serials.clear();
      for (const DiskIdentity& disk : make->disks) {
        serials.push_back(disk.serial);
      }
    }
  }
  return history;
}

}  // namespace gpunode::provision
