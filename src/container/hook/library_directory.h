// The libraries in one directory of a root, as ldconfig would choose them.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/host/elf_file.h"
#include "base/host/root_directory.h"

namespace gpunode::hook {

/// Which file it is, by whatever name.
using FileId = std::pair<dev_t, ino_t>;

/// What ldconfig would enter for one soname of a directory. Passive data.
struct Library {
  std::string soname;
  std::string file_name;  ///< Of the file, or link, that was chosen for it.
  bool is_link = false;   ///< Then `file_name` is the soname itself.
  host::SharedObject object;
  FileId file{};
  /// The name `soname` is there and leads to a file.
  bool soname_exists = false;
  /// It does, but to another file than the one chosen.
  bool soname_is_other = false;
};

/// Reads directories of a root. Each file is read once, by however many names
/// it is found. Bounded: at most 65536 names a directory, 32768 files in all.
class LibraryScanner {
 public:
  explicit LibraryScanner(const host::RootDirectory& root) : root_(root) {}

  /// The libraries of a directory in the order of their sonames. None if it
  /// cannot be listed. What is no library, or is hostile, is left out.
  std::vector<Library> scan(const std::string& directory);

 private:
  struct Candidate {
    std::string name;
    bool is_link = false;
    FileId file{};
    host::SharedObject object;
  };

  std::optional<Candidate> look_at(int directory, const std::string& path,
                                   const std::string& name);
  const std::optional<host::SharedObject>& read(FileId id,
                                                const UniqueFd& path_fd);

  const host::RootDirectory& root_;
  std::map<FileId, std::optional<host::SharedObject>> read_;
};

}  // namespace gpunode::hook
