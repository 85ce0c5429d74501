// What of a holder's turns goes into a frame.
#pragma once

#include <string>
#include <vector>

#include "apps/gpunode/top/snapshot.h"
#include "apps/gpunode/top/table.h"

namespace gpunode::top {

/// Cells; "-" of who takes no turns, or of whom nobody tells it.
std::string part_text(const HolderRow& holder);
std::string time_text(const HolderRow& holder);
std::string waits_text(const HolderRow& holder);
std::string mean_text(const HolderRow& holder);
std::string busiest_text(const HolderRow& holder);
std::string seen_text(const HolderRow& holder);

/// "time 25%, fair; used 12.3 s, waited 4.5 s, ..." of who takes turns.
std::string turns_text(const HolderRow& holder);

/// The most that it had of its part; 0 of whom nobody tells it. Above 1 of who
/// was lent others' time.
double peak_of_part(const HolderRow& holder);

/// Somebody of them does.
bool takes_turns(const std::vector<const HolderRow*>& holders);

/// Where nobody does, the columns of turns only take room.
void drop_turns(std::vector<Column>& columns,
                std::vector<std::vector<std::string>>& rows);

}  // namespace gpunode::top
