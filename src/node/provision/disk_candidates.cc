#include "node/provision/disk_candidates.h"

#include <algorithm>
#include <string_view>

#include <fmt/format.h>

#include "base/text/node.h"
#include "node/provision/storage_choice.h"
#include "node/provision/wipe_confirmation.h"

namespace gpunode::provision {
namespace {

using facts::DiskFacts;
using Candidates = std::vector<DiskCandidate>;

constexpr std::string_view kIndent = "  #";

bool has_twin(const DiskFacts& disk, const facts::StorageFacts& storage) {
  return std::ranges::any_of(storage.disks, [&](const DiskFacts& other) {
    return &other != &disk && may_be_same_disk(identity_of(disk.device),
                                               identity_of(other.device));
  });
}

/// The order is that of choose_disks(): the gravest first.
std::string why_not(const DiskFacts& disk, const facts::StorageFacts& storage) {
  if (disk.is_system) return disk.in_use;
  if (has_twin(disk, storage)) {
    return "says the same of itself as another, serial and WWID too";
  }
  if (!disk.in_use.empty()) return disk.in_use;
  if (disk.needs_root) {
    return "was not looked at, which only root may: run this as root";
  }
  if (!disk.error.empty()) return "could not be looked at: " + disk.error;
  if (disk.device.read_only) return "is read-only";
  if (!disk.was_proved) return "was not looked at";
  if (!disk.is_blank) return disk.finding;
  if (!storage.root_is_known) {
    return "looks blank, but the disk of / was not found, and it might be any";
  }
  return "";
}

std::string line_of(const DiskCandidate& candidate) {
  std::string words = host::describe(candidate.disk->device);
  if (!candidate.why_not.empty()) words += ": " + candidate.why_not;
  // A mount point may have a newline in it, or what YAML takes for one, and the
  // line is to stay a comment.
  std::ranges::replace_if(
      words, [](char c) { return c < ' ' || c > '~'; }, '?');
  return fmt::format("{}   {}\n", kIndent, words);
}

std::string lines_of(const Candidates& candidates, bool good) {
  std::string text;
  for (const DiskCandidate& candidate : candidates) {
    if (candidate.why_not.empty() == good) text += line_of(candidate);
  }
  return text;
}

/// `select` names the good ones and no others.
std::string select_of(const Candidates& candidates) {
  Candidates good;
  std::ranges::copy_if(candidates, std::back_inserter(good),
                       [](const auto& one) { return one.why_not.empty(); });
  const auto is_ephemeral = [](const DiskCandidate& one) {
    return facts::is_cloud_ephemeral(one.disk->device.model);
  };
  const auto ephemeral = std::ranges::count_if(candidates, is_ephemeral);
  if (good.empty()) return "class: cloud-ephemeral";
  if (std::ranges::all_of(good, is_ephemeral) &&
      static_cast<std::size_t>(ephemeral) == good.size()) {
    return fmt::format("class: cloud-ephemeral, count: {}", good.size());
  }
  std::string serials;
  std::size_t named = 0;
  for (const DiskCandidate& one : good) {
    const std::string& serial = one.disk->device.serial;
    if (serial.empty()) continue;
    serials += (named++ == 0 ? "" : ", ") + text::json_string(serial);
  }
  // Nothing else than the model is left to tell them by.
  if (named == 0) {
    return fmt::format("model: {}, count: {}",
                       text::json_string(good.front().disk->device.model),
                       good.size());
  }
  return fmt::format("serials: [{}], count: {}", serials, named);
}

/// What the entry makes of more than one disk.
std::string layout_of(const Candidates& candidates) {
  const auto good = std::ranges::count_if(
      candidates, [](const auto& one) { return one.why_not.empty(); });
  if (good < 2) return "";
  return fmt::format(
      "{}     layout: raid0             # or lvm; single, with count 1, takes "
      "one\n",
      kIndent);
}

}  // namespace

Candidates disk_candidates(const facts::StorageFacts& storage) {
  const facts::DiskFilter any;
  Candidates candidates;
  for (const DiskFacts& disk : storage.disks) {
    if (!any.fits(disk.device)) continue;
    candidates.push_back({&disk, why_not(disk, storage)});
  }
  return candidates;
}

std::string storage_comment(const facts::StorageFacts& storage) {
  const Candidates candidates = disk_candidates(storage);
  std::string text = fmt::format(
      "{} Disks for containers, found by what does not change (never by "
      "nvme1n1).\n",
      kIndent);
  const std::string good = lines_of(candidates, true);
  const std::string bad = lines_of(candidates, false);
  if (!storage.is_known) {
    text +=
        fmt::format("{} Which disks this host has is not known.\n", kIndent);
  } else if (good.empty()) {
    text += fmt::format("{} None of this host's can be taken as it is{}\n",
                        kIndent, bad.empty() ? ": it has none." : ":");
  } else {
    text += fmt::format("{} Blank at a first look, so these can be taken:\n{}",
                        kIndent, good);
    if (!bad.empty()) text += fmt::format("{} These can't:\n", kIndent);
  }
  return text + bad +
         fmt::format(
             "{0} storage:\n"
             "{0}   - id: containerd\n"
             "{0}     select: {{{1}}}\n"
             "{2}"
             "{0}     filesystem: {{type: xfs, options: [noatime]}}\n"
             "{0}     mount: {{path: /var/lib/containerd}}\n"
             "{0}     existingData: migrate     # migrate | discard | "
             "refuse\n"
             "{0}     onBootBlank: reformat     # instance stores are "
             "blank after stop/start\n",
             kIndent, select_of(candidates), layout_of(candidates));
}

}  // namespace gpunode::provision
