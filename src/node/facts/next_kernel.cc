#include "node/facts/next_kernel.h"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>

#include "base/core/ascii.h"
#include "node/facts/host_text.h"

namespace gpunode::facts {
namespace {

constexpr std::size_t kTableLimitBytes = std::size_t{1} << 20U;
constexpr std::size_t kMostEntries = 256;

/// What may stand in a release, so that one can be told in a longer text.
bool is_of_release(char c) {
  return is_digit(c) || is_letter(c) || c == '.' || c == '_' || c == '+' ||
         c == '~';
}

/// Takes the run of characters off `text` that `fits`.
template <class Fits>
std::string_view take_run(std::string_view& text, Fits fits) {
  std::size_t size = 0;
  while (size < text.size() && fits(text[size])) ++size;
  const std::string_view run = text.substr(0, size);
  text.remove_prefix(size);
  return run;
}

std::string_view without_zeros(std::string_view digits) {
  digits.remove_prefix(std::min(digits.find_first_not_of('0'), digits.size()));
  return digits;
}

/// Below 0, 0, above 0: two runs of digits by value, of any length.
int compare_numbers(std::string_view a, std::string_view b) {
  a = without_zeros(a);
  b = without_zeros(b);
  if (a.size() != b.size()) return a.size() < b.size() ? -1 : 1;
  return a.compare(b);
}

/// Two texts that neither separate nor are early: takes a run off each.
int compare_runs(std::string_view& a, std::string_view& b) {
  // A number is newer than a word.
  if (is_digit(a.front()) != is_digit(b.front())) {
    return is_digit(a.front()) ? 1 : -1;
  }
  if (is_digit(a.front())) {
    return compare_numbers(take_run(a, is_digit), take_run(b, is_digit));
  }
  return take_run(a, is_letter).compare(take_run(b, is_letter));
}

/// As rpm compares: what separates does not count.
int compare_releases(std::string_view a, std::string_view b) {
  const auto separates = [](char c) {
    return !is_digit(c) && !is_letter(c) && c != '~';
  };
  for (;;) {
    take_run(a, separates);
    take_run(b, separates);
    const bool a_early = a.starts_with('~');
    const bool b_early = b.starts_with('~');
    if (a_early != b_early) return a_early ? -1 : 1;
    if (a_early) {
      a.remove_prefix(1);
      b.remove_prefix(1);
      continue;
    }
    if (a.empty() || b.empty()) {
      return static_cast<int>(!a.empty()) - static_cast<int>(!b.empty());
    }
    const int order = compare_runs(a, b);
    if (order != 0) return order;
  }
}

/// Whether `release` stands in `entry` as a whole.
bool names_release(std::string_view entry, std::string_view release) {
  for (std::size_t at = entry.find(release); at != std::string_view::npos;
       at = entry.find(release, at + 1)) {
    const std::size_t end = at + release.size();
    const bool begins = at == 0 || !is_of_release(entry[at - 1]);
    const bool ends = end == entry.size() || !is_of_release(entry[end]);
    if (begins && ends) return true;
  }
  return false;
}

std::string_view newest_of(const std::vector<std::string>& releases) {
  return *std::ranges::max_element(releases, is_older_release);
}

/// Of several that stand in `entry` the longest: 6.1.0-1 is in 6.1.0-1-rt.
std::string_view named_in(std::string_view entry,
                          const std::vector<std::string>& releases) {
  std::string_view found;
  for (const std::string& one : releases) {
    if (one.size() > found.size() && names_release(entry, one)) found = one;
  }
  return found;
}

/// "5.14.0-362.el9.x86_64" of "vmlinuz-5.14.0-362.el9.x86_64"; empty for what
/// is no kernel of this form, a rescue system, or a copy set aside.
std::string_view release_in_name(std::string_view name) {
  constexpr std::array<std::string_view, 4> kBegins = {"vmlinuz-", "vmlinux-",
                                                       "Image-", "image-"};
  for (const std::string_view begin : kBegins) {
    if (!name.starts_with(begin)) continue;
    name.remove_prefix(begin.size());
    for (const std::string_view end :
         {".old", ".bak", ".gz", ".dpkg-new", ".dpkg-tmp", ".rpmsave"}) {
      if (name.ends_with(end)) return {};
    }
    const bool is_rescue = name.find("rescue") != std::string_view::npos;
    return is_release(name) && !is_rescue ? name : std::string_view();
  }
  return {};
}

/// The release that an entry of the Boot Loader Specification starts.
std::string release_of_entry(std::string_view text) {
  std::string_view version;
  std::string_view image;
  while (!text.empty()) {
    std::string_view line = trimmed(take_line(text));
    const std::string_view key = line.substr(0, line.find_first_of(" \t"));
    line.remove_prefix(key.size());
    if (key == "version") version = trimmed(line);
    if (key == "linux") image = trimmed(line);
  }
  image.remove_prefix(std::min(image.rfind('/') + 1, image.size()));
  if (image.find("rescue") != std::string_view::npos) return {};
  const std::string_view named = release_in_name(image);
  if (!named.empty()) return std::string(named);
  // kernel-install's own layout: /MACHINE/VERSION/linux.
  const bool is_plain = image == "linux" || image == "vmlinuz";
  return is_plain && is_release(version) ? std::string(version) : std::string();
}

std::vector<std::string> releases_of_entries(const host::HostRoot& host) {
  const std::string directory = "/boot/loader/entries/";
  std::vector<std::string> releases;
  const auto names = host.list_directory(directory);
  if (!names) return releases;
  for (const std::string& name : *names) {
    if (!name.ends_with(".conf") || releases.size() == kMostEntries) continue;
    const auto text = host.read_file(directory + name, kTableLimitBytes);
    if (!text) continue;
    std::string release = release_of_entry(*text);
    if (!release.empty()) releases.push_back(std::move(release));
  }
  return releases;
}

std::vector<std::string> releases_of_boot(const host::HostRoot& host) {
  std::vector<std::string> releases;
  const auto names = host.list_directory("/boot");
  if (!names) return releases;
  for (const std::string& name : *names) {
    const std::string_view release = release_in_name(name);
    if (!release.empty() && host.exists("/boot/" + name)) {
      releases.emplace_back(release);
    }
  }
  return releases;
}

/// GRUB_DEFAULT as a shell would read it of /etc/default/grub: the last one,
/// quotes off.
std::string default_entry_of(std::string_view text) {
  std::string_view value;
  while (!text.empty()) {
    std::string_view line = trimmed(take_line(text));
    if (!line.starts_with("GRUB_DEFAULT=")) continue;
    line.remove_prefix(line.find('=') + 1);
    const bool is_quoted = line.size() >= 2 && line.front() == line.back() &&
                           (line.front() == '"' || line.front() == '\'');
    value = is_quoted ? line.substr(1, line.size() - 2) : line;
  }
  return std::string(value);
}

void read_grubenv(const host::HostRoot& host, BootChoice& choice) {
  for (const char* path : {"/boot/grub2/grubenv", "/boot/grub/grubenv"}) {
    const auto text = host.read_file(path, kTableLimitBytes);
    if (!text) continue;
    choice.next_entry = grub_variable(*text, "next_entry").value_or("");
    choice.saved_entry = grub_variable(*text, "saved_entry").value_or("");
    return;
  }
}

/// "nvidia.ko.xz", and Debian's names for several drivers side by side.
bool is_nvidia_module(std::string_view name) {
  for (const std::string_view end : {".xz", ".zst", ".gz"}) {
    if (name.ends_with(end)) name.remove_suffix(end.size());
  }
  if (!name.ends_with(".ko")) return false;
  name.remove_suffix(3);
  return name == "nvidia" || name.starts_with("nvidia-current") ||
         name.starts_with("nvidia-tesla") || name.starts_with("nvidia-legacy");
}

/// The parts of a driver beside its module have longer names.
bool is_beside(std::string_view name) {
  for (const char* part : {"-drm", "-modeset", "-uvm", "-peermem"}) {
    if (name.find(part) != std::string_view::npos) return true;
  }
  return false;
}

/// What a power cut leaves of a file that was just written: its name. No kernel
/// loads that. One that can't be read is somebody else's to tell.
bool is_empty_file(const host::HostRoot& host, const std::string& path) {
  const auto content = host.read_file(path, 1);
  return content && content->empty();
}

/// Looks for the module below `directory`, `depth` directories deep.
std::string find_module(const host::HostRoot& host,
                        const std::string& directory, int depth) {
  const auto names = host.list_directory(directory);
  if (!names) return {};
  for (const std::string& name : *names) {
    std::string path = fmt::format("{}/{}", directory, name);
    if (is_nvidia_module(name)) {
      // weak-updates are links, and what they name may be gone.
      if (!is_beside(name) && host.exists(path) && !is_empty_file(host, path)) {
        return path;
      }
    } else if (depth > 0 && name.find(".ko") == std::string::npos) {
      std::string found = find_module(host, path, depth - 1);
      if (!found.empty()) return found;
    }
  }
  return {};
}

/// "2", "1>2", or the id of a rescue system: what GRUB starts then is there,
/// and which kernel it is does not stand in it.
bool tells_no_kernel(std::string_view entry) {
  const bool is_place =
      entry.find_first_not_of("0123456789> ") == std::string_view::npos;
  return is_place || entry.find("rescue") != std::string_view::npos;
}

std::string other_with_module(const host::HostRoot& host,
                              const std::string& running) {
  const auto names = host.list_directory("/lib/modules");
  if (!names) return {};
  std::vector<std::string> releases = *names;
  std::erase(releases, running);
  std::ranges::sort(releases, [](const auto& a, const auto& b) {
    return is_older_release(b, a);
  });
  for (const std::string& release : releases) {
    if (!nvidia_module_of(host, release).empty()) return release;
  }
  return {};
}

std::vector<std::string> without_module(const host::HostRoot& host,
                                        std::vector<std::string> releases) {
  std::erase_if(releases, [&](const std::string& release) {
    return !nvidia_module_of(host, release).empty();
  });
  std::ranges::sort(releases, is_older_release);
  return releases;
}

}  // namespace

bool is_release(std::string_view text) {
  return !text.empty() && text.front() != '.' && text.size() < 200 &&
         std::ranges::all_of(
             text, [](char c) { return is_of_release(c) || c == '-'; });
}

bool is_older_release(std::string_view a, std::string_view b) {
  return compare_releases(a, b) < 0;
}

std::optional<std::string> grub_variable(std::string_view grubenv,
                                         std::string_view key) {
  if (!grubenv.starts_with("# GRUB Environment Block\n")) return std::nullopt;
  std::optional<std::string> value;
  while (!grubenv.empty()) {
    const std::string_view line = take_line(grubenv);
    if (line.size() > key.size() && line.starts_with(key) &&
        line[key.size()] == '=') {
      value = std::string(line.substr(key.size() + 1));
    }
  }
  return value;
}

NextKernel next_kernel_of(const BootChoice& choice) {
  if (choice.releases.empty()) return {"", "no kernel is seen in /boot"};
  const auto by_entry = [&](const std::string& entry,
                            const char* what) -> NextKernel {
    const std::string_view named = named_in(entry, choice.releases);
    if (!named.empty()) return {std::string(named), what};
    const std::string why = fmt::format(
        "{} is \"{}\", which names no kernel that is there", what, entry);
    if (tells_no_kernel(entry)) return {"", why};
    return {std::string(newest_of(choice.releases)),
            why + ": GRUB starts its first, the newest"};
  };
  if (!choice.next_entry.empty()) {
    return by_entry(choice.next_entry, "GRUB's next_entry");
  }
  const bool is_saved = choice.default_entry == "saved";
  const std::string& entry =
      is_saved ? choice.saved_entry : choice.default_entry;
  if (entry.empty() || entry == "0") {
    return {std::string(newest_of(choice.releases)),
            "the newest kernel, which GRUB starts first"};
  }
  return by_entry(entry, is_saved ? "GRUB's saved_entry"
                                  : "GRUB_DEFAULT of /etc/default/grub");
}

BootChoice read_boot_choice(const host::HostRoot& host) {
  BootChoice choice;
  choice.releases = releases_of_entries(host);
  const bool has_entries = !choice.releases.empty();
  if (!has_entries) choice.releases = releases_of_boot(host);
  read_grubenv(host, choice);
  const auto defaults = host.read_file("/etc/default/grub", kTableLimitBytes);
  if (defaults) choice.default_entry = default_entry_of(*defaults);
  // The distributions with such entries keep the choice in grubenv.
  if (choice.default_entry.empty() && has_entries) {
    choice.default_entry = "saved";
  }
  return choice;
}

std::string nvidia_module_of(const host::HostRoot& host,
                             const std::string& release) {
  if (!is_release(release)) return {};
  const std::string modules = "/lib/modules/" + release;
  constexpr int kDeep = 4;
  for (const char* below :
       {"/updates", "/extra", "/weak-updates", "/kernel/drivers/video"}) {
    std::string found = find_module(host, modules + below, kDeep);
    if (!found.empty()) return found;
  }
  // Ubuntu's modules, built before: kernel/nvidia-535/nvidia.ko.
  const auto names = host.list_directory(modules + "/kernel");
  if (!names) return {};
  for (const std::string& name : *names) {
    if (!name.starts_with("nvidia")) continue;
    std::string found =
        find_module(host, fmt::format("{}/kernel/{}", modules, name), 1);
    if (!found.empty()) return found;
  }
  return {};
}

KernelModules look_at_kernel_modules(const host::HostRoot& host) {
  KernelModules kernels;
  kernels.running = read_value(host, "/proc/sys/kernel/osrelease");
  kernels.running_module = nvidia_module_of(host, kernels.running);
  kernels.is_loaded = host.exists("/sys/module/nvidia");
  const BootChoice choice = read_boot_choice(host);
  kernels.next = next_kernel_of(choice);
  kernels.next_module = nvidia_module_of(host, kernels.next.release);
  if (kernels.running_module.empty()) {
    kernels.other_with_module = other_with_module(host, kernels.running);
    kernels.is_of_container =
        kernels.is_loaded && host.exists("/run/nvidia/driver/usr");
  }
  if (kernels.next.release.empty()) {
    kernels.without_module = without_module(host, choice.releases);
  }
  return kernels;
}

}  // namespace gpunode::facts
