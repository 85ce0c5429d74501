#include "share/grants/grant_watch.h"

#include <algorithm>
#include <utility>

#include "base/core/log.h"
#include "share/grants/grant_leftovers.h"

namespace gpunode::share {
namespace {

bool is_same_owner(const SlotHeld& a, const SlotHeld& b) {
  return a.pid == b.pid && a.pid_namespace == b.pid_namespace &&
         a.start_time == b.start_time;
}

}  // namespace

bool GrantWatch::has_ended(const Key& key, const SlotHeld& slot,
                           std::map<Key, Known>* known,
                           std::optional<ProcessTable>* table) {
  // A new ledger begins with the same slots and generations.
  if (const auto before = known_.find(key);
      before != known_.end() && is_same_owner(before->second.slot, slot)) {
    if (!may_live(host_, before->second.process.pid,
                  before->second.process.start_time)) {
      return true;
    }
    known->insert(*before);
    return false;
  }
  if (!*table) *table = ProcessTable::read(host_);
  const HostProcess* const process =
      (*table)->find(slot.pid, slot.pid_namespace, slot.start_time);
  if (process != nullptr) {
    known->emplace(key, Known{slot, *process});
    return false;
  }
  // Of no namespace, it is nobody's that can be told.
  const bool can_tell =
      slot.pid_namespace != 0 && (*table)->can_tell(slot.pid_namespace);
  is_blind_ = is_blind_ || !can_tell;
  return can_tell;
}

std::uint32_t GrantWatch::host_pid(const std::string& id,
                                   const SlotHeld& slot) const {
  const auto known = known_.find({id, slot.slot, slot.generation});
  return known == known_.end() ? 0 : known->second.process.pid;
}

void GrantWatch::remove_what_was_left() const {
  const auto removed = remove_leftovers(files_.root());
  if (!removed) log::warning("shares", "{}", removed.error().message());
}

void GrantWatch::step() {
  if (!std::exchange(has_begun_, true)) remove_what_was_left();
  const auto ids = files_.list();
  if (!ids) {
    // It says nothing of them: they are as they were.
    log::warning("shares", "{}", ids.error().message());
    return;
  }
  is_blind_ = false;
  const auto before = std::exchange(looks_, {});
  // All ledgers before the table of processes: who is in one of them then and
  // lives is in the table.
  for (const std::string& id : *ids) {
    auto look = files_.look(id);
    if (!look) {
      if (look.error().code() == ErrorCode::kNotFound) continue;
      GrantLook failed;
      const auto seen = before.find(id);
      const bool is_there = look.error().code() != ErrorCode::kCorrupt;
      if (is_there && seen != before.end()) failed = seen->second;
      failed.problem = look.error().message();
      look = std::move(failed);
    }
    looks_.emplace(id, *std::move(look));
  }
  std::map<Key, Known> known;
  std::optional<ProcessTable> table;
  for (auto& [id, look] : looks_) {
    mark_ended(id, &look, &known, &table);
    if (look.slots.empty()) clear_unaccounted(id, &look);
  }
  known_ = std::move(known);
}

void GrantWatch::mark_ended(const std::string& id, GrantLook* look,
                            std::map<Key, Known>* known,
                            std::optional<ProcessTable>* table) {
  std::vector<SlotHeld> ended;
  std::erase_if(look->slots, [&, this](const SlotHeld& slot) {
    if (!has_ended({id, slot.slot, slot.generation}, slot, known, table)) {
      return false;
    }
    ended.push_back(slot);
    return true;
  });
  if (ended.empty()) return;
  const auto marked = files_.mark_gone(id, ended);
  if (!marked) log::warning("shares", "{}", marked.error().message());
}

/// What nobody holds is not beyond the ledger either.
void GrantWatch::clear_unaccounted(const std::string& id,
                                   GrantLook* look) const {
  for (DeviceHeld& held : look->devices) {
    if (std::exchange(held.unaccounted, 0) == 0) continue;
    const auto told = files_.set_unaccounted(id, held.uuid, 0);
    if (!told) log::warning("shares", "{}", told.error().message());
  }
}

}  // namespace gpunode::share
