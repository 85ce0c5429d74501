#include "node/provision/journal.h"

#include <fcntl.h>
#include <unistd.h>

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
  TRY(const UniqueFd directory, root.make_directories(kStateDirectory));
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

History history_of(const std::vector<JournalLine>& lines) {
  History history;
  std::set<std::uint64_t> done;
  std::set<std::uint64_t> failed;
  for (const JournalLine& line : lines) {
    if (line.event == JournalEvent::kDone) done.insert(line.of);
    if (line.event == JournalEvent::kFailed) failed.insert(line.of);
  }
  for (const JournalLine& line : standing_actions(lines)) {
    if (const auto* write = std::get_if<WriteFile>(&*line.action)) {
      history.written[write->path] = write->content;
    } else if (const auto* remove = std::get_if<RemoveFile>(&*line.action)) {
      history.written[remove->path] = "";
    } else if (const auto* make = std::get_if<MakeFilesystem>(&*line.action)) {
      history.half_made.erase(make->uuid);
      if (done.contains(line.seq)) history.made.insert(make->uuid);
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
