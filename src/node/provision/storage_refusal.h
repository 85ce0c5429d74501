// What an entry of spec.storage may not say, since a typo or a disk that does
// not come would then cost more than the disk.
#pragma once

#include <string>
#include <string_view>

namespace gpunode::provision {

/// Why `option` is none of a data disk's, "mount option \"x\" …"; "" if it may
/// be one. What the file system itself makes of it the kernel knows.
std::string why_no_mount_option(std::string_view option);

/// Why nothing may keep the service `user` from starting; "" if a disk may.
std::string why_no_storage_user(std::string_view user);

}  // namespace gpunode::provision
