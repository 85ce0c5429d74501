#include "container/hook/cuda_compat.h"

#include <fcntl.h>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>

#include "base/host/elf_file.h"
#include "base/text/json_reader.h"
#include "container/hook/loader_config.h"

namespace gpunode::hook {
namespace {

constexpr std::string_view kSection = ".note.cuda.fwd_compatibility";
constexpr std::string_view kOwner = "NVIDIA Corporation";
constexpr std::string_view kLibrary = "libcuda.so.";

/// Takes the number and the dot at the front; 0 if there is none.
std::uint64_t take_component(std::string_view& version) {
  std::uint64_t value = 0;
  const std::size_t dot = std::min(version.find('.'), version.size());
  std::from_chars(version.data(), version.data() + dot, value);
  version.remove_prefix(std::min(dot + 1, version.size()));
  return value;
}

unsigned major_of(std::string_view version) {
  return static_cast<unsigned>(take_component(version));
}

/// A major written as a number or as text.
Result<unsigned> read_major(text::JsonReader& reader) {
  TRY(const text::JsonKind kind, reader.kind());
  if (kind != text::JsonKind::kString) {
    TRY(const std::size_t number, reader.whole_number());
    return static_cast<unsigned>(number);
  }
  TRY(const std::string version, reader.string());
  return major_of(version);
}

Result<void> read_drivers(text::JsonReader& reader, CompatNote& note) {
  TRY_VOID(reader.enter_array());
  for (;;) {
    TRY(const bool more, reader.next_item());
    if (!more) return {};
    const std::size_t at = reader.position();
    TRY(const unsigned major, read_major(reader));
    if (major == 0) return reader.fault(at, "not the major of a driver");
    note.driver_majors.push_back(major);
  }
}

bool is_version(std::string_view text) {
  return !text.empty() && text.front() != '.' && text.back() != '.' &&
         text.find("..") == std::string_view::npos &&
         text.find_first_not_of("0123456789.") == std::string_view::npos;
}

/// A library found in the root. Passive data.
struct Found {
  std::string directory;
  std::string version;
  UniqueFd file;
};

std::vector<Found> libraries_in(const host::RootDirectory& root,
                                const std::string& directory) {
  std::vector<Found> libraries;
  const std::string pattern = directory + "/" + std::string(kLibrary) + "*.*";
  for (const std::string& path : glob_in_root(root, pattern)) {
    auto file = root.open_file(path);
    if (!file) continue;
    const std::size_t slash = path.rfind('/');
    libraries.push_back({path.substr(0, slash),
                         path.substr(slash + 1 + kLibrary.size()),
                         *std::move(file)});
  }
  return libraries;
}

}  // namespace

Result<CompatNote> parse_compat_note(std::string_view json) {
  // A descriptor is padded with NULs.
  json = json.substr(0, json.find('\0'));
  text::JsonReader reader(json, "note of forward compatibility");
  CompatNote note;
  bool has_drivers = false;
  TRY_VOID(reader.enter_object());
  for (;;) {
    TRY(const auto key, reader.next_key());
    if (!key) break;
    TRY(const text::JsonKind kind, reader.kind());
    if (*key == "CUDA Version" && kind == text::JsonKind::kString) {
      TRY(note.cuda_version, reader.string());
    } else if (*key == "Driver") {
      TRY_VOID(read_drivers(reader, note));
      has_drivers = true;
    } else {
      TRY_VOID(reader.skip());
    }
  }
  TRY_VOID(reader.finish());
  if (!has_drivers) return reader.fault(0, "no Driver");
  return note;
}

int compare_versions(std::string_view left, std::string_view right) {
  while (!left.empty() || !right.empty()) {
    const std::uint64_t left_value = take_component(left);
    const std::uint64_t right_value = take_component(right);
    if (left_value != right_value) return left_value < right_value ? -1 : 1;
  }
  return 0;
}

bool should_use_compat(std::string_view version,
                       const std::optional<CompatNote>& note,
                       const HostVersions& host) {
  if (!is_version(version)) return false;
  if (!note) {
    return !host.driver.empty() && major_of(version) > major_of(host.driver);
  }
  if (!host.driver.empty()) {
    const auto& majors = note->driver_majors;
    return std::find(majors.begin(), majors.end(), major_of(host.driver)) !=
               majors.end() &&
           compare_versions(version, host.driver) > 0;
  }
  return !host.cuda.empty() && is_version(note->cuda_version) &&
         compare_versions(note->cuda_version, host.cuda) > 0;
}

std::optional<std::string> find_compat(const host::RootDirectory& root,
                                       const std::string& directory,
                                       const HostVersions& host,
                                       std::vector<std::string>& warnings) {
  if (host.driver.empty() && host.cuda.empty()) return std::nullopt;
  const std::vector<Found> found = libraries_in(root, directory);
  if (found.size() != 1) return std::nullopt;
  const Found& library = found.front();
  std::optional<CompatNote> note;
  const auto text = host::read_note_section(host::FileBytes(library.file.get()),
                                            kSection, kOwner);
  if (text) {
    auto parsed = parse_compat_note(*text);
    if (parsed) {
      note = *std::move(parsed);
    } else {
      warnings.push_back(host::printable(library.directory) +
                         ": not used: " + parsed.error().message());
      return std::nullopt;
    }
  } else if (text.error().code() != ErrorCode::kNotFound) {
    warnings.push_back(host::printable(library.directory) +
                       ": not used: " + text.error().message());
    return std::nullopt;
  }
  if (!should_use_compat(library.version, note, host)) return std::nullopt;
  return library.directory;
}

}  // namespace gpunode::hook
