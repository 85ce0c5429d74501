#include "node/provision/tree_walk.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <memory>

#include <fts.h>

#include "base/core/error.h"

namespace gpunode::provision {
namespace {

int by_name(const FTSENT** a, const FTSENT** b) {
  return std::strcmp((*a)->fts_name, (*b)->fts_name);
}

bool is_skipped(const FTSENT& entry, const WalkOptions& options) {
  return entry.fts_level == 1 && options.skipped.contains(entry.fts_name);
}

}  // namespace

Result<void> walk_tree(
    const std::string& path, const WalkOptions& options,
    const std::function<Result<void>(const TreeEntry&)>& visit) {
  std::string top = path;
  std::array<char*, 2> paths = {top.data(), nullptr};
  const std::unique_ptr<FTS, int (*)(FTS*)> walk(
      ::fts_open(paths.data(), FTS_PHYSICAL | FTS_XDEV | FTS_NOCHDIR, &by_name),
      &::fts_close);
  if (!walk) return Error::from_errno("walk " + path, errno);
  for (errno = 0; FTSENT* entry = ::fts_read(walk.get()); errno = 0) {
    switch (entry->fts_info) {
      case FTS_DP:
        continue;  // Seen on the way in.
      case FTS_DNR:
      case FTS_ERR:
      case FTS_NS:
        if (options.is_live && entry->fts_errno == ENOENT &&
            entry->fts_level > FTS_ROOTLEVEL) {
          continue;
        }
        return Error::from_errno(std::string("walk ") + entry->fts_path,
                                 entry->fts_errno);
      default:
        break;
    }
    if (is_skipped(*entry, options)) {
      ::fts_set(walk.get(), entry, FTS_SKIP);
      continue;
    }
    TRY_VOID(visit({entry->fts_path,
                    std::string(entry->fts_path).substr(path.size()),
                    *entry->fts_statp}));
  }
  if (errno != 0) return Error::from_errno("walk " + path, errno);
  return {};
}

}  // namespace gpunode::provision
