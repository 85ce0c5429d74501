#include "tests/packages/real_packages.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdlib>

#include "base/host/host_root.h"

namespace gpunode::packages {

std::string stubs() {
  // NOLINTNEXTLINE(concurrency-mt-unsafe): tests have one thread.
  const char* directory = std::getenv("GPUNODE_PACKAGE_STUBS");
  return directory == nullptr ? "" : directory;
}

Mirror::Mirror(std::string directory, Status status)
    : directory_(std::move(directory)), status_(std::move(status)) {
  server_ = std::make_unique<http::ScriptedServer>(
      [this](http::Peer& peer, int number) { answer(peer, number); });
}

std::string Mirror::url() const {
  return "http://127.0.0.1:" + std::to_string(server_->port());
}

void Mirror::answer(http::Peer& peer, int) {
  const std::string request = peer.receive();
  if (request.empty()) return;
  const std::size_t begin = request.find(' ') + 1;
  std::string path = request.substr(begin, request.find(' ', begin) - begin);
  // As a proxy is asked: any host's files are those of the directory.
  constexpr std::string_view kScheme = "http://";
  if (path.starts_with(kScheme)) {
    path.erase(0, std::min(path.find('/', kScheme.size()), path.size()));
    ++proxied_;
  }
  const auto earlier =
      std::count_if(requests_.begin(), requests_.end(),
                    [&path](const auto& known) { return known.first == path; });
  requests_.emplace_back(path, 0);
  int status = status_ ? status_(path, static_cast<int>(earlier)) : 0;
  auto body = host::HostRoot(directory_).read_file(path);
  if (status == 0) status = body ? 200 : 404;
  std::string bytes = status == 200 ? *body : "";
  if (!spoiled_.empty() && path.find(spoiled_) != std::string::npos) {
    for (char& c : bytes) c = static_cast<char>(c ^ 0x55);
  }
  if (!truncated_.empty() && path.find(truncated_) != std::string::npos) {
    bytes.resize(bytes.size() / 2);
  }
  peer.send("HTTP/1.1 " + std::to_string(status) +
            " As Told\r\nConnection: close\r\nContent-Length: " +
            std::to_string(bytes.size()) + "\r\n\r\n" + bytes);
}

Bystander Bystander::locking(const std::string& path) {
  std::array<int, 2> ends{};
  if (::pipe(ends.data()) != 0) std::abort();
  const pid_t pid = ::fork();
  if (pid == 0) {
    // Only what may be done between fork and exec in a process with threads.
    if (!path.empty()) {
      const int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0640);
      struct flock lock {};
      lock.l_type = F_WRLCK;
      if (file < 0 || ::fcntl(file, F_SETLK, &lock) != 0) ::_exit(1);
    }
    if (::write(ends[1], "x", 1) != 1) ::_exit(1);
    for (;;) ::pause();
  }
  char ready = 0;
  ::close(ends[1]);
  if (pid < 0 || ::read(ends[0], &ready, 1) != 1) std::abort();
  ::close(ends[0]);
  return Bystander(pid);
}

void Bystander::end() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

Result<host::Completed> UserlandRunner::run(const host::Command& command) {
  // In namespaces of its own: no mount is left of it, and no gpg-agent.
  constexpr const char* kScript =
      "set -e; root=$1; stubs=$2; shift 2; mkdir -p \"$root$stubs\"; "
      "mount --bind /tmp \"$root/tmp\"; "
      "mount --bind \"$stubs\" \"$root$stubs\"; "
      "mount --rbind /dev \"$root/dev\"; mount -t proc proc \"$root/proc\"; "
      "exec chroot \"$root\" \"$@\"";
  host::Command inside = command;
  inside.argv = {
      "/usr/bin/unshare", "--mount", "--pid", "--fork", "--propagation",
      "private",          "/bin/sh", "-c",    kScript,  "sh",
      userland_,          stubs()};
  inside.argv.insert(inside.argv.end(), command.argv.begin(),
                     command.argv.end());
  return runner_.run(inside);
}

std::string dnf5_userland() {
  const host::HostRoot host;
  const auto link = host.read_link(stubs() + "/dnf5");
  return link && host.exists(*link + "/usr/bin/dnf5") ? *link : "";
}

std::string dnf5_obstacle() {
  const auto why = host::HostRoot().read_file(stubs() + "/dnf5-missing");
  return "no dnf 5 to try: " + (why ? *why : "its root is gone");
}

void RealPackages::use_userland(const std::string& userland) {
  userland_ = std::make_unique<UserlandRunner>(runner_, userland);
  tools_ = host::HostRoot(userland);
}

void RealPackages::lay_apt_root() {
  for (const char* directory :
       {"etc/apt/apt.conf.d", "etc/apt/preferences.d", "etc/apt/sources.list.d",
        "etc/apt/trusted.gpg.d", "var/lib/apt/lists/partial",
        "var/cache/apt/archives/partial", "var/lib/dpkg/updates",
        "var/lib/dpkg/info", "var/lib/dpkg/triggers", "var/log/apt"}) {
    root_.directory(directory);
  }
  root_.file("var/lib/dpkg/status", "");
  root_.file("var/lib/dpkg/available", "");
  // The host's own configuration stays out; scripts run without a shell of
  // their own in the root.
  root_.file("apt.conf", "Dir \"" + root_.path() +
                             "\";\n"
                             "Dir::State::status \"" +
                             root_.path("var/lib/dpkg/status") +
                             "\";\n"
                             "DPkg::Options { \"--force-script-chrootless\"; "
                             "\"--force-not-root\"; \"--log=" +
                             root_.path("var/log/dpkg.log") +
                             "\"; };\n"
                             "APT::Sandbox::User \"root\";\n"
                             "APT::Architecture \"amd64\";\n");
  settings_.environment = {"APT_CONFIG=" + root_.path("apt.conf")};
}

PackageManager& RealPackages::manager() {
  if (manager_ == nullptr) {
    settings_.root = root_.path();
    Waiting waiting;
    waiting.pause = [this](std::chrono::milliseconds time) {
      pauses_.push_back(time);
      if (on_pause_) on_pause_();
    };
    waiting.notice = [this](const std::string& line) {
      notices_.push_back(line);
    };
    host::CommandRunner* runner = &runner_;
    if (userland_) runner = userland_.get();
    manager_ = make_package_manager(tool_, *runner, settings_, waiting, tools_);
  }
  return *manager_;
}

std::vector<std::string> RealPackages::installed(
    const std::vector<std::string>& names) {
  const auto observation = manager().observe(names);
  if (!observation) return {observation.error().message()};
  std::vector<std::string> found;
  for (const Package& package : observation->installed) {
    found.push_back(package.name + " " + package.version);
  }
  std::sort(found.begin(), found.end());
  return found;
}

TransactionPlan RealPackages::plan(const Transaction& wanted) {
  auto plan = manager().simulate(wanted);
  if (plan) return *std::move(plan);
  ADD_FAILURE() << plan.error().message();
  return {};
}

Applied RealPackages::change(const Transaction& wanted) {
  return manager().apply(plan(wanted));
}

std::string RealPackages::say(const std::vector<std::string>& argv,
                              const std::vector<std::string>& env) {
  host::Command command;
  command.argv = argv;
  command.env.insert(command.env.end(), env.begin(), env.end());
  const auto completed =
      userland_ ? userland_->run(command) : runner_.run(command);
  return completed ? completed->out + completed->err
                   : completed.error().message();
}

std::vector<std::string> in_words(const std::vector<PackageChange>& changes) {
  std::vector<std::string> words;
  for (const PackageChange& change : changes) {
    std::string line = std::string(name_of(change.kind)) + " " + change.name;
    if (!change.old_version.empty()) line += " " + change.old_version;
    if (!change.new_version.empty()) line += " " + change.new_version;
    words.push_back(line);
  }
  return words;
}

}  // namespace gpunode::packages
