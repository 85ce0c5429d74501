// By what several disks are known to have been put together by us.
//
// Names of arrays and volume groups are anybody's. So the array's UUID and that
// of each physical volume are chosen before anything is made, from the file
// system's UUID, which the journal has; a member is ours if its disk is one of
// the journal's, by serial, and carries that UUID and nothing else.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/host/blank_proof.h"
#include "base/host/disk_signature.h"

namespace gpunode::provision {

/// What arrays and volume groups are called: after the file system, so that two
/// hosts' disks in one chassis do not collide.
std::string layout_name(std::string_view filesystem_uuid);

/// The UUID of the md array, as libblkid writes it (8-4-4-4-12).
std::string array_uuid(std::string_view filesystem_uuid);

/// The same as mdadm reads it: four groups of eight.
std::string mdadm_uuid(std::string_view array_uuid);

/// The UUID of the physical volume on this disk, by serial and WWID, as LVM
/// writes it (6-4-4-4-4-4-6).
std::string volume_uuid(std::string_view filesystem_uuid,
                        const host::DiskIdentity& disk);

/// 32 characters in LVM's groups.
std::string in_volume_groups(std::string_view characters);

/// Something was found, and all of it is our layout's member on this disk.
/// A volume that was made when a WWID was not asked for is ours by the serial.
bool is_our_member(const std::vector<host::DiskSignature>& signatures,
                   std::string_view filesystem_uuid,
                   const host::DiskIdentity& disk);

/// Nothing was found but the file system itself, whole or half made.
bool is_only_filesystem(const std::vector<host::DiskSignature>& signatures,
                        std::string_view filesystem_uuid);

/// Stands in a plan for the proof of a disk that an unfinished attempt of ours
/// holds: not what is on it is compared then, but whose it is.
std::string unfinished_proof(std::string_view filesystem_uuid);

}  // namespace gpunode::provision
