// The program that a container starts with, and whether /etc/ld.so.preload
// means anything to it.
//
// glibc's loader alone reads that file. What cannot be told of an image is
// left as it is: the container fails by itself, or runs as it did.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/host/root_directory.h"

namespace gpunode::hook {

/// What the image says of the program. Passive data.
struct FirstProgram {
  enum class Loader {
    kUnknown,  ///< Not there, no program, or in a volume that is not seen.
    kGlibc,
    kNone,   ///< A static program.
    kMusl,   ///< Reads no such file.
    kNix,    ///< Reads /etc/ld-nix.so.preload.
    kOther,  ///< Of some other C library.
  };

  std::string path;  ///< In the container; of a script, its interpreter's.
  Loader loader = Loader::kUnknown;
  /// Another than `native_machine()`.
  bool is_foreign = false;
  /// The root has glibc's loader at the place where this machine's programs
  /// look for it.
  bool has_glibc = false;
};

/// What it is started with.
struct StartWords {
  std::vector<std::string> args;
  std::string search_path;  ///< PATH of its environment.
  std::string directory;    ///< Its working directory.
  /// Where volumes are mounted which this root does not show, as config.json
  /// has it.
  std::vector<std::string> volumes;
};

/// Looks, as execvp does, at the program beneath `root`, which may be anything:
/// no more than a few pages are read of a file, and nothing outside. `machine`:
/// as EM_*.
FirstProgram find_first_program(const host::RootDirectory& root,
                                const StartWords& words, std::uint16_t machine);

/// Of the machine that this runs on, as EM_*.
std::uint16_t native_machine();

/// Why no program of the container will load what its ld.so.preload names;
/// empty if some may. A static program, or one of musl, in an image that has
/// glibc is taken for what starts others (tini, s6): those load it.
std::string why_not_preloaded(const FirstProgram& program);

}  // namespace gpunode::hook
