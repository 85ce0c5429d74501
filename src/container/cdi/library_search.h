// The libraries of a driver: which directories have them, and which links lead
// to them.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "container/cdi/driver_directory.h"
#include "container/cdi/driver_files.h"

namespace gpunode::cdi {

/// One search in one root. Adds to a DriverFiles.
class LibrarySearch {
 public:
  LibrarySearch(const DriverSearch& search, DriverFiles& found)
      : search_(search), found_(found) {}

  /// Opens the candidate directories, settles found.version and adds every
  /// library of that version with its links. Says in found.problems why there
  /// is none, or that the libraries are not those of the loaded module.
  void run();

  /// The directories with 64-bit libraries of the driver, in search order.
  const std::vector<std::string>& library_directories() const {
    return library_directories_;
  }

 private:
  void open_directories();
  void settle_version();
  void add_matching(const DriverDirectory& directory);
  void add_vdpau(const DriverDirectory& directory);
  void add_gbm(const DriverDirectory& directory);
  void add_additional();
  void add(const DriverDirectory& directory,
           const DriverDirectory::Entry& entry,
           std::optional<DriverCapabilities> capabilities = std::nullopt);
  void add_links(const DriverDirectory& directory, const DriverFile& library,
                 std::string soname);
  void add_link(const DriverFile& library, const std::string& name,
                const std::string& target);
  Result<host::SharedObject> shared_object(const std::string& path) const;
  bool is_wanted(std::string_view name) const;
  void explain_absence();

  const DriverSearch& search_;
  DriverFiles& found_;
  std::vector<DriverDirectory> directories_;
  std::set<DriverDirectory::Identity> seen_;
  std::vector<std::string> library_directories_;
};

/// The name up to ".so": "libcuda" of "libcuda.so.1"; empty if it has none.
std::string_view stem_of(std::string_view library);

/// "550.163.01" of "libcuda.so.550.163.01": what follows ".so." if that is
/// numbers with dots between them, two at least; empty otherwise.
std::string_view version_of(std::string_view library);

}  // namespace gpunode::cdi
