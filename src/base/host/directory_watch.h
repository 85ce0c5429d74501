// Hearing what appears in and vanishes from one directory (inotify).
//
// For sockets that come and go (kubelet.sock) and for configuration, both
// edited in place and swapped by a link, as a mounted ConfigMap is (its
// "..data" is moved into place).
#pragma once

#include <string>
#include <vector>

#include "base/core/result.h"
#include "base/core/unique_fd.h"

namespace gpunode::host {

struct DirectoryEvent {
  enum class Kind {
    kCreated,  ///< `name` appeared: made, bound, linked or moved here.
    kWritten,  ///< `name` was closed by someone who had it open for writing.
    kRemoved,  ///< `name` was deleted or moved away.
    kGone,     ///< The directory itself; nothing more comes until rearm().
    kRescan,   ///< Events were lost; only looking tells what is there now.
  };
  Kind kind = Kind::kRescan;
  std::string name;  ///< Empty for kGone and kRescan.
};

/// Watches a directory, not what is below it. One thread at a time.
///
/// Look at the directory after open() and after rearm(): what happened before
/// is not reported. A socket is reported at bind(2), a moment before it can be
/// connected to.
class DirectoryWatch {
 public:
  /// Follows links in `path` once, now. kNotFound if there is no directory.
  static Result<DirectoryWatch> open(const std::string& path);

  /// Readable when take_events() has something to say. Valid for the life of
  /// the value, whatever happens to the directory.
  int fd() const { return inotify_.get(); }

  /// What happened since the last call, in order; never blocks.
  std::vector<DirectoryEvent> take_events();

  /// False after kGone.
  bool is_armed() const { return watch_ >= 0; }

  /// Watches whatever directory is at the path now; for after kGone.
  /// kNotFound if none is.
  Result<void> rearm();

 private:
  DirectoryWatch(std::string path, UniqueFd inotify)
      : path_(std::move(path)), inotify_(std::move(inotify)) {}

  std::string path_;
  UniqueFd inotify_;
  int watch_ = -1;
};

}  // namespace gpunode::host
