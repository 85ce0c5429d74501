// What kubeadm says when it fails, in words that say what to do. Pure.
#pragma once

#include <string>
#include <string_view>

namespace gpunode::provision {

/// Why a `kubeadm join` failed that printed `output`, and what next. An output
/// that is not known is told by its end. `kubelet_fault`: what the kubelet that
/// it started ended with, which counts more.
std::string kubeadm_words(std::string_view output,
                          std::string_view kubelet_fault = "");

/// The last line of a kubelet's log with which it ended, without time and place
/// of it; empty if it did not.
std::string fatal_line(std::string_view log);

/// What a `kubeadm reset` that ended well says that it could not do; empty if
/// it says nothing of the kind.
std::string failed_in_reset(std::string_view output);

/// `text` without `secret`, whole or its part behind the dot.
std::string without_token(std::string text, std::string_view token);

}  // namespace gpunode::provision
