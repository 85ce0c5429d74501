// What turn_taker does, beside the rest, about work that the Device holds for a
// turn.
//
//   gates                             what this process's lane says of gates,
//                                     and how many were asked for
//   let_in                            counts an opening, as the node does it
//   let_in_amid C, open_amid C        as a call C of the driver begins,
//                                     the node opens; in the second it does not
//                                     know this process, and counts nothing
//   sync_let_in                       waits for the stream of `on`; the node
//                                     lets it in when that has begun
//   sync_after N                      waits for the stream of `on`, N
//                                     milliseconds long by the stopped clock
//   stop_clock                        for all in this process; a test may take
//                                     longer than programs wait for a node
//   later N                           it goes on by N milliseconds, and who
//                                     sleeps has looked at it
//   too_late                          until one that sleeps has found that its
//                                     turn was over when it woke
//   naps                              until a thread takes a nap; says how many
//                                     others there are
//   piece N                           microseconds from fence to fence
//   threads                           of this process; and those of them that
//                                     take SIGALRM
//   rests                             until the thread that watches gates rests
//   rests_amid C                      so, as a call C begins
//   no_room                           from now on no thread can be made
//   open_when_waiting                 a thread opens as soon as one waits
//   fork_gated                        a child has work held
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "tests/share/turn_side.h"

namespace gpunode::share {

struct KnownDeed {
  std::size_t words = 0;
  std::function<void(const std::vector<std::string>&)> deed;
};
using KnownDeeds = std::map<std::string, KnownDeed>;

/// By `launch` and `synchronize` for the stream of `on`.
KnownDeeds gate_deeds(const TurnSide& side, int (*launch)(),
                      int (*synchronize)());

}  // namespace gpunode::share
