#include "tests/storage/test_disk.h"

#include <fcntl.h>
#include <linux/loop.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <utility>

#include "base/core/error.h"
#include "base/host/command_runner.h"

namespace gpunode::storage_test {
namespace {

[[noreturn]] void fail(const char* what) {
  std::perror(what);
  std::abort();
}

/// Ties a free loop device to `image`. -1 with errno on failure.
int configure(int control, int image, std::string& path) {
  // Between learning of a free device and taking it another test may take it.
  for (int attempt = 0; attempt < 64; ++attempt) {
    const int index = ::ioctl(control, LOOP_CTL_GET_FREE);
    if (index < 0) return -1;
    path = "/dev/loop" + std::to_string(index);
    UniqueFd loop(::open(path.c_str(), O_RDWR | O_CLOEXEC));
    if (!loop) return -1;
    loop_config config{};
    config.fd = static_cast<unsigned>(image);
    config.info.lo_flags = LO_FLAGS_AUTOCLEAR;
    if (::ioctl(loop.get(), LOOP_CONFIGURE, &config) == 0) {
      return loop.release();
    }
    if (errno != EBUSY) return -1;
  }
  return -1;
}

}  // namespace

ImageFile::ImageFile(std::uint64_t size_bytes) : size_bytes_(size_bytes) {
  const char* base = std::getenv("TMPDIR");  // NOLINT(concurrency-mt-unsafe)
  directory_ =
      std::string(base == nullptr ? "/tmp" : base) + "/gpunode-storage-XXXXXX";
  if (::mkdtemp(directory_.data()) == nullptr) fail("mkdtemp");
  path_ = directory_ + "/disk";
  const UniqueFd fd(
      ::open(path_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!fd || ::ftruncate(fd.get(), static_cast<off_t>(size_bytes)) != 0) {
    fail("make a disk image");
  }
}

ImageFile::~ImageFile() {
  std::error_code ignored;
  std::filesystem::remove_all(directory_, ignored);
}

void ImageFile::write(std::uint64_t offset, std::string_view bytes) const {
  const UniqueFd fd(::open(path_.c_str(), O_RDWR | O_CLOEXEC));
  if (!fd || ::pwrite(fd.get(), bytes.data(), bytes.size(),
                      static_cast<off_t>(offset)) !=
                 static_cast<ssize_t>(bytes.size())) {
    fail("write to a disk image");
  }
}

std::optional<LoopDevice> LoopDevice::over(const ImageFile& image,
                                           std::string& reason) {
  const UniqueFd control(::open("/dev/loop-control", O_RDWR | O_CLOEXEC));
  const UniqueFd file(::open(image.path().c_str(), O_RDWR | O_CLOEXEC));
  std::string path = "/dev/loop-control";
  UniqueFd loop(control ? configure(control.get(), file.get(), path) : -1);
  if (!loop) {
    reason = Error::from_errno("no loop device: " + path, errno).message();
    return std::nullopt;
  }
  struct stat status {};
  if (::fstat(loop.get(), &status) != 0) fail("stat a loop device");
  return LoopDevice(path, host::DeviceNumber::of(status.st_rdev),
                    std::move(loop));
}

std::string find_program(const std::string& name) {
  for (const char* directory : {"/usr/sbin/", "/usr/bin/", "/sbin/", "/bin/"}) {
    std::string path = directory + name;
    if (::access(path.c_str(), X_OK) == 0) return path;
  }
  return "";
}

std::string run_program(std::vector<std::string> argv,
                        const std::string& input) {
  host::Command command;
  argv[0] = find_program(argv[0]);
  command.argv = std::move(argv);
  command.input = input;
  command.timeout = std::chrono::minutes(2);
  const auto completed = host::SystemCommandRunner().run(command);
  if (!completed) return completed.error().message();
  if (completed->status == 0) return "";
  return host::command_line(command) + ": status " +
         std::to_string(completed->status) + ": " +
         host::output_tail(completed->err + completed->out);
}

}  // namespace gpunode::storage_test
