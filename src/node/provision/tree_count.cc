#include "node/provision/tree_count.h"

#include <sys/stat.h>

#include <array>
#include <cerrno>
#include <memory>
#include <set>
#include <utility>

#include <fts.h>

#include "base/core/error.h"

namespace gpunode::provision {

Result<TreeCount> count_tree(const std::string& path,
                             const std::set<std::string>& skipped) {
  constexpr std::uint64_t kStatBlockBytes = 512;
  std::string name = path;
  std::array<char*, 2> paths = {name.data(), nullptr};
  const std::unique_ptr<FTS, int (*)(FTS*)> walk(
      ::fts_open(paths.data(), FTS_PHYSICAL | FTS_XDEV | FTS_NOCHDIR, nullptr),
      &::fts_close);
  if (!walk) return Error::from_errno("count " + path, errno);
  TreeCount count;
  std::set<std::pair<dev_t, ino_t>> seen;
  for (errno = 0; FTSENT* entry = ::fts_read(walk.get()); errno = 0) {
    switch (entry->fts_info) {
      case FTS_DP:
        continue;  // Seen on the way in.
      case FTS_DNR:
      case FTS_ERR:
      case FTS_NS:
        return Error::from_errno(std::string("count ") + entry->fts_path,
                                 entry->fts_errno);
      default:
        break;
    }
    if (entry->fts_level == FTS_ROOTLEVEL) continue;
    if (entry->fts_level == 1 && skipped.contains(entry->fts_name)) {
      ::fts_set(walk.get(), entry, FTS_SKIP);
      continue;
    }
    ++count.entries;
    const struct stat& status = *entry->fts_statp;
    if (!S_ISREG(status.st_mode)) continue;
    if (status.st_nlink > 1 &&
        !seen.emplace(status.st_dev, status.st_ino).second) {
      ++count.linked;
      continue;
    }
    count.content_bytes += static_cast<std::uint64_t>(status.st_size);
    count.disk_bytes +=
        static_cast<std::uint64_t>(status.st_blocks) * kStatBlockBytes;
  }
  if (errno != 0) return Error::from_errno("count " + path, errno);
  return count;
}

}  // namespace gpunode::provision
