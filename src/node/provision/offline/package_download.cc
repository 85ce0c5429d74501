#include "node/provision/offline/package_download.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <memory>
#include <utility>

#include <fmt/format.h>

#include "base/host/file.h"
#include "base/host/host_root.h"
#include "node/provision/packages/dnf_dialect.h"
#include "node/provision/packages/dnf_output.h"
#include "node/provision/packages/package_manager.h"
#include "node/provision/packages/package_set.h"

namespace gpunode::offline {
namespace {

namespace fs = std::filesystem;
using packages::Tool;

constexpr const char* kAptFtparchive = "/usr/bin/apt-ftparchive";
constexpr const char* kCreaterepo = "/usr/bin/createrepo_c";
constexpr const char* kModifyrepo = "/usr/bin/modifyrepo_c";
constexpr auto kFetchTimeout = std::chrono::minutes(90);

Error not_done(const std::string& what, const std::error_code& problem) {
  return Error::from_errno(what, problem.value());
}

/// "name" or "name=version", as Actions have it.
packages::Wanted wanted_of(const std::string& words) {
  const std::size_t at = words.find('=');
  if (at == std::string::npos) return {words};
  return {words.substr(0, at), words.substr(at + 1)};
}

bool is_text_file(const fs::path& path) {
  const std::string end = path.extension();
  return end == ".repo" || end == ".list" || end == ".sources";
}

/// Keys of our own lie below the root, and tools look for keys where the
/// machine has them.
std::string with_keys_of(std::string text, const std::string& root,
                         const std::vector<packages::FileToHave>& files) {
  for (const packages::FileToHave& file : files) {
    for (std::size_t at = text.find(file.path); at != std::string::npos;
         at = text.find(file.path, at + root.size() + file.path.size())) {
      text.insert(at, root);
    }
  }
  return text;
}

/// What the machine has of it; nothing if it has none.
Result<void> copy_tree(const Download& download, const std::string& name,
                       const std::string& root) {
  const fs::path from = fs::path(download.machine_root) / name;
  const fs::path to = fs::path(root) / name;
  std::error_code problem;
  fs::create_directories(to, problem);
  if (problem) return not_done("make " + to.string(), problem);
  if (!fs::is_directory(from, problem)) return {};
  for (const fs::directory_entry& entry : fs::directory_iterator(from)) {
    // Links, such as those of alternatives, are followed: files are meant.
    if (!entry.is_regular_file(problem)) continue;
    fs::copy_file(entry.path(), to / entry.path().filename(),
                  fs::copy_options::overwrite_existing, problem);
    if (problem) return not_done("copy " + entry.path().string(), problem);
  }
  return {};
}

Result<void> write_files(const Download& download, const std::string& root) {
  for (const packages::FileToHave& file : download.repository_files) {
    const fs::path path = root + file.path;
    std::error_code problem;
    fs::create_directories(path.parent_path(), problem);
    if (problem) return not_done("make " + path.string(), problem);
    const std::string content =
        is_text_file(path)
            ? with_keys_of(file.content, root, download.repository_files)
            : file.content;
    TRY_VOID(host::write_file_atomic(path.string(), content, file.mode,
                                     host::Durability::kVolatile));
  }
  return {};
}

class Fetcher {
 public:
  Fetcher(const Download& download, const std::string& root,
          const std::string& directory, host::CommandRunner& runner)
      : download_(download),
        root_(root),
        directory_(directory),
        tool_(download.tool, runner, settings_of(download, "/")),
        manager_(packages::make_package_manager(download.tool, runner,
                                                settings_of(download, root))) {}

  /// What the sets became.
  Result<std::vector<std::vector<std::string>>> fetch() {
    TRY_VOID(download_.tool == Tool::kApt ? fetch_debs() : fetch_rpms());
    return std::move(sets_);
  }

 private:
  static packages::Settings settings_of(const Download& download,
                                        const std::string& root) {
    packages::Settings settings;
    settings.root = root;
    settings.proxy = download.proxy;
    settings.environment = download.environment;
    settings.change_timeout = kFetchTimeout;
    return settings;
  }

  /// Every set in one version, by what the repositories offer now.
  Result<void> choose_sets() {
    for (const SetToFetch& set : download_.sets) {
      std::vector<std::string>& chosen = sets_.emplace_back();
      std::vector<std::string> open;
      for (const std::string& words : set.names) {
        const bool is_settled = words.find('=') != std::string::npos;
        (is_settled ? chosen : open).push_back(words);
      }
      if (!open.empty()) {
        TRY(const auto offers, candidates(open));
        const auto found =
            packages::choose_set(offers, open, set.version, set.from);
        if (!found) {
          return Error(found.error().code(),
                       fmt::format("choose what {} is to install: {}", set.step,
                                   found.error().message()));
        }
        for (const packages::Wanted& one : *found) {
          chosen.push_back(fmt::format("{}={}", one.name, one.version));
        }
      }
      chosen.insert(chosen.end(), set.others.begin(), set.others.end());
    }
    return {};
  }

  Result<std::vector<packages::Candidate>> candidates(
      const std::vector<std::string>& names) {
    if (download_.tool == Tool::kApt) return manager_->candidates(names);
    // Not the manager's: it does not know the release of an empty root.
    std::vector<std::string> command = dnf();
    command.insert(
        command.end(),
        {"-q", "repoquery", "--queryformat",
         packages::kRepoqueryFormat +
             std::string(packages::dnf_dialect(host::HostRoot()).query_end),
         "--available"});
    command.insert(command.end(), names.begin(), names.end());
    TRY(const host::Completed completed, tool_.act("list versions", command));
    return packages::parse_dnf_repoquery(completed.out);
  }

  /// All that is asked for, sets among it, each once.
  std::vector<std::string> all_wanted() const {
    std::vector<std::string> all = download_.wanted;
    for (const auto& set : sets_) all.insert(all.end(), set.begin(), set.end());
    std::ranges::sort(all);
    all.erase(std::unique(all.begin(), all.end()), all.end());
    return all;
  }

  Result<void> fetch_debs() {
    for (const char* name :
         {"etc/apt", "etc/apt/sources.list.d", "etc/apt/trusted.gpg.d",
          "etc/apt/keyrings", "etc/apt/preferences.d"}) {
      TRY_VOID(copy_tree(download_, name, root_));
    }
    std::error_code problem;
    for (const std::string& made :
         {root_ + "/var/lib/apt/lists/partial", root_ + "/var/lib/dpkg",
          root_ + "/var/cache/apt/archives/partial",
          root_ + "/etc/apt/apt.conf.d"}) {
      fs::create_directories(made, problem);
      if (problem) return not_done("make " + made, problem);
    }
    TRY_VOID(host::write_file_atomic(root_ + "/var/lib/dpkg/status", "", 0644,
                                     host::Durability::kVolatile));
    TRY_VOID(write_files(download_, root_));
    TRY_VOID(manager_->refresh());
    packages::Transaction wanted;
    TRY_VOID(choose_sets());
    for (const std::string& one : all_wanted()) {
      wanted.install.push_back(wanted_of(one));
    }
    TRY(const packages::TransactionPlan plan, manager_->simulate(wanted));
    std::vector<std::string> command = {
        "/usr/bin/env",
        "--chdir=" + directory_,
        "/usr/bin/apt-get",
        "-q",
        "-o",
        "Dir=" + root_,
        "-o",
        "Dir::State::status=" + root_ + "/var/lib/dpkg/status",
        "-o",
        "APT::Sandbox::User=root",
        "download"};
    for (const packages::PackageChange& change : plan.changes) {
      command.push_back(change.name + "=" + change.new_version);
    }
    TRY_VOID(tool_.act("fetch packages", command));
    return index_debs();
  }

  Result<void> index_debs() {
    // Relative to the directory, as file names of the index are.
    TRY(const host::Completed packages,
        tool_.ask({"/usr/bin/env", "--chdir=" + directory_, kAptFtparchive,
                   "packages", "."}));
    if (packages.status != 0) {
      return Error(ErrorCode::kInternal,
                   "make the index of packages: " + packages.err);
    }
    if (packages.out.size() >= host::kOutputLimitBytes) {
      return Error(ErrorCode::kUnsupported,
                   "make the index of packages: there are too many for one "
                   "bundle; leave some out of the file");
    }
    return host::write_file_atomic(directory_ + "/Packages", packages.out, 0644,
                                   host::Durability::kDurable);
  }

  std::vector<std::string> dnf() const {
    return {"/usr/bin/dnf",
            "-y",
            "--installroot=" + root_,
            "--releasever=" + std::to_string(download_.os.major_version()),
            "--setopt=reposdir=" + root_ + "/etc/yum.repos.d",
            "--setopt=cachedir=" + root_ + "/var/cache/dnf",
            "--setopt=install_weak_deps=False",
            "--setopt=*.skip_if_unavailable=False"};
  }

  Result<void> fetch_rpms() {
    for (const char* name :
         {"etc/yum.repos.d", "etc/dnf", "etc/dnf/vars", "etc/yum/vars"}) {
      TRY_VOID(copy_tree(download_, name, root_));
    }
    TRY_VOID(write_files(download_, root_));
    for (const std::string& stream : download_.module_streams) {
      std::vector<std::string> enable = dnf();
      enable.insert(enable.end(), {"module", "enable", stream});
      TRY_VOID(tool_.act("enable the stream " + stream, enable));
    }
    TRY_VOID(choose_sets());
    std::vector<std::string> install = dnf();
    install.insert(install.end(),
                   {"install", "--downloadonly", "--destdir=" + directory_});
    for (std::string name : all_wanted()) {
      // "name=version" of an Action is "name-version" to dnf.
      if (const auto at = name.find('='); at != std::string::npos) {
        name[at] = '-';
      }
      install.push_back(std::move(name));
    }
    TRY_VOID(tool_.act("fetch packages", install));
    TRY_VOID(tool_.act("make the index of packages",
                       {kCreaterepo, "-q", "--no-database", directory_}));
    return index_modules();
  }

  /// dnf takes no package of a stream from a repository that does not tell of
  /// streams: what all repositories tell goes into the index, in one file.
  Result<void> index_modules() {
    const std::string all = root_ + "/modules.yaml";
    std::ofstream out(all, std::ios::binary);
    bool has_some = false;
    TRY(const std::vector<std::string> found, module_files());
    for (const std::string& path : found) {
      TRY(const std::string plain, decompressed(path));
      std::ifstream in(plain, std::ios::binary);
      has_some = has_some || in.peek() != std::ifstream::traits_type::eof();
      out << in.rdbuf();
    }
    out.close();
    if (!has_some) return {};
    TRY_VOID(tool_.act(
        "tell the index of module streams",
        {kModifyrepo, "--mdtype=modules", all, directory_ + "/repodata"}));
    return {};
  }

  Result<std::vector<std::string>> module_files() const {
    std::vector<std::string> paths;
    std::error_code problem;
    for (fs::recursive_directory_iterator at(root_ + "/var/cache/dnf", problem);
         !problem && at != fs::recursive_directory_iterator();
         at.increment(problem)) {
      const std::string name = at->path().filename();
      if (name.find("modules.yaml") != std::string::npos) {
        paths.push_back(at->path().string());
      }
    }
    if (problem) return not_done("list " + root_ + "/var/cache/dnf", problem);
    std::ranges::sort(paths);
    return paths;
  }

  /// The file beside it that holds what it compresses; itself if it does not.
  Result<std::string> decompressed(const std::string& path) {
    constexpr std::array<std::pair<const char*, const char*>, 3> kTools = {
        {{".gz", "/usr/bin/gzip"},
         {".xz", "/usr/bin/xz"},
         {".zst", "/usr/bin/zstd"}}};
    for (const auto& [end, program] : kTools) {
      if (!path.ends_with(end)) continue;
      TRY(const host::Completed done,
          tool_.ask({program, "-d", "-f", "-k", "-q", path}));
      if (done.status != 0) {
        return Error(ErrorCode::kInternal,
                     fmt::format("decompress {}: {}", path, done.err));
      }
      return path.substr(0, path.size() - std::string_view(end).size());
    }
    return path;
  }

  const Download& download_;
  const std::string& root_;
  const std::string& directory_;
  packages::ToolRunner tool_;
  std::unique_ptr<packages::PackageManager> manager_;  ///< Of the root.
  std::vector<std::vector<std::string>> sets_;         ///< Chosen.
};

}  // namespace

Result<void> check_download(const Download& download) {
  if (download.tool == Tool::kZypper) {
    return Error(ErrorCode::kUnsupported,
                 "zypper fetches for the machine it runs on alone: make a "
                 "mirror (RMT, or `zypper download` and createrepo_c) and name "
                 "it in spec.mirrors");
  }
  packages::Transaction words;
  std::vector<std::string> asked = download.wanted;
  for (const SetToFetch& set : download.sets) {
    asked.insert(asked.end(), set.others.begin(), set.others.end());
    for (const std::string& name : set.names) {
      // Where its version is in its name.
      asked.push_back(packages::with_version(name, "0"));
    }
  }
  for (const std::string& one : asked) {
    const std::size_t at = one.find('=');
    words.install.push_back({one.substr(0, at), at == std::string::npos
                                                    ? std::string()
                                                    : one.substr(at + 1)});
  }
  TRY_VOID(packages::check_words(words));
  const host::HostRoot here;
  const bool is_apt = download.tool == Tool::kApt;
  struct Needed {
    const char* program;
    const char* remedy;
  };
  const auto needed =
      is_apt
          ? std::array<Needed, 3>{{{"/usr/bin/apt-get", "install apt"},
                                   {kAptFtparchive, "install apt-utils"},
                                   {"/usr/bin/sha256sum", "install coreutils"}}}
          : std::array<Needed, 3>{
                {{"/usr/bin/dnf",
                  "install dnf; where there is only yum, make a mirror "
                  "(reposync, createrepo_c) and name it in spec.mirrors"},
                 {kCreaterepo, "install createrepo_c"},
                 {"/usr/bin/sha256sum", "install coreutils"}}};
  for (const Needed& one : needed) {
    if (here.exists(one.program)) continue;
    return Error(ErrorCode::kNotFound,
                 fmt::format("{} is missing; {}", one.program, one.remedy));
  }
  return {};
}

Result<Downloaded> download_packages(const Download& download,
                                     const std::string& root,
                                     const std::string& directory,
                                     host::CommandRunner& runner) {
  TRY_VOID(check_download(download));
  Downloaded downloaded;
  TRY(downloaded.sets, Fetcher(download, root, directory, runner).fetch());
  const char* const end = download.tool == Tool::kApt ? ".deb" : ".rpm";
  std::vector<std::string>& names = downloaded.files;
  std::error_code problem;
  for (fs::directory_iterator at(directory, problem);
       !problem && at != fs::directory_iterator(); at.increment(problem)) {
    const std::string name = at->path().filename();
    if (name.ends_with(end)) names.push_back(name);
  }
  if (problem) return not_done("list " + directory, problem);
  std::ranges::sort(names);
  return downloaded;
}

std::vector<std::string> key_files(const Download& download,
                                   const std::string& root) {
  std::vector<std::string> paths;
  if (download.tool != Tool::kDnf) return paths;
  const auto add = [&](const std::string& directory) {
    std::error_code problem;
    for (fs::directory_iterator at(directory, problem);
         !problem && at != fs::directory_iterator(); at.increment(problem)) {
      if (at->is_regular_file(problem)) paths.push_back(at->path().string());
    }
  };
  add(download.machine_root + "/etc/pki/rpm-gpg");
  add(root + "/etc/pki/rpm-gpg");
  std::ranges::sort(paths);
  return paths;
}

}  // namespace gpunode::offline
