// systemd's names for paths: systemd-escape(1) --path.
#pragma once

#include <string>
#include <string_view>

namespace gpunode::provision {

/// unit_name("/var/lib/containerd", "mount") is "var-lib-containerd.mount".
/// Bytes other than letters, digits, ':', '_' and '.' become \xNN, as does a
/// '.' at the start.
std::string unit_name(std::string_view path, std::string_view suffix);

/// The whole name of a service that can be started: "containerd.service",
/// "kubelet@a.service"; no path, no short name, no template without instance
/// (systemd.unit(5)).
bool is_service_name(std::string_view name);

/// `text` as one word of ExecStart=: quoted, and systemd's own signs in it
/// (specifiers, variables) mean nothing.
std::string exec_word(std::string_view text);

}  // namespace gpunode::provision
