// A directory taken for "/", held open, and changed without ever leaving it.
//
// Meant for the root of a container: whoever made the image, or shares a volume
// with it, may put any link at any name and change it while we work. So no path
// is used twice: it is resolved to a descriptor once (root_walk.h), and what is
// created, is created in that descriptor under a name that nobody can make a
// link of first.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/core/result.h"
#include "base/core/unique_fd.h"
#include "base/host/file.h"

namespace gpunode::host {

/// What a change came to.
enum class Change { kNone, kMade };

struct FileOwner {
  uid_t user = 0;
  gid_t group = 0;
};

/// An extended attribute: "security.selinux", "user.owner".
struct FileAttribute {
  std::string name;
  std::string value;  ///< Any bytes.

  friend bool operator==(const FileAttribute&, const FileAttribute&) = default;
};

/// How a file is to be, apart from its bytes.
struct FileForm {
  mode_t mode = 0644;  ///< Whatever the umask.
  /// Nothing: who makes it.
  std::optional<FileOwner> owner = std::nullopt;
  Durability durability = Durability::kVolatile;
  /// Other processes may write the same file at the same time: each gets a
  /// temporary file of its own, and a killed one leaves it behind.
  bool has_rivals = false;
  /// Set on a new file, before anybody can see it; what is there besides (by
  /// inheritance, say) stays. A file that has all of them is as it should be.
  std::vector<FileAttribute> attributes = {};
};

/// Paths are given with or without a leading slash and mean the same; "." and
/// ".." in them are taken as text, before any link is followed. Errors name the
/// path inside the root, with control characters escaped. Const methods may be
/// called from any thread.
class RootDirectory {
 public:
  /// `directory` is a path of this process, opened as any program would. The
  /// root of the process itself is refused (kInvalidArgument), by whatever name
  /// and through whatever link it is given: a mistake in a path must not turn
  /// work on a container into work on the host.
  static Result<RootDirectory> open(const std::string& directory);

  /// Takes a directory that is open already.
  explicit RootDirectory(UniqueFd fd) : fd_(std::move(fd)) {}

  int fd() const { return fd_.get(); }

  /// open(2), `flags` without O_CREAT; O_CLOEXEC is added. With anything but
  /// O_PATH this opens whatever is there, device nodes included.
  Result<UniqueFd> open_path(const std::string& path, int flags) const;

  /// A regular file for reading; anything else is kInvalidArgument and is not
  /// opened, so that a FIFO cannot hold us and no device notices. Nor are files
  /// of /proc, /sys and the like, which only look regular.
  Result<UniqueFd> open_file(const std::string& path) const;

  /// The whole of a regular file; more than `limit_bytes` is kCorrupt.
  Result<std::string> read_file(const std::string& path,
                                std::size_t limit_bytes) const;

  /// Something is there, links followed inside the root.
  bool exists(const std::string& path) const;

  /// Names in a directory in the order of their bytes, without "." and "..".
  /// More than `limit` names are kCorrupt.
  Result<std::vector<std::string>> list_directory(const std::string& path,
                                                  std::size_t limit) const;

  /// The directory `path` as an O_PATH descriptor, made with its parents (mode
  /// 0755, less the umask) where missing. Links to what is missing are
  /// followed, and that is made.
  Result<UniqueFd> make_directories(const std::string& path) const;

  /// Where `path` leads with every link followed: a path inside the root that
  /// has none. kNotFound if nothing is there. Needs /proc.
  Result<std::string> resolve(const std::string& path) const;

  /// Mode, owner and every extended attribute of the regular file `path`, for
  /// making another like it. Links are followed. Attributes that the file
  /// system does not have are none.
  Result<FileForm> form_of(const std::string& path) const;

  /// Makes `path` a regular file with exactly these bytes and of this form, by
  /// a temporary file beside it and a rename; parents are made. A link at
  /// `path` is replaced, not followed. Nothing is touched if it is so already.
  Result<Change> replace_file(const std::string& path, std::string_view bytes,
                              const FileForm& form) const;
  Result<Change> replace_file(const std::string& path, std::string_view bytes,
                              mode_t mode) const {
    return replace_file(path, bytes, FileForm{.mode = mode});
  }

  /// Makes `path` a link with the text `target`, which is not resolved, in the
  /// same way.
  Result<Change> replace_link(const std::string& path,
                              const std::string& target) const;

  /// Makes the device node `path` with exactly this mode (S_IFCHR | 0666);
  /// parents are made. kAlreadyExists if anything is there. Needs /proc.
  Result<void> make_device(const std::string& path, mode_t mode_and_kind,
                           dev_t device) const;

  /// Removes the file or link `path`; that it is not there is no failure.
  Result<Change> remove_file(
      const std::string& path,
      Durability durability = Durability::kVolatile) const;

  /// The file system of `path`, or of its nearest parent that exists, is
  /// mounted read-only.
  bool is_read_only(const std::string& path) const;

 private:
  UniqueFd fd_;
};

/// A regular file for reading, named by `directory` and `name`; a link is not
/// followed. What is not regular is not opened. See open_file.
Result<UniqueFd> open_file_at(int directory, const std::string& name);

/// Opens for reading what an O_PATH descriptor of a regular file stands for.
/// Needs /proc. kInvalidArgument for anything else; see open_file.
Result<UniqueFd> reopen_file(const UniqueFd& path_fd, std::string_view shown);

/// At most `limit_bytes` from the start of an open file; more is kCorrupt.
Result<std::string> read_all(int fd, std::size_t limit_bytes,
                             std::string_view shown);

/// `text` as it may be shown: at most 256 bytes, control characters escaped.
std::string printable(std::string_view text);

}  // namespace gpunode::host
