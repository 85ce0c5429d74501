// Whose a block of xfs is.
//
// Since version 5 each block of metadata says which file system it belongs to
// ("XFS Algorithms & Data Structures", self-describing metadata). So what an
// mkfs.xfs that was cut off has left is known, even where its superblock is not
// there.
#pragma once

#include <string>
#include <string_view>

namespace gpunode::host {

/// The UUID that the block of metadata at the start of `bytes` carries: of a
/// superblock, a header of an allocation group, a B-tree, an inode or the log.
/// "" if it is none of these. Reads nothing but `bytes`, which may be any.
std::string xfs_block_uuid(std::string_view bytes);

}  // namespace gpunode::host
