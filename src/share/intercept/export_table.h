// Tables of functions that the driver gives out by an id (cuGetExportTable):
// what programs call through them does not pass by any name.
#pragma once

namespace gpunode::share {

/// What to give in place of a table of the driver's: the table itself if none
/// of ours stand for what is in it, or if it is none that says how long it is;
/// else a copy with ours in their places, the same one for the same table.
/// `table` may be anything, null too. Null for no memory for a copy.
const void* replaced_table(const void* table);

}  // namespace gpunode::share
