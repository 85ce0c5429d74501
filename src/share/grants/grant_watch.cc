#include "share/grants/grant_watch.h"

#include <unistd.h>

#include <algorithm>
#include <utility>

#include "base/core/log.h"

namespace gpunode::share {

bool GrantWatch::sees_host_processes() {
  return ::getppid() != 0;
}

bool GrantWatch::has_ended(const Key& key, const SlotHeld& slot,
                           std::map<Key, HostProcess>* known, bool* has_table,
                           ProcessTable* table) {
  if (const auto before = known_.find(key); before != known_.end()) {
    const auto now = read_process(host_, before->second.pid);
    if (now && now->start_time == before->second.start_time) {
      known->insert(*before);
      return false;
    }
    return true;
  }
  // Of no namespace, it is nobody's that can be told.
  if (slot.pid_namespace == 0) return false;
  // After the ledger was read: who was in it and lives is in the table.
  if (!std::exchange(*has_table, true)) *table = ProcessTable::read(host_);
  const HostProcess* const process =
      table->find(slot.pid, slot.pid_namespace, slot.start_time);
  if (process == nullptr) return table->has_self();
  known->emplace(key, *process);
  return false;
}

std::uint32_t GrantWatch::host_pid(const std::string& id,
                                   const SlotHeld& slot) const {
  const auto known = known_.find({id, slot.slot, slot.generation});
  return known == known_.end() ? 0 : known->second.pid;
}

void GrantWatch::step() {
  looks_.clear();
  const auto ids = files_.list();
  if (!ids) {
    log::warning("shares", "{}", ids.error().message());
    return;
  }
  std::map<Key, HostProcess> known;
  bool has_table = false;
  ProcessTable table({});
  for (const std::string& id : *ids) {
    auto look = files_.look(id);
    if (!look) {
      look = GrantLook();
      look->problem = "no limits are to be read";
    }
    if (sees_host_) {
      std::erase_if(look->slots, [&](const SlotHeld& slot) {
        if (!has_ended({id, slot.slot, slot.generation}, slot, &known,
                       &has_table, &table)) {
          return false;
        }
        const auto marked = files_.mark_gone(id, slot.slot, slot.generation);
        if (!marked) log::warning("shares", "{}", marked.error().message());
        return true;
      });
    }
    looks_.emplace(id, *std::move(look));
  }
  known_ = std::move(known);
}

}  // namespace gpunode::share
