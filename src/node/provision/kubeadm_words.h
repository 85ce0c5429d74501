// What kubeadm says when it fails, in words that say what to do. Pure.
#pragma once

#include <string>
#include <string_view>

namespace gpunode::provision {

/// What the kubelet that kubeadm started has to say, each without time and
/// place in its source.
struct KubeletWords {
  std::string fault = {};      ///< It ended with that; empty: it did not end.
  std::string complaint = {};  ///< The last thing that the cluster refused it.
};

/// Of the kubelet's log.
KubeletWords kubelet_words(std::string_view log);

/// Why a `kubeadm join` failed that printed `output`, and what next. An output
/// that is not known is told by its end. What the kubelet ended with counts
/// more; what it complains of, where kubeadm has waited for it in vain.
std::string kubeadm_words(std::string_view output,
                          const KubeletWords& kubelet = {});

/// What a `kubeadm reset` that ended well says that it could not do; empty if
/// it says nothing of the kind.
std::string failed_in_reset(std::string_view output);

/// `text` without `secret`, whole or its part behind the dot.
std::string without_token(std::string text, std::string_view token);

}  // namespace gpunode::provision
