// What the shim has to say, where container engines look for it: the file of
// runc's --log, in its form, and the debug file of config.toml.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace gpunode::runtime {

/// Collects lines and writes them at once, so that a call with nothing to say
/// opens no file. Standard output is the low-level runtime's and never used;
/// standard error is used by fail() alone, since engines read the output of
/// `state` and the like from both.
class Report {
 public:
  struct Destination {
    std::string path;
    bool is_json = false;
  };

  /// Adds a file that lines go to, made with mode 0644 if it is not there. ""
  /// and "/dev/null" are none.
  void add_destination(Destination destination);

  /// config.toml's log-level: from "error" on there are no warnings. A word
  /// that is no level changes nothing and is warned of.
  void set_level(std::string_view level);

  void warn(std::string_view message);

  /// For the files alone; somebody else says it on standard error.
  void add_error(std::string_view message);

  /// Writes what was collected. Files that cannot be written are passed over:
  /// there is nobody to tell.
  void flush();

  /// Reports the failure that ends the call: to the files and standard error.
  void fail(std::string_view message);

 private:
  struct Line {
    std::string_view level;
    std::string message;
  };

  bool has_warnings_ = true;
  std::vector<Destination> destinations_;
  std::vector<Line> lines_;
};

/// `message` on one line: what a file's content brought in is made harmless.
std::string one_line(std::string_view message);

}  // namespace gpunode::runtime
