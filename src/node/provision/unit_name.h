// systemd's names for paths: systemd-escape(1) --path.
#pragma once

#include <string>
#include <string_view>

namespace gpunode::provision {

/// unit_name("/var/lib/containerd", "mount") is "var-lib-containerd.mount".
/// Bytes other than letters, digits, ':', '_' and '.' become \xNN, as does a
/// '.' at the start.
std::string unit_name(std::string_view path, std::string_view suffix);

}  // namespace gpunode::provision
