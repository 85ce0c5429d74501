// Which directories a disk may be mounted over.
//
// A mount hides what is below it. So where a distribution keeps what a boot
// needs, what packages brought and what they keep track of, no disk goes;
// anywhere else it may: images and containers, logs of Pods, a directory that a
// person made.
#pragma once

#include <string>
#include <string_view>

namespace gpunode::provision {

/// Why no disk may be mounted at `path`, with what would do instead: "a disk
/// over /usr/x would take …". Empty if one may. `path` is absolute and plain:
/// no "..", "//" or slash at its end. Pure: whether a part of it is a link, the
/// facts tell.
std::string why_no_mount_place(std::string_view path);

/// `inner` is `outer` or below it.
bool is_within(std::string_view inner, std::string_view outer);

}  // namespace gpunode::provision
