#include "container/hook/first_program.h"

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>
#include <utility>

#include <elf.h>
#include <fmt/format.h>

#include "base/host/elf_file.h"
#include "container/hook/image_view.h"

namespace gpunode::hook {
namespace {

using Loader = FirstProgram::Loader;

// What runc and crun take where the environment has none.
constexpr std::string_view kDefaultPath =
    "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
// BINPRM_BUF_SIZE and the depth of interpreters of Linux.
constexpr std::size_t kScriptLine = 256;
constexpr unsigned kMostScripts = 4;
constexpr std::size_t kMostFolders = 64;

/// The interpreter that a file of this start names: "#! /bin/sh -e".
std::optional<std::string> interpreter_of(std::string_view start) {
  if (!start.starts_with("#!")) return std::nullopt;
  start.remove_prefix(2);
  start = start.substr(0, start.find_first_of(std::string_view("\n\0", 2)));
  const std::size_t begin = start.find_first_not_of(" \t");
  if (begin == std::string_view::npos) return std::nullopt;
  start.remove_prefix(begin);
  return std::string(start.substr(0, start.find_first_of(" \t")));
}

class ProgramSearch {
 public:
  ProgramSearch(const host::RootDirectory& root, const StartWords& words,
                std::uint16_t machine)
      : root_(root),
        words_(words),
        machine_(machine),
        view_(root, words.volumes) {}

  FirstProgram run() {
    FirstProgram program;
    // One that a volume hides may be there.
    program.has_glibc = loader_at(native_loader()) == Loader::kGlibc ||
                        view_.locate(native_loader()).where == Where::kVolume;
    std::optional<std::string> path = find_command();
    for (unsigned scripts = 0; path && scripts <= kMostScripts; ++scripts) {
      program.path = *path;
      path = look(program);
    }
    return program;
  }

 private:
  using Where = ImageView::Place::Where;

  /// A path of the root; nothing if a volume hides it, or nothing is there.
  std::optional<std::string> visible(const std::string& path) const {
    const auto place = view_.locate(path);
    if (place.where != Where::kImage) return std::nullopt;
    return place.path;
  }

  /// As the program finds it that has this working directory.
  std::string absolute(std::string_view path) const {
    if (path.starts_with('/')) return std::string(path);
    return fmt::format("/{}/{}", words_.directory, path);
  }

  /// execve takes it, be it for another user.
  bool is_executable(const std::string& path) const {
    const auto file = root_.open_file(path);
    struct stat status {};
    return file && ::fstat(file->get(), &status) == 0 &&
           (status.st_mode & (S_IXUSR | S_IXGRP | S_IXOTH)) != 0;
  }

  /// The file that execvp would take.
  std::optional<std::string> find_command() const {
    if (words_.args.empty() || words_.args.front().empty()) return {};
    const std::string& name = words_.args.front();
    if (name.find('/') != std::string::npos) return absolute(name);
    std::string_view folders =
        words_.search_path.empty() ? kDefaultPath : words_.search_path;
    for (std::size_t count = 0; count < kMostFolders; ++count) {
      const std::size_t colon = folders.find(':');
      // An empty one is the working directory, at the end of PATH, too.
      const std::string path =
          fmt::format("{}/{}", absolute(folders.substr(0, colon)), name);
      const auto place = view_.locate(path);
      // What a volume has of that name would come first.
      if (place.where == Where::kVolume) return std::nullopt;
      if (place.where == Where::kImage && is_executable(place.path)) {
        return path;
      }
      if (colon == std::string_view::npos) break;
      folders.remove_prefix(colon + 1);
    }
    return std::nullopt;
  }

  /// Fills in what is known of `program.path`; the interpreter, if it is a
  /// script.
  std::optional<std::string> look(FirstProgram& program) const {
    const auto resolved = visible(program.path);
    if (!resolved) return std::nullopt;
    const auto file = root_.open_file(*resolved);
    if (!file) return std::nullopt;
    const host::FileBytes bytes(file->get());
    if (auto interpreter = interpreter_of(first_line(bytes))) {
      return interpreter;
    }
    const auto elf = host::read_program(bytes);
    if (!elf) return std::nullopt;
    program.is_foreign = elf->machine != machine_;
    program.loader = elf->interpreter.empty() ? as_loader(*resolved, bytes)
                                              : loader_at(elf->interpreter);
    return std::nullopt;
  }

  static std::string first_line(const host::ByteSource& bytes) {
    std::string start(kScriptLine, '\0');
    std::size_t size = start.size();
    while (size > 0 && !bytes.read_at(0, {start.data(), size})) --size;
    start.resize(size);
    return start;
  }

  std::string native_loader() const {
    return machine_ == EM_AARCH64 ? "/lib/ld-linux-aarch64.so.1"
                                  : "/lib64/ld-linux-x86-64.so.2";
  }

  /// Of a program that names no loader: one that is started by hand, with the
  /// program as its argument, does what it does for others.
  static Loader as_loader(const std::string& resolved,
                          const host::ByteSource& bytes) {
    const auto object = host::read_shared_object(bytes);
    if (!object) return Loader::kNone;
    if (object->soname.starts_with("libc.musl-") ||
        object->soname.starts_with("ld-musl-")) {
      return Loader::kMusl;
    }
    if (!object->soname.starts_with("ld-linux")) return Loader::kNone;
    return resolved.starts_with("/nix/store/") ? Loader::kNix : Loader::kGlibc;
  }

  /// Told by what it calls itself: gcompat puts one of its own at glibc's
  /// place.
  Loader loader_at(const std::string& path) const {
    const auto resolved = visible(path);
    if (!resolved) return Loader::kUnknown;
    const std::string_view name =
        std::string_view(path).substr(path.rfind('/') + 1);
    if (name.starts_with("ld-musl-")) return Loader::kMusl;
    if (resolved->starts_with("/nix/store/")) return Loader::kNix;
    const auto file = root_.open_file(*resolved);
    if (!file) return Loader::kUnknown;
    const auto object = host::read_shared_object(host::FileBytes(file->get()));
    if (!object) return Loader::kUnknown;
    return object->soname.starts_with("ld-linux") ? Loader::kGlibc
                                                  : Loader::kOther;
  }

  const host::RootDirectory& root_;
  const StartWords& words_;
  std::uint16_t machine_;
  ImageView view_;
};

}  // namespace

FirstProgram find_first_program(const host::RootDirectory& root,
                                const StartWords& words,
                                std::uint16_t machine) {
  return ProgramSearch(root, words, machine).run();
}

std::uint16_t native_machine() {
#if defined(__aarch64__)
  return EM_AARCH64;
#else
  return EM_X86_64;
#endif
}

std::string why_not_preloaded(const FirstProgram& program) {
  if (program.loader == Loader::kUnknown || program.has_glibc) return {};
  const std::string shown = host::printable(program.path);
  if (program.is_foreign) {
    return shown + " is of another machine than the node's";
  }
  switch (program.loader) {
    case Loader::kUnknown:
    case Loader::kGlibc:
      break;
    case Loader::kNone:
      return shown + " is a static program";
    case Loader::kMusl:
      return shown + " is of musl, whose loader preloads nothing";
    case Loader::kNix:
      return shown + " has a loader of Nix, which reads no /etc/ld.so.preload";
    case Loader::kOther:
      return shown + " has another loader than glibc's";
  }
  return {};
}

}  // namespace gpunode::hook
