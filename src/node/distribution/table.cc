#include "node/distribution/table.h"

namespace gpunode::distribution {
namespace {

const Distribution* own_row(const Extension& extension) {
  for (const Distribution& row : distributions()) {
    if (row.id == extension.id && row.version == extension.version) return &row;
  }
  return nullptr;
}

Error wrong(const Extension& extension, const ExtensionProblem& problem) {
  return {ErrorCode::kInvalidArgument,
          "distribution " + extension.id + " " + extension.version + ": " +
              std::string(problem.key) + ": " + problem.words};
}

}  // namespace

std::string_view Table::Store::keep(const std::string& text) {
  return texts.emplace_back(text);
}

void Table::take_texts(const Extension& extension, Store& store,
                       Distribution& row) {
  const auto take = [&store](const std::string& said, std::string_view& value) {
    if (!said.empty()) value = store.keep(said);
  };
  take(extension.id, row.id);
  take(extension.version, row.version);
  take(extension.repository, row.repository);
  take(extension.key_file, row.key.file);
  take(extension.fingerprint, row.key.fingerprint);
  if (extension.manager) row.manager = *extension.manager;
  if (extension.family) row.family = *extension.family;
  if (extension.dkms) row.dkms = store.keep(*extension.dkms);
  if (extension.status) row.status = *extension.status;
  if (extension.note) row.note = store.keep(*extension.note);
}

void Table::take_architectures(const Extension& extension, Store& store,
                               Distribution& row) {
  std::vector<Architecture>& all = store.architectures.emplace_back(
      row.architectures.begin(), row.architectures.end());
  if (!extension.architectures.empty()) all.clear();
  for (const SaidArchitecture& one : extension.architectures) {
    all.push_back({store.keep(one.machine), store.keep(one.directory),
                   one.first_branch, one.last_branch});
  }
  for (Architecture& one : all) {
    if (extension.first_branch != 0) one.first_branch = extension.first_branch;
    if (extension.last_branch != 0) one.last_branch = extension.last_branch;
  }
  row.architectures = all;
}

void Table::take_packages(const Extension& extension, Store& store,
                          Distribution& row) {
  if (!extension.devel.empty()) {
    std::vector<DevelRule>& rules = store.devel.emplace_back();
    for (const SaidDevel& one : extension.devel) {
      rules.push_back({store.keep(one.flavour), store.keep(one.package)});
    }
    row.devel = rules;
  }
  if (extension.compilers.empty()) return;
  std::vector<std::string_view>& names = store.compilers.emplace_back();
  for (const std::string& one : extension.compilers) {
    names.push_back(store.keep(one));
  }
  row.compilers = names;
}

Result<void> Table::add(const Extension& extension, Store& store) {
  if (const auto problem = find_problem(extension)) {
    return wrong(extension, *problem);
  }
  for (const Distribution& row : store.rows) {
    if (row.id == extension.id && row.version == extension.version) {
      return wrong(extension, {"id", "it stands there twice"});
    }
  }
  TRY(const Distribution* base, base_of(extension));
  const Distribution* own = own_row(extension);
  Distribution row;
  if (base != nullptr) row = *base;
  if (base == nullptr || base != own) row.cited = "the file of this host";
  take_texts(extension, store, row);
  take_architectures(extension, store, row);
  take_packages(extension, store, row);
  store.rows.push_back(row);
  store.kin.push_back(own == nullptr ? base : nullptr);
  return {};
}

Result<Table> Table::with(std::span<const Extension> extensions) {
  Table table;
  for (const Extension& one : extensions) TRY_VOID(add(one, *table.store_));
  return table;
}

Result<const Distribution*> Table::find(std::string_view id,
                                        std::string_view version) const {
  // "8.10" before "8".
  const Distribution* found = nullptr;
  for (const Distribution& row : store_->rows) {
    if (row.id != id || !is_version_of(row, version)) continue;
    if (found == nullptr || row.version.size() > found->version.size()) {
      found = &row;
    }
  }
  if (found != nullptr) return found;
  return find_distribution(id, version);
}

const Distribution* Table::kin_of(std::string_view id,
                                  std::string_view version) const {
  const auto row = find(id, version);
  if (!row) return nullptr;
  for (std::size_t i = 0; i < store_->rows.size(); ++i) {
    if (&store_->rows[i] == *row) return store_->kin[i];
  }
  return nullptr;
}

}  // namespace gpunode::distribution
