// Small texts of a host: attributes of sysfs, tables of /proc.
#pragma once

#include <string>
#include <string_view>

#include "base/core/result.h"
#include "base/host/host_root.h"

namespace gpunode::facts {

/// `text` without white space around it.
std::string_view trimmed(std::string_view text);

/// A line off `text`, without its end; `text` must not be empty.
std::string_view take_line(std::string_view& text);

/// The last line of `text` that says something; "" if none does.
std::string last_line(std::string_view text);

/// Up to `separator`, which goes as well; all if there is none.
std::string_view take_until(std::string_view& text, char separator);

/// A file of one value, as sysfs has them, trimmed; "" if it cannot be read.
std::string read_value(const host::HostRoot& host, const std::string& path);

/// `text` with the paths of the host as they are there: where it is mounted
/// here is no fact of it.
std::string inside(const host::HostRoot& host, std::string text);

/// The cause alone of an error that HostRoot gave for `path`, "permission
/// denied".
std::string cause_of(const host::HostRoot& host, const std::string& path,
                     const Error& error);

}  // namespace gpunode::facts
