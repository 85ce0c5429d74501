#include "base/host/host_tree.h"

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <system_error>

namespace gpunode::host {
namespace {

void require(bool done, const char* what, const std::string& path) {
  if (done) return;
  std::fprintf(stderr, "HostTree: cannot %s %s\n", what, path.c_str());
  std::abort();
}

void make_parents(const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(std::filesystem::path(path).parent_path(),
                                      error);
  require(!error, "make the parents of", path);
}

}  // namespace

HostTree::HostTree(
    std::initializer_list<std::pair<std::string, std::string>> files) {
  std::error_code error;
  path_ = std::filesystem::temp_directory_path(error).string() +
          "/host_tree.XXXXXX";
  require(::mkdtemp(path_.data()) != nullptr, "make", path_);
  for (const auto& [name, content] : files) file(name, content);
}

HostTree::~HostTree() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

void HostTree::file(const std::string& name, const std::string& content) const {
  make_parents(path(name));
  std::ofstream out(path(name), std::ios::binary | std::ios::trunc);
  out << content;
  out.close();
  require(out.good(), "write", path(name));
}

void HostTree::directory(const std::string& name) const {
  std::error_code error;
  std::filesystem::create_directories(path(name), error);
  require(!error, "make", path(name));
}

void HostTree::link(const std::string& name, const std::string& target) const {
  make_parents(path(name));
  std::error_code error;
  std::filesystem::create_symlink(target, path(name), error);
  require(!error, "link", path(name));
}

void HostTree::remove(const std::string& name) const {
  std::error_code error;
  std::filesystem::remove_all(path(name), error);
  require(!error, "remove", path(name));
}

}  // namespace gpunode::host
