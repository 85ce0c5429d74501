// For tests: a host with disks of files, and mdadm, LVM and mkfs.xfs on it that
// can be cut off between any two things that they do.
//
// They write what the real ones write as far as libblkid and our readers look
// at it, and refuse what the real ones refuse without --force. Like the kernel,
// the host shows in /sys what stands on a disk; like a boot, boot() forgets all
// that and puts together what it finds on the disks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/host/command_runner.h"
#include "base/host/host_tree.h"

namespace gpunode::provision {

/// Thrown where the power is cut.
struct PowerCut {};

class LayoutHost final : public host::CommandRunner {
 public:
  /// Of what is smaller than a floppy disk libblkid tells less.
  static constexpr std::uint64_t kDiskBytes = std::uint64_t{1536} << 10U;

  /// NVMe disks "nvme<i>n1" of these serials, blank, and a system disk.
  explicit LayoutHost(const std::vector<std::string>& serials);

  host::HostRoot root() const { return tree_.root(); }
  void file(const std::string& path, const std::string& text) const {
    tree_.file(path, text);
  }

  /// The power fails, or the tool does, when so many more things were done;
  /// negative: never.
  void cut_after(int things) { cut_ = things; }
  void fail_after(int things) { fail_ = things; }
  /// The tool has failed since fail_after().
  bool has_failed() const { return fail_ == 0; }

  /// What starts what is on the disks.
  enum class Starter {
    kNobody,
    kWhole,       ///< Only what is whole.
    kIncomplete,  ///< An array without all its disks as well, inactive.
  };
  void boot(Starter starter);

  Result<host::Completed> run(const host::Command& command) override;

  std::string bytes(const std::string& device) const;
  std::string part(const std::string& device, std::size_t offset,
                   std::size_t size) const;
  void put(const std::string& device, std::size_t offset,
           const std::string& bytes) const;
  /// A mount of `device` as the kernel shows it.
  void mount(const std::string& number, const std::string& source,
             const std::string& target);
  /// Puts an array of somebody else's together.
  void make_foreign_array(const std::string& name,
                          const std::vector<std::string>& devices,
                          const std::string& uuid);
  /// md127 or dm-0 is there.
  bool has_volume() const;
  /// Command lines so far, paths of the host.
  const std::vector<std::string>& lines() const { return lines_; }

 private:
  /// One more thing is done; false if the tool fails here.
  bool done();
  host::Completed answer(bool good, std::string why = "") const;
  host::Completed create_array(const std::vector<std::string>& argv);
  host::Completed start_array(const std::string& uuid);
  host::Completed make_physical(const std::vector<std::string>& argv);
  host::Completed make_group(const std::vector<std::string>& argv);
  host::Completed make_logical(const std::vector<std::string>& argv);
  host::Completed activate(const std::vector<std::string>& argv);
  host::Completed tell_groups(const std::vector<std::string>& argv) const;
  host::Completed make_filesystem(const std::vector<std::string>& argv);
  host::Completed stop(const std::string& volume);

  void add_disk(const std::string& name, const std::string& number,
                const std::string& serial) const;
  void show_volume(const std::string& name, const std::vector<std::string>& on,
                   bool active, const std::string& file,
                   const std::string& below, const std::string& text);
  void hide_volume(const std::string& name);
  std::vector<std::string> members_of_array(const std::string& uuid) const;
  std::string uuid_of_array(const std::string& device) const;
  std::string group_on(const std::string& device) const;
  bool is_busy(const std::string& device) const;
  /// The device's lock is held, as who writes to disks is to hold it.
  bool is_locked(const std::string& device) const;

  host::HostTree tree_;
  std::vector<std::string> devices_;
  std::vector<std::string> lines_;
  std::string mounts_;
  int cut_ = -1;
  int fail_ = -1;
};

}  // namespace gpunode::provision
