// The CDI specs of a node, and what a container gets for the names it asks.
#pragma once

#include <array>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/core/result.h"
#include "base/host/host_root.h"
#include "container/cdi/spec.h"

namespace gpunode::cdi {

/// Where CDI specs are if nobody says otherwise; the later directory wins.
inline constexpr std::array<const char*, 2> kSpecDirectories = {"/etc/cdi",
                                                                "/var/run/cdi"};

/// Every device of every spec. Immutable and a value.
class Registry {
 public:
  /// Reads each *.json and *.yaml of `directories`, in that order. A device of
  /// a later directory replaces one of an earlier; in one directory, a device
  /// that two files have is a conflict and cannot be resolved. A directory that
  /// is not there has no specs. What cannot be read is a problem(), and costs
  /// no other file.
  static Registry load(const host::HostRoot& host,
                       std::span<const std::string> directories);

  struct Listed {
    std::string name;  ///< Qualified.
    std::string path;  ///< Of the spec that has it.
  };

  /// All devices that can be resolved, in byte order of their names.
  std::vector<Listed> devices() const;
  std::vector<std::string> device_names() const;

  /// What a container is given that asks for `names`, in order: each spec's
  /// common edits once, before its first device asked for. A name that is
  /// there twice counts once. Fails with kNotFound and NVIDIA's words,
  /// "unresolvable CDI devices a/b=c, a/b=d", and for each why.
  Result<ContainerEdits> resolve(std::span<const std::string> names) const;

  /// One line each: what was not read and why, and conflicts.
  const std::vector<std::string>& problems() const { return problems_; }

 private:
  struct Place {
    std::size_t directory = 0;
    std::size_t spec = 0;    ///< In specs_.
    std::size_t device = 0;  ///< In its devices.
    std::string conflict;    ///< Empty, or why the name means nothing.
  };
  struct Loaded {
    std::string path;
    Spec spec;
  };

  void load_directory(const host::HostRoot& host, const std::string& directory,
                      std::size_t number);
  void add(Loaded loaded, std::size_t directory);
  std::string why_not(std::string_view name) const;

  std::vector<std::string> directories_;
  std::vector<Loaded> specs_;
  std::map<std::string, Place, std::less<>> devices_;
  std::vector<std::string> problems_;
};

/// Appends `from` to `to`, list by list.
void append(ContainerEdits& to, const ContainerEdits& from);

}  // namespace gpunode::cdi
